"""How jobs end, with a real server, agents and programs: limits, criteria, failures, retries."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from pegbox.testing.lab import Lab, tuning_request

CONFIG, DEFINITION = "HyperParameterTuningJobConfig", "TrainingJobDefinition"
#: What the program of each tuning job does.
ACTS = {
    "too-long": "echo objective=0.5; exec sleep 60",
    "target": "echo objective=0.9",
    "patience": "echo objective=0.9",
    "failing": "echo no luck; exit 3",
    "no-number": "echo objective=nan",
    "silent": "echo loading; echo 'objective: 0.25'; echo done",
    "stuck": 'test -e "$NOTE" && exec echo objective=1; touch "$NOTE"; exec sleep 60',
}


@pytest.fixture(scope="module")
def jobs(lab: Lab) -> Any:
    """All tuning jobs, created at once, and the client that watches them."""
    lab.pegbox("images", "add", "act", "--", "/bin/sh", "-c", 'eval "$ACT"')
    client = lab.client()
    for name, act in ACTS.items():
        request = tuning_request(name, "", max_jobs=20, parallel=1)
        definition = request[DEFINITION]
        definition["AlgorithmSpecification"]["TrainingImage"] = "act"
        del definition["StaticHyperParameters"]
        definition["Environment"] = {"ACT": act, "NOTE": str(lab.home / "note")}
        limits = request[CONFIG]["ResourceLimits"]
        if name == "too-long":
            definition["StoppingCondition"]["MaxRuntimeInSeconds"] = 1
            limits["MaxNumberOfTrainingJobs"] = 1
        if name == "target":
            request[CONFIG]["TuningJobCompletionCriteria"] = {"TargetObjectiveMetricValue": 0.8}
        if name == "patience":
            criterion = {"MaxNumberOfTrainingJobsNotImproving": 3}
            request[CONFIG]["TuningJobCompletionCriteria"] = {"BestObjectiveNotImproving": criterion}
        if name == "no-number":
            limits["MaxNumberOfTrainingJobs"] = 2
        if name == "stuck":
            limits["MaxNumberOfTrainingJobs"] = 1
            definition["RetryStrategy"] = {"MaximumRetryAttempts": 2}
        client.create_hyper_parameter_tuning_job(**request)
    return client


@pytest.fixture
def ended(
    jobs: Any, wait_until: Callable[..., Any]
) -> Callable[[str], tuple[dict[str, Any], list[dict[str, Any]]]]:
    """``ended(name)`` returns a tuning job's description once it has ended, and its trials' descriptions."""

    def ended(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        def over() -> Any:
            job = jobs.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            return job if job["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping") else None

        job = wait_until(over)
        rows = jobs.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name, MaxResults=100
        )["TrainingJobSummaries"]
        trials = [jobs.describe_training_job(TrainingJobName=row["TrainingJobName"]) for row in rows]
        return job, trials

    return ended


def _trial_of(process: psutil.Process) -> str:
    """Return the name of the trial whose program a process is; nothing if it ends meanwhile."""
    try:
        return process.environ().get("TRAINING_JOB_NAME", "")
    except psutil.Error:
        return ""


def test_a_lost_attempt_is_started_again(
    lab: Lab, jobs: Any, ended: Any, wait_until: Callable[..., Any]
) -> None:
    """With RetryStrategy, a trial whose agent and program are both killed runs once more and completes."""

    def running() -> list[psutil.Process]:
        mine = [item for item in lab.programs() if _trial_of(item).startswith("stuck")]
        return mine if (lab.home / "note").exists() else []

    programs = wait_until(running)
    # The start must be told before it is undone: an attempt that was never reported as training shows no such step.
    name = _trial_of(programs[0])
    wait_until(lambda: jobs.describe_training_job(TrainingJobName=name)["SecondaryStatus"] == "Training")
    agents = {parent.pid for item in programs for parent in item.parents()} & {
        item.pid for item in lab.agents()
    }
    assert len(agents) == 1
    for process in [psutil.Process(agents.pop()), *programs]:
        process.kill()
    job, (trial,) = ended("stuck")
    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    assert job["TrainingJobStatusCounters"]["Completed"] == 1
    assert trial["TrainingJobStatus"] == "Completed"
    steps = [item["Status"] for item in trial["SecondaryStatusTransitions"]]
    assert steps.count("Starting") == steps.count("Training") == 2, steps


def test_a_trial_ends_with_its_runtime(ended: Any) -> None:
    """MaxRuntimeInSeconds stops the program; the trial says why, and what it had found counts where nothing completed."""
    job, (trial,) = ended("too-long")
    assert (trial["TrainingJobStatus"], trial["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert 1 <= trial["TrainingTimeInSeconds"] < 30
    assert job["TrainingJobStatusCounters"]["Stopped"] == 1
    assert job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 0.5


def test_a_target_ends_the_search(ended: Any) -> None:
    """The first trial that reaches the target is the last."""
    job, trials = ended("target")
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert len(trials) == 1
    assert job["BestTrainingJob"]["TrainingJobName"] == trials[0]["TrainingJobName"]


def test_a_search_that_does_not_improve_ends(ended: Any) -> None:
    """After the best, three trials without a better one are enough."""
    job, trials = ended("patience")
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert len(trials) == 4
    assert job["TuningJobCompletionDetails"]["NumberOfTrainingJobsObjectiveNotImproving"] == 3


def test_five_failures_end_the_search(ended: Any) -> None:
    """Five trials that fail from the start fail the job; both tell the exit code and the program's last words."""
    job, trials = ended("failing")
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == len(trials) == 5
    for text in (job["FailureReason"], *(trial["FailureReason"] for trial in trials)):
        assert "AlgorithmError" in text
        assert "exit code: 3" in text
        assert "no luck" in text


