"""Early stopping and Hyperband through the SDK, a real server and real programs.

Programs wait before their last epochs until they are stopped, so that no outcome depends on the speed of the machine; values that
arrive together are judged one by one all the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pegbox.estimator import Estimator
from pegbox.parameter import CategoricalParameter, ContinuousParameter
from pegbox.session import Session
from pegbox.tuner import HyperbandStrategyConfig, HyperparameterTuner, StrategyConfig

TRAIN = """
import argparse, time
import pegbox
parser = argparse.ArgumentParser()
parser.add_argument("--level", type=float)
parser.add_argument("--epochs", type=int)
parser.add_argument("--patience", type=float)
options = parser.parse_args()
for epoch in range(1, options.epochs + 1):
    if epoch == 10 and options.level < options.patience:
        time.sleep(500)
    pegbox.report(score=options.level * epoch / options.epochs, step=epoch)
"""


def _estimator(session: Session, folder: Path, patience: float) -> Estimator:
    (folder / "train.py").write_text(TRAIN)
    return Estimator(
        entry_point=str(folder / "train.py"),
        sagemaker_session=session,
        hyperparameters={"epochs": 12, "patience": patience},
    )


def _trials(session: Session, tuner: HyperparameterTuner) -> dict[str, dict[str, Any]]:
    """Training jobs by the level that they were given."""
    client, name = session.sagemaker_client, tuner.latest_tuning_job.name
    listed = client.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, MaxResults=100
    )
    return {
        item["TunedHyperParameters"]["level"]: item
        for item in sorted(listed["TrainingJobSummaries"], key=lambda item: str(item["CreationTime"]))
    }


def test_auto_stops_the_one_that_lags(session: Session, server: Any, tmp_path: Path) -> None:
    """Five good trials complete; the sixth, far below, is stopped with its reason and its last value as objective."""
    levels = ["1.0", "0.9", "0.95", "0.85", "0.97", "0.1"]
    tuner = HyperparameterTuner(
        _estimator(session, tmp_path, patience=0.5), "score", {"level": CategoricalParameter(levels)},
        strategy="Grid", early_stopping_type="Auto", max_parallel_jobs=1, max_jobs=6,
    )  # fmt: skip
    tuner.fit(wait=True, quiet=True)
    trials = {level.strip('"'): trial for level, trial in _trials(session, tuner).items()}
    assert [trials[level]["TrainingJobStatus"] for level in levels] == ["Completed"] * 5 + ["Stopped"]
    stopped = session.sagemaker_client.describe_training_job(TrainingJobName=trials["0.1"]["TrainingJobName"])
    messages = [entry.get("StatusMessage", "") for entry in stopped["SecondaryStatusTransitions"]]
    assert any(text.startswith("Early stopping: value") and "median" in text for text in messages)
    final = trials["0.1"]["FinalHyperParameterTuningJobObjectiveMetric"]
    assert final["Value"] == pytest.approx(0.1 * 9 / 12)
    assert trials["0.1"]["ObjectiveStatus"] == "Succeeded"
    shown = server.pegbox("show", stopped["TrainingJobName"]).stdout
    assert "Early stopping: value" in shown
    assert tuner.best_training_job() == trials["1.0"]["TrainingJobName"]


def test_hyperband_stops_at_rungs_and_at_the_maximum(session: Session, tmp_path: Path) -> None:
    """Every trial would go on beyond the maximum resource: some are stopped there, the others at a rung before."""
    tuner = HyperparameterTuner(
        _estimator(session, tmp_path, patience=2.0), "score", {"level": ContinuousParameter(0.0, 1.0)},
        strategy="Hyperband", max_jobs=8, max_parallel_jobs=2, random_seed=1,
        strategy_config=StrategyConfig(HyperbandStrategyConfig(max_resource=8, min_resource=2)),
    )  # fmt: skip
    tuner.fit(wait=True, quiet=True)
    name = tuner.latest_tuning_job.name
    config = session.describe_tuning_job(name)["HyperParameterTuningJobConfig"]
    assert config["StrategyConfig"] == {"HyperbandStrategyConfig": {"MinResource": 2, "MaxResource": 8}}
    trials = list(_trials(session, tuner).values())
    assert [trial["TrainingJobStatus"] for trial in trials] == ["Stopped"] * 8
    reasons = []
    for trial in trials:
        described = session.sagemaker_client.describe_training_job(TrainingJobName=trial["TrainingJobName"])
        texts = [entry.get("StatusMessage", "") for entry in described["SecondaryStatusTransitions"]]
        reasons += [text for text in texts if text.startswith("Early stopping: ")]
    assert len(reasons) == 8
    assert any("at the rung of step 2" in text for text in reasons)
    assert any("beyond the maximum resource of 8" in text for text in reasons)
    best = max(trials, key=lambda trial: trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])
    assert tuner.best_training_job() == best["TrainingJobName"]
