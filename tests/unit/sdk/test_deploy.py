"""From a training job to an endpoint, over real HTTP to a recording stub."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from pegbox._sdk import api_version, endpoint_waiting
from pegbox.errors import NotHere
from pegbox.estimator import Estimator, EstimatorBase, _TrainingJob
from pegbox.exceptions import BestTrainingJobNotAvailable, UnexpectedStatusException
from pegbox.model import FrameworkModel, Model, ModelPackage
from pegbox.model_monitor import DataCaptureConfig
from pegbox.multidatamodel import MultiDataModel
from pegbox.parameter import IntegerParameter
from pegbox.pipeline import PipelineModel
from pegbox.predictor import Predictor, RealTimePredictor
from pegbox.pytorch import PyTorch, PyTorchModel
from pegbox.session import Session
from pegbox.session_settings import SessionSettings
from pegbox.sklearn import SKLearn, SKLearnModel
from pegbox.tensorflow import TensorFlow
from pegbox.tuner import HyperparameterTuner, _TuningJob

from .conftest import FakeService
from .descriptions import NAME, training_job, tuning_job

JOB = f"{NAME}-001-0a1b2c3d"
MODEL = "s3://pegbox-local/out/x/output/model.tar.gz"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
ROLE = "arn:aws:iam::000000000000:role/pegbox"
SCRIPT = {
    "sagemaker_program": '"train.py"',
    "sagemaker_submit_directory": '"s3://pegbox-local/code/abc/sourcedir.tar.gz"',
    "alpha": "0.5",
}


@pytest.fixture
def serving(service: FakeService) -> FakeService:
    """A service where jobs are complete and endpoints serve at the second look."""
    looks: list[str] = []

    def describe(request: dict[str, Any]) -> dict[str, Any]:
        looks.append(request["EndpointName"])
        status = "Creating" if len(looks) == 1 else "InService"
        return {
            "EndpointName": request["EndpointName"],
            "EndpointArn": "arn:aws:sagemaker:us-east-1:000000000000:endpoint/e",
            "EndpointStatus": status,
            **(
                {"EndpointConfigName": updates[-1]["EndpointConfigName"]}
                if (updates := service.sent("UpdateEndpoint"))
                else {}
            ),
            "CreationTime": 1.0,
            "LastModifiedTime": 1.0,
        }

    service.answers["DescribeTrainingJob"] = lambda _: training_job(
        HyperParameters=SCRIPT,
        AlgorithmSpecification={"TrainingImage": SKLEARN, "TrainingInputMode": "File"},
        Environment={"PEGBOX_PYTHON": sys.executable},
    )
    service.answers["ListTags"] = lambda _: {"Tags": []}
    service.answers["DescribeEndpointConfig"] = service.refuse("ValidationException", "Could not find it")
    service.answers["DescribeEndpoint"] = describe
    service.answers["DescribeHyperParameterTuningJob"] = lambda _: tuning_job(
        "Completed", BestTrainingJob={"TrainingJobName": JOB}
    )
    return service


def attached(estimator: Any, session: Session) -> HyperparameterTuner:
    """A tuner of the job that the service describes."""
    tuner = HyperparameterTuner(estimator, "loss", {"n": IntegerParameter(1, 2)})
    tuner.latest_tuning_job = _TuningJob(session, NAME)
    return tuner


def trained(estimator: Any) -> Any:
    """The estimator with the training job that the service describes."""
    estimator.latest_training_job = _TrainingJob(estimator.sagemaker_session, JOB)
    return estimator


def test_a_tuner_deploys_its_best_job_without_a_word(
    serving: FakeService, script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """deploy() alone: model, configuration and endpoint have the best job's name, one machine as in training, its own code."""
    session = Session()
    estimator = SKLearn(str(script), "1.2-1", sagemaker_session=session)
    predictor = attached(estimator, session).deploy()
    (model,) = serving.sent("CreateModel")
    container = model.pop("PrimaryContainer")
    assert model == {"ModelName": JOB, "ExecutionRoleArn": ROLE}
    assert (container["Image"], container["ModelDataUrl"]) == (SKLEARN, MODEL)
    assert container["Environment"] == {
        "PEGBOX_PYTHON": sys.executable,
        "SAGEMAKER_PROGRAM": "train.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "s3://pegbox-local/code/abc/sourcedir.tar.gz",
        "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
        "SAGEMAKER_REGION": "us-east-1",
        "SAGEMAKER_ENABLE_CLOUDWATCH_METRICS": "false",
    }
    (config,) = serving.sent("CreateEndpointConfig")
    assert config == {
        "EndpointConfigName": JOB,
        "ProductionVariants": [
            {
                "VariantName": "AllTraffic",
                "ModelName": JOB,
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
                "InitialVariantWeight": 1.0,
            }
        ],
    }
    assert serving.sent("CreateEndpoint") == [{"EndpointName": JOB, "EndpointConfigName": JOB, "Tags": []}]
    assert (type(predictor).__name__, predictor.endpoint, predictor.endpoint_name) == (
        "SKLearnPredictor",
        JOB,
        JOB,
    )
    shown = capsys.readouterr().out
    assert f"{JOB}: Creating\n{JOB}: InService\n" in shown


