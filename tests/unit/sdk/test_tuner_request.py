"""What a tuner sends: whole requests, as they arrive at the service."""

from __future__ import annotations

import json
import re
import sys
import tarfile
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from pegbox.errors import NotHere
from pegbox.estimator import Estimator
from pegbox.inputs import TrainingInput
from pegbox.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter
from pegbox.pytorch import PyTorch
from pegbox.session import Session
from pegbox.sklearn import SKLearn
from pegbox.tuner import (
    HyperbandStrategyConfig,
    HyperparameterTuner,
    StrategyConfig,
    TuningJobCompletionCriteriaConfig,
    WarmStartConfig,
    WarmStartTypes,
)

from .conftest import FakeService

RANGES: dict[str, Any] = {
    "lr": ContinuousParameter(1e-05, 0.1, "Logarithmic"),
    "depth": IntegerParameter(1, 9),
    "kind": CategoricalParameter(["a", "b"]),
}
CREATE = "CreateHyperParameterTuningJob"


def test_constants_have_their_documented_values() -> None:
    """The five constants are those of the documentation."""
    assert HyperparameterTuner.TUNING_JOB_NAME_MAX_LENGTH == 32
    assert HyperparameterTuner.SAGEMAKER_ESTIMATOR_MODULE == "sagemaker_estimator_module"
    assert HyperparameterTuner.SAGEMAKER_ESTIMATOR_CLASS_NAME == "sagemaker_estimator_class_name"
    assert HyperparameterTuner.DEFAULT_ESTIMATOR_MODULE == "sagemaker.estimator"
    assert HyperparameterTuner.DEFAULT_ESTIMATOR_CLS_NAME == "Estimator"


