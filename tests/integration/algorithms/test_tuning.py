"""Built-in algorithms through real tuning jobs on a real server."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from sklearn import datasets

from pegbox import KMeans, LinearLearner, Session, get_image_uri
from pegbox.algorithms.registry import load_model, predict
from pegbox.amazon.pca import PCA
from pegbox.estimator import Estimator
from pegbox.exceptions import UnexpectedStatusException
from pegbox.inputs import TrainingInput
from pegbox.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter
from pegbox.testing.algorithm_runs import csv
from pegbox.tuner import HyperparameterTuner

IRIS = datasets.load_iris().data
CANCER, IS_BENIGN = datasets.load_breast_cancer(return_X_y=True)
ORDER = np.random.RandomState(0).permutation(len(CANCER))
TRAIN, REST = ORDER[:400], ORDER[400:]


@pytest.fixture(scope="module")
def session(server: Any) -> Iterator[Session]:
    """A session that finds the running server through its home."""
    before = os.environ.get("PEGBOX_HOME")
    os.environ["PEGBOX_HOME"] = str(server.home)
    yield Session()
    if before is None:
        del os.environ["PEGBOX_HOME"]
    else:
        os.environ["PEGBOX_HOME"] = before


def _model(session: Session, address: str, name: str, folder: Path) -> Any:
    """The model of a job's ``model.tar.gz``."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    packed = Path(session.download_data(str(folder), bucket, key)[0]).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder / "model", filter="data")
    return load_model(name, str(folder / "model"))


def test_kmeans_is_tuned_on_record_sets(session: Session, tmp_path: Path) -> None:
    """Records in two channels through a manifest; the tuned metric is the algorithm's own; attach gives the class."""
    estimator = KMeans("role", 1, "local", k=3, epochs=2, num_trials=2, sagemaker_session=session)
    inputs = [estimator.record_set(IRIS[::2]), estimator.record_set(IRIS[1::2], channel="test")]
    tuner = HyperparameterTuner(
        estimator,
        "test:msd",
        {"k": IntegerParameter(2, 6), "init_method": CategoricalParameter(["random", "kmeans++"])},
        objective_type="Minimize",
        max_jobs=2,
        max_parallel_jobs=2,
    )
    tuner.fit(inputs, mini_batch_size=20, wait=True, quiet=True)
    table = tuner.analytics().dataframe()
    assert set(table["TrainingJobStatus"]) == {"Completed"}
    assert len(set(table["FinalObjectiveValue"])) == 2
    again = HyperparameterTuner.attach(tuner.latest_tuning_job.name, sagemaker_session=session)
    assert type(again.estimator) is KMeans
    assert (again.estimator.epochs, again.estimator.num_trials) == (2, 2)
    best = tuner.best_estimator()
    assert type(best) is KMeans
    found = predict("kmeans", _model(session, best.model_data, "kmeans", tmp_path), IRIS[1::2])
    assert float((found["distance_to_cluster"] ** 2).mean()) == pytest.approx(
        table["FinalObjectiveValue"].min(), rel=1e-4
    )


def test_linear_learner_is_tuned_with_a_validation_curve(session: Session, tmp_path: Path) -> None:
    """CSV files by image name alone, and the same algorithm by its class; metrics of every epoch are there."""
    for name, part in (("train", TRAIN), ("validation", REST)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows.csv").write_bytes(csv(CANCER[part], IS_BENIGN[part]))
    estimator = Estimator(
        get_image_uri("eu-west-1", "linear-learner"),
        hyperparameters={"predictor_type": "binary_classifier", "mini_batch_size": 100, "epochs": 5},
        sagemaker_session=session,
    )
    ranges = {
        "learning_rate": ContinuousParameter(0.001, 0.5, "Logarithmic"),
        "l1": ContinuousParameter(1e-7, 1e-2),
    }
    tuner = HyperparameterTuner(
        estimator, "validation:binary_classification_accuracy", ranges, max_jobs=2, max_parallel_jobs=2
    )
    channels = {
        name: TrainingInput(str(tmp_path / name), content_type="text/csv") for name in ("train", "validation")
    }
    tuner.fit(channels, wait=True, quiet=True)
    best = session.describe_tuning_job(tuner.latest_tuning_job.name)["BestTrainingJob"]
    assert best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] > 0.9
    described = session.describe_training_job(best["TrainingJobName"])
    metrics = {item["MetricName"] for item in described["FinalMetricDataList"]}
    assert {"validation:objective_loss", "validation:roc_auc_score", "train:throughput"} <= metrics
    attached = HyperparameterTuner.attach(tuner.latest_tuning_job.name, sagemaker_session=session)
    assert type(attached.estimator) is LinearLearner
    assert attached.estimator.predictor_type == "binary_classifier"


