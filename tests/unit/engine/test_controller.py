"""The controller's shell: faults of ours, of the store and of the numerics stay where they are."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pegbox.domain.statuses import TrainingStatus, TuningStatus
from pegbox.engine import controller as shell
from pegbox.engine.effects import Resolve
from pegbox.engine.faultpoints import POINTS, VARIABLE, arm, set_hook
from pegbox.engine.handlers import Command, StopTuning
from pegbox.errors import InternalFailure, ResourceNotFound, ServiceUnavailable
from pegbox.ports.suggester import SuggestAnswer, SuggestRequest
from pegbox.testing.simulated_ports import cheap_strategy
from pegbox.testing.simulation import World

Make = Callable[..., World]
Request = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _status(world: World, name: str = "job") -> TuningStatus:
    job = world.store.reader.tuning_job(name)
    assert job is not None
    return job.status


def test_a_fault_in_one_command_spoils_no_other(
    calm: Make, request_for: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands of one commit: the broken one is told InternalFailure, the others are committed."""
    world = calm()
    honest = shell.carry_out

    def broken(parts: Any, picture: Any, work: Any, action: Any) -> Any:
        result = honest(parts, picture, work, action)
        if getattr(action, "name", "") == "bad":
            raise RuntimeError("planted, after it has written")
        return result

    monkeypatch.setattr(shell, "carry_out", broken)
    names = ("one", "bad", "two")
    futures = [world.controller.post(Command(world.commands.admitted_tuning(request_for(n)))) for n in names]
    world.step()
    assert isinstance(futures[1].exception(), InternalFailure)
    assert "HyperParameterTuningJobArn" in futures[0].result()
    assert world.store.reader.tuning_job("bad") is None
    world.settle()
    assert {_status(world, name) for name in ("one", "two")} == {TuningStatus.COMPLETED}


