"""Single training jobs, frameworks and built-in algorithms."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

import pegbox
from pegbox import image_uris
from pegbox.amazon.amazon_estimator import AmazonAlgorithmEstimatorBase, RecordSet, get_image_uri
from pegbox.amazon.hyperparameter import Hyperparameter
from pegbox.chainer import Chainer
from pegbox.errors import NotHere
from pegbox.estimator import Estimator, EstimatorBase, Framework
from pegbox.exceptions import UnexpectedStatusException
from pegbox.mxnet import MXNet
from pegbox.parameter import CategoricalParameter, IntegerParameter
from pegbox.pytorch import PyTorch
from pegbox.sklearn import SKLearn
from pegbox.tensorflow import TensorFlow
from pegbox.tuner import HyperparameterTuner
from pegbox.xgboost import XGBoost

from .conftest import FakeService
from .descriptions import training_job

TRAIN = "CreateTrainingJob"
DESCRIBE = "DescribeTrainingJob"


def test_fit_sends_one_training_job_and_waits(
    service: FakeService, script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """fit makes a job, follows its log to the end and knows the model."""
    service.answers[DESCRIBE] = lambda _: training_job()
    service.answers["DescribeLogStreams"] = lambda r: {
        "logStreams": [{"logStreamName": r["logStreamNamePrefix"] + "1"}]
    }
    service.answers["GetLogEvents"] = lambda r: {
        "events": [] if "nextToken" in r else [{"message": "hello", "timestamp": 1}],
        "nextForwardToken": "f/1",
    }
    estimator = Estimator(
        entry_point=str(script), hyperparameters={"a": 1}, tags=[{"Key": "k", "Value": "v"}]
    )
    estimator.fit({"train": "s3://b/k"})
    (request,) = service.sent(TRAIN)
    assert request["TrainingJobName"].startswith("train-")
    assert request["HyperParameters"]["a"] == "1"
    assert request["HyperParameters"]["sagemaker_program"] == '"train.py"'
    assert request["Environment"] == {"PEGBOX_PYTHON": sys.executable}
    assert (request["Tags"], request["ResourceConfig"]["InstanceType"]) == (
        [{"Key": "k", "Value": "v"}],
        "local",
    )
    assert request["InputDataConfig"][0]["ChannelName"] == "train"
    assert capsys.readouterr().out.splitlines()[1:] == ["hello"]
    assert estimator.model_data == "s3://pegbox-local/out/x/output/model.tar.gz"
    assert estimator.latest_training_job.name == request["TrainingJobName"]


def test_fit_without_waiting_and_failure(service: FakeService) -> None:
    """wait=False returns at once; a failed job that was waited for is an error with its reason."""
    service.answers[DESCRIBE] = lambda _: training_job("Failed", FailureReason="AlgorithmError: boom")
    estimator = Estimator("image")
    estimator.fit(wait=False, job_name="my-job")
    assert [name for name, _ in service.requests] == [TRAIN]
    assert service.sent(TRAIN)[0]["TrainingJobName"] == "my-job"
    for logs in (False, None, "None", [], ["None"]):
        with pytest.raises(UnexpectedStatusException, match="AlgorithmError: boom"):
            estimator.latest_training_job.wait(logs=logs)
    assert {name for name, _ in service.requests} == {TRAIN, DESCRIBE}


def test_attach_waits_quietly(service: FakeService) -> None:
    """attach describes the job, reads its tags and does not touch its log."""
    service.answers[DESCRIBE] = lambda _: training_job()
    service.answers["ListTags"] = lambda _: {"Tags": []}
    estimator = Estimator.attach("x")
    assert isinstance(estimator, Estimator)
    assert (estimator.image_uri, estimator.instance_type, estimator.output_kms_key) == (
        "image",
        "ml.m5.large",
        "",
    )
    assert [name for name, _ in service.requests] == [DESCRIBE, "ListTags", DESCRIBE]


def test_estimators_without_a_job_say_so() -> None:
    """Model, log and analytics need a training job."""
    estimator = Estimator("i", sagemaker_session=Mock())
    for ask in (lambda: estimator.model_data, estimator.logs, lambda: estimator.training_job_analytics):
        with pytest.raises(ValueError, match="not associated with"):
            ask()


def test_own_estimators_can_be_tuned(service: FakeService) -> None:
    """A subclass of EstimatorBase with version 1's two methods is enough, and so are version 2's."""

    class Old(EstimatorBase):
        def train_image(self) -> str:
            return "old-image"

        def hyperparameters(self) -> dict[str, Any]:
            return {"a": 1}

    class New(Old):
        train_image = EstimatorBase.train_image

        def training_image_uri(self) -> str:
            return "new-image"

    for cls in (Old, New):
        HyperparameterTuner(cls("r", 1, "local"), "m", {"x": IntegerParameter(0, 1)}).fit()
    sent = [
        r["TrainingJobDefinition"]["AlgorithmSpecification"]
        for r in service.sent("CreateHyperParameterTuningJob")
    ]
    assert [item["TrainingImage"] for item in sent] == ["old-image", "new-image"]
    with pytest.raises(NotImplementedError, match="must define train_image"):
        type("None_", (Old,), {"train_image": EstimatorBase.train_image})("r").train_image()


@pytest.mark.parametrize("package", ["sklearn", "xgboost", "pytorch", "tensorflow", "mxnet", "chainer"])
def test_frameworks_have_both_import_paths(package: str) -> None:
    """Class, model and predictor are there under the package and under its modules."""
    door = importlib.import_module(f"pegbox.{package}")
    estimator = next(
        getattr(door, name) for name in door.__all__ if not name.endswith(("Model", "Predictor"))
    )
    assert issubclass(estimator, Framework)
    assert getattr(importlib.import_module(f"pegbox.{package}.estimator"), estimator.__name__) is estimator
    models = importlib.import_module(f"pegbox.{package}.model")
    for name in (f"{estimator.__name__}Model", f"{estimator.__name__}Predictor"):
        assert getattr(models, name) is getattr(door, name)


@pytest.mark.parametrize(
    ("make", "image"),
    [
        (lambda **k: SKLearn("x.py", "0.23-1", **k), "683313688378{}sagemaker-scikit-learn:0.23-1-cpu-py3"),
        (lambda **k: XGBoost("x.py", "0.90-2", **k), "683313688378{}sagemaker-xgboost:0.90-2-cpu-py3"),
        (lambda **k: XGBoost("x.py", framework_version="1.7-1", **k), "683313688378{}sagemaker-xgboost:1.7-1"),
        (lambda **k: PyTorch("x.py", framework_version="2.0.0", **k), "763104351884{}pytorch-training:2.0.0-cpu-py310"),
        (lambda **k: TensorFlow(entry_point="x.py", framework_version="2.9.2", py_version="py39", **k),
         "763104351884{}tensorflow-training:2.9.2-cpu-py39"),
        (lambda **k: MXNet("x.py", framework_version="1.6.0", py_version="py3", image_name="mine", **k), "mine"),
        (lambda **k: Chainer("x.py", framework_version="5.0.0", **k), "520713654638{}sagemaker-chainer:5.0.0-cpu-py3"),
    ],
)  # fmt: skip
def test_framework_images(make: Any, image: str) -> None:
    """Framework, version, machine and region decide the image."""
    estimator = make(sagemaker_session=Mock(boto_region_name="us-east-1"))
    assert estimator.train_image() == image.format(".dkr.ecr.us-east-1.amazonaws.com/")


def test_images() -> None:
    """Built-in algorithms, regions of other partitions and old calls have their images; mistakes are told."""
    assert get_image_uri("us-west-2", "kmeans") == "174872318107.dkr.ecr.us-west-2.amazonaws.com/kmeans:1"
    assert (
        get_image_uri("us-east-1", "xgboost", "1") == "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1"
    )
    assert image_uris.retrieve("pca", "cn-north-1").endswith(".dkr.ecr.cn-north-1.amazonaws.com.cn/pca:1")
    assert image_uris.retrieve("pytorch", instance_type="ml.g4dn.xlarge").endswith("-gpu-py311")
    serving = {
        name: image_uris.retrieve(name, image_scope="inference")
        for name in ("pytorch", "tensorflow", "sklearn")
    }
    assert [uri.rpartition("/")[2] for uri in serving.values()] == [
        "pytorch-inference:2.3.0-cpu-py311",
        "tensorflow-inference:2.14.1-cpu",
        "sagemaker-scikit-learn:1.2-1-cpu-py3",
    ]
    for arguments, named in (
        (("sciki",), "framework='sciki' is unknown; known are .*sklearn"),
        (("sklearn", "moon-1"), "region='moon-1' has no images"),
        (("sklearn", None, None, None, None, "ml.eia1.medium"), "accelerator_type"),
        (("sklearn", None, None, None, None, None, "eia"), "image_scope='eia'"),
    ):
        with pytest.raises(ValueError, match=named):
            image_uris.retrieve(*arguments)
    assert image_uris.parse("x/sagemaker-pytorch:1.1.0-gpu-py36") == ("pytorch", "1.1.0", "py36")
    assert image_uris.parse("mine:latest") == (None, None, None)


@pytest.mark.parametrize(
    ("framework", "version", "trains", "serves"),
    [
        ("pytorch", "1.1.0", "520713654638 sagemaker-pytorch", "520713654638 sagemaker-pytorch"),
        ("pytorch", "1.2.0", "763104351884 pytorch-training", "763104351884 pytorch-inference"),
        ("mxnet", "1.3.0", "520713654638 sagemaker-mxnet", "520713654638 sagemaker-mxnet"),
        ("mxnet", "1.4.0", "520713654638 sagemaker-mxnet", "520713654638 sagemaker-mxnet-serving"),
        ("mxnet", "1.4.1", "763104351884 mxnet-training", "763104351884 mxnet-inference"),
        ("tensorflow", "1.12.0", "520713654638 sagemaker-tensorflow-scriptmode", "520713654638 sagemaker-tensorflow-serving"),
        ("tensorflow", "1.13.1", "763104351884 tensorflow-training", "763104351884 tensorflow-inference"),
    ],
)  # fmt: skip
def test_early_frameworks_have_images_of_their_own(
    framework: str, version: str, trains: str, serves: str
) -> None:
    """Versions before AWS's deep-learning images are in other repositories, and every image is read again."""
    for scope, place in (("training", trains), ("inference", serves)):
        image = image_uris.retrieve(framework, "us-east-1", version, "py3", image_scope=scope)
        account, repository = place.split()
        assert image.startswith(f"{account}.dkr.ecr.us-east-1.amazonaws.com/{repository}:{version}-cpu")
        assert image_uris.parse(image)[:2] == (framework, version)


