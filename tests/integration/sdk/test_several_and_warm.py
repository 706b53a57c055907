"""Several algorithms in one job and warm start with our SDK, against a real server process."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from pegbox.estimator import Estimator
from pegbox.exceptions import UnexpectedStatusException
from pegbox.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter
from pegbox.session import Session
from pegbox.sklearn import SKLearn
from pegbox.tuner import (
    HyperparameterTuner,
    WarmStartConfig,
    WarmStartTypes,
    create_identical_dataset_and_algorithm_tuner,
    create_transfer_learning_tuner,
)

LINEAR = """
import argparse, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float); parser.add_argument("--bonus", type=float, default=0)
given = parser.parse_args()
base = float(pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "base").read_text())
import pegbox
pegbox.report(score=base + given.bonus - (given.rate - 0.3) ** 2)
pathlib.Path(os.environ["SM_MODEL_DIR"], "linear").touch()
"""
FOREST = """
import argparse, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int); parser.add_argument("--kind")
given = parser.parse_args()
print(f"the accuracy is {1 + 0.01 * given.depth + (given.kind == 'b')};")
pathlib.Path(os.environ["SM_MODEL_DIR"], "forest").touch()
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training scripts and data."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "data").mkdir()
    (folder / "data" / "base").write_text("5")
    (folder / "linear.py").write_text(LINEAR)
    (folder / "forest.py").write_text(FOREST)
    return folder


@pytest.fixture(scope="module")
def tuned(session: Session, project: Path) -> HyperparameterTuner:
    """A finished job of a bare script and a framework's, whose metrics have different names."""
    linear = Estimator(entry_point=str(project / "linear.py"), sagemaker_session=session)
    forest = SKLearn("forest.py", "1.0-1", source_dir=str(project), sagemaker_session=session)
    tuner = HyperparameterTuner.create(
        {"linear": linear, "forest": forest},
        {"linear": "score", "forest": "accuracy"},
        {
            "linear": {"rate": ContinuousParameter(0.01, 1.0, "Logarithmic")},
            "forest": {"depth": IntegerParameter(1, 9), "kind": CategoricalParameter(["a", "b"])},
        },
        {"forest": [{"Name": "accuracy", "Regex": "the accuracy is ([^;]+);"}]},
        max_jobs=10,
        max_parallel_jobs=2,
        base_tuning_job_name="two",
    )
    tuner.fit({"linear": {"train": str(project / "data")}}, wait=True, quiet=True)
    return tuner


def test_both_algorithms_run_and_the_better_one_is_favoured(tuned: HyperparameterTuner) -> None:
    """Names in the data frame; the best training job's estimator is its definition's, with a model of its program."""
    table = tuned.analytics().dataframe()
    counts = table["TrainingJobDefinitionName"].value_counts()
    assert len(table) == 10
    assert counts["forest"] >= 2
    assert counts["linear"] > counts["forest"]
    best = tuned.best_estimator()
    assert type(best) is Estimator
    row = table.set_index("TrainingJobName").loc[tuned.best_training_job()]
    assert row["TrainingJobDefinitionName"] == "linear"
    assert row["FinalObjectiveValue"] == pytest.approx(5 - (row["rate"] - 0.3) ** 2, abs=1e-6)


def test_attach_in_list_form_from_elsewhere(
    session: Session, project: Path, tuned: HyperparameterTuner
) -> None:
    """Classes, ranges with their scaling, static values and metrics come back; the attached tuner runs the like again."""
    again = HyperparameterTuner.attach(tuned.latest_tuning_job.name, sagemaker_session=Session())
    estimators = again.estimator_dict or {}
    assert {name: type(item).__name__ for name, item in estimators.items()} == {
        "forest": "SKLearn",
        "linear": "Estimator",
    }
    assert again.hyperparameter_ranges_dict() == tuned.hyperparameter_ranges_dict()
    assert again.best_training_job() == tuned.best_training_job()
    again.max_jobs = 2
    again.fit({"linear": {"train": str(project / "data")}}, wait=True, quiet=True)
    assert len(again.analytics().dataframe()) == 2


