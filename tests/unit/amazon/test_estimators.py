"""Estimators of built-in algorithms: checked hyperparameters, record sets, and what attach needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

import pegbox
from pegbox import image_uris
from pegbox._sdk.class_names import wire_module
from pegbox._sdk.storage import LocalBuckets
from pegbox.algorithms.data import RECORDIO, Reading, read_channel
from pegbox.amazon.amazon_estimator import AmazonAlgorithmEstimatorBase, FileSystemRecordSet, RecordSet
from pegbox.amazon.factorization_machines import FactorizationMachines
from pegbox.amazon.kmeans import KMeans, KMeansModel
from pegbox.amazon.knn import KNN
from pegbox.amazon.lda import LDA
from pegbox.amazon.linear_learner import LinearLearner
from pegbox.amazon.pca import PCA
from pegbox.amazon.randomcutforest import RandomCutForest
from pegbox.domain.builtin_algorithms import ALGORITHMS
from pegbox.session import Session

ARGUMENTS: dict[type[AmazonAlgorithmEstimatorBase], dict[str, Any]] = {
    KMeans: {"k": 3},
    PCA: {"num_components": 2},
    LinearLearner: {"predictor_type": "regressor"},
    KNN: {"k": 3, "sample_size": 10, "predictor_type": "classifier"},
    RandomCutForest: {},
    FactorizationMachines: {"num_factors": 2, "predictor_type": "regressor"},
    LDA: {"num_topics": 2},
}


@pytest.fixture
def session(tmp_path: Path) -> Mock:
    """A session whose bucket is a folder."""
    session = Mock(spec=Session)
    session.boto_region_name = "us-west-2"
    session.default_bucket.return_value = "bucket"
    session.storage = LocalBuckets(tmp_path, lambda: frozenset({"bucket"}))
    return session


def _make(cls: type[AmazonAlgorithmEstimatorBase], session: Any, **more: Any) -> Any:
    count = {} if cls is LDA else {"train_instance_count": 1}
    arguments: dict[str, Any] = {**count, **ARGUMENTS[cls], **more}
    return cls("role", train_instance_type="ml.c4.xlarge", sagemaker_session=session, **arguments)


@pytest.mark.parametrize("cls", ARGUMENTS)
def test_a_class_is_where_the_aws_sdk_has_it(cls: type[AmazonAlgorithmEstimatorBase], session: Mock) -> None:
    """Module, top-level name, image and hyperparameter names, which the server knows too."""
    estimator = _make(cls, session)
    assert getattr(pegbox, cls.__name__) is cls
    assert wire_module(cls) == f"sagemaker.amazon.{cls.__module__.rpartition('.')[2]}"
    name = str(cls.repo_name)
    assert estimator.train_image() == image_uris.retrieve(name, "us-west-2")
    assert estimator.train_image().endswith(f".dkr.ecr.us-west-2.amazonaws.com/{name}:1")
    described = {
        item.name
        for owner in cls.__mro__
        for item in vars(owner).values()
        if hasattr(item, "validation_message")
    }
    assert described <= ALGORITHMS[name].hyperparameters
    given = {key: str(value) for key, value in ARGUMENTS[cls].items()}
    assert given.items() <= estimator.hyperparameters().items()


@pytest.mark.parametrize(
    ("cls", "values"),
    [
        (KMeans, {"k": 1}),
        (KMeans, {"init_method": "other"}),
        (KMeans, {"tol": 1.5}),
        (PCA, {"algorithm_mode": "exact"}),
        (LinearLearner, {"predictor_type": "multiclass_classifier", "num_classes": 2}),
        (LinearLearner, {"target_recall": 1}),
        (LinearLearner, {"use_bias": "perhaps"}),
        (LinearLearner, {"loss": "none"}),
        (KNN, {"index_metric": "L1"}),
        (KNN, {"dimension_reduction_type": "sign"}),
        (RandomCutForest, {"num_trees": 49}),
        (FactorizationMachines, {"linear_lr": -1}),
        (LDA, {"alpha0": 0}),
        (KMeans, {"k": None}),
        (FactorizationMachines, {"predictor_type": None}),
    ],
)
def test_values_are_checked(
    cls: type[AmazonAlgorithmEstimatorBase], values: dict[str, Any], session: Mock
) -> None:
    """In the constructor; the message names the hyperparameter."""
    with pytest.raises(ValueError, match=next(iter(values)) + "|num_classes|dimension_reduction_target"):
        _make(cls, session, **values)


def test_values_come_back_from_texts(session: Mock) -> None:
    """What the service describes makes the same estimator: False stays False, lists stay lists."""
    first = _make(LinearLearner, session, use_bias=False, l1=0.5, epochs=3)
    forest = _make(RandomCutForest, session, eval_metrics=["accuracy"])
    for estimator in (first, forest):
        arguments = type(estimator)._prepare_init_params_from_job_description(
            {
                "TrainingJobName": "j",
                "RoleArn": "role",
                "AlgorithmSpecification": {
                    "TrainingImage": estimator.train_image(),
                    "TrainingInputMode": "File",
                },
                "ResourceConfig": {"InstanceCount": 2, "InstanceType": "local", "VolumeSizeInGB": 1},
                "StoppingCondition": {"MaxRuntimeInSeconds": 5},
                "OutputDataConfig": {"S3OutputPath": "s3://b/k"},
                "HyperParameters": {
                    **estimator.hyperparameters(),
                    "feature_dim": "3",
                    "mini_batch_size": "7",
                },
            }
        )
        again = type(estimator)(sagemaker_session=session, **arguments)
        assert again.hyperparameters() == estimator.hyperparameters()
        assert again.instance_count == 2
    assert first.use_bias is False


def test_record_sets_are_stored_in_parts(session: Mock, tmp_path: Path) -> None:
    """One file for each machine, all rows in order, a manifest that names them, below data_location."""
    rows, labels = np.arange(14.0).reshape(7, 2), np.arange(7)
    estimator = _make(KNN, session, train_instance_count=3, data_location="s3://bucket/mine")
    assert estimator.data_location == "s3://bucket/mine/"
    found = estimator.record_set(rows, labels, channel="test")
    assert (found.num_records, found.feature_dim, found.channel) == (7, 2, "test")
    config = found.data_channel()["test"].config["DataSource"]["S3DataSource"]
    assert (config["S3DataType"], config["S3DataDistributionType"]) == ("ManifestFile", "ShardedByS3Key")
    manifest = tmp_path / "buckets" / config["S3Uri"].removeprefix("s3://")
    prefix, *names = json.loads(manifest.read_text())
    assert names == ["matrix_0.pbr", "matrix_1.pbr", "matrix_2.pbr"]
    assert prefix["prefix"].startswith("s3://bucket/mine/KNN-")
    table = read_channel(str(manifest.parent), "test", "", Reading(forms=(RECORDIO,)))
    np.testing.assert_array_equal(table.dense(), rows)
    np.testing.assert_array_equal(table.labels, labels)
    everywhere = (
        estimator.record_set(rows, distribution="FullyReplicated").records_s3_input().config["DataSource"]
    )
    assert everywhere["S3DataSource"]["S3DataDistributionType"] == "FullyReplicated"
    default = _make(PCA, session)
    assert default.data_location == "s3://bucket/sagemaker-record-sets/"


def test_bad_record_sets_are_refused(session: Mock) -> None:
    """Shapes, a location that is none, and encryption that plain files do not have."""
    estimator = _make(PCA, session)
    for rows, labels, more, words in (
        (np.zeros(3), None, {}, "2D array"),
        (np.zeros((0, 3)), None, {}, "2D array"),
        (np.zeros((3, 2)), np.zeros(2), {}, "one label for each of the 3 rows"),
        (np.zeros((3, 2)), None, {"encrypt": True}, "leave encrypt out"),
    ):
        with pytest.raises(ValueError, match=words):
            estimator.record_set(rows, labels, **more)
    with pytest.raises(ValueError, match='beginning with "s3://"'):
        estimator.data_location = "/tmp"
    with pytest.raises(ValueError, match="PCA trains on record sets"):
        estimator.fit("s3://b/k")
    with pytest.raises(ValueError, match="Must provide train channel"):
        estimator.fit([RecordSet("s3://b/m", 1, 2, channel="test")])


def test_mini_batches(session: Mock) -> None:
    """Each algorithm's own habit: a number of rows, at most those of a machine, or none."""
    records = RecordSet("s3://b/m", num_records=600, feature_dim=9)
    for cls, given, expected in (
        (KMeans, {}, "5000"),
        (PCA, {}, "500"),
        (LinearLearner, {}, "600"),
        (RandomCutForest, {}, "1000"),
        (LDA, {"mini_batch_size": 50}, "50"),
        (KNN, {}, None),
    ):
        estimator = _make(cls, session)
        estimator.prepare_workflow_for_training(
            records, **given
        ) if given else estimator._prepare_for_training(records)
        assert estimator.hyperparameters().get("mini_batch_size") == expected, cls
        assert estimator.hyperparameters()["feature_dim"] == "9"
    with pytest.raises(ValueError, match="mini_batch_size must be set"):
        _make(LDA, session)._prepare_for_training(records)
    with pytest.raises(ValueError, match="fixed mini_batch_size of 1000"):
        _make(RandomCutForest, session)._prepare_for_training(records, mini_batch_size=7)
    files = FileSystemRecordSet("fs-1", "EFS", "/data", num_records=600, feature_dim=4)
    estimator = _make(PCA, session)
    estimator._prepare_for_training(files)
    assert estimator.feature_dim == 4


