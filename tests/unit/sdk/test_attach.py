"""Attaching to a tuning job: what comes back, which class it becomes, and what is said about descriptions that lack something."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from pegbox.amazon.kmeans import KMeans
from pegbox.amazon.pca import PCA
from pegbox.estimator import Estimator
from pegbox.session import Session
from pegbox.sklearn import SKLearn
from pegbox.tuner import (
    HyperbandStrategyConfig,
    HyperparameterTuner,
    WarmStartTypes,
    create_identical_dataset_and_algorithm_tuner,
    create_transfer_learning_tuner,
)

from .conftest import FakeService
from .descriptions import NAME, definition, tuning_job
from .test_tuner_job import framework_job

CREATE = "CreateHyperParameterTuningJob"
DESCRIBE = "DescribeHyperParameterTuningJob"
TAGS = [{"Key": "team", "Value": "a"}]
REGISTRY = "174872318107.dkr.ecr.us-west-2.amazonaws.com"


def rich_job(**changes: Any) -> dict[str, Any]:
    """Return a description with everything that a tuner can be given."""
    job = tuning_job(**changes)
    config = job["HyperParameterTuningJobConfig"]
    config["Strategy"] = "Hyperband"
    config["StrategyConfig"] = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 27}}
    job["WarmStartConfig"] = {
        "WarmStartType": "TransferLearning",
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "p1"}],
    }
    job["TrainingJobDefinition"] |= {
        "VpcConfig": {"Subnets": ["net"], "SecurityGroupIds": ["group"]},
        "EnableInterContainerTrafficEncryption": True,
        "EnableNetworkIsolation": True,
        "OutputDataConfig": {"S3OutputPath": "s3://pegbox-local/out", "KmsKeyId": "key"},
        "ResourceConfig": {
            "InstanceCount": 2, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 40, "VolumeKmsKeyId": "disk",
        },
        "InputDataConfig": [
            {
                "ChannelName": "model",
                "ContentType": "application/x-sagemaker-model",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://pegbox-local/old"}},
            }
        ],
    }  # fmt: skip
    return job


def several_jobs(*names: str, image: str = "image") -> dict[str, Any]:
    """Return the description of a job with these definitions."""
    config = tuning_job()["HyperParameterTuningJobConfig"]
    ranges = config.pop("ParameterRanges")
    del config["HyperParameterTuningJobObjective"]
    parts = [
        definition(
            image,
            DefinitionName=name,
            TuningObjective={"Type": "Minimize", "MetricName": f"m-{name}"},
            HyperParameterRanges=ranges,
        )
        for name in names
    ]
    job = tuning_job(HyperParameterTuningJobConfig=config, TrainingJobDefinitions=parts)
    del job["TrainingJobDefinition"]
    return job


def test_everything_comes_back_and_is_sent_again(service: FakeService) -> None:
    """Strategy settings, parents, tags, base names, network, keys, machine, spot, checkpoints, model: all of it."""
    service.answers[DESCRIBE] = lambda _: rich_job()
    service.answers["ListTags"] = {"Tags": TAGS}
    tuner = HyperparameterTuner.attach(NAME)
    assert service.sent("ListTags") == [{"ResourceArn": tuning_job()["HyperParameterTuningJobArn"]}]
    assert tuner.tags == TAGS
    assert tuner.strategy == "Hyperband"
    assert tuner.strategy_config is not None
    hyperband = tuner.strategy_config.hyperband_strategy_config
    assert isinstance(hyperband, HyperbandStrategyConfig)
    assert (hyperband.min_resource, hyperband.max_resource) == (1, 27)
    assert tuner.base_tuning_job_name == tuner.estimator.base_job_name == "job"
    estimator = tuner.estimator
    for old, new, value in (
        ("train_instance_count", "instance_count", 2),
        ("train_instance_type", "instance_type", "ml.m5.large"),
        ("train_volume_size", "volume_size", 40),
        ("train_volume_kms_key", "volume_kms_key", "disk"),
        ("train_max_run", "max_run", 60),
        ("train_max_wait", "max_wait", 90),
        ("train_use_spot_instances", "use_spot_instances", True),
        ("image_name", "image_uri", "image"),
    ):
        assert getattr(estimator, old) == getattr(estimator, new) == value, old
    assert (estimator.max_retry_attempts, estimator.output_kms_key) == (2, "key")
    assert (estimator.model_uri, estimator.checkpoint_local_path) == (
        "s3://pegbox-local/old",
        "/opt/ml/checkpoints",
    )
    tuner.fit()
    (sent,) = service.sent(CREATE)
    wanted = rich_job()
    assert sent["Tags"] == TAGS
    assert sent["WarmStartConfig"] == wanted["WarmStartConfig"]
    assert sent["HyperParameterTuningJobName"].startswith("job-")
    assert (
        sent["HyperParameterTuningJobConfig"]["StrategyConfig"]
        == (wanted["HyperParameterTuningJobConfig"]["StrategyConfig"])
    )
    for name in ("VpcConfig", "ResourceConfig", "OutputDataConfig", "CheckpointConfig", "RetryStrategy"):
        assert sent["TrainingJobDefinition"][name] == wanted["TrainingJobDefinition"][name]
    for name in ("EnableNetworkIsolation", "EnableManagedSpotTraining"):
        assert sent["TrainingJobDefinition"][name] is True


def test_a_job_without_a_number_keeps_none(service: FakeService) -> None:
    """A job bounded by its time or its criteria is not turned into one of a single training job; nor is its child."""
    job = tuning_job()
    del job["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"]
    tuner = HyperparameterTuner.attach(NAME, job_details=job)
    tuner.fit()
    tuner.identical_dataset_and_algorithm_tuner().fit()
    for request in service.sent(CREATE):
        limits = request["HyperParameterTuningJobConfig"]["ResourceLimits"]
        assert limits == {"MaxParallelTrainingJobs": 2, "MaxRuntimeInSeconds": 600}


def test_resources_of_newer_clients(service: FakeService) -> None:
    """HyperParameterTuningResourceConfig stands for ResourceConfig, alternatives' first machine included."""
    for given, wanted in (
        ({"InstanceCount": 1, "InstanceType": "ml.a", "VolumeSizeInGB": 5}, (1, "ml.a", 5)),
        (
            {"InstanceConfigs": [{"InstanceCount": 3, "InstanceType": "ml.b", "VolumeSizeInGB": 6}]},
            (3, "ml.b", 6),
        ),
    ):
        job = tuning_job()
        del job["TrainingJobDefinition"]["ResourceConfig"]
        job["TrainingJobDefinition"]["HyperParameterTuningResourceConfig"] = given
        estimator = HyperparameterTuner.attach(NAME, job_details=job).estimator
        assert (estimator.instance_count, estimator.instance_type, estimator.volume_size) == wanted


