"""Endpoints whose requests wait in a queue: their settings, and the answers that come later."""

from __future__ import annotations

import time
from typing import Any

from pegbox._sdk.naming import name_from_base
from pegbox._sdk.storage import split_s3_uri, storage_of
from pegbox.exceptions import (
    AsyncInferenceError,
    AsyncInferenceModelError,
    ObjectNotExistedError,
    PollingTimeoutError,
)

__all__ = ["AsyncInferenceConfig", "AsyncInferenceResponse", "WaiterConfig"]


#: First bytes of what a key of the server's sealed.
_SEALED = b"PEGBOX SEALED "


class AsyncInferenceConfig:
    """How an endpoint with a queue is set up.

    Args:
        output_path: ``s3://bucket/prefix`` for the answers; below the default bucket by default.
        max_concurrent_invocations_per_instance: Requests that a model server is given at a time.
        kms_key_id: KMS key that encrypts the answers; 'pegbox keys open' opens them.
        notification_config: The request's ``NotificationConfig``.
        failure_path: ``s3://bucket/prefix`` for what went wrong; below the default bucket by default.
    """

    def __init__(
        self,
        output_path: str | None = None,
        max_concurrent_invocations_per_instance: int | None = None,
        kms_key_id: str | None = None,
        notification_config: dict[str, Any] | None = None,
        failure_path: str | None = None,
    ) -> None:
        self.output_path = output_path
        self.max_concurrent_invocations_per_instance = max_concurrent_invocations_per_instance
        self.kms_key_id = kms_key_id
        self.notification_config = notification_config
        self.failure_path = failure_path

    def _to_request_dict(self, session: Any = None, name: str | None = None) -> dict[str, Any]:
        """Return the request's ``AsyncInferenceConfig``; places that are not said are made up if there is a session."""
        if session is not None:
            folder = name_from_base(name or "endpoint")
            bucket = session.default_bucket()
            self.output_path = self.output_path or f"s3://{bucket}/async-endpoint-outputs/{folder}"
            self.failure_path = self.failure_path or f"s3://{bucket}/async-endpoint-failures/{folder}"
        output = {
            "S3OutputPath": self.output_path,
            "S3FailurePath": self.failure_path,
            "KmsKeyId": self.kms_key_id,
            "NotificationConfig": self.notification_config,
        }
        request: dict[str, Any] = {
            "OutputConfig": {name: value for name, value in output.items() if value is not None}
        }
        if self.max_concurrent_invocations_per_instance:
            request["ClientConfig"] = {
                "MaxConcurrentInvocationsPerInstance": self.max_concurrent_invocations_per_instance
            }
        return request


class WaiterConfig:
    """How long an answer is waited for.

    Args:
        max_attempts: Number of looks.
        delay: Seconds between them; the local server is looked at more often.
    """

    def __init__(self, max_attempts: int = 60, delay: float = 15) -> None:
        self.max_attempts = max_attempts
        self.delay = delay

    @property
    def seconds(self) -> float:
        """Seconds in all."""
        return self.max_attempts * self.delay


class AsyncInferenceResponse:
    """An answer that comes later.

    Args:
        predictor_async: The predictor that asked.
        output_path: Address where the answer will be.
        failure_path: Address where it will be told what went wrong, or None.
    """

    def __init__(self, predictor_async: Any, output_path: str, failure_path: str | None = None) -> None:
        self.predictor_async = predictor_async
        self.output_path = output_path
        self.failure_path = failure_path
        self._result: Any = None
        self._is_here = False

    def get_result(self, waiter_config: WaiterConfig | None = None) -> Any:
        """Return the answer.

        Args:
            waiter_config: Wait for it; without, it must be there.

        Raises:
            ValueError: ``waiter_config`` is something else.
            ObjectNotExistedError: It is not there yet, and was not waited for.
            PollingTimeoutError: It is not there yet, and was waited for.
            AsyncInferenceModelError: The model answered with an error.
            AsyncInferenceError: What is there is sealed with a key of the server's.
        """
        if waiter_config is not None and not isinstance(waiter_config, WaiterConfig):
            raise ValueError("waiter_config should be a WaiterConfig object")
        seconds = waiter_config.seconds if waiter_config is not None else 0.0
        delay = waiter_config.delay if waiter_config is not None else 0.0
        if getattr(self.predictor_async.sagemaker_session, "is_local", False) is True:
            delay = min(delay, 0.2)
        deadline = time.monotonic() + seconds
        while not self._look():
            if waiter_config is None:
                raise ObjectNotExistedError("Inference could still be running", self.output_path)
            if time.monotonic() >= deadline:
                raise PollingTimeoutError("Inference could still be running", self.output_path, seconds)
            time.sleep(delay)
        return self._result

    def _look(self) -> bool:
        if self._is_here:
            return True
        storage = storage_of(self.predictor_async.sagemaker_session)
        body = _object(storage, self.output_path)
        if body is not None:
            self._result = self.predictor_async._value(body)
            self._is_here = True
            return True
        told = _object(storage, self.failure_path) if self.failure_path else None
        if told is not None:
            raise AsyncInferenceModelError(told.decode("utf-8", "replace"))
        return False


def _object(storage: Any, address: str) -> bytes | None:
    """An object, or None while it is not there."""
    try:
        body: bytes = storage.get_bytes(*split_s3_uri(address))
    except FileNotFoundError:
        return None
    except Exception as error:
        # boto3's class for it is made at run time.
        code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code")
        if code in ("NoSuchKey", "404"):
            return None
        raise
    if body.startswith(_SEALED):
        raise AsyncInferenceError(
            f"{address} is there, sealed with the key of the endpoint's AsyncInferenceConfig; fetch the object and open it "
            "with 'pegbox keys open FILE OUTPUT'"
        )
    return body
