"""The planner, on snapshots made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pegbox.domain.statuses import StopReason, TrainingStatus, TuningStatus
from pegbox.engine.planner import (
    Ask,
    Asked,
    Close,
    Finish,
    Goals,
    Launch,
    Line,
    NoteConvergence,
    Ready,
    Snapshot,
    StopTrials,
    Tally,
    Wait,
    WakeAt,
    plan,
)
from pegbox.stopping import Progress, progress_of

GOALS = Goals(strategy="Bayesian", budget=10, parallel=2, dimension=1, objective="m")


def _now(**changes: Any) -> Snapshot:
    plain: dict[str, Any] = {
        "status": TuningStatus.IN_PROGRESS,
        "closing": False,
        "launched": 0,
        "live": 0,
        "running": 0,
        "tally": Tally(),
        "progress": Progress(True),
        "patience": 1.0,
    }
    line = {name: changes.pop(name, ()) for name in ("ready", "asked")}
    values = {**plain, **changes}
    lines = (Line(launched=values["launched"], tally=values["tally"], **line),)
    return Snapshot(**{"lines": lines, **values})


def _then(now: Snapshot, **changes: Any) -> Snapshot:
    """Return the same job with other suggestions at hand or asked for."""
    return replace(now, lines=(replace(now.lines[0], **changes),))


def _tally(*statuses: TrainingStatus, emitted: bool = True) -> Tally:
    tally = Tally()
    for status in statuses:
        tally = tally.seen(status, emitted=emitted and status is not TrainingStatus.FAILED)
    return tally


COMPLETED, FAILED, STOPPED = TrainingStatus.COMPLETED, TrainingStatus.FAILED, TrainingStatus.STOPPED


def test_a_new_job_asks_for_as_many_suggestions_as_it_has_slots() -> None:
    """The first trials start together, from one joint answer."""
    assert plan(GOALS, _now(), 0.0) == (Ask(1, 2, False),)


def test_it_asks_once() -> None:
    """An answer under way is waited for."""
    assert plan(GOALS, _now(asked=[Asked(1, 2, 0, False)]), 0.0) == ()


def test_a_suggestion_at_hand_is_launched() -> None:
    """A free slot is filled at once."""
    assert plan(GOALS, _now(ready=[Ready(1, 0, False)]), 0.0) == (Launch(1),)


def test_full_slots_compute_one_suggestion_ahead() -> None:
    """While trials run, the next suggestion is made ready."""
    full = _now(launched=2, live=2, running=2)
    assert plan(GOALS, full, 0.0) == (Ask(3, 1, True),)
    assert plan(replace(GOALS, compute_ahead=False), full, 0.0) == ()


def test_nothing_is_computed_ahead_of_the_last_trial() -> None:
    """max_jobs is exact: no suggestion beyond it is asked for."""
    assert plan(GOALS, _now(launched=10, live=2, running=2), 0.0) == ()


def test_blind_strategies_keep_a_batch_ahead_and_are_never_stale() -> None:
    """Random and Grid do not look at results: what was computed ahead is as good as fresh."""
    blind = replace(GOALS, strategy="Random")
    full = _now(launched=2, live=2, running=2)
    assert plan(blind, full, 0.0) == (Ask(3, 8, True),)
    half = _then(full, ready=[Ready(n, 0, True) for n in range(3, 8)])
    assert plan(blind, half, 0.0) == ()
    assert plan(blind, _then(half, ready=half.lines[0].ready[:4]), 0.0) == (Ask(7, 4, True),)
    old = _now(launched=2, live=1, running=1, tally=_tally(COMPLETED), ready=[Ready(3, 0, True)])
    assert plan(blind, old, 0.0) == (Launch(3),)


def test_a_stale_suggestion_waits_for_a_fresh_one_within_patience() -> None:
    """Asked at once, waited for, then the stale one is used."""
    stale = _now(launched=2, live=1, running=1, tally=_tally(COMPLETED), ready=[Ready(3, 0, True)])
    assert plan(GOALS, stale, 5.0) == (Ask(3, 1, False), Wait(6.0))
    waiting = replace(_then(stale, asked=[Asked(3, 1, 1, False)]), waiting_since=5.0)
    assert plan(GOALS, waiting, 5.5) == (Wait(6.0),)
    assert plan(GOALS, waiting, 6.0) == (Launch(3),)


def test_a_suggestion_computed_ahead_that_knows_everything_is_fresh() -> None:
    """No trial finished since: it is used at once."""
    ready = _now(launched=2, live=1, running=1, tally=_tally(COMPLETED), ready=[Ready(3, 1, True)])
    assert plan(GOALS, ready, 0.0) == (Launch(3),)


def test_a_stale_answer_under_way_does_not_keep_from_asking_afresh() -> None:
    """What was asked before the last result is not what is waited for."""
    now = _now(launched=2, live=1, running=1, tally=_tally(COMPLETED), asked=[Asked(3, 1, 0, True)])
    assert plan(GOALS, now, 0.0) == (Ask(3, 1, False),)


def test_five_failures_at_the_start_close_the_job() -> None:
    """The breaker: Failed, nothing launched, running trials go on to their end."""
    now = _now(launched=8, live=3, running=3, tally=_tally(*[FAILED] * 5), ready=[Ready(9, 5, False)])
    (close,) = plan(GOALS, now, 0.0)
    assert isinstance(close, Close)
    assert close.failed is not None
    assert close.failed.startswith("No training job succeeded after 5 attempts")
    assert plan(GOALS, replace(now, closing=True), 0.0) == ()
    assert plan(GOALS, replace(now, closing=True, live=0, running=0), 0.0) == (Finish(),)


def test_one_success_turns_the_breaker_off() -> None:
    """Five failures after a success, or among the first ones, fail nothing."""
    for statuses in ([COMPLETED, *[FAILED] * 5], [*[FAILED] * 4, STOPPED, *[FAILED] * 3]):
        now = _now(launched=8, live=1, running=1, tally=_tally(*statuses), ready=[Ready(9, 8, False)])
        assert plan(GOALS, now, 0.0) == (Launch(9),)


def test_five_silent_trials_close_the_job_with_the_metric_named() -> None:
    """The twin breaker names the metric and passes on what the log had."""
    silent = _tally(*[COMPLETED] * 5, emitted=False)
    (close,) = plan(GOALS, _now(launched=5, tally=silent, last_silence="nearest log lines: m: 1"), 0.0)
    assert isinstance(close, Close)
    assert "'m'" in (close.failed or "")
    assert "nearest log lines: m: 1" in (close.failed or "")


@pytest.mark.parametrize(
    ("statuses", "emitted", "failed"),
    [
        ([COMPLETED, FAILED], True, False),
        ([FAILED, FAILED], True, True),
        ([COMPLETED, FAILED], False, True),
        ([STOPPED, STOPPED], False, False),
    ],
)
def test_how_a_used_up_budget_ends(statuses: list[TrainingStatus], emitted: bool, failed: bool) -> None:
    """Completed, unless no training job was usable."""
    goals = replace(GOALS, budget=2)
    (close,) = plan(goals, _now(launched=2, tally=_tally(*statuses, emitted=emitted)), 0.0)
    assert isinstance(close, Close)
    assert (close.failed is not None) is failed


def test_criteria_close_the_job_and_let_running_trials_end() -> None:
    """Target reached and not improving: drain."""
    good = _now(launched=3, live=1, running=1, progress=progress_of([0.95], maximize=True))
    (close,) = plan(replace(GOALS, target=0.9), good, 0.0)
    assert isinstance(close, Close)
    assert "target" in (close.completed or "")
    assert plan(GOALS, replace(good, closing=True), 0.0) == ()
    flat = replace(good, progress=progress_of([1.0, 0.5, 0.5, 0.5], maximize=True))
    (close,) = plan(replace(GOALS, patience=3), flat, 0.0)
    assert isinstance(close, Close)


def test_convergence_is_noted_always_and_ends_only_when_asked() -> None:
    """ConvergenceDetectedTime is told without the criterion, too."""
    flat = _now(launched=9, live=2, running=2, progress=progress_of([1.0] * 25, maximize=True))
    assert plan(GOALS, flat, 0.0) == (NoteConvergence(),)
    noted = replace(flat, converged=True)
    assert not any(isinstance(i, (Close, NoteConvergence)) for i in plan(GOALS, noted, 0.0))
    (close,) = plan(replace(GOALS, stop_on_convergence=True), noted, 0.0)
    assert isinstance(close, Close)


def test_the_runtime_of_the_job_stops_its_trials() -> None:
    """MaxRuntimeInSeconds: closed, trials stopped, then finished."""
    now = _now(launched=3, live=2, running=2, deadline=10.0)
    assert WakeAt(10.0) in plan(GOALS, now, 9.0)
    (close,) = plan(GOALS, now, 10.0)
    assert isinstance(close, Close)
    closing = replace(now, closing=True)
    assert plan(GOALS, closing, 10.0) == (StopTrials(StopReason.STOPPED),)
    assert plan(GOALS, replace(closing, running=0), 10.0) == ()
    assert plan(GOALS, replace(closing, running=0, live=0), 10.0) == (Finish(),)


def test_a_job_that_drains_wakes_up_for_its_runtime() -> None:
    """A criterion lets trials end, but not beyond the job's own time."""
    now = _now(launched=3, live=1, running=1, deadline=10.0, closing=True)
    assert plan(GOALS, now, 5.0) == (WakeAt(10.0),)


