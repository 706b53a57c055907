"""Capture of an endpoint's requests and answers."""

from __future__ import annotations

from typing import Any

__all__ = ["DataCaptureConfig"]

_MODES = {"REQUEST": "Input", "RESPONSE": "Output"}


class DataCaptureConfig:
    """What an endpoint keeps of its requests and answers.

    Args:
        enable_capture: Whether anything is kept.
        sampling_percentage: Share of requests that is kept, 0 to 100.
        destination_s3_uri: Where it is kept; ``model-monitor/data-capture`` in the default bucket by default.
        kms_key_id: KMS key that encrypts it.
        capture_options: ``REQUEST``, ``RESPONSE`` or both (default).
        csv_content_types: MIME types kept as CSV.
        json_content_types: MIME types kept as JSON.
        sagemaker_session: The session that names the default bucket.

    Raises:
        ValueError: The percentage or an option is not acceptable.
    """

    API_MAPPING = _MODES

    def __init__(
        self,
        enable_capture: bool,
        sampling_percentage: int = 20,
        destination_s3_uri: str | None = None,
        kms_key_id: str | None = None,
        capture_options: list[str] | None = None,
        csv_content_types: list[str] | None = None,
        json_content_types: list[str] | None = None,
        sagemaker_session: Any = None,
    ) -> None:
        if not 0 <= sampling_percentage <= 100:
            raise ValueError(f"sampling_percentage={sampling_percentage!r} must be from 0 to 100")
        unknown = [option for option in capture_options or () if option not in _MODES]
        if unknown:
            raise ValueError(f"capture_options={unknown!r} must be of {', '.join(_MODES)}")
        self.enable_capture = enable_capture
        self.sampling_percentage = sampling_percentage
        self.destination_s3_uri = destination_s3_uri or _default_destination(sagemaker_session)
        self.kms_key_id = kms_key_id
        self.capture_options = capture_options or ["REQUEST", "RESPONSE"]
        self.csv_content_types = csv_content_types or ["text/csv"]
        self.json_content_types = json_content_types or ["application/json"]
        self.sagemaker_session = sagemaker_session

    def _to_request_dict(self) -> dict[str, Any]:
        """Return the request's ``DataCaptureConfig``."""
        request: dict[str, Any] = {
            "EnableCapture": self.enable_capture,
            "InitialSamplingPercentage": self.sampling_percentage,
            "DestinationS3Uri": self.destination_s3_uri,
            "CaptureOptions": [{"CaptureMode": _MODES[option]} for option in self.capture_options],
            "CaptureContentTypeHeader": {
                "CsvContentTypes": self.csv_content_types,
                "JsonContentTypes": self.json_content_types,
            },
        }
        if self.kms_key_id is not None:
            request["KmsKeyId"] = self.kms_key_id
        return request


def _default_destination(session: Any) -> str:
    from pegbox.session import Session

    return f"s3://{(session or Session()).default_bucket()}/model-monitor/data-capture"