def test_a_fault_in_planning_holds_up_one_job_only(
    calm: Make, request_for: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sick job is tried again later; meanwhile others go on."""
    world = calm()
    honest, sick = shell.plan_tuning, [True]

    def broken(parts: Any, picture: Any, work: Any, active: Any) -> None:
        honest(parts, picture, work, active)
        if active.job.name == "sick" and sick[0]:
            raise RuntimeError("planted")

    monkeypatch.setattr(shell, "plan_tuning", broken)
    for name in ("sick", "well"):
        world.do(world.commands.admitted_tuning(request_for(name)))
    while _status(world, "well") is not TuningStatus.COMPLETED:
        world.step()
    assert _status(world, "sick") is TuningStatus.IN_PROGRESS
    sick[0] = False
    world.settle()
    assert _status(world, "sick") is TuningStatus.COMPLETED


def test_a_full_disk_is_told_and_waited_out(calm: Make, request_for: Request) -> None:
    """Commands: ServiceUnavailable. Reports: kept and applied when there is room again."""
    world = calm()
    world.do(world.commands.admitted_tuning(request_for(jobs=3)))
    while not world.machine.running():
        world.step()
    world.store.share = 1.0
    for _ in range(20):
        world.step()
    with pytest.raises(ServiceUnavailable, match="no space left"):
        world.do(StopTuning(name="job"))
    world.store.share = 0.0
    world.settle()
    assert _status(world) is TuningStatus.COMPLETED


def test_a_faulty_suggestion_is_noted_and_used(calm: Make, request_for: Request) -> None:
    """Random values take the place; record, warning and notice say so."""

    def crashing(request: SuggestRequest) -> SuggestAnswer:
        answer = cheap_strategy(request)
        return SuggestAnswer(suggestions=answer.suggestions, fault="out of memory")

    world = calm(world={"strategy": crashing})
    world.do(world.commands.admitted_tuning(request_for(jobs=1, Strategy="Bayesian")))
    world.settle()
    job = world.store.reader.tuning_job("job")
    assert job is not None
    assert any("out of memory" in text for text in job.notices)
    (trial,) = world.store.reader.trials(job.id)
    assert trial.suggestion is not None
    assert (trial.suggestion.strategy, trial.suggestion.warnings) == ("Random", ("out of memory",))


def test_reports_with_gaps_are_refused_and_repeated_ones_change_nothing(
    calm: Make, request_for: Request
) -> None:
    """Idempotent by sequence number: the same events again are acknowledged, not applied."""
    world = calm()
    world.do(world.commands.admitted_tuning(request_for(jobs=1)))
    while not world.machine.attempts:
        world.step()
    (attempt,) = world.machine.attempts.values()
    metric = {"kind": "metric", "at": 0.0, "name": "m", "value": 1.0, "step": None, "count": 1}
    attempt.deliver_at = 1e9
    report = world.executor._report(attempt, 5, [metric])
    world.controller.report(report)
    world.step()
    assert attempt.acknowledged == 0
    for _ in range(3):
        world.controller.report(world.executor._report(attempt, 1, [{"kind": "training", "at": 0.0}, metric]))
        world.step()
    assert attempt.acknowledged == 2
    (trial,) = world.store.reader.trials(1)
    assert len(world.store.reader.metric_points(trial.id)) == 1


def test_an_end_that_cannot_be_read_fails_the_trial(calm: Make, request_for: Request) -> None:
    """A malformed event never blocks its attempt."""
    world = calm()
    world.do(world.commands.admitted_tuning(request_for(jobs=1)))
    while not world.machine.attempts:
        world.step()
    (attempt,) = world.machine.attempts.values()
    attempt.fenced = True
    events = [{"kind": "metric", "value": "?"}, {"kind": "finished", "outcome": "superb"}]
    world.controller.report(world.executor._report(attempt, 1, events))
    world.step()
    (trial,) = world.store.reader.trials(1)
    assert trial.status is TrainingStatus.FAILED
    assert "InternalServerError" in (trial.failure_reason or "")
    assert any("could not be read" in text for text in trial.notices)


def test_a_model_that_cannot_be_published_fails_the_trial(
    calm: Make, request_for: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Completed means that the artifact is there (I8); otherwise the failure names address and cause."""
    world = calm()

    def refuse(self: Any, *args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(world.artifacts), "publish", refuse)
    world.do(world.commands.admitted_tuning(request_for(jobs=1)))
    world.settle()
    (trial,) = world.store.reader.trials(1)
    assert trial.status is TrainingStatus.FAILED
    assert "could not be published to s3://bucket/out" in (trial.failure_reason or "")


def test_a_closed_controller_refuses_commands(calm: Make) -> None:
    """What waits when the server stops is told so; nothing hangs."""
    world = calm()
    waiting = world.controller.post(Command(StopTuning(name="job")))
    world.controller.close()
    world.controller.run()
    assert isinstance(waiting.exception(), ServiceUnavailable)
    late = world.controller.post(Command(StopTuning(name="job")))
    assert isinstance(late.exception(), ServiceUnavailable)


def test_an_error_of_a_command_is_its_own(calm: Make) -> None:
    """The exact ApiError reaches the caller."""
    world = calm()
    future = world.controller.post(Command(StopTuning(name="nobody")))
    world.step()
    assert isinstance(future.exception(), ResourceNotFound)
    assert isinstance(Resolve(future).future, type(future))


def test_an_armed_point_kills_the_process() -> None:
    """Crash tests end a real server at a label, at the passing that they want."""
    passed = "faultpoint('after-commit')"
    program = f"from pegbox.engine.faultpoints import faultpoint; {passed}; print('once', flush=True); {passed}; print('twice')"
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, VARIABLE: "after-commit:2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (-signal.SIGKILL, "once\n")


def test_only_known_points_can_be_armed() -> None:
    """A misspelt label is an error that lists the points."""
    with pytest.raises(ValueError, match=POINTS[0]):
        arm("nowhere")
    set_hook(None)
