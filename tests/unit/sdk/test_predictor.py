"""Predictors: requests to endpoints, changes of them, and answers that come later."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from pegbox import predictor as predictors
from pegbox._sdk import api_version
from pegbox.async_inference import AsyncInferenceConfig, WaiterConfig
from pegbox.errors import NotHere
from pegbox.exceptions import (
    AsyncInferenceError,
    AsyncInferenceModelError,
    ObjectNotExistedError,
    PollingTimeoutError,
    UnexpectedStatusException,
)
from pegbox.iterators import ByteIterator, LineIterator
from pegbox.model import Model
from pegbox.predictor import Predictor, RealTimePredictor
from pegbox.predictor_async import AsyncPredictor
from pegbox.session import Session

from .conftest import FakeService

VARIANT = {
    "VariantName": "AllTraffic",
    "ModelName": "m",
    "InstanceType": "local",
    "InitialInstanceCount": 1,
    "InitialVariantWeight": 1.0,
    "VolumeSizeInGB": 9,
}


@pytest.fixture
def endpoint(service: FakeService) -> FakeService:
    """A service with an endpoint ``e`` of configuration ``c``."""
    updates = [{"EndpointConfigName": "c"}]
    service.answers["UpdateEndpoint"] = lambda request: updates.append(request) or {"EndpointArn": "arn"}
    service.answers["DescribeEndpoint"] = lambda _: {
        "EndpointName": "e",
        "EndpointStatus": "InService",
        "EndpointConfigName": updates[-1]["EndpointConfigName"],
    }
    service.answers["DescribeEndpointConfig"] = lambda _: {
        "EndpointConfigName": "c",
        "EndpointConfigArn": "arn:aws:sagemaker:us-east-1:000000000000:endpoint-config/c",
        "ProductionVariants": [dict(VARIANT)],
        "DataCaptureConfig": {"EnableCapture": True, "InitialSamplingPercentage": 5, "DestinationS3Uri": "s3://b/k",
            "CaptureOptions": [{"CaptureMode": "Input"}]},
    }  # fmt: skip
    service.answers["ListTags"] = lambda _: {"Tags": [{"Key": "k", "Value": "v"}]}
    return service


def test_a_request_has_what_it_is_told(service: FakeService) -> None:
    """Types come from serializer and deserializer, and everything else from predict's arguments."""
    predictor = Predictor(
        "e", serializer=predictors.csv_serializer, deserializer=predictors.json_deserializer
    )
    assert predictor.predict(
        [[1, 2], [3, 4]],
        target_variant="v",
        target_model="t.tar.gz",
        inference_id="i",
        custom_attributes="c",
    ) == [1]
    path, headers, body = service.invocations[0]
    assert (path, body) == ("/endpoints/e/invocations", b"1,2\n3,4")
    assert headers["Content-Type"] == "text/csv"
    assert headers["Accept"] == "application/json"
    assert headers["X-Amzn-SageMaker-Target-Variant"] == "v"
    assert headers["X-Amzn-SageMaker-Target-Model"] == "t.tar.gz"
    assert headers["X-Amzn-SageMaker-Inference-Id"] == "i"
    assert headers["X-Amzn-SageMaker-Custom-Attributes"] == "c"
    assert service.requests == []


def test_version_ones_ways(service: FakeService) -> None:
    """Serializer functions, attributes set later, None for bytes, and initial_args that win."""
    predictor = RealTimePredictor(endpoint="e")
    assert (predictor.endpoint, predictor.content_type, predictor.accept) == ("e", None, None)
    assert predictor.predict(b"raw") == b"[1]"
    predictor.content_type = "text/csv"
    predictor.serializer = lambda rows: ",".join(map(str, rows))
    predictor.deserializer = None
    assert predictor.predict([1, 2], {"Accept": "a/b", "EndpointName": "other"}) == b"[1]"
    path, headers, body = service.invocations[1]
    assert (path, body) == ("/endpoints/other/invocations", b"1,2")
    assert (headers["Content-Type"], headers["Accept"]) == ("text/csv", "a/b")
    explicit = RealTimePredictor("e", None, predictors.csv_serializer, None, "text/libsvm", "text/plain")
    assert (explicit.content_type, explicit.accept) == ("text/libsvm", "text/plain")


def test_version_twos_types(service: FakeService) -> None:
    """In version 2 bodies that are sent as they are have a type, and any answer will do."""
    api_version.choose("v2")
    try:
        predictor = Predictor("e")
    finally:
        api_version.choose("v1")
    assert predictor.predict(b"raw") == b"[1]"
    headers = service.invocations[0][1]
    assert (headers["Content-Type"], headers["Accept"]) == ("application/octet-stream", "*/*")