def test_every_documented_argument_reaches_the_request(serving: FakeService) -> None:
    """What deploy is told is in the requests, and nothing else is."""
    session = Session()
    serving.answers["DescribeTrainingJob"] = lambda _: training_job(
        AlgorithmSpecification={"TrainingImage": "my/image:1", "TrainingInputMode": "File"},
        VpcConfig={"Subnets": ["s"], "SecurityGroupIds": ["g"]},
        Environment={"PEGBOX_PYTHON": sys.executable},
    )
    capture = DataCaptureConfig(True, 50, "s3://pegbox-local/captured", kms_key_id="capture-key")
    tags = [{"Key": "team", "Value": "a"}]
    predictor = attached(Estimator("my/image:1", sagemaker_session=session), session).deploy(
        3,
        "ml.c5.xlarge",
        "ml.eia1.medium",
        "my-endpoint",
        False,
        "my-model",
        "disk-key",
        capture,
        tags=tags,
        role="other",
        env={"A": "b"},
        volume_size=7,
        model_data_download_timeout=70,
        container_startup_health_check_timeout=80,
        routing_config={"RoutingStrategy": "RANDOM"},
        inference_ami_version="al2-ami-sagemaker-inference-gpu-2",
        enable_network_isolation=True,
        serializer=str.encode,
        deserializer=lambda stream, kind: (kind, stream.read()),
    )
    (model,) = serving.sent("CreateModel")
    assert model == {
        "ModelName": "my-model",
        "ExecutionRoleArn": "arn:aws:iam::000000000000:role/other",
        "PrimaryContainer": {
            "Image": "my/image:1",
            "ModelDataUrl": MODEL,
            "Environment": {"PEGBOX_PYTHON": sys.executable, "A": "b"},
        },
        "VpcConfig": {"Subnets": ["s"], "SecurityGroupIds": ["g"]},
        "EnableNetworkIsolation": True,
        "Tags": tags,
    }
    (config,) = serving.sent("CreateEndpointConfig")
    assert config == {
        "EndpointConfigName": "my-endpoint",
        "KmsKeyId": "disk-key",
        "DataCaptureConfig": capture._to_request_dict(),
        "Tags": tags,
        "ProductionVariants": [
            {
                "VariantName": "AllTraffic",
                "ModelName": "my-model",
                "InstanceType": "ml.c5.xlarge",
                "InitialInstanceCount": 3,
                "InitialVariantWeight": 1.0,
                "AcceleratorType": "ml.eia1.medium",
                "VolumeSizeInGB": 7,
                "ModelDataDownloadTimeoutInSeconds": 70,
                "ContainerStartupHealthCheckTimeoutInSeconds": 80,
                "RoutingConfig": {"RoutingStrategy": "RANDOM"},
                "InferenceAmiVersion": "al2-ami-sagemaker-inference-gpu-2",
            }
        ],
    }
    assert serving.sent("DescribeEndpoint") == []
    assert predictor.predict("hello") == ("application/json", b"[1]")
    assert serving.invocations[0][2] == b"hello"


def test_a_vpc_can_be_taken_away_or_replaced(serving: FakeService) -> None:
    """vpc_config_override: None for none, another, and mistakes are told."""
    estimator = trained(Estimator("i", subnets=["s"], security_group_ids=["g"]))
    assert estimator.create_model().vpc_config == {"Subnets": ["s"], "SecurityGroupIds": ["g"]}
    assert estimator.create_model(vpc_config_override=None).vpc_config is None
    other = {"Subnets": ["t"], "SecurityGroupIds": ["h"]}
    assert estimator.create_model(vpc_config_override=other).vpc_config == other
    with pytest.raises(ValueError, match="'SecurityGroupIds'"):
        estimator.create_model(vpc_config_override={"Subnets": ["t"]})


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((0, "local"), "initial_instance_count=0"),
        ((-1, "local"), "initial_instance_count=-1"),
        ((1.5, "local"), r"initial_instance_count=1\.5"),
        ((True, "local"), "initial_instance_count=True"),
        ((1, 5), "instance_type=5"),
    ],
)
def test_bad_numbers_of_machines(serving: FakeService, arguments: tuple[Any, ...], named: str) -> None:
    """A count that is none and a type that is none are told before anything is made."""
    with pytest.raises(ValueError, match=named):
        Model(MODEL, "i").deploy(*arguments)
    assert serving.requests == []