def test_xgboost_is_tuned(session: Session, tmp_path: Path) -> None:
    """The image of AWS's XGBoost without a script is the algorithm; the tuned metric is evaluated by itself."""
    for name, part in (("train", TRAIN), ("validation", REST)):
        (tmp_path / name).mkdir()
        lines = (
            f"{IS_BENIGN[row]} " + " ".join(f"{place}:{value:.6g}" for place, value in enumerate(CANCER[row]))
            for row in part
        )
        (tmp_path / name / "rows.libsvm").write_text("\n".join(lines))
    estimator = Estimator(get_image_uri("us-east-1", "xgboost", "1.7-1"), sagemaker_session=session)
    estimator.set_hyperparameters(objective="binary:logistic", num_round=5, nthread=1)
    tuner = HyperparameterTuner(
        estimator, "validation:auc", {"eta": ContinuousParameter(0.05, 0.5), "max_depth": IntegerParameter(2, 5)},
        max_jobs=2, max_parallel_jobs=2,
    )  # fmt: skip
    tuner.fit({name: str(tmp_path / name) for name in ("train", "validation")}, wait=True, quiet=True)
    table = tuner.analytics().dataframe()
    assert table["FinalObjectiveValue"].min() > 0.9
    found = predict(
        "xgboost", _model(session, tuner.best_estimator().model_data, "xgboost", tmp_path), CANCER[REST]
    )
    assert float(((found["score"] > 0.5) == IS_BENIGN[REST]).mean()) > 0.85


def test_pca_is_tuned_and_bad_records_are_the_customers(session: Session) -> None:
    """An image named pca attaches to PCA; a record file that was cut is told as ClientError with its place."""
    estimator = PCA("role", 1, "local", num_components=1, sagemaker_session=session)
    records = estimator.record_set(IRIS)
    tuner = HyperparameterTuner(
        estimator, "train:reconstruction_error", {"num_components": IntegerParameter(1, 3)}, objective_type="Minimize",
        strategy="Random", max_jobs=2, max_parallel_jobs=2,
    )  # fmt: skip
    tuner.fit(records, wait=True, quiet=True)
    attached = HyperparameterTuner.attach(tuner.latest_tuning_job.name, sagemaker_session=session)
    assert type(attached.estimator) is PCA
    assert tuner.best_estimator().num_components in (1, 2, 3)
    bucket, _, manifest = records.s3_data.removeprefix("s3://").partition("/")
    part = session.storage.path_of(bucket, manifest.replace(".amazon.manifest", "matrix_0.pbr"))
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(
        UnexpectedStatusException,
        match=r"ClientError: matrix_0\.pbr: the file ends at byte \d+ within record 149",
    ):
        estimator.fit(records, logs=False)
    part.unlink()
    with pytest.raises(ClientError, match=r"names 'matrix_0\.pbr', which cannot be used"):
        estimator.fit(records, logs=False)


def test_what_cannot_be_right_is_refused_when_the_job_is_created(session: Session, tmp_path: Path) -> None:
    """Unknown hyperparameters, metrics and directions, metric definitions of one's own, algorithms that do not exist."""
    (tmp_path / "rows.csv").write_bytes(csv(IRIS))
    estimator = Estimator("kmeans:1", hyperparameters={"k": 3, "size": 1}, sagemaker_session=session)
    ranges = {"epochs": IntegerParameter(1, 3), "depth": IntegerParameter(1, 3)}
    cases: list[tuple[str, dict[str, Any], list[str]]] = [
        (
            "test:msd",
            {},
            [
                "[Maximize]",
                "[test:msd], isn't valid for the kmeans:1 algorithm",
                "untunable hyperparameters: [depth]",
            ],
        ),
        (
            "validation:msd",
            {},
            ["[validation:msd]", "Choose one of [test:msd", "'size' is not known to kmeans"],
        ),
        (
            "m",
            {"metric_definitions": [{"Name": "m", "Regex": "m=(.*)"}]},
            ["You can't override the metric definitions"],
        ),
    ]
    for metric, more, words in cases:
        tuner = HyperparameterTuner(estimator, metric, ranges, **more)
        with pytest.raises(ClientError) as refused:
            tuner.fit({"train": str(tmp_path)})
        for word in words:
            assert word in str(refused.value)
    topics = Estimator(get_image_uri("us-east-1", "ntm"), sagemaker_session=session)
    with pytest.raises(ClientError, match="does not exist here; run a script of your own"):
        topics.fit({"train": str(tmp_path)})