def test_predictions_go_to_the_address_of_endpoints(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The local server says where its endpoints are; AWS's variable wins over that, but not over a chosen address."""
    facts = json.loads((service.home / "server.json").read_text())
    (service.home / "server.json").write_text(json.dumps({**facts, "runtime_url": "http://127.0.0.1:9"}))
    assert Session().sagemaker_runtime_client.meta.endpoint_url == "http://127.0.0.1:9"
    assert Session().sagemaker_client.meta.endpoint_url == service.url
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "http://127.0.0.1:10")
    assert Session().sagemaker_runtime_client.meta.endpoint_url == "http://127.0.0.1:10"
    monkeypatch.setenv("PEGBOX_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("PEGBOX_SECRET_ACCESS_KEY", "s")
    there = Session(endpoint_url="http://server.example:1")
    assert there.sagemaker_runtime_client.meta.endpoint_url == "http://server.example:1"


def test_a_dead_server_is_started_again_for_a_prediction(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing answers, the local server is looked after and the prediction repeated, its body from the start."""
    from botocore.exceptions import EndpointConnectionError

    session = Session()
    client = Mock()
    bodies: list[bytes] = []
    monkeypatch.setattr(session, "_revive", Mock())

    def invoke(**request: Any) -> dict[str, Any]:
        bodies.append(request["Body"].read())
        if len(bodies) == 1:
            raise EndpointConnectionError(endpoint_url="http://x")
        return {"Body": io.BytesIO(b"ok"), "ContentType": "text/plain"}

    client.invoke_endpoint.side_effect = invoke
    session.sagemaker_runtime_client = client
    assert Predictor("e", session).predict(io.BytesIO(b"body")) == b"ok"
    assert bodies == [b"body", b"body"]
    session._revive.assert_called_once()  # type: ignore[attr-defined]


def test_updating_keeps_what_is_not_said(endpoint: FakeService) -> None:
    """Another number of machines keeps model, type, tags and capture; the new configuration has its own name."""
    predictor = Predictor("e")
    predictor.update_endpoint(initial_instance_count=3)
    (config,) = endpoint.sent("CreateEndpointConfig")
    assert config["EndpointConfigName"].startswith("e-2")
    assert config["ProductionVariants"] == [{**VARIANT, "InitialInstanceCount": 3}]
    assert config["Tags"] == [{"Key": "k", "Value": "v"}]
    assert config["DataCaptureConfig"]["InitialSamplingPercentage"] == 5
    assert endpoint.sent("UpdateEndpoint") == [
        {"EndpointName": "e", "EndpointConfigName": config["EndpointConfigName"]}
    ]
    predictor.update_endpoint(2, "ml.m5.large", model_name="n", kms_key="k", wait=False)
    variant = endpoint.sent("CreateEndpointConfig")[1]["ProductionVariants"][0]
    assert (variant["ModelName"], variant["InstanceType"], variant["InitialInstanceCount"]) == (
        "n",
        "ml.m5.large",
        2,
    )
    with pytest.raises(ValueError, match="initial_instance_count=0"):
        predictor.update_endpoint(initial_instance_count=0)
    with pytest.raises(NotHere, match="max_instance_count"):
        predictor.update_endpoint(max_instance_count=5)


def test_an_update_that_is_rolled_back_is_told(endpoint: FakeService) -> None:
    """The endpoint serves, but by its old configuration: an exception has the reason."""
    endpoint.answers["DescribeEndpoint"] = lambda _: {
        "EndpointName": "e",
        "EndpointStatus": "InService",
        "EndpointConfigName": "c",
        "FailureReason": "the new model server ended",
    }
    with pytest.raises(
        UnexpectedStatusException, match=r"goes on with c\. Reason: the new model server ended"
    ):
        Predictor("e").update_endpoint(initial_instance_count=2)


def test_updating_several_variants_needs_more_words(endpoint: FakeService) -> None:
    """With two variants neither the number nor the model is clear."""
    both = [dict(VARIANT), {**VARIANT, "VariantName": "B", "ModelName": "n"}]
    endpoint.answers["DescribeEndpointConfig"] = lambda _: {
        "EndpointConfigName": "c",
        "ProductionVariants": both,
    }
    with pytest.raises(ValueError, match="Missing initial_instance_count and/or instance_type"):
        Predictor("e").update_endpoint(initial_instance_count=3)
    with pytest.raises(ValueError, match="multiple models: m, n"):
        Predictor("e").update_endpoint(3, "local")


def test_captured_data_is_switched_on_and_off(endpoint: FakeService) -> None:
    """enable, disable and update make a configuration that differs only in what is captured."""
    predictor = Predictor("e")
    predictor.enable_data_capture()
    predictor.disable_data_capture()
    on, off = endpoint.sent("CreateEndpointConfig")
    assert (on["DataCaptureConfig"]["EnableCapture"], off["DataCaptureConfig"]["EnableCapture"]) == (
        True,
        False,
    )
    assert on["DataCaptureConfig"]["DestinationS3Uri"] == "s3://pegbox-local/model-monitor/data-capture"
    assert on["ProductionVariants"] == off["ProductionVariants"] == [VARIANT]
    assert len(endpoint.sent("UpdateEndpoint")) == 2


def test_deleting_in_either_order(endpoint: FakeService) -> None:
    """Configuration and endpoint go; the models can still be deleted afterwards; what could not be deleted is told."""
    predictor = Predictor("e")
    predictor.delete_endpoint()
    assert [name for name, _ in endpoint.requests][-2:] == ["DeleteEndpointConfig", "DeleteEndpoint"]
    endpoint.answers["DescribeEndpoint"] = endpoint.refuse("ValidationException", "Could not find it")
    predictor.delete_model()
    assert endpoint.sent("DeleteModel") == [{"ModelName": "m"}]
    endpoint.answers["DeleteModel"] = endpoint.refuse("ValidationException", "busy")
    with pytest.raises(RuntimeError, match=r"Failed models: m"):
        predictor.delete_model()
    Predictor("f").delete_endpoint(delete_endpoint_config=False)
    assert endpoint.sent("DeleteEndpoint")[-1] == {"EndpointName": "f"}
    assert len(endpoint.sent("DeleteEndpointConfig")) == 1


def test_what_predictors_do_not_offer(service: FakeService) -> None:
    """Monitors, lineage and inference components say that they are not here."""
    predictor = Predictor("e")
    for call in (
        predictor.list_monitors,
        predictor.endpoint_context,
        lambda: Predictor("e", component_name="c"),
        lambda: predictor.predict(b"", component_name="c"),
    ):
        with pytest.raises(NotHere):
            call()


def test_answers_piece_by_piece() -> None:
    """Pieces come as they are; lines are put together over pieces; a fault in between is raised."""
    events = [{"PayloadPart": {"Bytes": part}} for part in (b"one\nt", b"wo\n", b"three")]
    assert list(ByteIterator(events)) == [b"one\nt", b"wo\n", b"three"]
    assert list(LineIterator(events)) == [b"one", b"two", b"three"]
    session = Mock(is_local=False)
    session.sagemaker_runtime_client.invoke_endpoint_with_response_stream.return_value = {"Body": events}
    assert b"".join(Predictor("e", session).predict_stream(b"x")) == b"one\ntwo\nthree"
    assert list(Predictor("e", session).predict_stream(b"x", iterator=LineIterator))[1] == b"two"
    with pytest.raises(RuntimeError, match="ModelStreamError: died"):
        list(ByteIterator([{"ModelStreamError": {"Message": "died"}}]))


def test_answers_that_come_later(endpoint: FakeService) -> None:
    """The request is stored, the answer is fetched when it is there, a failure is raised, and no answer is told."""
    endpoint.answers["DescribeEndpointConfig"] = endpoint.refuse("ValidationException", "Could not find it")
    made = Model("s3://b/m", "i", name="m", predictor_cls=Predictor).deploy(
        async_inference_config=AsyncInferenceConfig(max_concurrent_invocations_per_instance=4),
        serializer=predictors.json_serializer,
        deserializer=predictors.json_deserializer,
        endpoint_name="e",
    )
    config = endpoint.sent("CreateEndpointConfig")[0]["AsyncInferenceConfig"]
    assert config["ClientConfig"] == {"MaxConcurrentInvocationsPerInstance": 4}
    assert config["OutputConfig"]["S3OutputPath"].startswith("s3://pegbox-local/async-endpoint-outputs/e-")
    assert config["OutputConfig"]["S3FailurePath"].startswith("s3://pegbox-local/async-endpoint-failures/e-")
    assert isinstance(made, AsyncPredictor)
    later = made.predict_async({"a": 1}, inference_id="x")
    path, headers, _ = endpoint.invocations[0]
    assert path == "/endpoints/e/async-invocations"
    stored = headers["X-Amzn-SageMaker-InputLocation"].removeprefix("s3://pegbox-local/")
    storage = Session().storage
    assert storage.get_bytes("pegbox-local", stored) == b'{"a": 1}'
    with pytest.raises(ObjectNotExistedError, match="Inference could still be running"):
        later.get_result()
    with pytest.raises(PollingTimeoutError, match="after 0 s"):
        later.get_result(WaiterConfig(1, 0.01))
    storage.put_bytes("pegbox-local", "async/FailureLocation", b"a ValueError")
    with pytest.raises(AsyncInferenceModelError, match="a ValueError"):
        later.get_result(WaiterConfig())
    storage.put_bytes("pegbox-local", "async/OutputLocation", b"PEGBOX SEALED 2\n...")
    with pytest.raises(AsyncInferenceError, match="'pegbox keys open FILE OUTPUT'"):
        later.get_result()
    storage.put_bytes("pegbox-local", "async/OutputLocation", b"[0.5]")
    assert later.get_result() == [0.5]
    assert made.predict({"a": 1}) == [0.5]
    with pytest.raises(ValueError, match="Please provide input data"):
        made.predict()
    with pytest.raises(ValueError, match="WaiterConfig object"):
        later.get_result(5)  # type: ignore[arg-type]


def test_nothing_is_asked_before_it_is_needed(service: FakeService, tmp_path: Path) -> None:
    """Making a predictor costs no request."""
    Predictor("e")
    assert service.requests == []