def test_a_child_of_several_algorithms_in_both_modes(
    session: Session, project: Path, tuned: HyperparameterTuner
) -> None:
    """create(warm_start_config=..., early_stopping_type="Auto"): extended mode takes it and learns by name."""
    parent = tuned.latest_tuning_job.name
    child = HyperparameterTuner.attach(parent, sagemaker_session=session)
    child.warm_start_config = WarmStartConfig(WarmStartTypes.TRANSFER_LEARNING, {parent})
    child.early_stopping_type = "Auto"
    child.max_jobs = 4
    child.fit({"linear": {"train": str(project / "data")}}, wait=True, quiet=True)
    described = session.describe_tuning_job(child.latest_tuning_job.name)
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert described["WarmStartConfig"]["ParentHyperParameterTuningJobs"] == [
        {"HyperParameterTuningJobName": parent}
    ]
    reason = child.analytics().dataframe()
    assert len(reason) == 4


@pytest.fixture(scope="module")
def parent(session: Session, project: Path) -> HyperparameterTuner:
    """A finished job of one bare script."""
    estimator = Estimator(
        entry_point=str(project / "linear.py"), sagemaker_session=session, hyperparameters={"bonus": 1}
    )
    tuner = HyperparameterTuner(
        estimator,
        "score",
        {"rate": ContinuousParameter(0.01, 1.0)},
        max_jobs=6,
        base_tuning_job_name="parent",
    )
    tuner.fit({"train": str(project / "data")}, wait=True, quiet=True)
    return tuner


def test_identical_data_and_algorithm(session: Session, project: Path, parent: HyperparameterTuner) -> None:
    """The child starts from what the parent found; the best of both is told; other data are refused with both remedies."""
    name = parent.latest_tuning_job.name
    child = create_identical_dataset_and_algorithm_tuner(name, sagemaker_session=session)
    child.max_jobs = 3
    child.fit({"train": str(project / "data")}, wait=True, quiet=True)
    described = session.describe_tuning_job(child.latest_tuning_job.name)
    overall = described["OverallBestTrainingJob"]
    values = [tuner.analytics().dataframe()["FinalObjectiveValue"].max() for tuner in (parent, child)]
    value = overall["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    assert value == pytest.approx(max(values))
    assert overall["TuningJobName"] == (name, child.latest_tuning_job.name)[values.index(max(values))]
    other = parent.identical_dataset_and_algorithm_tuner()
    (project / "other").mkdir(exist_ok=True)
    (project / "other" / "base").write_text("7")
    with pytest.raises(ClientError, match="needs the same input data"):
        other.fit({"train": str(project / "other")})


def test_transfer_learning_to_other_data(
    session: Session, project: Path, parent: HyperparameterTuner
) -> None:
    """Another estimator, other data, other ranges: accepted; more changes than allowed and other names are refused by name."""
    name = parent.latest_tuning_job.name
    estimator = Estimator(
        entry_point=str(project / "linear.py"), sagemaker_session=session, hyperparameters={"bonus": 2}
    )
    child = create_transfer_learning_tuner(name, estimator=estimator, sagemaker_session=session)
    child.max_jobs = 2
    (project / "more").mkdir(exist_ok=True)
    (project / "more" / "base").write_text("9")
    child.fit({"train": str(project / "more")}, wait=True, quiet=True)
    assert child.analytics().dataframe()["FinalObjectiveValue"].max() > 10
    estimator.set_hyperparameters(extra=1)
    with pytest.raises(ClientError, match=f"parent '{name}': this job has the hyperparameters 'extra'"):
        child.fit({"train": str(project / "more")})


def test_bad_parents(session: Session, project: Path, parent: HyperparameterTuner) -> None:
    """Six parents and unknown ones are errors that name them, and nothing is started."""
    for parents, words in (
        (["nobody"], "'nobody' is no tuning job here"),
        (list("abcdef"), "less than or equal to 5"),
    ):
        child = parent.transfer_learning_tuner()
        child.warm_start_config = WarmStartConfig(WarmStartTypes.TRANSFER_LEARNING, parents)
        with pytest.raises((ClientError, UnexpectedStatusException, ValueError), match=words):
            child.fit({"train": str(project / "data")})