def test_elsewhere_the_machines_have_to_be_said() -> None:
    """Only the local server knows what to do without: elsewhere machines cost money."""
    with pytest.raises(ValueError, match="Must specify instance type and instance count"):
        Model("s3://b/m", "i", "role", sagemaker_session=Mock()).deploy()


def test_deploying_without_a_job(service: FakeService) -> None:
    """Without a job, an unfinished one, or a best one, it is said which is missing."""
    estimator = Estimator("i")
    with pytest.raises(ValueError, match="not associated with a training job"):
        estimator.deploy(1, "local")
    with pytest.raises(ValueError, match="Endpoint was not created yet"):
        estimator.delete_endpoint()
    tuner = HyperparameterTuner(estimator, "m", {"n": IntegerParameter(1, 2)})
    for call in (tuner.deploy, tuner.delete_endpoint):
        with pytest.raises(ValueError, match="No tuning job available"):
            call()
    tuner.latest_tuning_job = _TuningJob(Session(), NAME)
    service.answers["DescribeHyperParameterTuningJob"] = lambda _: tuning_job("InProgress")
    with pytest.raises(BestTrainingJobNotAvailable, match=f"not available for tuning job: {NAME}"):
        tuner.deploy()
    trained(estimator)
    service.answers["DescribeTrainingJob"] = lambda _: {
        key: value for key, value in training_job("InProgress").items() if key != "ModelArtifacts"
    }
    with pytest.raises(ValueError, match="has no model yet"):
        estimator.deploy()


@pytest.mark.parametrize(
    "argument",
    [
        {"serverless_inference_config": object()},
        {"explainer_config": object()},
        {"inference_recommendation_id": "x"},
        {"use_compiled_model": True},
    ],
)
def test_what_endpoints_do_not_have_is_refused(serving: FakeService, argument: dict[str, Any]) -> None:
    """Arguments for what Pegbox does not have are refused by name; unknown ones are type errors."""
    estimator = trained(Estimator("i"))
    with pytest.raises(NotHere, match=next(iter(argument))):
        estimator.deploy(1, "local", **argument)
    with pytest.raises(TypeError, match="no_such_argument"):
        estimator.deploy(1, "local", no_such_argument=1)
    with pytest.raises(ValueError, match="give serializer and deserializer by name"):
        estimator.deploy(1, "local", object())
    with pytest.raises(NotHere, match="inference components"):
        Model(MODEL, "i").deploy(1, "local", inference_component_name="x")
    assert serving.sent("CreateModel") == []


@pytest.mark.parametrize("refused", [PipelineModel, MultiDataModel, ModelPackage])
def test_kinds_of_models_that_do_not_exist(refused: Any) -> None:
    """They can be imported, and say what to do instead."""
    with pytest.raises(NotHere, match=f"{refused.__name__} is not offered"):
        refused("name", role="role")


def test_names_of_both_versions(serving: FakeService, script: Path) -> None:
    """Version 1 names the model after the training job; version 2 after base and time, the tuner's endpoint after the job."""
    session = Session()
    tuner = attached(SKLearn(str(script), sagemaker_session=session), session)
    api_version.choose("v2")
    try:
        predictor = tuner.deploy()
        alone = tuner.best_estimator().deploy()
    finally:
        api_version.choose("v1")
    names = [request["ModelName"] for request in serving.sent("CreateModel")]
    assert all(re.fullmatch(r"job-\d{4}(-\d{2}){5}-\d{3}", name) for name in names)
    assert (predictor.endpoint_name, alone.endpoint_name) == (JOB, names[1])


