"""Whole tuning jobs in a calm world: the controller with its handlers, step by step on a fake clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pegbox.domain.records import TrainingJob, TuningJob
from pegbox.domain.statuses import ObjectiveStatus, SecondaryStatus, TrainingStatus, TuningStatus
from pegbox.engine.handlers import (
    AddTags,
    CreateTuning,
    DeleteTags,
    DeleteTraining,
    DeleteTuning,
    SetImage,
    StopTraining,
    StopTuning,
)
from pegbox.errors import ResourceInUse, ResourceNotFound, ServiceUnavailable, ValidationException
from pegbox.executors.simulated import Faults
from pegbox.testing.simulation import NO_FAULTS, World, training_request

Make = Callable[..., World]
Request = Callable[..., dict[str, Any]]


def _create(world: World, request: dict[str, Any]) -> None:
    world.do(world.commands.admitted_tuning(request))


def _job(world: World, name: str = "job") -> TuningJob:
    job = world.store.reader.tuning_job(name)
    assert job is not None
    return job


def _trials(world: World, name: str = "job") -> list[TrainingJob]:
    return list(world.store.reader.trials(_job(world, name).id))


def test_a_tuning_job_runs_exactly_its_budget(calm: Make, request_for: Request) -> None:
    """Completed, max_jobs exact, numbers 1..n, names by AWS's pattern, completion order told."""
    world = calm()
    _create(world, request_for(jobs=7, parallel=3))
    world.settle()
    job, trials = _job(world), _trials(world)
    assert (job.status, job.launched, job.observed) == (TuningStatus.COMPLETED, 7, 7)
    assert [t.number for t in trials] == list(range(1, 8))
    assert sorted(t.observed_seq or 0 for t in trials) == list(range(1, 8))
    assert all(t.name.startswith(f"job-{t.number:03d}-") for t in trials)
    assert job.ended_at is not None


def test_trials_carry_statics_tuned_values_and_the_objective_key(calm: Make, request_for: Request) -> None:
    """The service adds _tuning_objective_metric to each child."""
    world = calm()
    request = request_for(jobs=1)
    request["TrainingJobDefinition"]["StaticHyperParameters"] = {"epochs": "3"}
    _create(world, request)
    world.settle()
    (trial,) = _trials(world)
    assert trial.suggestion is not None
    expected = {"epochs": "3", "_tuning_objective_metric": "m", **trial.suggestion.values}
    assert trial.request["HyperParameters"] == expected
    (attempt,) = world.machine.attempts.values()
    assert attempt.order.hyperparameters == expected


def test_nothing_is_launched_before_its_row_is_committed(calm: Make, request_for: Request) -> None:
    """A refused commit launches nothing and tells the client; afterwards the same request works."""
    world = calm()
    world.store.share = 1.0
    with pytest.raises(ServiceUnavailable):
        _create(world, request_for())
    assert not world.machine.attempts
    world.store.share = 0.0
    world.clock.advance(2.0)
    _create(world, request_for())
    world.settle()
    assert _job(world).status is TuningStatus.COMPLETED


def test_a_finished_trial_and_the_next_launch_share_a_commit(calm: Make, request_for: Request) -> None:
    """In steady state a slot is refilled in the transaction that records the end."""
    world = calm()
    _create(world, request_for(jobs=12, parallel=1))
    gaps = 0
    while not world.quiet():
        before = _job(world)
        world.step()
        after = _job(world)
        live = sum(not t.status.terminal for t in _trials(world))
        gaps += after.observed > before.observed and live == 0 and after.launched < 12
    assert gaps == 0


def test_five_failures_fail_the_job_with_running_trials_counted(calm: Make, request_for: Request) -> None:
    """The breaker of five: in-flight trials run to their end and are counted."""
    world = calm(faults=Faults(**{**_zero(), "fail": 1.0}))
    _create(world, request_for(jobs=50, parallel=4))
    world.settle()
    job = _job(world)
    assert job.status is TuningStatus.FAILED
    assert "No training job succeeded after 5 attempts" in (job.failure_reason or "")
    assert "simulated" in (job.failure_reason or "")
    assert 5 <= job.launched <= 8
    assert all(t.status is TrainingStatus.FAILED for t in _trials(world))