def test_whole_request_of_a_bare_script(service: FakeService, script: Path) -> None:
    """A script needs nothing else: role, machine, places, image, metric and interpreter are filled in."""
    estimator = Estimator(
        entry_point=str(script), hyperparameters={"fixed": 7, "text": "x", "lr": 3, "flag": True}
    )
    tuner = HyperparameterTuner(estimator, "accuracy", RANGES, max_jobs=6, max_parallel_jobs=2, tags=[])
    tuner.fit()
    (request,) = service.sent(CREATE)
    name = request["HyperParameterTuningJobName"]
    assert re.fullmatch(r"train-\d{6}-\d{4}", name)
    assert tuner.latest_tuning_job.name == name == tuner._current_job_name
    assert request["HyperParameterTuningJobConfig"] == {
        "Strategy": "Bayesian",
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 6, "MaxParallelTrainingJobs": 2},
        "TrainingJobEarlyStoppingType": "Off",
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "accuracy"},
        "ParameterRanges": {
            "ContinuousParameterRanges": [
                {"Name": "lr", "MinValue": "1e-05", "MaxValue": "0.1", "ScalingType": "Logarithmic"}
            ],
            "CategoricalParameterRanges": [{"Name": "kind", "Values": ["a", "b"]}],
            "IntegerParameterRanges": [
                {"Name": "depth", "MinValue": "1", "MaxValue": "9", "ScalingType": "Auto"}
            ],
        },
    }
    definition = request["TrainingJobDefinition"]
    static = definition.pop("StaticHyperParameters")
    code = json.loads(static["sagemaker_submit_directory"])
    assert {key: static[key] for key in ("fixed", "text", "flag", "sagemaker_program")} == {
        "fixed": "7",
        "text": "x",
        "flag": "true",
        "sagemaker_program": '"train.py"',
    }
    assert "lr" not in static
    assert definition == {
        "RoleArn": "arn:aws:iam::000000000000:role/pegbox",
        "OutputDataConfig": {"S3OutputPath": "s3://pegbox-local/"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "local", "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
        "AlgorithmSpecification": {
            "TrainingInputMode": "File",
            "TrainingImage": "pegbox-script:1",
            "MetricDefinitions": [{"Name": "accuracy", "Regex": r"\[pegbox\] accuracy=(\S+)"}],
        },
        "Environment": {"PEGBOX_PYTHON": sys.executable},
    }
    assert code.startswith("s3://pegbox-local/code/")
    with tarfile.open(service.home / "buckets" / code.removeprefix("s3://")) as tar:
        assert tar.getnames() == ["train.py"]


def test_framework_estimators_send_json_texts(service: FakeService, script: Path) -> None:
    """Static values and categorical ranges are JSON texts, and the class travels under the AWS SDK's name."""
    estimator = SKLearn(
        entry_point=str(script),
        framework_version="1.0-1",
        hyperparameters={"c": 0.5, "kind": "x", "name": "n"},
    )
    HyperparameterTuner(estimator, "validation:auc", RANGES).fit()
    request = service.sent(CREATE)[0]
    ranges = request["HyperParameterTuningJobConfig"]["ParameterRanges"]
    assert ranges["CategoricalParameterRanges"] == [{"Name": "kind", "Values": ['"a"', '"b"']}]
    static = request["TrainingJobDefinition"]["StaticHyperParameters"]
    assert (static["c"], static["name"]) == ("0.5", '"n"')
    assert static["sagemaker_estimator_class_name"] == '"SKLearn"'
    assert static["sagemaker_estimator_module"] == '"sagemaker.sklearn.estimator"'
    assert {key for key in static if key.startswith("sagemaker_")} == {
        "sagemaker_submit_directory", "sagemaker_program", "sagemaker_enable_cloudwatch_metrics",
        "sagemaker_container_log_level", "sagemaker_job_name", "sagemaker_region", "sagemaker_estimator_class_name",
        "sagemaker_estimator_module",
    }  # fmt: skip
    algorithm = request["TrainingJobDefinition"]["AlgorithmSpecification"]
    assert algorithm["TrainingImage"].endswith("/sagemaker-scikit-learn:1.0-1-cpu-py3")
    assert algorithm["MetricDefinitions"][0]["Regex"] == r"\[pegbox\] validation:auc=(\S+)"


def test_every_setting_has_its_field(service: FakeService, script: Path, tmp_path: Path) -> None:
    """What the estimator and tuner were given arrives, nothing is dropped."""
    estimator = Estimator(
        "image",
        "arn:aws:iam::1:role/r",
        2,
        "ml.m5.large",
        50,
        "volume-key",
        3600,
        output_path=str(tmp_path / "models"),
        output_kms_key="output-key",
        subnets=["subnet-1"],
        security_group_ids=["sg-1"],
        model_uri="s3://b/model.tar.gz",
        encrypt_inter_container_traffic=True,
        use_spot_instances=True,
        max_wait=7200,
        checkpoint_s3_uri="s3://b/c",
        checkpoint_local_path="/opt/ml/c",
        enable_network_isolation=True,
        environment={"A": "1", "PEGBOX_PYTHON": "/my/python"},
        max_retry_attempts=3,
    )
    tuner = HyperparameterTuner(
        estimator,
        "loss",
        RANGES,
        [{"Name": "loss", "Regex": "loss (.*)"}],
        "Hyperband",
        "Minimize",
        9,
        3,
        [{"Key": "k", "Value": "v"}],
        "base",
        WarmStartConfig(WarmStartTypes.TRANSFER_LEARNING, {"p2", "p1"}),
        "Auto",
        random_seed=1,
        max_runtime_in_seconds=500,
        strategy_config=StrategyConfig(HyperbandStrategyConfig(max_resource=9, min_resource=2)),
        completion_criteria_config=TuningJobCompletionCriteriaConfig(5, True, 0.1),
    )
    tuner.fit(TrainingInput("s3://b/d", input_mode="Pipe"), include_cls_metadata=True)
    request = service.sent(CREATE)[0]
    config = request["HyperParameterTuningJobConfig"]
    assert request["HyperParameterTuningJobName"].startswith("base-")
    assert request["Tags"] == [{"Key": "k", "Value": "v"}]
    parents = [{"HyperParameterTuningJobName": name} for name in ("p1", "p2")]
    warm_start = {"WarmStartType": "TransferLearning", "ParentHyperParameterTuningJobs": parents}
    assert request["WarmStartConfig"] == warm_start
    assert config["ResourceLimits"]["MaxRuntimeInSeconds"] == 500
    assert (config["RandomSeed"], config["TrainingJobEarlyStoppingType"]) == (1, "Auto")
    assert config["StrategyConfig"] == {"HyperbandStrategyConfig": {"MinResource": 2, "MaxResource": 9}}
    assert config["TuningJobCompletionCriteria"] == {
        "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 5},
        "TargetObjectiveMetricValue": 0.1,
        "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"},
    }
    definition = request["TrainingJobDefinition"]
    channels = definition.pop("InputDataConfig")
    assert [channel["ChannelName"] for channel in channels] == ["training", "model"]
    assert channels[1]["ContentType"] == "application/x-sagemaker-model"
    assert definition == {
        "StaticHyperParameters": {
            "sagemaker_estimator_class_name": '"Estimator"',
            "sagemaker_estimator_module": '"sagemaker.estimator"',
        },
        "RoleArn": "arn:aws:iam::1:role/r",
        "OutputDataConfig": {"S3OutputPath": f"file://{tmp_path}/models", "KmsKeyId": "output-key"},
        "ResourceConfig": {
            "InstanceCount": 2,
            "InstanceType": "ml.m5.large",
            "VolumeSizeInGB": 50,
            "VolumeKmsKeyId": "volume-key",
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
        "AlgorithmSpecification": {
            "TrainingInputMode": "Pipe",
            "TrainingImage": "image",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss (.*)"}],
        },
        "VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        "EnableNetworkIsolation": True,
        "EnableInterContainerTrafficEncryption": True,
        "EnableManagedSpotTraining": True,
        "CheckpointConfig": {"S3Uri": "s3://b/c", "LocalPath": "/opt/ml/c"},
        "Environment": {"A": "1", "PEGBOX_PYTHON": "/my/python"},
        "RetryStrategy": {"MaximumRetryAttempts": 3},
    }


def test_several_estimators(service: FakeService, script: Path) -> None:
    """Definitions are sorted by name, each with its objective, ranges and inputs; nothing of it is in the config."""
    tuner = HyperparameterTuner.create(
        estimator_dict={"b": Estimator("img"), "a": SKLearn(entry_point=str(script))},
        objective_metric_name_dict={"a": "m1", "b": "m2"},
        hyperparameter_ranges_dict={"a": RANGES, "b": {"x": IntegerParameter(0, 3)}},
        metric_definitions_dict={"b": [{"Name": "m2", "Regex": "m2=(.*)"}]},
        objective_type="Minimize",
        max_jobs=4,
        random_seed=2,
    )
    tuner.fit(inputs={"b": "s3://b/k"}, include_cls_metadata={})
    request = service.sent(CREATE)[0]
    assert "TrainingJobDefinition" not in request
    config = request["HyperParameterTuningJobConfig"]
    assert "ParameterRanges" not in config
    assert "HyperParameterTuningJobObjective" not in config
    assert config["RandomSeed"] == 2
    first, second = request["TrainingJobDefinitions"]
    assert (first["DefinitionName"], second["DefinitionName"]) == ("a", "b")
    assert second["TuningObjective"] == {"Type": "Minimize", "MetricName": "m2"}
    assert second["HyperParameterRanges"]["IntegerParameterRanges"][0]["Name"] == "x"
    assert "InputDataConfig" not in first
    assert second["InputDataConfig"][0]["ChannelName"] == "training"
    assert request["HyperParameterTuningJobName"].startswith("sagemaker-scikit-lea")
    assert tuner.hyperparameter_ranges() is None
    assert list(tuner.hyperparameter_ranges_dict() or {}) == ["a", "b"]


def test_several_estimators_are_checked(service: FakeService) -> None:
    """Arguments by estimator name must be dicts of these names; only the documented default False means none."""
    tuner = HyperparameterTuner.create({"a": Estimator("i")}, {"a": "m"}, {"a": RANGES})
    for name, value in (("inputs", "s3://b/k"), ("include_cls_metadata", True), ("estimator_kwargs", False)):
        with pytest.raises(
            ValueError, match=rf"Argument '{name}' must be a dictionary using \['a'\] as keys"
        ):
            tuner.fit(**{name: value})
    with pytest.raises(ValueError, match=r"keys of argument 'inputs' must be a subset of \['a'\]"):
        tuner.fit(inputs={"z": "s3://b/k"}, include_cls_metadata={})
    with pytest.raises(TypeError, match="estimator_kwargs"):
        tuner.fit(include_cls_metadata={}, mini_batch_size=3)
    assert service.requests == []
    tuner.fit()
    tuner.fit(include_cls_metadata={"a": True})
    plain, told = (
        item["TrainingJobDefinitions"][0]["StaticHyperParameters"] for item in service.sent(CREATE)
    )
    assert plain == {}
    assert told["sagemaker_estimator_class_name"] == '"Estimator"'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({}, {}, {}), "At least one estimator should be provided"),
        (({None: 1}, {}, {}), "Estimator names cannot be None"),
        (
            ({"a": Mock()}, "m", {"a": RANGES}),
            r"'objective_metric_name_dict' must be a dictionary using \['a'\]",
        ),
        (({"a": Mock()}, None, {"a": RANGES}), r"'objective_metric_name_dict' must be a dictionary"),
        (
            ({"a": Mock()}, {"b": "m"}, {"a": RANGES}),
            r"'objective_metric_name_dict' must be the same as \['a'\]",
        ),
        (({"a": Mock()}, {"a": "m"}, {"b": RANGES}), r"'hyperparameter_ranges_dict' must be the same as"),
        (
            ({"a": Mock()}, {"a": "m"}, {"a": RANGES}, {"b": []}),
            r"'metric_definitions_dict' must be a subset of",
        ),
    ],
)
def test_create_checks_its_names(arguments: tuple[Any, ...], message: str) -> None:
    """The dicts agree on the estimators' names, or nothing is made."""
    with pytest.raises(ValueError, match=message):
        HyperparameterTuner.create(*arguments)


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        (None, "Need to specify hyperparameter ranges"),
        ({}, "Need to specify hyperparameter ranges"),
        ({"a": 1, "b": ContinuousParameter(0, 1), "c": [1, 2]}, r"a=1, c=\[1, 2\] is no range"),
        ([ContinuousParameter(0, 1)], "must be a dict of ranges"),
    ],
)
def test_ranges_are_checked(ranges: Any, message: str) -> None:
    """What is no range is refused by name when the tuner is made."""
    with pytest.raises(ValueError, match=message):
        HyperparameterTuner(Estimator("i", sagemaker_session=Mock()), "m", ranges)