def test_other_code_than_that_of_training(serving: FakeService, script: Path, tmp_path: Path) -> None:
    """A script of this machine is packed alone; a name is looked for in the training's code; a folder is packed."""
    session = Session()
    estimator = SKLearn.attach(JOB, session)
    (tmp_path / "inference.py").write_text("def model_fn(folder): ...\n")

    def code(**arguments: Any) -> tuple[str, str]:
        environment = estimator.create_model(**arguments).prepare_container_def("local")["Environment"]
        return environment["SAGEMAKER_PROGRAM"], environment["SAGEMAKER_SUBMIT_DIRECTORY"]

    stored = "s3://pegbox-local/code/abc/sourcedir.tar.gz"
    assert code() == ("train.py", stored)
    assert code(entry_point="other.py") == ("other.py", stored)
    program, archive = code(entry_point=str(tmp_path / "inference.py"))
    assert (program, archive[:23]) == ("inference.py", "s3://pegbox-local/code/")
    assert archive != stored
    assert code(entry_point="inference.py", source_dir=str(tmp_path))[0] == "inference.py"
    with pytest.raises(ValueError, match="dependencies="):
        code(dependencies=["x"])
    with pytest.raises(ValueError, match=r"missing\.py"):
        code(entry_point="missing.py", source_dir=str(tmp_path))


def test_the_interpreter_that_trained_serves(serving: FakeService, script: Path, tmp_path: Path) -> None:
    """A model is served by the Python that has what it needs: that of the training job, unless it is gone or another is named."""
    other = tmp_path / "python"
    other.touch()
    described = training_job(HyperParameters=SCRIPT, Environment={"PEGBOX_PYTHON": str(other), "A": "b"})
    serving.answers["DescribeTrainingJob"] = lambda _: described
    attached = SKLearn.attach(JOB, Session())
    given = trained(SKLearn(str(script), environment={"PEGBOX_PYTHON": str(other)}))

    def python(estimator: Any, **arguments: Any) -> str:
        container = estimator.create_model(**arguments).prepare_container_def("local")
        return str(container["Environment"]["PEGBOX_PYTHON"])

    assert python(attached) == python(given) == str(other)
    assert python(attached, env={"PEGBOX_PYTHON": "/mine"}) == "/mine"
    other.unlink()
    assert python(attached) == sys.executable


def test_a_bare_script_serves_and_speaks_json(serving: FakeService, script: Path) -> None:
    """An estimator without image serves with the code that it trained with; its predictor sends and reads JSON."""
    estimator = Estimator(entry_point=str(script))
    estimator.fit(wait=False)
    predictor = estimator.deploy(endpoint_name="e")
    environment = serving.sent("CreateModel")[0]["PrimaryContainer"]["Environment"]
    assert environment["SAGEMAKER_PROGRAM"] == "train.py"
    assert environment["SAGEMAKER_SUBMIT_DIRECTORY"] == estimator.uploaded_code.s3_prefix
    assert predictor.predict([[1, 2]]) == [1]
    path, headers, body = serving.invocations[0]
    assert (path, body) == ("/endpoints/e/invocations", b"[[1, 2]]")
    assert (headers["Content-Type"], headers["Accept"]) == ("application/json", "application/json")
    assert "/sagemaker/aws4_request" in headers["Authorization"]


def test_models_on_their_own(serving: FakeService, script: Path, tmp_path: Path) -> None:
    """A model takes its first two arguments in either order, a file of this machine, old names, and makes up a name."""
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(b"an archive")
    for model in (
        Model(str(archive), "an/image:1"),
        Model("an/image:1", str(archive)),
        Model(archive, image="an/image:1"),
    ):
        model.model_data = str(model.model_data)
        assert model.deploy() is None
        assert model.image == "an/image:1"
        assert model.name is not None
        assert model.name.startswith("image-")
        assert model.endpoint_name == model.name
    urls = {request["PrimaryContainer"]["ModelDataUrl"] for request in serving.sent("CreateModel")}
    assert len(urls) == 1
    assert (
        Session().storage.get_bytes("pegbox-local", urls.pop().removeprefix("s3://pegbox-local/"))
        == b"an archive"
    )
    with pytest.raises(ValueError, match="there is no such file"):
        Model("./none.tar.gz", "i").deploy()
    with pytest.raises(ValueError, match="Model needs image_uri"):
        Model(MODEL).deploy()
    with pytest.raises(ValueError, match="need entry_point"):
        Model(MODEL, "i", source_dir=str(tmp_path))
    framework = SKLearnModel(MODEL, "role", str(script), framework_version="1.2-1", model_server_workers=2)
    container = framework.prepare_container_def("local")
    assert container["Image"] == SKLEARN
    assert container["Environment"]["SAGEMAKER_MODEL_SERVER_WORKERS"] == "2"
    model.delete_model()
    assert serving.sent("DeleteModel") == [{"ModelName": model.name}]
    with pytest.raises(ValueError, match="must be created first"):
        Model(MODEL, "i").delete_model()


