"""Exceptions of the SDK, under the module name that the AWS SDK uses."""

from __future__ import annotations

from collections.abc import Sequence

from pegbox.errors import PegboxError

__all__ = [
    "AsyncInferenceError",
    "AsyncInferenceModelError",
    "BestTrainingJobNotAvailable",
    "ObjectNotExistedError",
    "PollingTimeoutError",
    "UnexpectedStatusException",
]


class UnexpectedStatusException(PegboxError, ValueError):
    """A job or endpoint ended in another status than the ones that count as success.

    Attributes:
        allowed_statuses: The statuses that count as success.
        actual_status: The status met.
    """

    def __init__(self, message: str, allowed_statuses: Sequence[str], actual_status: str) -> None:
        self.allowed_statuses = list(allowed_statuses)
        self.actual_status = actual_status
        super().__init__(message)


class BestTrainingJobNotAvailable(PegboxError):
    """No training job of the tuning job has reported a usable objective (yet)."""


class AsyncInferenceError(PegboxError):
    """An answer of an endpoint with a queue is not there."""


class AsyncInferenceModelError(AsyncInferenceError):
    """The model answered a queued request with an error.

    Attributes:
        message: What the model server said.
    """

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(f"the model answered with an error: {message}")


class ObjectNotExistedError(AsyncInferenceError):
    """An answer is not there yet, and was not waited for.

    Attributes:
        message: What is the matter.
        output_path: Where it will be.
    """

    def __init__(self, message: str, output_path: str) -> None:
        self.message = message
        self.output_path = output_path
        super().__init__(f"No answer at {output_path}. {message}")


class PollingTimeoutError(AsyncInferenceError):
    """An answer did not come in time.

    Attributes:
        message: What is the matter.
        output_path: Where it will be.
        seconds: How long it was waited for.
    """

    def __init__(self, message: str, output_path: str, seconds: float) -> None:
        self.message = message
        self.output_path = output_path
        self.seconds = seconds
        super().__init__(f"No answer at {output_path} after {seconds:.0f} s. {message}")