def test_silent_trials_fail_the_job_and_warn_before(calm: Make, request_for: Request) -> None:
    """Five completed trials without the objective: Failed, with the metric's name."""
    world = calm(faults=Faults(**{**_zero(), "silent": 1.0}))
    _create(world, request_for(jobs=50, parallel=1))
    world.settle()
    job = _job(world)
    assert (job.status, job.launched) == (TuningStatus.FAILED, 5)
    assert "'m'" in (job.failure_reason or "")


def test_values_that_are_not_finite_complete_the_job_without_a_best(calm: Make, request_for: Request) -> None:
    """NaN everywhere: trials Completed, objectives Failed, no best, the job Completed."""
    world = calm(faults=Faults(**{**_zero(), "not_finite": 1.0}))
    _create(world, request_for(jobs=6))
    world.settle()
    job = _job(world)
    assert job.status is TuningStatus.COMPLETED
    assert {t.objective_status for t in _trials(world)} == {ObjectiveStatus.FAILED}
    assert world.store.reader.best_trial(job.id, True) is None


def test_stop_stops_the_trials_and_says_stopping_first(calm: Make, request_for: Request) -> None:
    """Describe right after a stop reads Stopping; at the end Stopped, with no program left."""
    world = calm()
    _create(world, request_for(jobs=50, parallel=3))
    for _ in range(4):
        world.step()
    world.do(StopTuning(name="job"))
    assert _job(world).status is TuningStatus.STOPPING
    launched = _job(world).launched
    world.settle()
    job = _job(world)
    assert (job.status, job.launched) == (TuningStatus.STOPPED, launched)
    assert {t.status for t in _trials(world)} <= {TrainingStatus.STOPPED, TrainingStatus.COMPLETED}
    assert not world.machine.running()


def test_stopping_says_so_even_when_nothing_runs(calm: Make, request_for: Request) -> None:
    """Without live trials Stopping still lasts its second."""
    world = calm()
    world.post(world.commands.admitted_tuning(request_for()))
    world.post(StopTuning(name="job"))
    world.step()
    at = world.clock.monotonic()
    assert _job(world).status is TuningStatus.STOPPING
    world.settle()
    assert _job(world).status is TuningStatus.STOPPED
    assert world.clock.monotonic() - at >= 1.0


def test_stopping_a_terminal_job_is_a_validation_exception(calm: Make, request_for: Request) -> None:
    """Clients swallow exactly this code."""
    world = calm()
    _create(world, request_for(jobs=1))
    world.settle()
    (trial,) = _trials(world)
    for action in (StopTuning(name="job"), StopTraining(name=trial.name)):
        with pytest.raises(ValidationException):
            world.do(action)


def test_unknown_names_are_not_found(calm: Make) -> None:
    """Stop and delete of nothing: ResourceNotFound."""
    world = calm()
    for action in (
        StopTuning(name="x"),
        DeleteTuning(name="x"),
        StopTraining(name="x"),
        DeleteTraining(name="x"),
    ):
        with pytest.raises(ResourceNotFound):
            world.do(action)


def test_a_name_in_use_is_told_regardless_of_case(calm: Make, request_for: Request) -> None:
    """ResourceInUse, and the first job is untouched."""
    world = calm()
    _create(world, request_for("Job"))
    with pytest.raises(ResourceInUse):
        _create(world, request_for("jOB"))


def test_one_stopped_trial_frees_its_slot_and_counts(calm: Make, request_for: Request) -> None:
    """A trial stopped by its owner is part of the budget; the job goes on."""
    world = calm()
    _create(world, request_for(jobs=5, parallel=1))
    while not world.machine.running():
        world.step()
    (trial,) = _trials(world)
    world.do(StopTraining(name=trial.name))
    world.settle()
    job = _job(world)
    assert (job.status, job.launched) == (TuningStatus.COMPLETED, 5)
    assert _trials(world)[0].status in (TrainingStatus.STOPPED, TrainingStatus.COMPLETED)


def test_a_lost_attempt_is_retried_with_a_new_token(calm: Make, request_for: Request) -> None:
    """RetryStrategy: another attempt after the first is proved dead; both share the job."""
    world = calm(faults=Faults(**{**_zero(), "lost": 1.0}))
    request = request_for(jobs=1)
    request["TrainingJobDefinition"]["RetryStrategy"] = {"MaximumRetryAttempts": 2}
    _create(world, request)
    world.settle()
    (trial,) = _trials(world)
    attempts = world.store.reader.attempts(trial.id)
    assert [a.state for a in attempts] == ["fenced", "fenced", "fenced"]
    assert len({a.order.token for a in world.machine.attempts.values()}) == 3
    assert trial.status is TrainingStatus.FAILED
    assert [t.status for t in trial.transitions].count(SecondaryStatus.STARTING) == 3