def test_ranges_always_have_three_kinds_in_order() -> None:
    """Kinds without a range are empty lists; None is left out and leaves its static value alone."""
    estimator = Estimator("i", sagemaker_session=Mock(), hyperparameters={"x": 1, "y": 2})
    tuner = HyperparameterTuner(estimator, "m", {"x": None, "y": IntegerParameter(0, 1)})
    ranges = tuner.hyperparameter_ranges() or {}
    assert list(ranges) == [
        "ContinuousParameterRanges",
        "CategoricalParameterRanges",
        "IntegerParameterRanges",
    ]
    assert [len(items) for items in ranges.values()] == [0, 0, 1]
    tuner._prepare_for_tuning()
    assert tuner.static_hyperparameters == {"x": "1"}
    assert tuner.hyperparameter_ranges_dict() is None


def test_stand_in_sessions_get_version_one_keywords(script: Path) -> None:
    """A session that is not ours is called with the AWS SDK's keyword forms and nothing of ours."""
    session = Mock(name="session", boto_region_name="us-west-2", s3_client=None)
    session.default_bucket.return_value = "bucket"
    estimator = PyTorch(
        str(script),
        role="r",
        framework_version="1.5.0",
        train_instance_count=1,
        train_instance_type="ml.p2.xlarge",
        sagemaker_session=session,
    )
    HyperparameterTuner(estimator, "m", RANGES).fit("s3://b/k")
    arguments = session.create_tuning_job.call_args.kwargs
    assert set(arguments) == {"job_name", "tuning_config", "training_config", "tags", "warm_start_config"}
    assert set(arguments["tuning_config"]) == {
        "strategy", "max_jobs", "max_parallel_jobs", "early_stopping_type", "objective_type", "objective_metric_name",
        "parameter_ranges",
    }  # fmt: skip
    training = arguments["training_config"]
    assert set(training) == {
        "input_config", "role", "output_config", "resource_config", "stop_condition", "vpc_config", "input_mode",
        "metric_definitions", "image", "enable_network_isolation", "encrypt_inter_container_traffic",
        "train_use_spot_instances", "checkpoint_s3_uri", "checkpoint_local_path", "static_hyperparameters",
    }  # fmt: skip
    assert training["image"] == "763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:1.5.0-gpu-py3"
    assert training["output_config"] == {"S3OutputPath": "s3://bucket/"}
    session.boto_session.client.return_value.put_object.assert_called_once()


