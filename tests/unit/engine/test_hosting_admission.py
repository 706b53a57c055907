"""What is accepted of models and endpoint configurations, and what an instance's order says."""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pegbox.artifacts import LocalArtifacts
from pegbox.bootstrap.server import accelerators_of
from pegbox.domain.hosting import (
    Endpoint,
    EndpointInstance,
    EndpointStatus,
    Generation,
    InstanceState,
    VariantTarget,
)
from pegbox.domain.names import Realm
from pegbox.engine.hosting.admission import admit_config, admit_model, check_capacities
from pegbox.engine.hosting.orders import build_serving_order, code_address
from pegbox.engine.hosting.picture import ActiveEndpoint, HostingPicture
from pegbox.engine.hosting.routing import routes_of
from pegbox.engine.parts import Parts
from pegbox.errors import ValidationException
from pegbox.testing.fake_clock import FakeClock
from pegbox.testing.memory_store import MemoryStore
from pegbox.testing.sample_records import START
from pegbox.testing.simulation import simulated_policy

SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
TORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.0-cpu-py310"


@pytest.fixture
def make_parts(tmp_path: Path) -> Callable[..., Parts]:
    """Makes parts over real files; the archives ``m/model.tar.gz`` and ``c/sourcedir.tar.gz`` (``serve.py``) are there."""
    for place, name in (("m/model.tar.gz", "model.txt"), ("c/sourcedir.tar.gz", "serve.py")):
        path = tmp_path / "pegbox-local" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w:gz") as archive:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())

    def make(**policy: Any) -> Parts:
        return Parts(
            store=MemoryStore(),
            artifacts=LocalArtifacts(tmp_path, owned=("pegbox-local",), region="us-east-1"),
            clock=FakeClock(),
            secret=b"s" * 32,
            realm=Realm(),
            policy=simulated_policy(endpoints_path="/home/endpoints", **policy),
        )

    return make


def container(image: str = SKLEARN, **more: Any) -> dict[str, Any]:
    """Return a container whose data and code are there."""
    environment = {
        "SAGEMAKER_PROGRAM": "serve.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "s3://pegbox-local/c/sourcedir.tar.gz",
    }
    given = {"Image": image, "ModelDataUrl": "s3://pegbox-local/m/model.tar.gz", "Environment": environment}
    return {**given, **more}


def refused(check: Callable[..., None], *arguments: Any) -> str:
    """Return what a check says."""
    with pytest.raises(ValidationException) as caught:
        check(*arguments)
    return caught.value.message


