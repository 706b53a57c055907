"""The planner against a toy world: whatever happens in whatever order, its promises hold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.domain.statuses import TrainingStatus, TuningStatus
from pegbox.engine.planner import (
    Ask,
    Asked,
    Close,
    Finish,
    Goals,
    Launch,
    NoteConvergence,
    Ready,
    Snapshot,
    StopTrials,
    Tally,
    Wait,
    WakeAt,
    plan,
)
from pegbox.stopping import Progress

ENDS = st.sampled_from(["completed", "completed", "completed", "failed", "silent", "stopped"])
EVENTS = st.lists(
    st.tuples(st.sampled_from(["end", "end", "answer", "answer", "time", "stop"]), ENDS), max_size=80
)
GOALS = st.builds(
    Goals,
    strategy=st.sampled_from(["Bayesian", "Random", "Grid"]),
    budget=st.integers(1, 12),
    parallel=st.integers(1, 5),
    dimension=st.just(1),
    objective=st.just("m"),
    target=st.sampled_from([None, None, 5.0]),
    patience=st.sampled_from([None, None, 3]),
    compute_ahead=st.booleans(),
)


@dataclass
class Toy:
    """A tuning job that does what the planner says."""

    goals: Goals
    now: Snapshot = field(
        default_factory=lambda: Snapshot(
            status=TuningStatus.IN_PROGRESS,
            closing=False,
            launched=0,
            live=0,
            running=0,
            tally=Tally(),
            progress=Progress(True),
            patience=1.0,
        )
    )
    time: float = 0.0
    launches: list[int] = field(default_factory=list)
    after_closing: int = 0

    def act(self) -> None:
        """Carry out instructions until only waits are left; they always run out."""
        for _ in range(200):
            acted = False
            for item in plan(self.goals, self.now, self.time):
                acted = self.carry_out(item) or acted
            if not acted:
                return
        raise AssertionError("the planner never comes to rest")

    def carry_out(self, item: object) -> bool:
        """Do one thing; return whether the planner should be asked again."""
        now = self.now
        if isinstance(item, (Wait, WakeAt)):
            if isinstance(item, Wait) and now.waiting_since is None:
                self.now = replace(now, waiting_since=self.time)
            return False
        if isinstance(item, Launch):
            assert any(ready.number == item.number for ready in now.ready)
            self.launches.append(item.number)
            self.after_closing += now.closing or now.status is not TuningStatus.IN_PROGRESS
            ready = [r for r in now.ready if r.number > item.number]
            asked = [a for a in now.asked if a.number > item.number]
            self.now = replace(
                now,
                launched=item.number,
                live=now.live + 1,
                running=now.running + 1,
                ready=ready,
                asked=asked,
                waiting_since=None,
            )
        elif isinstance(item, Ask):
            asked_now = Asked(item.number, item.count, now.tally.finished, item.ahead)
            self.now = replace(now, asked=[*now.asked, asked_now])
        elif isinstance(item, StopTrials):
            self.now = replace(now, running=0)
        elif isinstance(item, NoteConvergence):
            self.now = replace(now, converged=True)
        elif isinstance(item, Close):
            self.now = replace(now, closing=True)
        elif isinstance(item, Finish):
            assert now.live == 0
            self.now = replace(now, status=TuningStatus.COMPLETED)
        return True

    def happen(self, kind: str, end: str) -> None:
        """Let something happen in the world, if it can."""
        now = self.now
        if kind == "end" and now.live:
            status = {"failed": TrainingStatus.FAILED, "stopped": TrainingStatus.STOPPED}.get(
                end, TrainingStatus.COMPLETED
            )
            emitted = end == "completed"
            progress = now.progress.seen(float(now.tally.finished % 7)) if emitted else now.progress
            left = now.live - 1
            tally = now.tally.seen(status, emitted=emitted)
            self.now = replace(now, live=left, running=min(now.running, left), tally=tally, progress=progress)
        elif kind == "answer" and now.asked:
            ask, *rest = now.asked
            items = [Ready(ask.number + i, ask.observed, ask.ahead) for i in range(ask.count)]
            numbers = {item.number for item in items}
            kept = [r for r in now.ready if r.number not in numbers]
            self.now = replace(now, asked=rest, ready=[*kept, *(i for i in items if i.number > now.launched)])
        elif kind == "time":
            self.time += 0.7
        elif kind == "stop" and end == "stopped" and not now.status.terminal:
            self.now = replace(now, status=TuningStatus.STOPPING, hold_until=self.time + 1)


@settings(max_examples=300)
@given(goals=GOALS, events=EVENTS)
def test_promises_of_the_planner(goals: Goals, events: list[tuple[str, str]]) -> None:
    """Never more than parallel, never beyond the budget, numbers in order, nothing after closing, always an end."""
    toy = Toy(goals)
    toy.act()
    for kind, end in events:
        toy.happen(kind, end)
        toy.act()
        assert toy.now.live <= goals.parallel
        assert goals.budget is not None
        assert toy.now.launched <= goals.budget
    assert toy.launches == list(range(1, len(toy.launches) + 1))
    assert toy.after_closing == 0
    for _ in range(200):
        for kind in ("answer", "end", "time"):
            toy.happen(kind, "completed")
            toy.act()
    assert toy.now.status.terminal


@given(goals=GOALS)
def test_a_job_where_all_goes_well_runs_its_whole_budget(goals: Goals) -> None:
    """max_jobs is exact when nothing ends the job before."""
    toy = Toy(replace(goals, target=None, patience=None))
    for _ in range(100):
        toy.act()
        toy.happen("answer", "")
        toy.act()
        toy.happen("end", "completed")
    assert toy.now.status is TuningStatus.COMPLETED
    assert toy.now.launched == goals.budget