@pytest.mark.parametrize(
    ("image", "cls"),
    [
        (f"{REGISTRY}/pca:1", PCA),
        ("1111.amazonaws.com/kmeans:1", KMeans),
        ("byoa:latest", Estimator),
        (f"{REGISTRY}/unheard-of:1", Estimator),
    ],
)
def test_the_class_of_an_image(service: FakeService, image: str, cls: type) -> None:
    """An image of a built-in algorithm becomes its estimator, any other the generic one."""
    job = tuning_job(TrainingJobDefinition=definition(image))
    statics = job["TrainingJobDefinition"]["StaticHyperParameters"]
    statics |= {"num_components": "3", "k": "2"}
    assert type(HyperparameterTuner.attach(NAME, job_details=job).estimator) is cls


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no.such.Thing", r"no\.such\.Thing cannot be loaded"),
        ("sagemaker.estimator.Nothing", r"sagemaker\.estimator\.Nothing cannot be loaded"),
        ("Estimator", "'Estimator' is not of the form"),
        ("pegbox.estimator.", "is not of the form"),
        ("os.path.join", r"os\.path\.join is no estimator class"),
        ("collections.OrderedDict", "is no estimator class: it must derive from"),
        ({"a": "x.Y"}, "the job has one TrainingJobDefinition; give a text"),
    ],
)
def test_classes_that_cannot_be(service: FakeService, name: Any, words: str) -> None:
    """Each wrong estimator_cls is told with its value and what to give instead."""
    with pytest.raises(ValueError, match=words) as caught:
        HyperparameterTuner.attach(NAME, job_details=tuning_job(), estimator_cls=name)
    assert "package.module.Class" in str(caught.value)


def test_a_class_of_metadata_that_is_not_here(service: FakeService) -> None:
    """A job of a class that Pegbox lacks says so and names the way out; with it the job can be attached to."""
    job = tuning_job()
    statics = job["TrainingJobDefinition"]["StaticHyperParameters"]
    statics |= {
        "sagemaker_estimator_class_name": '"RLEstimator"',
        "sagemaker_estimator_module": '"sagemaker.rl.estimator"',
    }
    with pytest.raises(
        ValueError, match=r"sagemaker\.rl\.estimator\.RLEstimator cannot be loaded.*estimator_cls="
    ):
        HyperparameterTuner.attach(NAME, job_details=job)
    tuner = HyperparameterTuner.attach(NAME, job_details=job, estimator_cls="sagemaker.estimator.Estimator")
    assert type(tuner.estimator) is Estimator