@pytest.mark.parametrize(
    "request_",
    [
        {"PrimaryContainer": container()},
        {"Containers": [container()]},
        {"PrimaryContainer": container(TORCH)},
        {"PrimaryContainer": container(Environment={})},
        {"PrimaryContainer": container(Environment={"SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"})},
        {"PrimaryContainer": container(Environment={"PEGBOX_PYTHON": sys.executable})},
        {"PrimaryContainer": {"Image": SKLEARN}},
        {
            "PrimaryContainer": {
                "Image": SKLEARN,
                "ModelDataSource": {
                    "S3DataSource": {
                        "S3Uri": "s3://pegbox-local/m/model.tar.gz",
                        "S3DataType": "S3Object",
                        "CompressionType": "Gzip",
                    }
                },
            }
        },
    ],
)
def test_models_that_are_accepted(make_parts: Callable[..., Parts], request_: dict[str, Any]) -> None:
    """Every form that SDKs send."""
    parts = make_parts()
    admit_model(parts, parts.store.reader, request_)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({}, ["PrimaryContainer, Containers: missing"]),
        ({"PrimaryContainer": container(), "Containers": [container()]}, ["both given"]),
        ({"Containers": [container(), container()]}, ["Containers: ", "give one container"]),
        ({"PrimaryContainer": {}}, ["PrimaryContainer.Image: missing"]),
        ({"PrimaryContainer": container("mine")}, ["'mine' is not in the image table"]),
        (
            {"PrimaryContainer": container(Environment={"A": "x" * 40_000})},
            ["Environment: its 40001 characters are more than 32768"],
        ),
        (
            {"PrimaryContainer": container(Environment={"PEGBOX_PYTHON": "/nowhere/python"})},
            ["Environment.PEGBOX_PYTHON: '/nowhere/python' is no executable file"],
        ),
        (
            {
                "PrimaryContainer": container(
                    Environment={"SAGEMAKER_SUBMIT_DIRECTORY": "s3://pegbox-local/no.tar.gz"}
                )
            },
            ["Environment.SAGEMAKER_SUBMIT_DIRECTORY"],
        ),
        (
            {
                "PrimaryContainer": container(
                    Environment={
                        "SAGEMAKER_SUBMIT_DIRECTORY": "s3://pegbox-local/c/sourcedir.tar.gz",
                        "SAGEMAKER_PROGRAM": "x.py",
                    }
                )
            },
            [
                "SAGEMAKER_PROGRAM: 'x.py' is not in s3://pegbox-local/c/sourcedir.tar.gz, which holds serve.py"
            ],
        ),
        (
            {
                "PrimaryContainer": container(
                    ModelPackageName="p", MultiModelConfig={"ModelCacheSetting": "Enabled"}
                )
            },
            ["ModelPackageName: 'p' is refused", "MultiModelConfig"],
        ),
        (
            {
                "PrimaryContainer": {
                    "Image": SKLEARN,
                    "ModelDataSource": {
                        "S3DataSource": {
                            "S3Uri": "s3://pegbox-local/m/",
                            "S3DataType": "S3Prefix",
                            "CompressionType": "None",
                        }
                    },
                }
            },
            [
                "S3DataType: 'S3Prefix' is refused",
                "CompressionType: 'None' is refused",
                "does not end in .tar.gz",
            ],
        ),
        ({"PrimaryContainer": container(), "VpcConfig": {"Subnets": ["a"]}}, ["VpcConfig: "]),
    ],
)
def test_models_that_are_refused(
    make_parts: Callable[..., Parts], request_: dict[str, Any], words: list[str]
) -> None:
    """Each problem names the member, the value and the remedy; all come at once."""
    parts = make_parts()
    message = refused(admit_model, parts, parts.store.reader, request_)
    for word in words:
        assert word in message


def test_interpreters_are_not_trusted_everywhere(make_parts: Callable[..., Parts]) -> None:
    """A server for other machines chooses the interpreter itself."""
    parts = make_parts(trust_interpreters=False)
    request = {"PrimaryContainer": container(Environment={"PEGBOX_PYTHON": sys.executable})}
    assert "this server serves other machines" in refused(admit_model, parts, parts.store.reader, request)


def variant(name: str = "a", **more: Any) -> dict[str, Any]:
    """Return a variant."""
    return {"VariantName": name, "ModelName": "m", "InitialInstanceCount": 1, **more}


CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 50,
    "DestinationS3Uri": "s3://pegbox-local/captured",
    "CaptureOptions": [{"CaptureMode": "Input"}],
}