def test_metric_definitions_of_the_estimator_are_used(service: FakeService, script: Path) -> None:
    """The tuner's definitions come first, then the estimator's, then a script's own reports."""
    own = [{"Name": "m", "Regex": "m=(.*)"}]
    estimator = Estimator("i", metric_definitions=own)
    HyperparameterTuner(estimator, "m", RANGES).fit()
    HyperparameterTuner(estimator, "m", RANGES, [{"Name": "m", "Regex": "x(.)"}]).fit()
    sent = [
        r["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"]
        for r in service.sent(CREATE)
    ]
    assert sent == [own, [{"Name": "m", "Regex": "x(.)"}]]


def test_grid_counts_itself(service: FakeService) -> None:
    """With strategy Grid the default number of jobs is the grid's own; a number that was given is sent."""
    ranges = {"k": CategoricalParameter(["a", "b"])}
    HyperparameterTuner(Estimator("i"), "m", ranges, strategy="Grid").fit()
    HyperparameterTuner(Estimator("i"), "m", ranges, strategy="Grid", max_jobs=2).fit()
    HyperparameterTuner(Estimator("i"), "m", ranges, strategy="Random", max_jobs=None).fit()
    limits = [request["HyperParameterTuningJobConfig"]["ResourceLimits"] for request in service.sent(CREATE)]
    assert [limit.get("MaxNumberOfTrainingJobs") for limit in limits] == [None, 2, 1]