@pytest.mark.parametrize(("cls", "package"), [(MXNet, "mxnet"), (Chainer, "chainer")])
def test_frameworks_that_are_not_installed_say_what_to_install(
    service: FakeService, script: Path, cls: Any, package: str
) -> None:
    """Nothing is started without the framework, unless the script's own requirements bring it."""
    with pytest.raises(ValueError, match=f"-m pip install {package}"):
        HyperparameterTuner(cls(str(script)), "m", {"x": IntegerParameter(0, 1)}).fit()
    assert service.requests == []
    (script.parent / "requirements.txt").write_text(package)
    estimator = cls("train.py", source_dir=str(script.parent), image_uri="i")
    (service.home / "buckets").mkdir()
    estimator._check_before_start()


def test_distributed_training_is_refused() -> None:
    """Settings that switch it on are refused, such that switch it off are fine."""
    for make in (
        lambda: PyTorch("x.py", distribution={"smdistributed": {"dataparallel": {"enabled": True}}}),
        lambda: MXNet("x.py", distributions={"parameter_server": {"enabled": True}}),
        lambda: Chainer("x.py", use_mpi=True),
        lambda: TensorFlow(entry_point="x.py", training_steps=10),
    ):
        with pytest.raises(NotHere, match="not offered"):
            make()
    PyTorch("x.py", distribution={"parameter_server": {"enabled": False}}, sagemaker_session=Mock())


