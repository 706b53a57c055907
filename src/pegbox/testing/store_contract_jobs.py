"""The part of the store's contract that is about jobs, their lists and what is computed from them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest

from pegbox.domain.records import TrainingJob, evolve
from pegbox.domain.statuses import FailureKind, ObjectiveStatus, TrainingStatus, TuningStatus
from pegbox.errors import ResourceInUse, StoreError
from pegbox.ports.store import Counters, JobStore, Page, Rows
from pegbox.testing.sample_records import RUNNING, full_training, moment, training, tuning


def pages(read: Callable[[Page], Rows], page: Page) -> list[str]:
    """Return the names on all pages; the place between pages goes through JSON, as it does in a token."""
    names: list[str] = []
    while True:
        rows = read(page)
        names += [job.name for job in rows.items]
        assert len(rows.items) <= page.limit
        if rows.next_after is None:
            return names
        assert rows.next_after != page.after
        value, row_id = json.loads(json.dumps(rows.next_after))
        page = evolve(page, after=(value, row_id))


def names(jobs: Sequence[Any]) -> list[str]:
    """Return the names of jobs."""
    return [job.name for job in jobs]


class JobsContract:
    """Records of jobs go in and come out."""

    @pytest.fixture
    def store(self) -> Iterator[JobStore]:
        """Yield an empty store; the subclass gives it."""
        raise NotImplementedError

    def test_jobs_come_back_as_they_were(self, store: JobStore) -> None:
        """Every field of a tuning job and a training job survives, to the last bit and microsecond."""
        whole = tuning(
            "Whole",
            ended_at=moment(3),
            failure_reason="why",
            seed=2**63 - 1,
            launched=5,
            observed=4,
            completion_reason="budget used",
            converged_at=moment(2),
            notices=("n",),
            status=TuningStatus.COMPLETED,
        )
        with store.transaction() as work:
            first = work.insert_tuning_job(whole)
            trial = work.insert_training_job(full_training("Whole-004", first.id))
            alone = work.insert_training_job(training("alone"))
            assert work.training_job_by_id(trial.id) == trial
        assert first == evolve(whole, id=first.id)
        assert store.reader.tuning_job("Whole") == first == store.reader.tuning_job_by_id(first.id)
        assert store.reader.training_job("Whole-004") == trial == store.reader.training_job_by_id(trial.id)
        assert trial == evolve(full_training("Whole-004", first.id), id=trial.id)
        assert store.reader.training_job("alone") == alone

    def test_changed_fields_come_back(self, store: JobStore) -> None:
        """Each field that may change can be changed, to a value and back to nothing."""
        with store.transaction() as work:
            owner = work.insert_tuning_job(tuning())
            bare = work.insert_training_job(training("t", tuning_job_id=owner.id, number=4))
        goal = evolve(full_training("t", owner.id), id=bare.id)
        fields = [
            name
            for name in TrainingJob.__dataclass_fields__
            if name not in ("id", "name", "tuning_job_id", "number")
        ]
        with store.transaction() as work:
            assert work.update_training_job(bare.id, RUNNING, {name: getattr(goal, name) for name in fields})
            assert work.training_job_by_id(bare.id) == goal
        assert store.reader.training_job_by_id(bare.id) == goal
        with store.transaction() as work:
            back = {name: getattr(bare, name) for name in fields}
            assert work.update_training_job(bare.id, {TrainingStatus.COMPLETED}, back)
        assert store.reader.training_job_by_id(bare.id) == bare

    def test_returned_data_is_not_shared(self, store: JobStore) -> None:
        """Changing what was given or returned changes nothing in the store."""
        given: dict[str, Any] = {"a": {"b": [1]}}
        with store.transaction() as work:
            job = work.insert_tuning_job(tuning(request=given))
        given["a"]["b"].append(2)
        returned = store.reader.tuning_job_by_id(job.id)
        assert returned is not None
        with suppress(TypeError):
            returned.request["a"]["b"].append(3)
        again = store.reader.tuning_job_by_id(job.id)
        assert again is not None
        assert again.request == {"a": {"b": [1]}}

    def test_names_are_unique_without_regard_to_case(self, store: JobStore) -> None:
        """A name taken in another case is refused, is free again after deletion, and is found as written only."""
        with store.transaction() as work:
            first = work.insert_tuning_job(tuning("Search"))
            other = work.insert_training_job(training("Trial"))
            with pytest.raises(ResourceInUse, match="sEARCH"):
                work.insert_tuning_job(tuning("sEARCH"))
            with pytest.raises(ResourceInUse, match="tRIAL"):
                work.insert_training_job(training("tRIAL"))
            assert work.tuning_job("search") is None
            assert work.training_job("trial") is None
        with store.transaction() as work:
            work.delete_tuning_job(first.id)
            work.delete_training_job(other.id)
            assert work.insert_tuning_job(tuning("sEARCH")).id > first.id
            assert work.insert_training_job(training("tRIAL")).id > other.id
        assert store.reader.tuning_job("Search") is None
        assert store.reader.tuning_job("sEARCH") is not None

    def test_row_ids_are_never_used_again(self, store: JobStore) -> None:
        """Deleting the newest rows does not free their ids."""
        seen: list[int] = []
        for index in range(4):
            with store.transaction() as work:
                first = work.insert_tuning_job(tuning(f"s{index}"))
                second = work.insert_training_job(training(f"t{index}"))
            seen += [first.id]
            with store.transaction() as work:
                work.delete_tuning_job(first.id)
                work.delete_training_job(second.id)
        assert seen == sorted(set(seen))

    def test_updates_are_guarded_by_status(self, store: JobStore) -> None:
        """An update happens only in an allowed status, and tells; no status allowed or no such row is a plain no."""
        with store.transaction() as work:
            search = work.insert_tuning_job(tuning())
            trial = work.insert_training_job(training())
            done = {"status": TrainingStatus.COMPLETED, "modified_at": moment(1)}
            assert not work.update_training_job(trial.id, {TrainingStatus.STOPPING}, done)
            assert not work.update_training_job(trial.id, (), done)
            assert not work.update_training_job(trial.id + 1, RUNNING, done)
            assert work.update_training_job(trial.id, RUNNING, done)
            assert not work.update_training_job(trial.id, RUNNING, {"status": TrainingStatus.FAILED})
            assert work.update_training_job(trial.id, [TrainingStatus.COMPLETED], {})
            assert not work.update_training_job(trial.id, RUNNING, {})
            assert not work.update_tuning_job(search.id, {TuningStatus.STOPPING}, {"launched": 9})
            assert work.update_tuning_job(search.id, [TuningStatus.IN_PROGRESS], {"launched": 3})
        found = store.reader.training_job_by_id(trial.id)
        assert found is not None
        assert (found.status, found.modified_at) == (TrainingStatus.COMPLETED, moment(1))
        changed = store.reader.tuning_job_by_id(search.id)
        assert changed is not None
        assert changed.launched == 3

    @pytest.mark.parametrize("field", ["name", "id", "tuning_job_id", "number", "colour"])
    def test_unknown_and_fixed_fields_are_refused(self, store: JobStore, field: str) -> None:
        """A field that does not exist or never changes is named in the error."""
        with store.transaction() as work:
            row = work.insert_training_job(training())
            with pytest.raises(ValueError, match=field):
                work.update_training_job(row.id, RUNNING, {field: 1})

    def test_values_that_cannot_be_kept_are_refused(self, store: JobStore) -> None:
        """A row id given by the caller, a non-finite objective, a huge seed, a time without zone, what is no JSON."""
        with store.transaction() as work:
            row = work.insert_training_job(training())
            for value in (math.nan, math.inf):
                with pytest.raises(ValueError, match="objective"):
                    work.update_training_job(row.id, RUNNING, {"objective": value})
            with pytest.raises(ValueError, match="seed"):
                work.insert_tuning_job(tuning(seed=2**63))
            with pytest.raises(ValueError, match="id"):
                work.insert_tuning_job(tuning(id=3))
            with pytest.raises(ValueError, match="zone"):
                work.insert_tuning_job(tuning(created_at=datetime(2026, 1, 1)))
            with pytest.raises(ValueError):
                work.insert_tuning_job(tuning(request={"x": math.nan}))
            with pytest.raises(TypeError):
                work.insert_tuning_job(tuning(request={"x": object()}))
        assert names(store.reader.unfinished_training_jobs()) == ["trial"]
        assert not store.reader.unfinished_tuning_jobs()

    def test_text_that_no_encoding_holds_is_kept_readable(self, store: JobStore) -> None:
        """Half characters in a failure reason do not fail the commit that ends a job."""
        with store.transaction() as work:
            row = work.insert_training_job(training())
            work.update_training_job(row.id, RUNNING, {"failure_reason": "caf\udce9 é"})
        found = store.reader.training_job_by_id(row.id)
        assert found is not None
        assert found.failure_reason == "caf? é"

    def test_numbers_and_places_are_unique_in_a_tuning_job(self, store: JobStore) -> None:
        """The schema refuses a second trial with a number, a second place in completion order, and half a trial."""
        with store.transaction() as work:
            first = work.insert_training_job(training("a", tuning_job_id=1, number=1, observed_seq=1))
            second = work.insert_training_job(training("b", tuning_job_id=1, number=2))
            work.insert_training_job(training("c", tuning_job_id=2, number=1, observed_seq=1))
            with pytest.raises(StoreError), work.savepoint():
                work.insert_training_job(training("d", tuning_job_id=1, number=2))
            with pytest.raises(StoreError), work.savepoint():
                work.update_training_job(second.id, RUNNING, {"observed_seq": 1})
            with pytest.raises(StoreError), work.savepoint():
                work.insert_training_job(training("e", tuning_job_id=1))
            work.delete_training_job(first.id)
            assert work.update_training_job(second.id, RUNNING, {"observed_seq": 1})
            work.insert_training_job(training("f", tuning_job_id=1, number=1))
        assert names(store.reader.trials(1)) == ["f", "b"]


class AnswersContract:
    """Lists and what is computed from trials."""

    @pytest.fixture
    def store(self) -> Iterator[JobStore]:
        """Yield an empty store; the subclass gives it."""
        raise NotImplementedError

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("sort_by", ["Name", "Status", "CreationTime", "FinalObjectiveMetricValue"])
    @pytest.mark.parametrize("limit", [1, 2, 7, 100])
    def test_pages_cover_a_list_once_in_order(
        self, store: JobStore, sort_by: str, descending: bool, limit: int
    ) -> None:
        """Each order, both ways, with ties: every row once, sorted, ties by row id; no objective, not in that order."""
        with store.transaction() as work:
            jobs = [work.insert_training_job(_varied(index)) for index in range(12)]
            for index in range(3):
                work.insert_training_job(training(f"other-{index}"))

        def key(job: TrainingJob) -> Any:
            keys = {"Name": job.name.lower(), "Status": job.status.value, "CreationTime": job.created_at}
            return keys.get(sort_by, job.objective), job.id

        wanted = [job for job in jobs if sort_by != "FinalObjectiveMetricValue" or job.objective is not None]
        wanted.sort(key=key, reverse=descending)
        page = Page(sort_by=sort_by, descending=descending, limit=limit, tuning_job_id=1)
        assert pages(store.reader.list_training_jobs, page) == names(wanted)

    def test_filters(self, store: JobStore) -> None:
        """Name part (any case, no wildcards), status, and strict bounds on both times, alone and together."""
        with store.transaction() as work:
            for index, name in enumerate(["Alpha_1", "alphaX1", "beta-1", "100%"]):
                status = TuningStatus.STOPPED if index == 2 else TuningStatus.IN_PROGRESS
                work.insert_tuning_job(
                    tuning(name, status=status, created_at=moment(index), modified_at=moment(10 + index))
                )

        def found(**filters: Any) -> list[str]:
            return names(store.reader.list_tuning_jobs(Page(sort_by="CreationTime", **filters)).items)

        assert found() == ["Alpha_1", "alphaX1", "beta-1", "100%"]
        assert found(name_contains="ALPHA") == ["Alpha_1", "alphaX1"]
        assert found(name_contains="a_1") == ["Alpha_1"]
        assert found(name_contains="%") == ["100%"]
        assert found(name_contains="/") == []
        assert found(status="Stopped") == ["beta-1"]
        assert found(status="Nonsense") == []
        assert found(created_after=moment(1)) == ["beta-1", "100%"]
        assert found(created_before=moment(1)) == ["Alpha_1"]
        assert found(modified_after=moment(10), modified_before=moment(13)) == ["alphaX1", "beta-1"]
        assert found(name_contains="a", status="InProgress", created_after=moment(0)) == ["alphaX1"]
        assert found(limit=2) == ["Alpha_1", "alphaX1"]

    def test_pages_are_stable_while_rows_are_added(self, store: JobStore) -> None:
        """A row added before the place already read does not shift the next page, one added after it is seen."""
        with store.transaction() as work:
            for name in ("b", "d", "f", "h"):
                work.insert_tuning_job(tuning(name))
        first = store.reader.list_tuning_jobs(Page(limit=2))
        with store.transaction() as work:
            work.insert_tuning_job(tuning("a"))
            work.insert_tuning_job(tuning("e"))
        second = store.reader.list_tuning_jobs(Page(limit=9, after=first.next_after))
        assert names(first.items) + names(second.items) == ["b", "d", "e", "f", "h"]
        assert second.next_after is None

    @pytest.mark.parametrize(
        ("page", "word"),
        [
            (Page(sort_by="FinalObjectiveMetricValue"), "sort_by"),
            (Page(limit=0), "limit"),
            (Page(tuning_job_id=1), "tuning_job_id"),
        ],
    )
    def test_senseless_pages_are_refused(self, store: JobStore, page: Page, word: str) -> None:
        """An order that the list has not, an empty page and a foreign filter are named."""
        with pytest.raises(ValueError, match=word):
            store.reader.list_tuning_jobs(page)

    def test_trials_and_unfinished_jobs(self, store: JobStore) -> None:
        """Trials come by number; unfinished jobs are those not terminal, stopping and deleting ones included."""
        with store.transaction() as work:
            for status in TuningStatus:
                work.insert_tuning_job(tuning(f"s{status.value}", status=status))
            for number, trial_status in enumerate(reversed(TrainingStatus), start=1):
                name = f"t{trial_status.value}"
                work.insert_training_job(
                    training(name, status=trial_status, tuning_job_id=3, number=10 - number)
                )
            work.insert_training_job(training("alone"))
        reader = store.reader
        assert [job.number for job in reader.trials(3)] == [4, 5, 6, 7, 8, 9]
        assert reader.trials(99) == []
        assert names(reader.unfinished_tuning_jobs()) == ["sInProgress", "sStopping", "sDeleting"]
        assert names(reader.unfinished_training_jobs()) == ["tDeleting", "tStopping", "tInProgress", "alone"]

    def test_counters(self, store: JobStore) -> None:
        """Both families, counted from the trials of one tuning job; an objective not judged counts by status."""
        cases: list[tuple[TrainingStatus, FailureKind | None, ObjectiveStatus | None]] = [
            (TrainingStatus.COMPLETED, None, ObjectiveStatus.SUCCEEDED),
            (TrainingStatus.COMPLETED, None, ObjectiveStatus.SUCCEEDED),
            (TrainingStatus.COMPLETED, None, ObjectiveStatus.FAILED),
            (TrainingStatus.IN_PROGRESS, None, ObjectiveStatus.PENDING),
            (TrainingStatus.STOPPING, None, None),
            (TrainingStatus.FAILED, FailureKind.INTERNAL, ObjectiveStatus.FAILED),
            (TrainingStatus.FAILED, FailureKind.CLIENT, None),
            (TrainingStatus.FAILED, FailureKind.ALGORITHM, ObjectiveStatus.FAILED),
            (TrainingStatus.FAILED, None, ObjectiveStatus.FAILED),
            (TrainingStatus.STOPPED, None, ObjectiveStatus.SUCCEEDED),
            (TrainingStatus.DELETING, None, ObjectiveStatus.SUCCEEDED),
        ]
        with store.transaction() as work:
            for number, (status, kind, judged) in enumerate(cases, start=1):
                work.insert_training_job(
                    training(
                        f"t{number}",
                        tuning_job_id=1,
                        number=number,
                        status=status,
                        failure_kind=kind,
                        objective_status=judged,
                    )
                )
            work.insert_training_job(training("elsewhere", tuning_job_id=2, number=1))
            work.insert_training_job(training("alone"))
        assert store.reader.counters(1) == Counters(
            completed=3,
            in_progress=2,
            retryable_error=1,
            non_retryable_error=3,
            stopped=1,
            objective_succeeded=3,
            objective_pending=2,
            objective_failed=5,
        )
        assert store.reader.counters(99) == Counters()

    def test_best_trial(self, store: JobStore) -> None:
        """Promise P7: Completed before Stopped whatever the value, finite and judged good, ties by creation then name."""
        done, stopped = TrainingStatus.COMPLETED, TrainingStatus.STOPPED
        good, bad = ObjectiveStatus.SUCCEEDED, ObjectiveStatus.FAILED

        def add(
            number: int, status: TrainingStatus, objective: float | None, judged: ObjectiveStatus, **more: Any
        ) -> None:
            record = training(
                more.pop("name", f"t{number}"),
                tuning_job_id=1,
                number=number,
                status=status,
                objective=objective,
            )
            with store.transaction() as work:
                work.insert_training_job(evolve(record, objective_status=judged, **more))

        def best() -> tuple[str | None, ...]:
            found = [store.reader.best_trial(1, maximize) for maximize in (False, True)]
            return tuple(job.name if job else None for job in found)

        assert best() == (None, None)
        add(1, TrainingStatus.IN_PROGRESS, -100.0, ObjectiveStatus.PENDING)
        add(2, TrainingStatus.FAILED, -100.0, good)
        add(3, done, None, bad)
        add(4, done, 1e9, bad)
        assert best() == (None, None)
        add(5, stopped, -50.0, good)
        add(6, stopped, 50.0, good)
        assert best() == ("t5", "t6")
        add(7, done, 1.0, good, created_at=moment(5))
        assert best() == ("t7", "t7")
        add(8, done, 1.0, good, name="T9b", created_at=moment(4))
        add(9, done, 1.0, good, name="t9a", created_at=moment(4))
        assert best() == ("t9a", "t9a")
        add(10, done, 0.5, good)
        add(11, done, -0.0, good, created_at=moment(1))
        add(12, done, 0.0, good, created_at=moment(2))
        assert best() == ("t11", "t9a")


def _varied(index: int) -> TrainingJob:
    """Return one of twelve trials with ties in every sort column and no objective in some."""
    return training(
        f"{'Tt'[index % 2]}rial-{(index * 7) % 12:02d}",
        tuning_job_id=1,
        number=index + 1,
        status=list(TrainingStatus)[index % 3],
        created_at=moment(index // 4),
        objective=None if index % 5 == 0 else [0.1, -3.5, 1e300][index % 3],
    )