def test_nothing_is_started_when_something_is_missing(
    service: FakeService, script: Path, tmp_path: Path
) -> None:
    """Missing code, inputs and unread arguments are errors before any request."""
    with pytest.raises(ValueError, match=r"entry_point='none.py': there is no file"):
        HyperparameterTuner(Estimator(entry_point="none.py"), "m", RANGES).fit()
    tuner = HyperparameterTuner(Estimator(entry_point=str(script)), "m", RANGES)
    with pytest.raises(ValueError, match="input 'train': there is no file or folder /none"):
        tuner.fit({"train": "/none"})
    with pytest.raises(TypeError, match="experiment_config, which would have no effect"):
        tuner.fit(experiment_config={})
    with pytest.raises(ValueError, match="Estimator needs image_uri"):
        Estimator()
    assert tuner.latest_tuning_job is None
    assert service.requests == []


def test_missing_code_does_not_start_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first check is of what needs no server."""
    monkeypatch.setenv("PEGBOX_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PEGBOX_ENDPOINT_URL", raising=False)
    with pytest.raises(ValueError, match="entry_point"):
        HyperparameterTuner(Estimator(entry_point="none.py"), "m", RANGES).fit()
    assert not (tmp_path / "home").exists()


def test_what_comes_later_says_so(script: Path) -> None:
    """Autotune is refused with what to do instead."""
    estimator = Estimator("i", sagemaker_session=Mock())
    with pytest.raises(NotHere, match="autotune=True"):
        HyperparameterTuner(estimator, "m", RANGES, autotune=True)
    with pytest.raises(ValueError, match="hyperparameters_to_keep_static"):
        HyperparameterTuner(estimator, "m", RANGES, hyperparameters_to_keep_static=["x"])


def test_old_and_new_session_keywords_build_one_request() -> None:
    """Version 2's keywords in a training_config are taken too."""
    client = Mock()
    client.meta.endpoint_url, client.meta.region_name = "https://x.example", "us-east-1"
    session = Session(sagemaker_client=client)
    common: dict[str, Any] = {
        "static_hyperparameters": {}, "input_mode": "File", "role": "r", "output_config": {}, "resource_config": {},
        "stop_condition": {},
    }  # fmt: skip
    config = {"strategy": "Random", "max_jobs": 1, "max_parallel_jobs": 1}
    session.create_tuning_job("n", config, {**common, "image": "i", "train_use_spot_instances": True})
    session.create_tuning_job("n", config, {**common, "image_uri": "i", "use_spot_instances": True})
    first, second = client.create_hyper_parameter_tuning_job.call_args_list
    assert first == second
    with pytest.raises(ValueError, match="Either training_config or training_config_list should be provided"):
        session.create_tuning_job("n", config)
    with pytest.raises(ValueError, match="Only one of training_config and training_config_list should be"):
        session.create_tuning_job("n", config, common, [common])


