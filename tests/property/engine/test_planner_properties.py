"""The planner against a toy world: whatever happens in whatever order, its promises hold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

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


COUNTS = st.sampled_from([1, 1, 2, 3])


@dataclass
class Toy:
    """A tuning job that does what the planner says."""

    goals: Goals
    count: int = 1
    now: Snapshot = field(
        default_factory=lambda: Snapshot(
            status=TuningStatus.IN_PROGRESS,
            closing=False,
            launched=0,
            live=0,
            running=0,
            tally=Tally(),
            progress=Progress(True),
            lines=(Line(),),
            patience=1.0,
        )
    )
    time: float = 0.0
    launches: list[int] = field(default_factory=list)
    after_closing: int = 0
    #: Places of the definitions of live trials.
    running: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.now = replace(self.now, lines=(Line(),) * self.count)
        self.take_turns()

    def take_turns(self) -> None:
        """Decide whose turn it is by what has happened, so that it may change at any time."""
        if self.count > 1:
            first = 3 * self.now.tally.finished + self.now.launched
            turns = tuple((first + index) % self.count for index in range(self.goals.parallel))
            self.now = replace(self.now, turns=turns)

    def line(self, place: int, **changes: Any) -> None:
        """Change what is known of one definition."""
        lines = list(self.now.lines)
        lines[place] = replace(lines[place], **changes)
        self.now = replace(self.now, lines=tuple(lines))

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
            line = now.lines[item.line]
            assert any(ready.number == item.number == line.launched + 1 for ready in line.ready)
            assert self.count == 1 or now.turns[0] == item.line
            self.launches.append(item.number)
            self.running.append(item.line)
            self.after_closing += now.closing or now.status is not TuningStatus.IN_PROGRESS
            self.line(
                item.line,
                launched=item.number,
                ready=[r for r in line.ready if r.number > item.number],
                asked=[a for a in line.asked if a.number > item.number],
            )
            self.now = replace(
                self.now,
                launched=now.launched + 1,
                live=now.live + 1,
                running=now.running + 1,
                waiting_since=None,
            )
            self.take_turns()
        elif isinstance(item, Ask):
            line = now.lines[item.line]
            asked_now = Asked(item.number, item.count, line.tally.finished, item.ahead)
            self.line(item.line, asked=[*line.asked, asked_now])
            if not item.ahead and now.waiting_since is None:
                self.now = replace(self.now, waiting_since=self.time)
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
            place = self.running.pop(0)
            self.line(place, tally=now.lines[place].tally.seen(status, emitted=emitted))
            self.now = replace(
                self.now, live=left, running=min(now.running, left), tally=tally, progress=progress
            )
            self.take_turns()
        elif kind == "answer" and any(line.asked for line in now.lines):
            place = next(place for place, line in enumerate(now.lines) if line.asked)
            line = now.lines[place]
            ask, *rest = line.asked
            ahead = ask.ahead or self.count > 1
            items = [Ready(ask.number + i, ask.observed, ahead) for i in range(ask.count)]
            numbers = {item.number for item in items}
            kept = [r for r in line.ready if r.number not in numbers]
            self.line(place, asked=rest, ready=[*kept, *(i for i in items if i.number > line.launched)])
        elif kind == "time":
            self.time += 0.7
        elif kind == "stop" and end == "stopped" and not now.status.terminal:
            self.now = replace(now, status=TuningStatus.STOPPING, hold_until=self.time + 1)


@settings(max_examples=300)
@given(goals=GOALS, count=COUNTS, events=EVENTS)
def test_promises_of_the_planner(goals: Goals, count: int, events: list[tuple[str, str]]) -> None:
    """Never more than parallel, never beyond the budget, by turns, numbers in order, nothing after closing, always an end."""
    toy = Toy(goals, count)
    toy.act()
    for kind, end in events:
        toy.happen(kind, end)
        toy.act()
        assert toy.now.live <= goals.parallel
        assert goals.budget is not None
        assert toy.now.launched <= goals.budget
    if count == 1:
        assert toy.launches == list(range(1, len(toy.launches) + 1))
    assert toy.after_closing == 0
    for _ in range(200):
        for kind in ("answer", "end", "time"):
            toy.happen(kind, "completed")
            toy.act()
    assert toy.now.status.terminal


@given(goals=GOALS, count=COUNTS)
def test_a_job_where_all_goes_well_runs_its_whole_budget(goals: Goals, count: int) -> None:
    """max_jobs is exact when nothing ends the job before, with one definition and with several."""
    toy = Toy(replace(goals, target=None, patience=None), count)
    for _ in range(100):
        toy.act()
        toy.happen("answer", "")
        toy.act()
        toy.happen("time", "")
        toy.act()
        toy.happen("end", "completed")
    assert toy.now.status is TuningStatus.COMPLETED
    assert toy.now.launched == goals.budget