def test_a_late_success_of_a_lost_attempt_is_kept_as_evidence(calm: Make, request_for: Request) -> None:
    """It cannot overwrite what was decided; a notice keeps it."""
    world = calm(faults=Faults(**{**_zero(), "lost": 1.0, "undead": 1.0}))
    _create(world, request_for(jobs=1))
    world.settle()
    (trial,) = _trials(world)
    assert trial.status is TrainingStatus.FAILED
    assert any("reported later that it had completed" in text for text in trial.notices)
    assert all(a.fenced for a in world.machine.attempts.values())


def test_a_forged_token_changes_nothing(calm: Make, request_for: Request) -> None:
    """A report with another attempt's token is fenced, not applied."""
    world = calm()
    _create(world, request_for(jobs=1))
    while not world.machine.attempts:
        world.step()
    (attempt,) = world.machine.attempts.values()
    report = world.executor._report(attempt, 1, [{"kind": "finished", "at": 0.0, "outcome": "failed"}])
    fenced: list[bool] = []
    forged = type(report)(
        attempt_id=report.attempt_id,
        token="0" * 64,
        first_seq=1,
        events=report.events,
        acknowledge=lambda up_to: pytest.fail("acknowledged"),
        fence=lambda: fenced.append(True),
    )
    world.controller.report(forged)
    world.step()
    assert fenced == [True]
    world.settle()
    assert _trials(world)[0].status is TrainingStatus.COMPLETED


def test_tags_go_to_trials_launched_later_only(calm: Make, request_for: Request) -> None:
    """Tags of the job go to its children; ones added later to children launched afterwards."""
    world = calm()
    _create(world, request_for(jobs=6, parallel=1))
    while not _trials(world):
        world.step()
    arn = world.parts.realm.tuning_arn("job")
    world.do(AddTags(arn=arn, tags={"late": "1"}))
    world.settle()
    trials = _trials(world)
    tags = [dict(world.store.reader.tags(world.parts.realm.training_arn(t.name))) for t in trials]
    assert tags[0] == {"team": "a"}
    assert tags[-1] == {"team": "a", "late": "1"}
    world.do(DeleteTags(arn=arn, keys=("team",)))
    assert dict(world.store.reader.tags(arn)) == {"late": "1"}


def test_tags_are_bounded_and_arns_are_checked(calm: Make, request_for: Request) -> None:
    """More than 50 tags, foreign ARNs and unknown jobs are refused."""
    world = calm()
    _create(world, request_for("MixedCase"))
    arn = world.parts.realm.tuning_arn("MixedCase")
    assert "mixedcase" in arn
    world.do(AddTags(arn=arn, tags={str(i): "v" for i in range(49)}))
    with pytest.raises(ValidationException, match="50"):
        world.do(AddTags(arn=arn, tags={"one": "v", "more": "v"}))
    with pytest.raises(ResourceNotFound):
        world.do(AddTags(arn=world.parts.realm.training_arn("nobody"), tags={"a": "b"}))
    with pytest.raises(ValidationException, match="ResourceArn"):
        world.do(AddTags(arn="arn:aws:s3:::bucket", tags={"a": "b"}))


def test_delete_removes_the_record_and_leaves_the_trials(calm: Make, request_for: Request) -> None:
    """DeleteHyperParameterTuningJob: only the record; its name may be used again."""
    world = calm()
    _create(world, request_for(jobs=2))
    with pytest.raises(ValidationException, match="stop it"):
        world.do(DeleteTuning(name="job"))
    world.settle()
    trials = _trials(world)
    world.watcher.deleted.add("job")
    world.do(DeleteTuning(name="job"))
    assert world.store.reader.tuning_job("job") is None
    assert all(world.store.reader.training_job(t.name) is not None for t in trials)
    _create(world, request_for(jobs=2))
    world.settle()
    assert len({t.name for t in (*trials, *_trials(world))}) == 4