def test_the_flat_call_of_version_1_builds_the_same_request() -> None:
    """Session.tune takes side by side what create_tuning_job takes in two parts."""
    client = Mock()
    client.meta.endpoint_url, client.meta.region_name = "https://x.example", "us-east-1"
    session = Session(sagemaker_client=client)
    ranges: dict[str, Any] = {"IntegerParameterRanges": []}
    tuning = {
        "strategy": "Random", "objective_type": "Minimize", "objective_metric_name": "m", "max_jobs": 4,
        "max_parallel_jobs": 2, "parameter_ranges": ranges, "early_stopping_type": "Auto",
    }  # fmt: skip
    training = {
        "static_hyperparameters": {"a": "1"}, "input_mode": "Pipe", "metric_definitions": [], "role": "r",
        "input_config": None, "output_config": {}, "resource_config": {}, "stop_condition": {}, "image": "i",
        "train_use_spot_instances": True, "checkpoint_s3_uri": "s3://c", "vpc_config": {"Subnets": ["s"]},
    }  # fmt: skip
    session.create_tuning_job("n", tuning, training, warm_start_config={"w": 1}, tags=[])
    session.tune("n", **tuning, **training, warm_start_config={"w": 1}, tags=[])  # type: ignore[arg-type]
    first, second = client.create_hyper_parameter_tuning_job.call_args_list
    assert first == second


def test_hyperband_resources_that_are_not_known_are_not_sent() -> None:
    """A job made elsewhere with a maximum only is attached and sent again as it was."""
    described = {"HyperbandStrategyConfig": {"MaxResource": 9}}
    again = StrategyConfig.from_job_desc(described)
    assert again is not None
    assert again.to_input_req() == described