def test_lda_trains_on_one_machine(session: Mock, capsys: pytest.CaptureFixture[str]) -> None:
    """A count is not an argument of its own; another one is told, not taken."""
    estimator = LDA("role", "local", 2, instance_count=4, sagemaker_session=session)
    assert estimator.instance_count == 1
    assert "only supports single instance" in capsys.readouterr().out
    with pytest.raises(ValueError, match="no image of lda"):
        image_uris.retrieve("lda", "sa-east-1")


def test_models_know_their_image_and_predictor(session: Mock) -> None:
    """A model needs only its archive; its predictor sends rows as records and reads records."""
    model = KMeansModel("s3://b/m.tar.gz", "role", session)
    assert model.image_uri == KMeans("role", 1, "local", k=2, sagemaker_session=session).train_image()
    predictor = model.predictor_cls("an-endpoint", session)
    assert (type(predictor).__name__, predictor.endpoint) == ("KMeansPredictor", "an-endpoint")
    assert predictor.content_type == "application/x-recordio-protobuf"
    assert predictor.accept == ("application/x-recordio-protobuf",)


def test_estimators_make_their_models(session: Mock) -> None:
    """create_model has the last job's archive, and passes on what the model takes."""
    session.sagemaker_client.describe_training_job.return_value = {
        "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m.tar.gz"}
    }
    estimator = KMeans("role", 1, "local", k=2, sagemaker_session=session)
    estimator.latest_training_job = Mock()
    model = estimator.create_model(env={"A": "b"}, role="other")
    assert (type(model), model.model_data, model.env, model.role) == (
        KMeansModel,
        "s3://b/m.tar.gz",
        {"A": "b"},
        "other",
    )