def test_trials_of_a_running_job_cannot_be_deleted(calm: Make, request_for: Request) -> None:
    """The search learns from them; afterwards they can."""
    world = calm()
    _create(world, request_for(jobs=8, parallel=1))
    while not any(t.status.terminal for t in _trials(world)):
        world.step()
    first = _trials(world)[0]
    with pytest.raises(ResourceInUse, match="learns from it"):
        world.do(DeleteTraining(name=first.name))
    world.settle()
    world.watcher.deleted.add(first.name)
    world.do(DeleteTraining(name=first.name))
    assert world.store.reader.training_job(first.name) is None


def test_a_training_job_of_its_own_runs_through_the_same_machine(calm: Make) -> None:
    """CreateTrainingJob, its name taken meanwhile, then deleted and free again; its model stays and is protected."""
    world = calm()
    create = world.commands.admitted_training(training_request("solo"))
    world.do(create)
    with pytest.raises(ResourceInUse):
        world.do(create)
    world.settle()
    job = world.store.reader.training_job("solo")
    assert job is not None
    assert (job.status, job.objective_status) == (TrainingStatus.COMPLETED, None)
    world.watcher.deleted.add("solo")
    world.do(DeleteTraining(name="solo"))
    with pytest.raises(ValidationException, match="holds the model of an earlier training job"):
        world.commands.admitted_training(training_request("solo"))


def test_images_are_set_and_removed(calm: Make) -> None:
    """The image table is part of the store; what is not there cannot be removed."""
    world = calm()
    world.do(SetImage(name="mine:1", runtime={"kind": "command", "command": ["/bin/true"]}))
    assert "mine:1" in world.store.reader.images()
    world.do(SetImage(name="mine:1", runtime=None))
    with pytest.raises(ResourceNotFound):
        world.do(SetImage(name="mine:1", runtime=None))


def test_the_same_seed_and_completions_give_the_same_run(calm: Make, request_for: Request) -> None:
    """With computing-ahead off and one trial at a time, two runs have equal values, names apart (promise P8)."""
    runs = []
    for seed in (1, 2):
        world = calm(compute_ahead=False, seed=seed, faults=NO_FAULTS)
        world.machine.program = lambda hyperparameters, rng: [float(hyperparameters["x"])]
        _create(world, request_for(jobs=6, parallel=1, Strategy="Bayesian"))
        world.settle()
        runs.append([dict(t.suggestion.values) for t in _trials(world) if t.suggestion])
    assert runs[0] == runs[1]


def test_a_runtime_of_the_tuning_job_stops_its_trials(calm: Make, request_for: Request) -> None:
    """MaxRuntimeInSeconds of the job: children stopped, job Completed."""
    world = calm()
    world.machine.seconds = (500.0, 900.0)
    request = request_for(jobs=50)
    request["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxRuntimeInSeconds"] = 120
    _create(world, request)
    world.settle()
    job = _job(world)
    assert job.status is TuningStatus.COMPLETED
    assert "MaxRuntimeInSeconds" in (job.completion_reason or "")
    assert {t.status for t in _trials(world)} == {TrainingStatus.STOPPED}


def test_the_engine_ends_a_program_that_its_agent_let_run_too_long(calm: Make, request_for: Request) -> None:
    """The backstop: beyond MaxRuntimeInSeconds and the slack the engine itself stops the attempt."""
    world = calm()
    world.machine.seconds = (5000.0, 5000.0)
    world.machine.obeys_max_runtime = False
    request = request_for(jobs=1)
    request["TrainingJobDefinition"]["StoppingCondition"] = {"MaxRuntimeInSeconds": 60}
    _create(world, request)
    world.settle()
    (trial,) = _trials(world)
    assert trial.secondary is SecondaryStatus.MAX_RUNTIME_EXCEEDED


def test_an_unbounded_number_of_tuning_jobs_can_be_limited(calm: Make, request_for: Request) -> None:
    """strict mode has AWS's quota of concurrent tuning jobs."""
    world = calm(extended=False)
    action = world.commands.admitted_tuning(request_for())
    assert isinstance(action, CreateTuning)
    assert action.quota == 100


def _zero() -> dict[str, float]:
    names = ("fail", "internal", "lost", "undead", "silent", "not_finite", "repeated", "shuffled", "delayed")
    return dict.fromkeys(names, 0.0)