def test_configurations_that_are_accepted(make_parts: Callable[..., Parts]) -> None:
    """Variants with weights, accelerators that are offered, capture and asynchronous answers."""
    parts = make_parts(accelerators={"half": {"CUDA_VISIBLE_DEVICES": "0"}})
    admit_config(parts, {"ProductionVariants": [variant(), variant("b", InitialVariantWeight=0.0)]})
    admit_config(
        parts,
        {
            "ProductionVariants": [variant(AcceleratorType="half")],
            "DataCaptureConfig": CAPTURE,
            "AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://pegbox-local/answers"}},
        },
    )


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"ProductionVariants": [variant(), variant()]}, "'a' is given more than once"),
        ({"ProductionVariants": [{"VariantName": "a"}]}, "ProductionVariants[0].ModelName: missing"),
        ({"ProductionVariants": [{"VariantName": "a", "ModelName": "m"}]}, "InitialInstanceCount: missing"),
        ({"ProductionVariants": [variant(InitialVariantWeight=0.0)]}, "every InitialVariantWeight is 0"),
        (
            {"ProductionVariants": [variant(AcceleratorType="x")]},
            "'x' is not offered; this server offers half",
        ),
        (
            {"ProductionVariants": [variant(RoutingConfig={"RoutingStrategy": "KV_AWARE"})]},
            "RoutingConfig.RoutingStrategy: 'KV_AWARE' is refused: use LEAST_OUTSTANDING_REQUESTS or RANDOM",
        ),
        (
            {
                "ProductionVariants": [variant()],
                "DataCaptureConfig": {
                    **CAPTURE,
                    "DestinationS3Uri": "s3://nobody/x",
                    "InitialSamplingPercentage": 200,
                },
            },
            "InitialSamplingPercentage: 200",
        ),
        (
            {
                "ProductionVariants": [variant()],
                "DataCaptureConfig": {**CAPTURE, "DestinationS3Uri": "s3://nobody/x"},
            },
            "DataCaptureConfig.DestinationS3Uri: 's3://nobody/x'",
        ),
        (
            {"ProductionVariants": [variant()], "AsyncInferenceConfig": {"OutputConfig": {}}},
            "AsyncInferenceConfig.OutputConfig.S3OutputPath: missing",
        ),
        (
            {"ProductionVariants": [variant()], "ShadowProductionVariants": [variant("s")]},
            "ShadowProductionVariants: ",
        ),
    ],
)
def test_configurations_that_are_refused(
    make_parts: Callable[..., Parts], request_: dict[str, Any], words: str
) -> None:
    """Each problem names the member, the value and the remedy."""
    parts = make_parts(accelerators={"half": {"CUDA_VISIBLE_DEVICES": "0"}})
    assert words in refused(admit_config, parts, request_)


def test_changes_of_variants_change_something() -> None:
    """A variant comes once, with a weight or a number; a change to nothing is a mistake."""
    one = {"VariantName": "a", "DesiredWeight": 0.0}
    check_capacities([one])
    message = refused(check_capacities, [one, one, {"VariantName": "b"}])
    assert "'a' is given more than once" in message
    assert "DesiredWeightsAndCapacities[2]: 'b' is to be changed in nothing" in message


def order(parts: Parts, given: dict[str, Any], **more: Any) -> Any:
    """Return the order of an instance of a model with one container."""
    generation = Generation(
        number=1,
        config_name="c",
        config={"ProductionVariants": [variant(InstanceType="ml.m5.large", **more)]},
        models={"m": {"PrimaryContainer": given}},
        variants=(VariantTarget(name="a", weight=1.0, count=1, desired=1),),
    )
    endpoint = Endpoint(
        id=7, name="E", status=EndpointStatus.CREATING, created_at=START, modified_at=START, next=generation
    )
    instance = EndpointInstance(
        id=9,
        endpoint_id=7,
        endpoint_name="E",
        generation=1,
        variant="a",
        model_name="m",
        state=InstanceState.STARTING,
        created_at=START,
        attempt_id="a" * 32,
    )
    return build_serving_order(
        parts, {"mine": {"kind": "command", "command": ["serve-it"]}}, endpoint, generation, instance
    )


def test_an_order_has_every_address_resolved(make_parts: Callable[..., Parts], tmp_path: Path) -> None:
    """Archives are local paths, the interpreter is the model's, accelerators are variables that the model's own override."""
    parts = make_parts(accelerators={"half": {"CUDA_VISIBLE_DEVICES": "0", "SHARE": "50"}})
    environment = {**container()["Environment"], "PEGBOX_PYTHON": "/usr/bin/python9", "SHARE": "20"}
    made = order(
        parts,
        container(Environment=environment),
        AcceleratorType="half",
        ContainerStartupHealthCheckTimeoutInSeconds=77,
    )
    assert made.model_archive == str(tmp_path / "pegbox-local" / "m" / "model.tar.gz")
    assert made.code_archive == str(tmp_path / "pegbox-local" / "c" / "sourcedir.tar.gz")
    assert (made.runtime.kind, made.runtime.python) == ("script", "/usr/bin/python9")
    assert "PEGBOX_PYTHON" not in made.environment
    assert (made.environment["CUDA_VISIBLE_DEVICES"], made.environment["SHARE"]) == ("0", "20")
    assert made.accelerator == {"CUDA_VISIBLE_DEVICES": "0", "SHARE": "50"}
    assert made.startup_seconds == 77
    assert made.directory == "/home/endpoints/7/9"
    assert made.endpoint_arn.endswith(":endpoint/e")
    assert made.instance_type == "ml.m5.large"