def test_tensorflow_model_dir(service: FakeService, script: Path) -> None:
    """The script gets --model_dir: the container's folder here, an address elsewhere, nothing with False."""
    local = TensorFlow(entry_point=str(script))
    assert local.hyperparameters()["model_dir"] == '"/opt/ml/model"'
    assert "model_dir" not in TensorFlow(entry_point=str(script), model_dir=False).hyperparameters()
    remote = TensorFlow(entry_point=str(script), output_path="s3://b/o/", sagemaker_session=Mock())
    remote._current_job_name = "job"
    assert remote.hyperparameters()["model_dir"] == '"s3://b/o/job/model"'


def test_debugger_is_refused_and_its_absence_accepted() -> None:
    """rules and hooks are refused; switching the hook off is what there is."""
    for name in ("rules", "debugger_hook_config", "tensorboard_output_config"):
        with pytest.raises(NotHere, match=name):
            Estimator("i", **{name: [object()]})
    Estimator("i", debugger_hook_config=False, disable_profiler=True, sagemaker_session=Mock())


def test_network_isolation_brings_the_code_as_a_channel(service: FakeService, script: Path) -> None:
    """Without network the code arrives as channel ``code`` and is named by its place in the container."""
    SKLearn(entry_point=str(script), enable_network_isolation=True).fit(wait=False)
    (request,) = service.sent(TRAIN)
    assert request["EnableNetworkIsolation"] is True
    assert (
        request["HyperParameters"]["sagemaker_submit_directory"]
        == '"/opt/ml/input/data/code/sourcedir.tar.gz"'
    )
    (channel,) = request["InputDataConfig"]
    assert channel["ChannelName"] == "code"
    assert channel["DataSource"]["S3DataSource"]["S3Uri"].startswith("s3://pegbox-local/code/")


