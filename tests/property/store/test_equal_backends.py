"""Whatever is done to them, the store in SQLite and the one in memory give the same answers."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from pegbox.domain.names import Realm
from pegbox.domain.records import evolve
from pegbox.domain.statuses import FailureKind, ObjectiveStatus, StopReason, TrainingStatus, TuningStatus
from pegbox.errors import PegboxError
from pegbox.ports.store import JobStore, Page, Transaction
from pegbox.store import open_store
from pegbox.testing.memory_store import MemoryStore
from pegbox.testing.sample_records import attempt, moment, point, training, tuning

#: Answers do not depend on the disk, and syncing is most of the time.
_MEMORY = Path("/dev/shm")
_NAMES = st.sampled_from(["a", "A", "b", "B-2", "c_%", "é", "É", "job-10", "job-9"])
_IDS = st.integers(1, 6)
_SMALL = st.integers(1, 4)
_MOMENTS = st.integers(0, 3).map(moment)
_OBJECTIVES = st.none() | st.sampled_from([0.0, -0.0, 1.0, 1.0 + 2**-52, -1e308, 5e-324]) | st.floats(-2, 2)
_TEXTS = st.text(max_size=6)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
_REQUESTS = st.dictionaries(_TEXTS, _JSON, max_size=3)
_TRAINING_CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(TrainingStatus),
        "objective": _OBJECTIVES,
        "objective_status": st.none() | st.sampled_from(ObjectiveStatus),
        "failure_kind": st.none() | st.sampled_from(FailureKind),
        "failure_reason": st.none() | st.text(max_size=8),
        "stop_reason": st.none() | st.sampled_from(StopReason),
        "observed_seq": st.none() | _SMALL,
        "exit_code": st.none() | st.integers(-300, 300),
        "created_at": _MOMENTS,
        "modified_at": _MOMENTS,
        "artifacts": _REQUESTS,
        "notices": st.lists(_TEXTS, max_size=2).map(tuple),
        "final_metrics": st.dictionaries(_TEXTS, st.tuples(st.floats(), _MOMENTS), max_size=2),
    },
)
_PAGES = st.builds(
    Page,
    sort_by=st.sampled_from(["Name", "Status", "CreationTime", "FinalObjectiveMetricValue"]),
    descending=st.booleans(),
    limit=st.integers(1, 4),
    name_contains=st.none() | st.sampled_from(["a", "B", "%", "_", "JOB", "É", "/", "L-1"]),
    status=st.none() | st.sampled_from(["InProgress", "Completed", "Stopped"]),
    created_after=st.none() | _MOMENTS,
    modified_before=st.none() | _MOMENTS,
    tuning_job_id=st.none() | st.just(1) | _SMALL,
)
_ARNS = st.builds(
    lambda kind, name: getattr(Realm(), kind)(name), st.sampled_from(["tuning_arn", "training_arn"]), _NAMES
)


class EqualBackends(RuleBasedStateMachine):
    """Does everything to both stores and compares the answers, errors included."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)
        self._stores: list[JobStore] = []
        #: Open transactions of both stores, and the savepoints open in them, innermost last.
        self._work: list[Transaction] = []
        self._levels: list[list[AbstractContextManager[Any]]] = []

    @initialize(trials=st.lists(_TRAINING_CHANGES, max_size=8))
    def make(self, trials: list[dict[str, Any]]) -> None:
        """Start with two stores that hold some trials of one tuning job."""
        self._stores = [open_store(Path(self._folder.name) / "pegbox.db"), MemoryStore()]
        self.begin()
        for number, changes in enumerate(trials, start=1):
            job = training(f"Trial-{number % 3}-{number}", tuning_job_id=1, number=number)
            self._both(
                lambda work, job=job, changes=changes: work.insert_training_job(evolve(job, **changes))
            )
        self._leave(None)

    def teardown(self) -> None:
        """Leave what is open, compare once more, and remove the file."""
        try:
            while self._levels:
                self._leave(None)
            if self._stores:
                self._compare_all()
        finally:
            for store in self._stores:
                store.close()
            self._folder.cleanup()

    def _both(self, ask: Callable[[Any], Any]) -> Any:
        """Ask both open transactions, each in a savepoint, and compare the answers or the kinds of error."""
        answers = []
        for work in self._work:
            try:
                with work.savepoint():
                    answers.append(repr(ask(work)))
            except (PegboxError, ValueError) as error:
                answers.append(type(error).__name__)
        assert answers[0] == answers[1]

    def _leave(self, error: Exception | None) -> None:
        """Leave the innermost savepoint, or the transaction, well or by an exception."""
        for context in self._levels.pop():
            swallowed = context.__exit__(type(error) if error else None, error, None)
            assert not swallowed
        if not self._levels:
            self._work = []

    @precondition(lambda self: not self._work)
    @rule()
    def begin(self) -> None:
        """Open a transaction."""
        contexts: list[AbstractContextManager[Any]] = [store.transaction() for store in self._stores]
        self._work = [context.__enter__() for context in contexts]
        self._levels.append(contexts)

    @precondition(lambda self: self._work and len(self._levels) < 4)
    @rule()
    def open_savepoint(self) -> None:
        """Open a savepoint in what is open."""
        contexts: list[AbstractContextManager[Any]] = [work.savepoint() for work in self._work]
        for context in contexts:
            context.__enter__()
        self._levels.append(contexts)

    @precondition(lambda self: self._levels)
    @rule(well=st.integers(0, 3))
    def leave(self, well: int) -> None:
        """Leave the innermost level, one time in four by an exception."""
        self._leave(None if well else KeyError("undo"))

    @precondition(lambda self: self._work)
    @rule(name=_NAMES, request=_REQUESTS, at=_MOMENTS, status=st.sampled_from(TuningStatus))
    def insert_tuning(self, name: str, request: dict[str, Any], at: Any, status: TuningStatus) -> None:
        """Insert a tuning job, perhaps of a name that is taken."""
        job = tuning(name, request=request, created_at=at, status=status)
        self._both(lambda work: work.insert_tuning_job(job))

    @precondition(lambda self: self._work)
    @rule(
        name=_NAMES, request=_REQUESTS, trial=st.none() | st.tuples(_SMALL, _SMALL), changes=_TRAINING_CHANGES
    )
    def insert_training(self, name: str, request: Any, trial: Any, changes: dict[str, Any]) -> None:
        """Insert a training job, perhaps a trial whose number or place is taken."""
        owner, number = trial or (None, None)
        job = evolve(training(name, request=request, tuning_job_id=owner, number=number), **changes)
        self._both(lambda work: work.insert_training_job(job))

    @precondition(lambda self: self._work)
    @rule(row=_IDS, allowed=st.sets(st.sampled_from(TrainingStatus)), changes=_TRAINING_CHANGES)
    def update_training(self, row: int, allowed: set[TrainingStatus], changes: dict[str, Any]) -> None:
        """Change a training job if its status allows it."""
        self._both(lambda work: work.update_training_job(row, allowed, changes))

    @precondition(lambda self: self._work)
    @rule(row=_IDS, allowed=st.sets(st.sampled_from(TuningStatus)), status=st.sampled_from(TuningStatus))
    def update_tuning(self, row: int, allowed: set[TuningStatus], status: TuningStatus) -> None:
        """Change a tuning job if its status allows it."""
        changes = {"status": status, "notices": ("x",), "converged_at": moment(1)}
        self._both(lambda work: work.update_tuning_job(row, allowed, changes))

    @precondition(lambda self: self._work)
    @rule(row=_IDS, which=st.sampled_from(["delete_tuning_job", "delete_training_job"]))
    def delete(self, row: int, which: str) -> None:
        """Delete a job, perhaps one that is not there."""
        self._both(lambda work: getattr(work, which)(row))

    @precondition(lambda self: self._work)
    @rule(row=_IDS, number=_SMALL, state=st.sampled_from(["live", "ended", "fenced"]))
    def insert_attempt(self, row: int, number: int, state: str) -> None:
        """Insert an attempt, perhaps a second live one, or one of no job."""
        self._both(lambda work: work.insert_attempt(attempt(row, number, state=state)))

    @precondition(lambda self: self._work)
    @rule(
        row=_IDS,
        number=_SMALL,
        allowed=st.sets(st.sampled_from(["live", "ended", "fenced"])),
        state=st.sampled_from(["live", "ended"]),
    )
    def update_attempt(self, row: int, number: int, allowed: set[str], state: str) -> None:
        """Change an attempt if its state allows it."""
        changes = {"state": state, "reported": number}
        self._both(lambda work: work.update_attempt(attempt(row, number).id, allowed, changes))

    @precondition(lambda self: self._work)
    @rule(items=st.lists(st.tuples(_IDS, _SMALL, _SMALL, st.floats(), st.sampled_from("xy")), max_size=4))
    def add_points(self, items: list[Any]) -> None:
        """Append emitted values, perhaps some that are there, perhaps of no job."""
        points = [
            point(row, count, value, attempt=number, name=name) for row, number, count, value, name in items
        ]
        self._both(lambda work: work.add_metric_points(points))

    @precondition(lambda self: self._work)
    @rule(
        arn=_ARNS,
        tags=st.dictionaries(st.sampled_from("kKl"), _TEXTS),
        keys=st.none() | st.sets(st.sampled_from("kKm")),
    )
    def change_tags(self, arn: str, tags: dict[str, str], keys: set[str] | None) -> None:
        """Set tags, then remove some or all of them."""
        self._both(lambda work: work.set_tags(arn, tags))
        if keys is None or keys:
            self._both(lambda work: work.delete_tags(arn, keys))

    @precondition(lambda self: self._work)
    @rule(name=_TEXTS, runtime=st.none() | _REQUESTS)
    def set_image(self, name: str, runtime: dict[str, Any] | None) -> None:
        """Change the image table."""
        self._both(lambda work: work.set_image(name, runtime))

    @precondition(lambda self: self._stores)
    @rule(page=_PAGES)
    def read_lists(self, page: Page) -> None:
        """Read a list page by page, in the transaction and in the committed state."""
        for readers in (self._work, [store.reader for store in self._stores]):
            assert len({repr(_whole_list(reader, page)) for reader in readers}) <= 1

    @precondition(lambda self: self._stores)
    @rule()
    def compare(self) -> None:
        """Compare everything else."""
        self._compare_all()

    def _compare_all(self) -> None:
        for readers in (self._work, [store.reader for store in self._stores]):
            for first, second in zip(*map(_everything, readers), strict=True) if readers else ():
                assert first == second