def test_a_stopped_job_stops_its_trials_and_says_so_for_a_while() -> None:
    """Stopping lasts at least as long as a client needs to see it."""
    now = _now(status=TuningStatus.STOPPING, live=1, running=1, hold_until=3.0)
    assert plan(GOALS, now, 0.0) == (StopTrials(StopReason.STOPPED),)
    assert plan(GOALS, replace(now, running=0), 5.0) == ()
    gone = replace(now, running=0, live=0)
    assert plan(GOALS, gone, 1.0) == (WakeAt(3.0),)
    assert plan(GOALS, gone, 3.0) == (Finish(),)


@pytest.mark.parametrize("status", [TuningStatus.COMPLETED, TuningStatus.FAILED, TuningStatus.STOPPED])
def test_terminal_jobs_need_nothing(status: TuningStatus) -> None:
    """Nothing happens after the end."""
    assert plan(GOALS, _now(status=status, ready=[Ready(1, 0, False)]), 0.0) == ()


def test_a_job_without_a_budget_goes_on() -> None:
    """MaxNumberOfTrainingJobs may be absent where something else ends the job."""
    goals = replace(GOALS, budget=None)
    assert plan(goals, _now(launched=5000, live=1, running=1, ready=[Ready(5001, 0, False)]), 0.0) == (
        Launch(5001),
    )