def test_what_is_no_number_is_never_best(ended: Any) -> None:
    """A NaN objective: the trial is completed, its objective failed, and there is no best."""
    job, trials = ended("no-number")
    assert [trial["TrainingJobStatus"] for trial in trials] == ["Completed", "Completed"]
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 0, "Pending": 0, "Failed": 2}
    assert "BestTrainingJob" not in job
    json.dumps(job, default=str, allow_nan=False)


def test_a_pattern_that_never_matches_is_told(ended: Any) -> None:
    """The job fails after five, names the metric and shows the log line that is nearest to it."""
    job, trials = ended("silent")
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert len(trials) == 5
    assert "'objective'" in job["FailureReason"]
    assert "objective: 0.25" in job["FailureReason"]


def test_of_two_clients_that_race_for_a_name_one_wins(lab: Lab, jobs: Any) -> None:
    """Twenty times two clients create the same job at once: one is answered with its ARN, the other with ResourceInUse."""
    clients = [lab.client(), lab.client()]
    outcomes: list[list[str]] = []
    for number in range(20):
        request = tuning_request(f"race-{number}", "", max_jobs=1, parallel=1)
        request[DEFINITION]["AlgorithmSpecification"]["TrainingImage"] = "act"
        del request[DEFINITION]["StaticHyperParameters"]
        request[DEFINITION]["Environment"] = {"ACT": "echo objective=1"}
        gate = threading.Barrier(2)
        said: list[str] = []

        def create(client: Any, request: Any = request, gate: Any = gate, said: Any = said) -> None:
            gate.wait()
            try:
                said.append(client.create_hyper_parameter_tuning_job(**request)["HyperParameterTuningJobArn"])
            except client.exceptions.ResourceInUse:
                said.append("in use")

        threads = [threading.Thread(target=create, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        outcomes.append(sorted(said))
    for number, (won, lost) in enumerate(outcomes):
        assert won.endswith(f"hyper-parameter-tuning-job/race-{number}")
        assert lost == "in use"
