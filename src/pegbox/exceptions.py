"""Exceptions of the SDK, under the module name that the AWS SDK uses."""

from __future__ import annotations

from collections.abc import Sequence

from pegbox.errors import PegboxError

__all__ = ["BestTrainingJobNotAvailable", "UnexpectedStatusException"]


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