def test_code_location_and_hyperparameter_texts(service: FakeService, script: Path) -> None:
    """Code goes where it was asked to go; values without a JSON form are refused; NumPy scalars are numbers."""
    import numpy as np

    estimator = SKLearn(
        str(script), code_location="s3://pegbox-local/mine/", hyperparameters={"a": np.float64(0.5)}
    )
    estimator.fit(wait=False)
    hyperparameters = service.sent(TRAIN)[0]["HyperParameters"]
    assert hyperparameters["sagemaker_submit_directory"].startswith('"s3://pegbox-local/mine/code/')
    assert hyperparameters["a"] == "0.5"
    with pytest.raises(ValueError, match=r"hyperparameter value .* must be"):
        SKLearn(str(script), hyperparameters={"a": object()}).hyperparameters()
    with pytest.raises(ValueError, match="Invalid entry point script"):
        SKLearn("s3://b/x.py")


class Own(AmazonAlgorithmEstimatorBase):
    """An estimator with described hyperparameters, as built-in algorithms have."""

    repo_name = "pca"
    repo_version = "1"
    size = Hyperparameter("num_components", lambda x: x > 0, "an integer greater than zero", int)
    mode = Hyperparameter("algorithm_mode", lambda x: x in ("regular", "randomized"), 'one of "regular"')


def test_described_hyperparameters_are_checked(service: FakeService) -> None:
    """Values and ranges go through the description, by its name, and records bring their size."""
    estimator = Own(role="r", train_instance_count=1, train_instance_type="local")
    estimator.size = "5"
    with pytest.raises(ValueError, match="Invalid hyperparameter value 0 for num_components"):
        estimator.size = 0
    for ranges, named in (
        ({"num_components": IntegerParameter(-1, 2)}, "an integer greater than zero"),
        ({"algorithm_mode": CategoricalParameter(["x"])}, "regular"),
    ):
        with pytest.raises(ValueError, match=named):
            HyperparameterTuner(estimator, "m", ranges)
    tuner = HyperparameterTuner(estimator, "m", {"algorithm_mode": CategoricalParameter(["regular"])})
    tuner.fit(RecordSet("s3://b/m", num_records=10, feature_dim=3), mini_batch_size=4)
    definition = service.sent("CreateHyperParameterTuningJob")[0]["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"] == {
        "num_components": "5",
        "feature_dim": "3",
        "mini_batch_size": "4",
    }
    assert "MetricDefinitions" not in definition["AlgorithmSpecification"]
    del estimator.size
    assert not hasattr(estimator, "size")


def test_algorithms_that_do_not_exist_say_so() -> None:
    """Their classes can be imported and name what there is instead."""
    for name in ("NTM", "Object2Vec", "IPInsights"):
        with pytest.raises(NotHere, match=f"{name} does not exist.*Estimator\\(entry_point"):
            getattr(pegbox, name)("role", 1, "local")


def test_what_estimators_do_not_offer() -> None:
    """Transforming, compiling and registering say that they are not here, and what to do instead."""
    estimator = Estimator("i", sagemaker_session=Mock())
    for call in (estimator.transformer, estimator.compile_model, estimator.register):
        with pytest.raises(NotHere, match="Pegbox has no"):
            call()