def test_orders_by_kind_of_image(make_parts: Callable[..., Parts]) -> None:
    """Entries of the image table run their command, built-in algorithms their handler unless a script is named."""
    parts = make_parts()
    assert order(parts, {"Image": "mine"}).runtime.command == ("serve-it",)
    builtin = order(parts, {"Image": XGBOOST}).runtime
    assert builtin.algorithm == "xgboost"
    assert order(parts, container(XGBOOST)).runtime.kind == "script"
    assert order(parts, {"Image": TORCH}).runtime.framework == "pytorch"
    assert order(parts, {"Image": SKLEARN}).startup_seconds == 240


def test_an_instance_of_a_forgotten_generation_can_be_ended(make_parts: Callable[..., Parts]) -> None:
    """Its order says where it lies and who it is; that is what ending it takes."""
    parts = make_parts()
    whole = order(parts, container())
    endpoint = Endpoint(id=7, name="E", status=EndpointStatus.IN_SERVICE, created_at=START, modified_at=START)
    instance = EndpointInstance(
        id=9,
        endpoint_id=7,
        endpoint_name="E",
        generation=1,
        variant="a",
        model_name="m",
        state=InstanceState.STOPPING,
        created_at=START,
        attempt_id="a" * 32,
    )
    bare = build_serving_order(parts, {}, endpoint, None, instance)
    assert (bare.directory, bare.token, bare.attempt_id) == (whole.directory, whole.token, whole.attempt_id)


def test_addresses_that_went_away_are_left_to_the_agent(make_parts: Callable[..., Parts]) -> None:
    """An order can be built whatever became of its addresses since they were accepted; routes do without what has none."""
    parts = make_parts()
    made = order(parts, {"Image": "mine", "ModelDataUrl": "ftp://gone/model.tar.gz"})
    assert made.model_archive == "ftp://gone/model.tar.gz"
    generation = Generation(
        number=1,
        config_name="c",
        config={
            "ProductionVariants": [variant()],
            "AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "ftp://gone"}},
        },
        models={"m": {"PrimaryContainer": {}}},
        variants=(VariantTarget(name="a", weight=1.0, count=1, desired=1),),
        capture={**CAPTURE, "DestinationS3Uri": "ftp://gone"},
    )
    endpoint = Endpoint(
        id=7,
        name="E",
        status=EndpointStatus.IN_SERVICE,
        created_at=START,
        modified_at=START,
        current=generation,
    )
    picture = HostingPicture({7: ActiveEndpoint(record=endpoint, stored=endpoint)})
    routes = routes_of(parts, picture, 3)["endpoints"]["E"]
    assert (routes["capture"], routes["async"]) == (None, None)
    assert routes["variants"][0]["name"] == "a"


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        (None, None),
        ("", None),
        ("/opt/ml/model/code", None),
        ("/opt/ml/model", None),
        ("/opt/ml/models", "/opt/ml/models"),
        ("s3://b/sourcedir.tar.gz", "s3://b/sourcedir.tar.gz"),
        ("s3://b/model.tar.gz", None),
    ],
)
def test_code_may_lie_in_the_model(address: str | None, wanted: str | None) -> None:
    """An address below /opt/ml/model, and that of the model itself, mean the model's own archive."""
    environment = {"SAGEMAKER_SUBMIT_DIRECTORY": address} if address is not None else {}
    assert code_address({"ModelDataUrl": "s3://b/model.tar.gz", "Environment": environment}) == wanted


def test_accelerators_are_read_from_settings() -> None:
    """Entries of one name add up; a value may have equals signs."""
    entries = ("half=CUDA_VISIBLE_DEVICES=0", "half=SHARE=a=b", "other=X=")
    assert accelerators_of(entries) == {
        "half": {"CUDA_VISIBLE_DEVICES": "0", "SHARE": "a=b"},
        "other": {"X": ""},
    }