def test_existing_names(serving: FakeService) -> None:
    """The same model again is used, another one of the name is told; an endpoint's name that is taken leaves nothing behind."""
    session = Session()
    container = {
        "Image": "i",
        "Environment": {"A": "b", "PEGBOX_PYTHON": sys.executable},
        "ModelDataUrl": MODEL,
    }
    serving.answers["CreateModel"] = serving.refuse(
        "ValidationException", "Cannot create already existing model x"
    )
    serving.answers["DescribeModel"] = lambda _: {
        "ModelName": "m",
        "PrimaryContainer": {**container, "Mode": "SingleModel"},
    }
    assert session.create_model("m", None, dict(container)) == "m"
    with pytest.raises(
        ValueError, match=r"another model has this name \(it differs in PrimaryContainer\.Environment\.A\)"
    ):
        session.create_model("m", None, {**container, "Environment": {"A": "c"}})
    serving.answers["CreateEndpoint"] = serving.refuse(
        "ValidationException", 'Cannot create already existing endpoint "e"'
    )
    with pytest.raises(
        ValueError, match='Endpoint with name "e" already exists; please pick a different name'
    ):
        Model(MODEL, "i", env={"A": "b"}, name="m").deploy(endpoint_name="e")
    assert serving.sent("DeleteEndpointConfig") == [{"EndpointConfigName": "e"}]
    serving.answers["CreateEndpoint"] = serving.refuse("ResourceLimitExceeded", "only 4 machines")
    with pytest.raises(Exception, match="only 4 machines"):
        Model(MODEL, "i", env={"A": "b"}, name="m").deploy(9, endpoint_name="f")
    assert serving.sent("DeleteEndpointConfig")[1] == {"EndpointConfigName": "f"}


def test_a_made_up_model_name_gives_way(serving: FakeService, script: Path) -> None:
    """After a deployment with bad code the next one, with other code, gets a model name of its own; a chosen name is kept."""
    taken = {
        "__type": "ValidationException",
        "Message": "Cannot create already existing model",
        "__status__": 400,
    }
    serving.answers["CreateModel"] = lambda request: dict(taken) if request["ModelName"] == JOB else {}
    serving.answers["DescribeModel"] = lambda _: {"ModelName": JOB, "PrimaryContainer": {"Image": "another"}}
    estimator = trained(Estimator("i"))
    estimator.deploy(endpoint_name="e", wait=False)
    name = serving.sent("CreateModel")[1]["ModelName"]
    assert name.startswith(JOB[:20])
    assert serving.sent("CreateEndpointConfig")[0]["ProductionVariants"][0]["ModelName"] == name
    with pytest.raises(ValueError, match="it differs in PrimaryContainer"):
        estimator.deploy(endpoint_name="f", model_name=JOB)
    framework = SKLearn(str(script))
    framework._current_job_name = JOB
    trained(framework).create_model().deploy(endpoint_name="g", wait=False)
    with pytest.raises(ValueError, match="it differs in PrimaryContainer"):
        framework.create_model(name=JOB).deploy(endpoint_name="h", wait=False)


def test_a_deployment_that_is_refused_leaves_nothing_with_the_time_in_its_name(serving: FakeService) -> None:
    """The model whose name nobody would find again goes, and so does the configuration of an update; others stay."""
    serving.answers["CreateEndpoint"] = serving.refuse("ResourceLimitExceeded", "only 4 machines")
    model = Model(MODEL, "i")
    with pytest.raises(Exception, match="only 4 machines"):
        model.deploy(9)
    assert serving.sent("DeleteModel") == [{"ModelName": serving.sent("CreateModel")[0]["ModelName"]}]
    assert model.name is None
    with pytest.raises(Exception, match="only 4 machines"):
        Model(MODEL, "i", name="m").deploy(9)
    for argument, kind in (
        ("data_capture_config", "DataCaptureConfig"),
        ("async_inference_config", "AsyncInf"),
    ):
        with pytest.raises(ValueError, match=f"must be a {kind}"):
            Model(MODEL, "i").deploy(**{argument: {"EnableCapture": True}})
    assert len(serving.sent("DeleteModel")) == 1
    assert len(serving.sent("CreateModel")) == 2
    del serving.answers["CreateEndpoint"]
    serving.answers["UpdateEndpoint"] = serving.refuse(
        "ValidationException", "Cannot update in-progress endpoint"
    )
    serving.answers["DescribeEndpointConfig"] = lambda _: {
        "EndpointConfigArn": "a",
        "ProductionVariants": [{"VariantName": "v", "ModelName": "m"}],
    }
    for update in (
        lambda: Model(MODEL, "i", name="m").deploy(endpoint_name="e", update_endpoint=True),
        lambda: Predictor("e").update_endpoint(initial_instance_count=2, instance_type="local"),
        Predictor("e").disable_data_capture,
    ):
        with pytest.raises(Exception, match="in-progress"):
            update()
        made = serving.sent("CreateEndpointConfig")[-1]["EndpointConfigName"]
        assert serving.sent("DeleteEndpointConfig")[-1] == {"EndpointConfigName": made}


