"""Predictions of models at endpoints."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from pegbox._sdk.api_version import names_types_of_bytes
from pegbox._sdk.bodies import first_of, joined, serialized
from pegbox._sdk.endpoint_requests import (
    check_instances,
    production_variant,
    refuse_all,
    undone_if_refused,
)
from pegbox._sdk.jobs import is_local_session
from pegbox._sdk.naming import name_from_base
from pegbox._sdk.old_names import OldName, accepts_old_names
from pegbox.deserializers import (
    BytesDeserializer,
    CSVDeserializer,
    JSONDeserializer,
    NumpyDeserializer,
    StreamDeserializer,
    StringDeserializer,
)
from pegbox.errors import NotHere
from pegbox.serializers import CSVSerializer, IdentitySerializer, JSONSerializer, NumpySerializer
from pegbox.session import Session

__all__ = [
    "BytesDeserializer",
    "CSVDeserializer",
    "CSVSerializer",
    "JSONDeserializer",
    "JSONSerializer",
    "NumpyDeserializer",
    "NumpySerializer",
    "Predictor",
    "RealTimePredictor",
    "StreamDeserializer",
    "StringDeserializer",
    "csv_deserializer",
    "csv_serializer",
    "json_deserializer",
    "json_serializer",
    "npy_serializer",
    "numpy_deserializer",
]

#: Ready-made objects of version 1 of the AWS SDK.
csv_serializer = CSVSerializer()
json_serializer = JSONSerializer()
npy_serializer = NumpySerializer()
csv_deserializer = CSVDeserializer()
json_deserializer = JSONDeserializer()
numpy_deserializer = NumpyDeserializer()
_NumpyDeserializer = NumpyDeserializer

#: Seconds that a prediction waits for a local server which has to be started again first.
_REVIVE_SECONDS = 30.0


class Predictor:
    """A client of an endpoint; in version 1 of the AWS SDK its name is ``RealTimePredictor``.

    Nothing is asked of the service before the first call needs it.

    Args:
        endpoint_name: Name of the endpoint; in version 1 ``endpoint``.
        sagemaker_session: The session; a new one by default.
        serializer: Turns values into request bodies: an object with ``serialize``, or a function. Bodies are sent as they
            are by default, without a MIME type (version 2 of the AWS SDK: ``application/octet-stream``).
        deserializer: Turns answers into values: an object with ``deserialize``, or a function of stream and MIME type.
            Answers are bytes by default.
        content_type: MIME type of requests, instead of the serializer's.
        accept: MIME types asked for, instead of the deserializer's.
        component_name: Refused: there are no inference components.
    """

    endpoint = OldName("endpoint_name")

    @accepts_old_names({"endpoint": "endpoint_name"})
    def __init__(
        self,
        endpoint_name: str,
        sagemaker_session: Any = None,
        serializer: Any = None,
        deserializer: Any = None,
        content_type: str | None = None,
        accept: Any = None,
        *,
        component_name: str | None = None,
    ) -> None:
        _refuse_components(component_name)
        self.endpoint_name = endpoint_name
        self.sagemaker_session = sagemaker_session or Session()
        self.serializer = serializer
        self.deserializer = deserializer
        if names_types_of_bytes():
            self.serializer = IdentitySerializer() if serializer is None else serializer
            self.deserializer = BytesDeserializer() if deserializer is None else deserializer
        self._content_type = content_type
        self._accept = accept
        self._endpoint_config_name: str | None = None
        self._model_names: list[str] | None = None

    # -- predicting

    @property
    def content_type(self) -> Any:
        """MIME type of requests: the one that was set, else the serializer's."""
        return self._content_type or first_of(self.serializer, "CONTENT_TYPE", "content_type")

    @content_type.setter
    def content_type(self, content_type: Any) -> None:
        """Send another MIME type than the serializer's."""
        self._content_type = content_type

    @property
    def accept(self) -> Any:
        """MIME types asked for: those that were set, else the deserializer's."""
        return self._accept or first_of(self.deserializer, "ACCEPT", "accept")

    @accept.setter
    def accept(self, accept: Any) -> None:
        """Ask for other MIME types than the deserializer's."""
        self._accept = accept

    def predict(
        self,
        data: Any,
        initial_args: Mapping[str, Any] | None = None,
        target_model: str | None = None,
        target_variant: str | None = None,
        inference_id: str | None = None,
        custom_attributes: str | None = None,
        component_name: str | None = None,
    ) -> Any:
        """Return the endpoint's answer.

        Args:
            data: What the serializer takes.
            initial_args: Arguments of boto3's ``invoke_endpoint``; they come before what the predictor would say.
            target_model: Model of an endpoint with several; the local server has none of those.
            target_variant: Variant that shall answer, instead of one chosen by weight.
            inference_id: Name of the request in captured data.
            custom_attributes: Text that reaches the model server as it is.
            component_name: Refused: there are no inference components.
        """
        _refuse_components(component_name)
        request = self._create_request_args(
            data, initial_args, target_model, target_variant, inference_id, custom_attributes
        )
        client = self.sagemaker_session.sagemaker_runtime_client
        return self._handle_response(self._reach(lambda: client.invoke_endpoint(**request), request))

    def predict_stream(
        self,
        data: Any,
        initial_args: Mapping[str, Any] | None = None,
        target_variant: str | None = None,
        inference_id: str | None = None,
        custom_attributes: str | None = None,
        iterator: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Return the endpoint's answer piece by piece, as the model server gives it.

        Args:
            data: What the serializer takes.
            initial_args: Arguments of boto3's ``invoke_endpoint_with_response_stream``.
            target_variant: Variant that shall answer.
            inference_id: Name of the request in captured data.
            custom_attributes: Text that reaches the model server as it is.
            iterator: Makes what is returned from the answer; :class:`pegbox.iterators.ByteIterator` by default.
        """
        from pegbox.iterators import ByteIterator

        request = self._create_request_args(
            data, initial_args, None, target_variant, inference_id, custom_attributes
        )
        client = self.sagemaker_session.sagemaker_runtime_client
        answer = self._reach(lambda: client.invoke_endpoint_with_response_stream(**request), request)
        return (iterator or ByteIterator)(answer["Body"])

    def _create_request_args(
        self,
        data: Any,
        initial_args: Mapping[str, Any] | None = None,
        target_model: str | None = None,
        target_variant: str | None = None,
        inference_id: str | None = None,
        custom_attributes: str | None = None,
    ) -> dict[str, Any]:
        known = {
            "EndpointName": self.endpoint_name,
            "ContentType": joined(self.content_type),
            "Accept": joined(self.accept),
        }
        request = {name: value for name, value in known.items() if value}
        request.update(initial_args or {})
        chosen = {
            "TargetModel": target_model,
            "TargetVariant": target_variant,
            "InferenceId": inference_id,
            "CustomAttributes": custom_attributes,
        }
        request.update({name: value for name, value in chosen.items() if value})
        request["Body"] = serialized(self.serializer, data)
        return request

    def _handle_response(self, response: Mapping[str, Any]) -> Any:
        content_type = response.get("ContentType", "application/octet-stream")
        if self.deserializer is None:
            return BytesDeserializer().deserialize(response["Body"], content_type)
        if hasattr(self.deserializer, "deserialize"):
            return self.deserializer.deserialize(response["Body"], content_type)
        return self.deserializer(response["Body"], content_type)

    def _reach(self, call: Callable[[], Any], request: Mapping[str, Any]) -> Any:
        """Return a call's answer; a local server that died, or the machine with it, is started again first."""
        if not is_local_session(self.sagemaker_session):
            return call()
        from botocore.exceptions import EndpointConnectionError

        deadline = time.monotonic() + _REVIVE_SECONDS
        while True:
            try:
                return call()
            except EndpointConnectionError:
                if time.monotonic() > deadline:
                    raise
                self.sagemaker_session._revive()
                if hasattr(request["Body"], "seek"):
                    request["Body"].seek(0)
                time.sleep(0.2)

    # -- the endpoint

    def update_endpoint(
        self,
        initial_instance_count: int | None = None,
        instance_type: str | None = None,
        accelerator_type: str | None = None,
        model_name: str | None = None,
        tags: list[dict[str, str]] | None = None,
        kms_key: str | None = None,
        data_capture_config_dict: dict[str, Any] | None = None,
        *,
        wait: bool = True,
        max_instance_count: int | None = None,
        min_instance_count: int | None = None,
    ) -> None:
        """Change the endpoint without an interruption: new model servers answer before the old ones go.

        Args:
            initial_instance_count: Number of model servers.
            instance_type: Kind of machine.
            accelerator_type: Accelerator of each.
            model_name: Another model.
            tags: Tags of the new configuration.
            kms_key: KMS key that encrypts the machines' disks.
            data_capture_config_dict: The request's ``DataCaptureConfig``.
            wait: Wait until the change is done.
            max_instance_count: Refused: there is no scaling by itself.
            min_instance_count: Refused likewise.

        Raises:
            ValueError: What has to be said together was not, or the model is not clear.
            UnexpectedStatusException: The new model servers do not answer; the old ones go on.
        """
        limits = {"max_instance_count": max_instance_count, "min_instance_count": min_instance_count}
        refuse_all("update_endpoint", limits, dict.fromkeys(limits, "scaling by itself"))
        variants = None
        if any(
            item is not None for item in (initial_instance_count, instance_type, accelerator_type, model_name)
        ):
            variants = [
                self._new_variant(initial_instance_count, instance_type, accelerator_type, model_name)
            ]
        old = self._get_endpoint_config_name()
        new = name_from_base(self.endpoint_name)
        self.sagemaker_session.create_endpoint_config_from_existing(
            old,
            new,
            new_tags=tags,
            new_kms_key=kms_key,
            new_data_capture_config_dict=data_capture_config_dict,
            new_production_variants=variants,
        )
        with undone_if_refused(lambda: self.sagemaker_session.delete_endpoint_config(new)):
            self.sagemaker_session.update_endpoint(self.endpoint_name, new, wait=wait)
        self._endpoint_config_name = new
        self._model_names = [model_name] if model_name else None

    def _new_variant(
        self,
        count: int | None,
        instance_type: str | None,
        accelerator_type: str | None,
        model_name: str | None,
    ) -> dict[str, Any]:
        """The one variant of a changed endpoint; what is not said stays as it is where that is clear."""
        described = self._describe_endpoint_config()["ProductionVariants"]
        if len(described) == 1:
            count = described[0].get("InitialInstanceCount") if count is None else count
            instance_type = instance_type or described[0].get("InstanceType")
            accelerator_type = accelerator_type or described[0].get("AcceleratorType")
        elif count is None or instance_type is None:
            raise ValueError(
                "Missing initial_instance_count and/or instance_type. Provided values: "
                f"initial_instance_count={count}, instance_type={instance_type}, "
                f"accelerator_type={accelerator_type}, model_name={model_name}."
            )
        check_instances(count, instance_type)
        names = [variant["ModelName"] for variant in described if "ModelName" in variant]
        if model_name is None and len(names) != 1:
            raise ValueError(
                "Unable to choose a default model for a new EndpointConfig because the endpoint has multiple "
                f"models: {', '.join(names)}"
            )
        changed = production_variant(
            model_name or names[0], instance_type, count, accelerator_type=accelerator_type
        )
        return {**described[0], **changed} if len(described) == 1 else changed

    def delete_endpoint(self, delete_endpoint_config: bool = True) -> None:
        """Delete the endpoint; its models stay (see :meth:`delete_model`).

        Args:
            delete_endpoint_config: Delete its configuration too.
        """
        if delete_endpoint_config:
            with contextlib.suppress(Exception):
                # Afterwards nothing would say which models it had; if nothing says so now, the endpoint goes all the same.
                self._get_model_names()
            self.sagemaker_session.delete_endpoint_config(self._get_endpoint_config_name())
        self.sagemaker_session.delete_endpoint(self.endpoint_name)

    def delete_predictor(self, wait: bool = False) -> None:
        """Delete the endpoint and its configuration.

        Args:
            wait: Without effect, as in the AWS SDK.
        """
        self.delete_endpoint()

    def delete_model(self) -> None:
        """Delete the endpoint's models from the service; their archives stay.

        Raises:
            RuntimeError: One of them could not be deleted.
        """
        failed = {}
        for name in self._get_model_names():
            try:
                self.sagemaker_session.delete_model(name)
            except Exception as error:
                failed[name] = error
        if failed:
            raise RuntimeError(
                "One or more models cannot be deleted, please retry. \n"
                + f"Failed models: {', '.join(failed)} ({next(iter(failed.values()))})"
            )

    # -- captured data

    def enable_data_capture(self) -> None:
        """Capture a fifth of the requests and answers, in the default place; see :meth:`update_data_capture_config`."""
        self._capture(True)

    def disable_data_capture(self) -> None:
        """Capture nothing from now on; what was captured stays."""
        self._capture(False)

    def update_data_capture_config(self, data_capture_config: Any) -> None:
        """Change what is captured, and wait until it is changed.

        Args:
            data_capture_config: A :class:`pegbox.model_monitor.DataCaptureConfig`.
        """
        session = self.sagemaker_session
        described = session.sagemaker_client.describe_endpoint(EndpointName=self.endpoint_name)
        new = name_from_base(self.endpoint_name)
        session.create_endpoint_config_from_existing(
            existing_config_name=described["EndpointConfigName"],
            new_config_name=new,
            new_data_capture_config_dict=data_capture_config and data_capture_config._to_request_dict(),
        )
        with undone_if_refused(lambda: session.delete_endpoint_config(new)):
            session.update_endpoint(endpoint_name=self.endpoint_name, endpoint_config_name=new)
        self._endpoint_config_name = new

    def _capture(self, enable: bool) -> None:
        from pegbox.model_monitor import DataCaptureConfig

        config = DataCaptureConfig(enable_capture=enable, sagemaker_session=self.sagemaker_session)
        self.update_data_capture_config(config)

    # -- what is not offered

    def list_monitors(self) -> NoReturn:
        """Refused: there are no monitoring schedules."""
        raise NotHere("list_monitors is not offered: Pegbox captures data, and has no monitoring schedules")

    def endpoint_context(self) -> NoReturn:
        """Refused: there is no lineage."""
        raise NotHere("endpoint_context is not offered: Pegbox keeps no lineage")

    # -- what it is made of

    def _get_endpoint_config_name(self) -> str:
        if self._endpoint_config_name is None:
            described = self.sagemaker_session.sagemaker_client.describe_endpoint(
                EndpointName=self.endpoint_name
            )
            self._endpoint_config_name = described["EndpointConfigName"]
        return self._endpoint_config_name

    def _describe_endpoint_config(self) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self.sagemaker_session.sagemaker_client.describe_endpoint_config(
            EndpointConfigName=self._get_endpoint_config_name()
        )
        return answer

    def _get_model_names(self) -> list[str]:
        if self._model_names is None:
            variants = self._describe_endpoint_config()["ProductionVariants"]
            self._model_names = [variant["ModelName"] for variant in variants if "ModelName" in variant]
        return self._model_names


#: Name of :class:`Predictor` in version 1 of the AWS SDK.
RealTimePredictor = Predictor


def _refuse_components(component_name: str | None) -> None:
    refuse_all("Predictor", {"component_name": component_name}, {"component_name": "inference components"})
