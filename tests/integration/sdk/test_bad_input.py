"""Bad input through the SDK, a real server and real jobs: each refused with field, value and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from pegbox import KMeans, Session
from pegbox.amazon.amazon_estimator import RecordSet
from pegbox.estimator import Estimator
from pegbox.exceptions import UnexpectedStatusException
from pegbox.parameter import ContinuousParameter, IntegerParameter
from pegbox.testing.algorithm_runs import records
from pegbox.tuner import (
    HyperbandStrategyConfig,
    HyperparameterTuner,
    StrategyConfig,
    WarmStartConfig,
    WarmStartTypes,
)

RANGES: dict[str, Any] = {"x": ContinuousParameter(0, 1)}
IDENTICAL = WarmStartTypes.IDENTICAL_DATA_AND_ALGORITHM


@pytest.fixture
def script(tmp_path: Path) -> str:
    """A training script that may take long."""
    path = tmp_path / "train.py"
    path.write_text(
        "import sys, time, pegbox\npegbox.report(score=1)\ntime.sleep(500 if '--slow' in sys.argv else 0)\n"
    )
    return str(path)


def tuner(session: Session, script: str, ranges: Any = None, **more: Any) -> HyperparameterTuner:
    """Return a tuner of the script."""
    fixed = more.pop("hyperparameters", {})
    estimator = Estimator(entry_point=script, hyperparameters=fixed, sagemaker_session=session)
    return HyperparameterTuner(estimator, "score", ranges or RANGES, **more)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"strategy": "Hyperband"},
            ["MaxResource", "Hyperband needs a maximum resource", "give MaxResource"],
        ),
        (
            {"strategy": "Hyperband", "strategy_config": StrategyConfig(HyperbandStrategyConfig(3, 9))},
            ["MinResource: 9 exceeds MaxResource (3)"],
        ),
        ({"strategy": "Grid"}, ["Grid takes", "'x'", "list its values as a categorical range"]),
        ({"strategy": "Best"}, ["Best", "strategy"]),
        ({"objective_type": "Most"}, ["Most"]),
        (
            {"warm_start_config": WarmStartConfig(IDENTICAL, {f"parent-{number}" for number in range(6)})},
            ["parentHyperParameterTuningJobs", "5"],
        ),
        ({"warm_start_config": WarmStartConfig(IDENTICAL, {"nobody"})}, ["nobody"]),
    ],
)
def test_requests(session: Session, script: str, more: dict[str, Any], words: list[str]) -> None:
    """Strategies without what they need, values that are none, too many and unknown parents."""
    with pytest.raises(ClientError) as caught:
        tuner(session, script, **more).fit()
    assert caught.value.response["Error"]["Code"] in ("ValidationException", "ResourceNotFound")
    for word in words:
        assert word.lower() in str(caught.value).lower()


def test_parents(session: Session, script: str) -> None:
    """A parent that still runs, and one that tunes other names, each named with what differs."""
    running = tuner(session, script, hyperparameters={"slow": True})
    running.fit()
    done = tuner(session, script, {"y": ContinuousParameter(0, 1), "x": ContinuousParameter(0, 1)})
    done.fit(wait=True, quiet=True)
    for parent, words in ((running, ["InProgress", "wait until it has ended"]), (done, ["'y'"])):
        name = parent.latest_tuning_job.name
        with pytest.raises(ClientError) as caught:
            tuner(session, script, warm_start_config=WarmStartConfig(IDENTICAL, {name})).fit()
        for word in (name, *words):
            assert word in str(caught.value)
    running.stop_tuning_job()


GOOD = records(np.random.RandomState(0).rand(20, 3))


@pytest.mark.parametrize(
    ("data", "width", "words"),
    [
        (GOOD[:-7], 3, "the file ends at byte"),
        (b"\x00" * 64, 3, "instead of the recordIO mark"),
        (GOOD, 5, "record 0 has 3 features where 5 are expected"),
    ],
    ids=["truncated", "magic", "features"],
)
def test_record_files(session: Session, tmp_path: Path, data: bytes, width: int, words: str) -> None:
    """Truncated, of a wrong magic number, of a wrong number of features: the customer's fault, with file and place."""
    (tmp_path / "part").write_bytes(data)
    estimator = KMeans("role", 1, "local", k=2, epochs=1, sagemaker_session=session)
    source = RecordSet(f"file://{tmp_path}/part", 20, width, s3_data_type="S3Prefix")
    found = HyperparameterTuner(
        estimator, "train:msd", {"k": IntegerParameter(2, 4)}, objective_type="Minimize", max_jobs=1
    )
    found.fit(source)
    with pytest.raises(UnexpectedStatusException):
        found.wait(quiet=True)
    (job,) = found.analytics().training_job_summaries()
    assert job["FailureReason"].startswith("ClientError: ")
    assert words in job["FailureReason"]
