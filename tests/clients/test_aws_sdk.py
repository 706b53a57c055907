"""The unmodified AWS SDK, versions 1.72.1 and 2.257.7, runs its whole tuning flow against a real server.

Each flow is a program in ``programs/`` that a user of the SDK could have written. Warm start and several algorithms in one job
are in ``test_aws_sdk_tuning.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SDKS = ("sdk-v1", "sdk-v2")
#: What the SDK's data frame has besides the hyperparameters.
COLUMNS = (
    "FinalObjectiveValue",
    "TrainingElapsedTimeSeconds",
    "TrainingEndTime",
    "TrainingJobName",
    "TrainingJobStatus",
    "TrainingStartTime",
)


@pytest.fixture(scope="module", params=SDKS)
def sdk(request: pytest.FixtureRequest) -> str:
    """Name of the environment of one version."""
    return str(request.param)


@pytest.fixture(scope="module")
def tuned(clients: Any, sdk: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the flow found: upload, fit with a framework and a generic estimator, wait, best job, analytics, tags."""
    found: dict[str, Any] = clients.sdk(sdk, "tune.py", str(tmp_path_factory.mktemp("data")), sdk[-2:])
    return found


def test_the_jobs_ran_to_their_end(tuned: dict[str, Any], sdk: str) -> None:
    """Both tuning jobs completed with all their training jobs, and the version is the one meant."""
    assert tuned["version"].startswith("1.72.1" if sdk == "sdk-v1" else "2.257.7")
    assert tuned["status"] == "Completed"
    assert (tuned["rows"], tuned["generic_rows"]) == (4, 2)
    assert tuned["generic_best"].startswith(f"generic-{sdk[-2:]}")


def test_best_job_and_data_frame_agree(tuned: dict[str, Any]) -> None:
    """The best training job is the frame's best row, and the frame has the SDK's columns."""
    assert tuned["best"] == tuned["best_row"]
    assert 8.0 < tuned["best_value"] <= 11.5
    assert {"depth", "kind", "rate", *COLUMNS} == set(tuned["columns"])
    assert tuned["curve"] == pytest.approx([tuned["best_value"]])


def test_tags_reach_the_tuning_job_and_its_training_jobs(tuned: dict[str, Any], sdk: str) -> None:
    """Tags given to the tuner are on both."""
    assert tuned["tags"]["team"] == tuned["job_tags"]["team"] == sdk[-2:]


def test_the_model_is_an_object_of_s3(tuned: dict[str, Any], sdk: str, server: Any) -> None:
    """best_estimator attaches to the right class; its model is a file of the server, in the bucket that the SDK made."""
    assert tuned["estimator"] == "SKLearn"
    assert tuned["model"].startswith(f"s3://clients-{sdk[-2:]}/")
    bucket, _, key = tuned["model"].removeprefix("s3://").partition("/")
    assert Path(server.home, "buckets", bucket, key).stat().st_size == tuned["model_bytes"] > 0


def test_another_process_attaches_and_stops(clients: Any, sdk: str, tuned: dict[str, Any]) -> None:
    """attach in a new process finds class, ranges, static values and best job; a job that it starts is stopped."""
    found = clients.sdk(sdk, "attach.py", tuned["name"])
    assert found["estimator"] == "SKLearn"
    assert found["best"] == tuned["best"]
    assert (found["rows"], found["max_jobs"]) == (4, 4)
    assert found["ranges"] == ["depth", "kind", "rate"]
    assert found["bonus"] == "0.5"
    assert found["after_stop"] == "Stopping"
    assert found["at_last"] == "Stopped"


@pytest.fixture(scope="module")
def served(clients: Any, sdk: str) -> dict[str, Any]:
    """What the flow of endpoints found: tune, deploy, predict, delete, with a framework and a generic estimator."""
    found: dict[str, Any] = clients.sdk(sdk, "deploy.py", sdk[-2:])
    return found


def test_the_best_model_predicts(served: dict[str, Any], sdk: str) -> None:
    """The script that trained serves, at an endpoint of the best training job's name; arrays there and back."""
    assert served["version"].startswith("1.72.1" if sdk == "sdk-v1" else "2.257.7")
    assert served["predictor"] == "SKLearnPredictor"
    assert served["endpoint"] == served["best"]
    assert served["predicted"] == pytest.approx(served["expected"])
    assert (served["model"] == served["best"]) is (sdk == "sdk-v1")


def test_an_image_of_ones_own_answers(served: dict[str, Any], sdk: str) -> None:
    """The generic estimator's program serves what its best training job learned."""
    assert served["answer"]["asked"] == {"question": sdk[-2:]}
    assert 0 <= float(served["answer"]["learned"]["rate"]) <= 1
    assert (served["generic_model"] == served["generic_best"]) is (sdk == "sdk-v1")


def test_code_that_is_packed_into_the_model_serves(served: dict[str, Any]) -> None:
    """For PyTorch the SDK packs the script into the archive, and names it in a way of its version's own."""
    assert served["from_packed"] == pytest.approx([3.0, 7.0])


def test_everything_is_deleted(served: dict[str, Any]) -> None:
    """Endpoints, configuration and model are gone after the SDK's own calls."""
    assert served["gone"] == [True, True]
    assert served["config_gone"]
    assert served["model_gone"]