def test_a_class_of_a_package_of_ones_own(
    service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In list form classes go by definition; where none is given, image and metadata decide."""
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "__init__.py").write_text("")
    (tmp_path / "org" / "byoa.py").write_text(
        "from pegbox.estimator import Estimator as Base\nclass Estimator(Base):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    job = several_jobs("estimator_pca", "estimator_byoa")
    pca, byoa = job["TrainingJobDefinitions"]
    pca["AlgorithmSpecification"]["TrainingImage"] = f"{REGISTRY}/pca:1"
    pca["StaticHyperParameters"]["num_components"] = "3"
    byoa["AlgorithmSpecification"]["TrainingImage"] = (
        "123456789012.dkr.ecr.us-west-2.amazonaws.com/byoa:latest"
    )
    tuner = HyperparameterTuner.attach(
        NAME, job_details=job, estimator_cls={"estimator_byoa": "org.byoa.Estimator"}
    )
    estimators = tuner.estimator_dict or {}
    assert type(estimators["estimator_pca"]) is PCA
    assert type(estimators["estimator_byoa"]) is sys.modules["org.byoa"].Estimator
    for wrong, words in (
        ({"c": "x.Y"}, r"must be a subset of \['estimator_byoa', 'estimator_pca'\]"),
        ("org.byoa.Estimator", "must be a dictionary using"),
    ):
        with pytest.raises(ValueError, match=words):
            HyperparameterTuner.attach(NAME, job_details=job, estimator_cls=wrong)


DOCUMENTED = (
    {
        "BestTrainingJob": "best_training_job_name",
        "TrainingJobDefinition": {"AlgorithmSpecification": {"TrainingImage": f"{REGISTRY}/pca:1"}},
    },
    {
        "BestTrainingJob": "best_training_job_name",
        "TrainingJobDefinitions": [
            {
                "DefinitionName": "estimator_pca",
                "AlgorithmSpecification": {"TrainingImage": f"{REGISTRY}/pca:1"},
            },
            {
                "DefinitionName": "estimator_byoa",
                "AlgorithmSpecification": {
                    "TrainingImage": "123456789012.dkr.ecr.us-west-2.amazonaws.com/byoa:latest"
                },
            },
        ],
    },
)


@pytest.mark.parametrize(("number", "definitions"), [(0, 1), (1, 2)])
def test_the_documentations_dictionaries(service: FakeService, number: int, definitions: int) -> None:
    """Taken as job_details they lack fields: every one is named at once, none that is there, and nothing is asked for."""
    with pytest.raises(ValueError, match=r"^job_details lacks ") as caught:
        HyperparameterTuner.attach("job", job_details=dict(DOCUMENTED[number]))
    said = str(caught.value)
    for name in ("RoleArn", "TrainingInputMode", "S3OutputPath", "MaxRuntimeInSeconds", "InstanceType"):
        assert said.count(name) == definitions
    assert "HyperParameterTuningJobConfig.Strategy," in said
    for there in ("TrainingImage", "DefinitionName"):
        assert there not in said
    assert ("TrainingJobDefinitions[1].TuningObjective.MetricName" in said) == (number == 1)
    assert ("HyperParameterTuningJobConfig.ParameterRanges" in said) == (number == 0)
    assert service.requests == []


def test_the_documentations_dictionaries_completed(service: FakeService) -> None:
    """With the fields that an answer has, the first example is a tuner of PCA."""
    job = tuning_job(**DOCUMENTED[0])
    job["TrainingJobDefinition"] = {
        **definition(f"{REGISTRY}/pca:1"),
        "StaticHyperParameters": {"num_components": "2"},
    }
    assert type(HyperparameterTuner.attach("job", job_details=job).estimator) is PCA


def test_descriptions_that_are_none(service: FakeService) -> None:
    """Neither form of definitions, or an answer of a service that is not complete: named, with where it came from."""
    with pytest.raises(ValueError, match="TrainingJobDefinition or TrainingJobDefinitions"):
        HyperparameterTuner.attach("job", job_details={})
    service.answers[DESCRIBE] = {"HyperParameterTuningJobName": "job"}
    with pytest.raises(ValueError, match="the description of tuning job job lacks"):
        HyperparameterTuner.attach("job")


def test_job_details_spare_all_requests(service: FakeService) -> None:
    """Tags that they carry are kept; nothing is asked for."""
    assert HyperparameterTuner.attach(NAME, job_details=tuning_job(Tags=TAGS)).tags == TAGS
    assert service.requests == []


def test_names_without_a_time(service: FakeService) -> None:
    """A name that the caller chose is its own base; a script's job name tells its estimator's base."""
    tuner = HyperparameterTuner.attach("my-own-name", job_details=tuning_job())
    assert (tuner.base_tuning_job_name, tuner.estimator.base_job_name) == ("my-own-name", "my-own-name")
    job = framework_job()
    statics = job["TrainingJobDefinition"]["StaticHyperParameters"]
    statics["sagemaker_job_name"] = '"scikit-2026-11-23-18-22-59-123"'
    tuner = HyperparameterTuner.attach(f"{NAME}-2", job_details=job)
    assert isinstance(tuner.estimator, SKLearn)
    assert (tuner.base_tuning_job_name, tuner.estimator.base_job_name) == ("job", "scikit")


def test_sessions_of_other_peoples_tests() -> None:
    """A mock answers a request for tags with anything; that is no tag."""
    session = Mock()
    session.sagemaker_client.describe_hyper_parameter_tuning_job = Mock(return_value=tuning_job())
    tuner = HyperparameterTuner.attach(NAME, sagemaker_session=session)
    assert tuner.tags is None
    assert tuner.sagemaker_session is session


def children(tuner: HyperparameterTuner, other: Any) -> list[HyperparameterTuner]:
    """Return the children of an attached tuner, made in all four ways."""
    session = tuner.sagemaker_session
    return [
        tuner.transfer_learning_tuner(["p1"], other),
        tuner.identical_dataset_and_algorithm_tuner(("p1",)),
        create_transfer_learning_tuner(NAME, {"p1"}, other, session),
        create_identical_dataset_and_algorithm_tuner(NAME, "p1", session),
    ]


@pytest.mark.parametrize("several", [False, True])
def test_children_lose_nothing(service: FakeService, several: bool) -> None:
    """Metric definitions, tags, base name, strategy settings, limits, criteria and seed go to the child, in both forms."""
    job = several_jobs("only") if several else rich_job()
    service.answers[DESCRIBE] = lambda _: job
    service.answers["ListTags"] = {"Tags": TAGS}
    parent = HyperparameterTuner.attach(NAME, sagemaker_session=Session())
    other = Estimator("other")
    kept = (
        "metric_definitions", "metric_definitions_dict", "objective_metric_name", "objective_metric_name_dict", "strategy",
        "strategy_config", "objective_type", "max_jobs", "max_parallel_jobs", "max_runtime_in_seconds", "random_seed",
        "early_stopping_type", "tags", "base_tuning_job_name",
    )  # fmt: skip
    for number, child in enumerate(children(parent, other)):
        for name in kept:
            mine, theirs = getattr(child, name), getattr(parent, name)
            same = mine == theirs or mine.to_input_req() == theirs.to_input_req()
            assert same, name
        config = child.warm_start_config
        assert config is not None
        assert config.parents == {NAME, "p1"}
        transfer = number in (0, 2)
        assert config.type is (
            WarmStartTypes.TRANSFER_LEARNING if transfer else WarmStartTypes.IDENTICAL_DATA_AND_ALGORITHM
        )
        estimator = (child.estimator_dict or {"only": child.estimator})["only"]
        assert (estimator is other) == transfer
        assert child.completion_criteria_config is not None
        assert child.latest_tuning_job is None
        child.fit()
    names = {tuple(item["Tags"][0].values()) for item in service.sent(CREATE)}
    assert names == {("team", "a")}


def test_parents_that_are_no_names(service: FakeService) -> None:
    """A tuner in place of its name is told; so is a helper before there is a job, and one with several estimators."""
    parent = HyperparameterTuner.attach(NAME, job_details=tuning_job())
    with pytest.raises(ValueError, match="give names of tuning jobs"):
        parent.identical_dataset_and_algorithm_tuner({parent})  # type: ignore[arg-type]
    many = HyperparameterTuner.attach(NAME, job_details=several_jobs("a", "b"))
    for make in (many.identical_dataset_and_algorithm_tuner, many.transfer_learning_tuner):
        with pytest.raises(
            ValueError, match="Warm start is not supported currently for tuners with multiple estimators"
        ):
            make()
    fresh = HyperparameterTuner(Estimator("i"), "m", parent._hyperparameter_ranges or {})
    for make in (fresh.identical_dataset_and_algorithm_tuner, fresh.transfer_learning_tuner):
        with pytest.raises(ValueError, match="No tuning job available"):
            make()