def _whole_list(reader: Any, page: Page) -> list[Any]:
    pages: list[Any] = []
    if page.sort_by != "FinalObjectiveMetricValue" and page.tuning_job_id is None:
        pages.append(reader.list_tuning_jobs(page))
    while True:
        rows = reader.list_training_jobs(page)
        pages.append(rows)
        if rows.next_after is None:
            return pages
        assert rows.next_after != page.after
        page = evolve(page, after=rows.next_after)


def _everything(reader: Any) -> list[str]:
    found: list[Any] = [reader.unfinished_tuning_jobs(), reader.unfinished_training_jobs(), reader.images()]
    for row in range(1, 7):
        found += [
            reader.tuning_job_by_id(row),
            reader.training_job_by_id(row),
            reader.trials(row),
            reader.counters(row),
        ]
        found += [reader.best_trial(row, True), reader.best_trial(row, False)]
        found += [reader.attempts(row), reader.metric_points(row), reader.metric_points(row, "x", 2)]
    for name in ("a", "A", "b", "é", "job-9"):
        found += [reader.tuning_job(name), reader.training_job(name)]
        found += [
            list(reader.tags(Realm().tuning_arn(name)).items()),
            list(reader.tags(Realm().training_arn(name)).items()),
        ]
    return [repr(item) for item in found]


TestEqualBackends = EqualBackends.TestCase
TestEqualBackends.settings = settings(
    max_examples=50,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    # Shrinking takes minutes here; add Phase.shrink to find a small case.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_numbers_that_look_alike_are_told_apart() -> None:
    """The comparison above by text tells -0.0 from 0.0 and NaN from nothing, as it must."""
    assert repr([0.0, math.nan]) != repr([-0.0, None])