def test_a_job_that_has_not_made_its_model(serving: FakeService) -> None:
    """A job that runs has no model yet, one that failed has none: it is told before anything is made."""
    for status, words in (
        ("InProgress", r"no model yet \(InProgress\); wait until it is Completed"),
        ("Failed", "it Failed. A bug"),
    ):
        serving.answers["DescribeTrainingJob"] = lambda _, status=status: training_job(
            status,
            AlgorithmSpecification={"TrainingImage": "i", "TrainingInputMode": "File"},
            FailureReason="A bug",
        )
        with pytest.raises(ValueError, match=words):
            trained(Estimator("i")).deploy()
    assert serving.sent("CreateModel") == []


def test_a_configuration_that_is_there_is_used_if_it_says_the_same(serving: FakeService) -> None:
    """After tuner.delete_endpoint a deployment with another number of machines does not get the old configuration."""
    described = {
        "EndpointConfigName": "e",
        "EndpointConfigArn": "arn",
        "CreationTime": 1.0,
        "ProductionVariants": [
            {
                "VariantName": "AllTraffic",
                "ModelName": "m",
                "InstanceType": "local",
                "InitialInstanceCount": 1,
                "InitialVariantWeight": 1.0,
            }
        ],
    }
    serving.answers["DescribeEndpointConfig"] = lambda _: dict(described)
    Model(MODEL, "i", name="m").deploy(endpoint_name="e")
    assert serving.sent("CreateEndpointConfig") == []
    Model(MODEL, "i", name="m").deploy(2, endpoint_name="e")
    (config,) = serving.sent("CreateEndpointConfig")
    assert config["EndpointConfigName"].startswith("e-2")
    assert serving.sent("CreateEndpoint")[1]["EndpointConfigName"] == config["EndpointConfigName"]


