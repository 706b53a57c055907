"""Programs that test themselves with a mock for the session see the calls that the AWS SDK would make."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from pegbox.amazon.amazon_estimator import RecordSet
from pegbox.amazon.pca import PCA
from pegbox.estimator import Estimator
from pegbox.inputs import s3_input
from pegbox.mxnet import MXNet
from pegbox.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter
from pegbox.tuner import HyperparameterTuner, WarmStartConfig, WarmStartTypes, _TuningJob

RANGES: dict[str, Any] = {
    "rate": ContinuousParameter(0, 5),
    "size": IntegerParameter(0, 5),
    "kind": CategoricalParameter([0, 5]),
}
PCA_RANGES: dict[str, Any] = {"num_components": IntegerParameter(2, 4)}
# Whatever a mock is given it passes on: nothing may look into it.
DEFINITIONS: Any = "definitions"
MACHINE = (1, "ml.c4.xlarge")


@pytest.fixture
def tuner(session: Mock) -> HyperparameterTuner:
    """A tuner of a generic estimator over the mock."""
    estimator = Estimator(
        "image", "role", *MACHINE, output_path="s3://bucket/prefix", sagemaker_session=session
    )
    return HyperparameterTuner(estimator, "loss", RANGES, DEFINITIONS)


def mxnet(session: Mock, folder: Path) -> Any:
    """Return a framework estimator over the mock."""
    (folder / "script.py").write_text("pass\n")
    return MXNet(
        entry_point=str(folder / "script.py"),
        role="role",
        framework_version="1.0.0",
        train_instance_count=1,
        train_instance_type="ml.c4.xlarge",
        sagemaker_session=session,
    )


def created(session: Mock) -> dict[str, Any]:
    """Return the keyword arguments of the one call that created a tuning job."""
    session.create_tuning_job.assert_called_once()
    arguments: dict[str, Any] = session.create_tuning_job.call_args[1]
    return arguments


def test_fit_of_a_built_in_algorithm(session: Mock, tuner: HyperparameterTuner) -> None:
    """The request is made of the estimator's attributes as text, the ranges, and the tuner's tags as they are."""
    pca = PCA(
        "role",
        *MACHINE,
        5,
        base_job_name="pca",
        sagemaker_session=session,
        subnets=["net"],
        security_group_ids=["group"],
        encrypt_inter_container_traffic=True,
    )
    pca.algorithm_mode, pca.subtract_mean, pca.extra_components = "randomized", True, 5
    tuner.estimator, tuner.tags, tuner._hyperparameter_ranges = pca, [{"Name": "no value"}], PCA_RANGES
    tuner.fit(RecordSet("s3://bucket/train", num_records=1, feature_dim=1), mini_batch_size=99)
    call = created(session)
    assert call["job_name"].startswith("pca")
    assert call["tags"] == [{"Name": "no value"}]
    assert call["tuning_config"]["early_stopping_type"] == "Off"
    training = call["training_config"]
    assert training["static_hyperparameters"]["extra_components"] == "5"
    assert training["static_hyperparameters"]["mini_batch_size"] == "99"
    assert training["vpc_config"] == {"Subnets": ["net"], "SecurityGroupIds": ["group"]}
    assert training["encrypt_inter_container_traffic"] is True
    assert not {"estimator_name", "objective_type", "objective_metric_name", "parameter_ranges"} & set(
        training
    )
    assert "training_config_list" not in call


def test_fit_of_a_framework(session: Mock, tuner: HyperparameterTuner, tmp_path: Path) -> None:
    """An input's own mode is the job's, no input gives none, and categories are written as JSON."""
    tuner.estimator = mxnet(session, tmp_path)
    tuner.fit(s3_input("s3://bucket/manifest", input_mode="Pipe"))
    call = created(session)
    assert call["training_config"]["input_mode"] == "Pipe"
    assert call["tuning_config"]["parameter_ranges"]["CategoricalParameterRanges"][0]["Values"] == [
        '"0"',
        '"5"',
    ]
    session.create_tuning_job.reset_mock()
    tuner.fit()
    assert created(session)["training_config"]["input_config"] is None


def test_fit_of_several_estimators(session: Mock, tmp_path: Path) -> None:
    """Each estimator is an entry with its name, objective, ranges and its own inputs and arguments."""
    pca = PCA("role", *MACHINE, 5, base_job_name="pca", sagemaker_session=session)
    tuner = HyperparameterTuner.create(
        base_tuning_job_name="base",
        estimator_dict={"one": mxnet(session, tmp_path), "two": pca},
        objective_metric_name_dict={"one": "loss", "two": "other"},
        hyperparameter_ranges_dict={"one": RANGES, "two": PCA_RANGES},
        metric_definitions_dict={"one": DEFINITIONS},
        objective_type="Minimize",
        tags=[{"key": "value"}],
        warm_start_config=WarmStartConfig(WarmStartTypes.IDENTICAL_DATA_AND_ALGORITHM, {"parent"}),
        early_stopping_type="Auto",
    )
    records = RecordSet("s3://bucket/train", num_records=1, feature_dim=1)
    tuner.fit({"two": records}, include_cls_metadata={}, estimator_kwargs={"two": {"mini_batch_size": 40}})
    call = created(session)
    assert "tuning_objective" not in call["tuning_config"]
    assert "training_config" not in call
    one, two = call["training_config_list"]
    assert [item["estimator_name"] for item in (one, two)] == ["one", "two"]
    assert [item["objective_type"] for item in (one, two)] == ["Minimize", "Minimize"]
    assert one["static_hyperparameters"]["sagemaker_estimator_module"] == '"sagemaker.mxnet.estimator"'
    assert one["input_config"] is None
    assert (one["metric_definitions"], two["metric_definitions"]) == (DEFINITIONS, None)
    assert two["static_hyperparameters"]["mini_batch_size"] == "40"
    assert two["input_config"][0]["DataSource"]["S3DataSource"]["S3Uri"] == "s3://bucket/train"


def test_watching_and_stopping(session: Mock, tuner: HyperparameterTuner) -> None:
    """wait and stop are one call each of the session, with nothing but the name."""
    for act in (tuner, _TuningJob(session, "job")):
        session.reset_mock()
        tuner.latest_tuning_job = _TuningJob(session, "job")
        act.wait()
        session.wait_for_tuning_job.assert_called_once_with("job")
        (act.stop_tuning_job if act is tuner else act.stop)()
        session.stop_tuning_job.assert_called_once_with(name="job")


def test_the_best_job_is_described_once(session: Mock, tuner: HyperparameterTuner) -> None:
    """best_training_job and best_estimator describe what they need once, through the client."""
    client = session.sagemaker_client
    client.describe_hyper_parameter_tuning_job = Mock(
        return_value={"BestTrainingJob": {"TrainingJobName": "best"}}
    )
    client.list_tags = Mock(return_value={"Tags": []})
    client.describe_training_job = Mock(
        return_value={
            "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": "image"},
            "HyperParameters": {"steps": "100", "_tuning_objective_metric": "loss"},
            "RoleArn": "role",
            "ResourceConfig": {"VolumeSizeInGB": 30, "InstanceCount": 1, "InstanceType": "ml.c4.xlarge"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            "TrainingJobName": "best",
            "TrainingJobStatus": "Completed",
            "TrainingJobArn": "arn:aws:sagemaker:us-west-2:336:training-job/best",
            "OutputDataConfig": {"KmsKeyId": "", "S3OutputPath": "s3://bucket/output"},
            "ModelArtifacts": {"S3ModelArtifacts": "s3://bucket/model.tar.gz"},
        }
    )
    tuner.latest_tuning_job = _TuningJob(session, "job")
    assert tuner.best_training_job() == "best"
    client.describe_hyper_parameter_tuning_job.assert_called_once_with(HyperParameterTuningJobName="job")
    estimator = tuner.best_estimator()
    assert estimator.latest_training_job.job_name == "best"
    assert estimator.sagemaker_session is session
    client.describe_training_job.assert_called_once_with(TrainingJobName="best")


def test_words_that_tests_look_for(session: Mock, tuner: HyperparameterTuner) -> None:
    """Errors keep the words by which programs recognise them."""
    for name in ("wait", "stop_tuning_job", "best_training_job", "best_estimator"):
        with pytest.raises(ValueError, match="No tuning job available"):
            getattr(tuner, name)()
    for ranges, words in (
        ({"num_components": IntegerParameter(-1, 2)}, "Value must be an integer greater than zero"),
        ({"algorithm_mode": CategoricalParameter([0, 5])}, 'Value must be one of "regular" and "randomized"'),
    ):
        with pytest.raises(ValueError, match=words):
            HyperparameterTuner(PCA("role", *MACHINE, 5, sagemaker_session=session), "loss", ranges)
