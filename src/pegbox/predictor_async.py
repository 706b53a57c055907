"""Predictions of endpoints with a queue."""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping
from typing import Any

from pegbox._sdk.bodies import first_of, joined, serialized
from pegbox._sdk.storage import split_s3_uri, storage_of
from pegbox.async_inference import AsyncInferenceResponse, WaiterConfig

__all__ = ["AsyncPredictor"]


class AsyncPredictor:
    """A client of an endpoint with a queue, around an ordinary predictor.

    Args:
        predictor: The predictor, whose serializer and deserializer are used.
        name: First part of the keys of requests; the endpoint's name by default.
    """

    def __init__(self, predictor: Any, name: str | None = None) -> None:
        self.predictor = predictor
        self.endpoint_name = predictor.endpoint_name
        self.sagemaker_session = predictor.sagemaker_session
        self.name = name

    @property
    def serializer(self) -> Any:
        """The predictor's serializer."""
        return self.predictor.serializer

    @serializer.setter
    def serializer(self, serializer: Any) -> None:
        """Use another serializer."""
        self.predictor.serializer = serializer

    @property
    def deserializer(self) -> Any:
        """The predictor's deserializer."""
        return self.predictor.deserializer

    @deserializer.setter
    def deserializer(self, deserializer: Any) -> None:
        """Use another deserializer."""
        self.predictor.deserializer = deserializer

    def predict(
        self,
        data: Any = None,
        input_path: str | None = None,
        initial_args: Mapping[str, Any] | None = None,
        inference_id: str | None = None,
        waiter_config: WaiterConfig | None = None,
    ) -> Any:
        """Return the endpoint's answer once it is there.

        Args:
            data: What the serializer takes.
            input_path: ``s3://`` address of a request that is stored already, or where ``data`` is to be stored.
            initial_args: Arguments of boto3's ``invoke_endpoint_async``.
            inference_id: Name of the request.
            waiter_config: How long to wait; 15 minutes by default.

        Raises:
            ValueError: Neither ``data`` nor ``input_path`` was given.
            PollingTimeoutError: The answer did not come.
            AsyncInferenceModelError: The model answered with an error.
        """
        later = self.predict_async(data, input_path, initial_args, inference_id)
        return later.get_result(waiter_config or WaiterConfig())

    def predict_async(
        self,
        data: Any = None,
        input_path: str | None = None,
        initial_args: Mapping[str, Any] | None = None,
        inference_id: str | None = None,
    ) -> AsyncInferenceResponse:
        """Hand a request to the endpoint and return at once; see :meth:`predict`.

        Args:
            data: What the serializer takes.
            input_path: ``s3://`` address of a request that is stored already, or where ``data`` is to be stored.
            initial_args: Arguments of boto3's ``invoke_endpoint_async``.
            inference_id: Name of the request.

        Raises:
            ValueError: Neither ``data`` nor ``input_path`` was given.
        """
        if data is None and input_path is None:
            raise ValueError("Please provide input data or input Amazon S3 location to use async prediction")
        if data is not None:
            input_path = self._store(data, input_path)
        known = {
            "EndpointName": self.endpoint_name,
            "ContentType": joined(self.predictor.content_type),
            "Accept": joined(self.predictor.accept),
            "InferenceId": inference_id,
        }
        request = {name: value for name, value in known.items() if value}
        request.update(initial_args or {})
        request["InputLocation"] = input_path
        client = self.sagemaker_session.sagemaker_runtime_client
        answer = self.predictor._reach(lambda: client.invoke_endpoint_async(**request), {"Body": None})
        return AsyncInferenceResponse(self, answer["OutputLocation"], answer.get("FailureLocation"))

    def _store(self, data: Any, input_path: str | None) -> str:
        if input_path is None:
            folder = f"async-endpoint-inputs/{self.name or self.endpoint_name}"
            input_path = f"s3://{self.sagemaker_session.default_bucket()}/{folder}/{uuid.uuid4()}"
        body = serialized(self.serializer, data)
        body = body.read() if hasattr(body, "read") else body
        body = body.encode() if isinstance(body, str) else body
        storage_of(self.sagemaker_session).put_bytes(*split_s3_uri(input_path), body)
        return input_path

    def _value(self, body: bytes) -> Any:
        """Return the value of an answer; a stored object does not tell its MIME type, which is then what was asked for."""
        accept = first_of(self.deserializer, "ACCEPT", "accept") or ()
        first = accept if isinstance(accept, str) else next(iter(accept), "application/octet-stream")
        return self.predictor._handle_response({"Body": io.BytesIO(body), "ContentType": first})

    def update_endpoint(self, **changes: Any) -> None:
        """Change the endpoint; see :meth:`pegbox.predictor.Predictor.update_endpoint`.

        Args:
            **changes: Its arguments.
        """
        self.predictor.update_endpoint(**changes)

    def delete_endpoint(self, delete_endpoint_config: bool = True) -> None:
        """Delete the endpoint.

        Args:
            delete_endpoint_config: Delete its configuration too.
        """
        self.predictor.delete_endpoint(delete_endpoint_config)

    def delete_model(self) -> None:
        """Delete the endpoint's models from the service."""
        self.predictor.delete_model()

    def enable_data_capture(self) -> None:
        """See :meth:`pegbox.predictor.Predictor.enable_data_capture`."""
        self.predictor.enable_data_capture()

    def disable_data_capture(self) -> None:
        """See :meth:`pegbox.predictor.Predictor.disable_data_capture`."""
        self.predictor.disable_data_capture()

    def update_data_capture_config(self, data_capture_config: Any) -> None:
        """See :meth:`pegbox.predictor.Predictor.update_data_capture_config`.

        Args:
            data_capture_config: A :class:`pegbox.model_monitor.DataCaptureConfig`.
        """
        self.predictor.update_data_capture_config(data_capture_config)