def test_a_failed_endpoint_tells_why(serving: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    """The exception has status and reason, and the end of the log is printed."""
    serving.answers["DescribeEndpoint"] = lambda request: {
        "EndpointName": request["EndpointName"],
        "EndpointStatus": "Failed",
        "FailureReason": "the model server ended with exit code 1",
    }
    serving.answers["DescribeLogStreams"] = lambda _: {"logStreams": [{"logStreamName": "AllTraffic/i-1"}]}
    serving.answers["GetLogEvents"] = lambda r: {
        "events": [] if "nextToken" in r else [{"message": f"line {n}", "timestamp": n} for n in range(30)],
        "nextForwardToken": "f/1",
    }
    with pytest.raises(UnexpectedStatusException, match=r"Failed.*exit code 1") as caught:
        Model(MODEL, "i").deploy(endpoint_name="e")
    assert (caught.value.allowed_statuses, caught.value.actual_status) == (["InService"], "Failed")
    shown = capsys.readouterr().err
    assert "line 29" in shown
    assert "line 9\n" not in shown
    assert serving.sent("DescribeLogStreams")[0]["logGroupName"] == "/aws/sagemaker/Endpoints/e"


def test_another_endpoints_model_is_replaced(serving: FakeService) -> None:
    """update_endpoint=True makes a configuration of the new model and changes the endpoint."""
    Model(MODEL, "i", name="m2").deploy(1, "local", endpoint_name="e", update_endpoint=True)
    assert serving.sent("CreateEndpointConfig")[0]["EndpointConfigName"] == "m2"
    assert serving.sent("UpdateEndpoint") == [{"EndpointName": "e", "EndpointConfigName": "m2"}]
    assert serving.sent("CreateEndpoint") == []
    serving.answers["DescribeEndpoint"] = serving.refuse("ValidationException", "Could not find endpoint")
    with pytest.raises(ValueError, match="Endpoint with name 'none' does not exist"):
        Session().update_endpoint("none", "c")


def test_deleting(serving: FakeService, script: Path) -> None:
    """Tuner and estimator delete the endpoint of the job's name, or the one named."""
    session = Session()
    tuner = attached(SKLearn(str(script), sagemaker_session=session), session)
    tuner.delete_endpoint()
    tuner.delete_endpoint("mine")
    tuner.best_estimator().delete_endpoint()
    assert [request["EndpointName"] for request in serving.sent("DeleteEndpoint")] == [JOB, "mine", JOB]


def test_sessions_make_endpoints_from_data_and_jobs(serving: FakeService) -> None:
    """The session's own calls, under the names of both versions."""
    session = Session()
    serving.answers["DescribeEndpoint"] = serving.refuse("ValidationException", "Could not find e", times=1)
    assert session.endpoint_from_model_data(MODEL, deployment_image="i", initial_instance_count=1,
        instance_type="local", name="e", wait=False, model_environment_vars={"A": "b"}) == "e"  # fmt: skip
    model = serving.sent("CreateModel")[0]
    assert model["PrimaryContainer"] == {"Image": "i", "ModelDataUrl": MODEL, "Environment": {"A": "b"}}
    with pytest.raises(ValueError, match='Endpoint with name "e" already exists'):
        session.endpoint_from_job(JOB, 1, "local", name="e")
    assert session.create_model_from_job(JOB, env={"C": "d"}) == JOB
    assert serving.sent("CreateModel")[1]["PrimaryContainer"] == {
        "Image": SKLEARN,
        "ModelDataUrl": MODEL,
        "Environment": {"C": "d"},
    }
    session.create_endpoint_config("c", JOB, 2, "local", kms_key="k")
    variant = serving.sent("CreateEndpointConfig")[-1]["ProductionVariants"][0]
    assert (variant["ModelName"], variant["InitialInstanceCount"]) == (JOB, 2)
    serving.answers["DescribeEndpoint"] = lambda _: {"EndpointStatus": "InService"}
    assert session.endpoint_in_service_or_not("e")
    serving.answers["DescribeEndpoint"] = serving.refuse("ValidationException", "Could not find e")
    assert not session.endpoint_in_service_or_not("e")
    with pytest.raises(ValueError, match="container_defs is missing"):
        session.create_model("m")
    with pytest.raises(ValueError, match="can not be passed"):
        session.create_model("m", None, "i", primary_container="i")


def test_the_calls_that_the_aws_sdks_own_tests_look_at(script: Path) -> None:
    """With a stand-in of a session the calls have the form that those tests expect."""
    session = Mock(name="session", boto_region_name="us-west-2", config=None, local_mode=False)
    session.sagemaker_client.describe_hyper_parameter_tuning_job.return_value = tuning_job(
        "Completed", BestTrainingJob={"TrainingJobName": "neo"}
    )
    session.sagemaker_client.describe_training_job.return_value = training_job(
        TrainingJobName="neo",
        AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
    )
    session.sagemaker_client.list_tags.return_value = {"Tags": []}
    predictor = attached(Estimator("image", "role", sagemaker_session=session), session).deploy(
        1, "ml.c4.xlarge"
    )
    session.create_model.assert_called_once()
    name, role, container = session.create_model.call_args[0]
    assert (name, role) == ("neo", training_job()["RoleArn"])
    assert container == {"Image": "image", "ModelDataUrl": MODEL, "Environment": {}}
    session.endpoint_from_production_variants.assert_called_once()
    assert session.endpoint_from_production_variants.call_args[1]["name"] == "neo"
    assert isinstance(predictor, RealTimePredictor)
    assert predictor.sagemaker_session is session


def test_elsewhere_code_goes_into_the_model_where_aws_looks_for_it(tmp_path: Path, script: Path) -> None:
    """For AWS's PyTorch images the code is packed into the archive, in place of code that is there."""
    import io
    import tarfile

    objects: dict[str, bytes] = {}

    def archive(**files: bytes) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as packed:
            for name, body in files.items():
                member = tarfile.TarInfo(name.replace("__", "/"))
                member.size = len(body)
                packed.addfile(member, io.BytesIO(body))
        return out.getvalue()

    s3 = Mock()
    s3.download_file.side_effect = lambda bucket, key, path: Path(path).write_bytes(objects[key])
    s3.upload_file.side_effect = lambda path, bucket, key, ExtraArgs: objects.update(
        {key: Path(path).read_bytes()}
    )
    s3.put_object.side_effect = lambda Bucket, Key, Body: objects.update({Key: Body})
    objects["m.tar.gz"] = archive(**{"model.pt": b"weights", "code__old.py": b"old"})
    session = Mock(boto_region_name="us-west-2", s3_client=s3, is_local=False)
    session.default_bucket.return_value = "b"
    model = PyTorchModel(
        "s3://b/m.tar.gz", "role", str(script), framework_version="2.3.0", py_version="py311",
        name="my-model", sagemaker_session=session,
    )  # fmt: skip
    container = model.prepare_container_def("ml.c5.xlarge")
    assert container["Image"].endswith("/pytorch-inference:2.3.0-cpu-py311")
    assert container["ModelDataUrl"] == "s3://b/my-model/model.tar.gz"
    assert container["Environment"]["SAGEMAKER_SUBMIT_DIRECTORY"] == "/opt/ml/model/code"
    with tarfile.open(fileobj=io.BytesIO(objects["my-model/model.tar.gz"])) as packed:
        assert sorted(packed.getnames()) == ["code/train.py", "model.pt"]
    (tmp_path / "on-the-way").mkdir()
    model.model_data, model.model_kms_key = "s3://b/m.tar.gz", "key"
    for encrypt, sent in ((True, "key"), (False, None)):
        session.settings = SessionSettings(encrypt, str(tmp_path / "on-the-way"))
        model.prepare_container_def("ml.c5.xlarge")
        call = s3.upload_file.call_args
        assert Path(call.args[0]).parents[1] == tmp_path / "on-the-way"
        assert (call.kwargs["ExtraArgs"] or {}).get("SSEKMSKeyId") == sent
    objects["m.tar.gz"] = b"no archive"
    with pytest.raises(ValueError, match=r"is no \.tar\.gz archive"):
        PyTorchModel("s3://b/m.tar.gz", "role", str(script), sagemaker_session=session).prepare_container_def(
            "ml.c5.xlarge"
        )
    tensorflow = TensorFlow(entry_point=str(script), sagemaker_session=session)
    trained(tensorflow)
    session.sagemaker_client.describe_training_job.return_value = training_job()
    assert tensorflow.create_model().entry_point is None
    own = PyTorch(str(script), image_uri="my/own:1", sagemaker_session=session)
    trained(own)
    assert own.create_model().image_uri == "my/own:1"
    assert isinstance(own.create_model(), FrameworkModel)


def test_the_page_names_every_argument() -> None:
    """docs/deploying.md tells of every argument of deploy that is not refused, and of every serializer's format."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "deploying.md").read_text()
    refused = {
        "serverless_inference_config",
        "explainer_config",
        "inference_recommendation_id",
        "use_compiled_model",
    }
    for deploy in (EstimatorBase.deploy, HyperparameterTuner.deploy, Model.deploy):
        for name in set(inspect.signature(deploy).parameters) - refused - {"self", "kwargs", "more"}:
            assert f"`{name}`" in page or f"`{name}=" in page or f"{name}=" in page, name
    for method in (
        "predict",
        "predict_stream",
        "update_endpoint",
        "delete_endpoint",
        "delete_model",
        "enable_data_capture",
    ):
        assert f"{method}(" in page or f"`{method}`" in page, method


def test_a_predictor_is_a_predictor() -> None:
    """Both names mean one class."""
    assert RealTimePredictor is Predictor


def test_waiting_shows_changes_once_and_can_be_left(capsys: pytest.CaptureFixture[str]) -> None:
    """Each new state is a line, the log comes along when asked for, and Ctrl-C says how to come back."""
    states = iter(
        [
            {"EndpointStatus": "Creating"},
            {"EndpointStatus": "Creating"},
            {
                "EndpointStatus": "Updating",
                "ProductionVariants": [
                    {"VariantName": "A", "CurrentInstanceCount": 1, "DesiredInstanceCount": 2}
                ],
            },
            {"EndpointStatus": "InService"},
        ]
    )
    client, logs = Mock(), Mock()
    client.describe_endpoint.side_effect = lambda EndpointName: next(states)
    logs.describe_log_streams.return_value = {"logStreams": [{"logStreamName": "A/i-1"}]}
    logs.get_log_events.side_effect = [
        {"events": [{"message": "loading"}], "nextForwardToken": "f/1"},
        *[{"events": [], "nextForwardToken": "f/1"}] * 9,
    ]
    pauses = endpoint_waiting.pauses(0.5, False)
    endpoint_waiting.wait_for_endpoint(client, lambda: logs, "e", pauses, live_logging=True, sleep=Mock())
    shown = capsys.readouterr().out.splitlines()
    assert shown == ["e: Creating", "loading", "e: Updating (A 1 of 2)", "e: InService"]
    client.describe_endpoint.side_effect = lambda EndpointName: {"EndpointStatus": "Creating"}
    with pytest.raises(KeyboardInterrupt):
        endpoint_waiting.wait_for_endpoint(
            client, lambda: logs, "e", pauses, sleep=Mock(side_effect=KeyboardInterrupt)
        )
    assert "pegbox delete-endpoint e" in capsys.readouterr().err
    assert next(endpoint_waiting.pauses(None, True)) < 1 < next(endpoint_waiting.pauses(None, False))