def _several(lines: list[Line], turns: list[int], **changes: Any) -> Snapshot:
    tallies = [line.tally for line in lines]
    counted = Tally(
        finished=sum(t.finished for t in tallies),
        failed=sum(t.failed for t in tallies),
        leading_failures=sum(t.leading_failures for t in tallies),
        silent=sum(t.silent for t in tallies),
        emitted=sum(t.emitted for t in tallies),
    )
    plain = {"launched": sum(line.launched for line in lines), "tally": counted, "lines": lines}
    return _now(turns=turns, **{**plain, **changes})


def test_several_definitions_are_asked_for_together_and_launched_by_turns() -> None:
    """Free slots of one moment: one question for each definition; the one whose turn it is goes first."""
    new = _several([Line(), Line(), Line()], [0, 1, 0])
    goals = replace(GOALS, parallel=3)
    assert plan(goals, new, 0.0) == (Ask(1, 2, False, 0), Ask(1, 1, False, 1))
    second = _several(
        [Line(asked=[Asked(1, 2, 0, False)]), Line(ready=[Ready(1, 0, True)]), Line()], [0, 1, 0]
    )
    assert plan(goals, second, 0.0) == ()
    first = _several(
        [Line(ready=[Ready(1, 0, True)]), Line(asked=[Asked(1, 1, 0, False)]), Line()], [0, 1, 0]
    )
    assert plan(goals, first, 0.0) == (Launch(1, 0),)


def test_only_results_of_its_own_definition_make_a_suggestion_stale() -> None:
    """The searches are apart; numbers are those within the definition."""
    known = Line(launched=2, tally=_tally(COMPLETED, COMPLETED), ready=[Ready(3, 2, True)])
    other = Line(launched=4, tally=_tally(*[COMPLETED] * 4))
    assert plan(GOALS, _several([other, known], [1, 0]), 0.0) == (Launch(3, 1),)
    behind = replace(known, ready=[Ready(3, 1, True)])
    assert plan(GOALS, _several([other, behind], [1]), 0.0) == (Ask(3, 1, False, 1), Wait(1.0))


def test_ahead_is_computed_for_the_definition_whose_turn_comes_next() -> None:
    """And never beyond what its space still holds."""
    full = _several([Line(launched=1), Line(launched=1, room=2)], [1], live=2, running=2)
    assert plan(GOALS, full, 0.0) == (Ask(2, 1, True, 1),)
    assert plan(replace(GOALS, strategy="Grid"), full, 0.0) == (Ask(2, 2, True, 1),)


def test_the_breaker_of_several_definitions_waits_for_each() -> None:
    """Five failures of one definition say nothing of the others; when all that finished failed, in each, the job fails."""
    broken, fine = Line(launched=5, tally=_tally(*[FAILED] * 5)), Line(launched=1, tally=_tally(COMPLETED))
    for other in (Line(launched=1), fine):
        now = _several([broken, other], [1], live=2, running=2)
        assert not any(isinstance(item, Close) for item in plan(GOALS, now, 0.0))
    failed = Line(launched=1, tally=_tally(FAILED))
    (close,) = plan(GOALS, _several([broken, failed], [1], last_failure="x"), 0.0)
    assert isinstance(close, Close)
    assert (close.failed or "").startswith("No training job succeeded after 6 attempts")


def test_silence_of_several_definitions_counts_when_each_was_tried() -> None:
    """Five silent trials of one definition end nothing while another has not finished any."""
    silent = Line(launched=5, tally=_tally(*[COMPLETED] * 5, emitted=False))
    now = _several([silent, Line(launched=1)], [1], live=2, running=2)
    assert not any(isinstance(item, Close) for item in plan(GOALS, now, 0.0))
    also = Line(launched=1, tally=_tally(COMPLETED, emitted=False))
    (close,) = plan(GOALS, _several([silent, also], [1]), 0.0)
    assert isinstance(close, Close)
