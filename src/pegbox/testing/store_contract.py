"""The contract of the ``JobStore`` port as a test class.

A backend's test module subclasses :class:`StoreContract` and gives it a fixture ``store`` that yields an empty store::

    class TestMine(StoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            store = open_mine(tmp_path)
            yield store
            store.close()
"""

# A transaction that fails is itself what these tests raise from, hence several statements inside.
# ruff: noqa: PT012

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pegbox.domain.names import Realm
from pegbox.domain.records import evolve
from pegbox.domain.statuses import TrainingStatus
from pegbox.errors import ResourceInUse, StoreError
from pegbox.ports.store import Counters, JobStore, Page
from pegbox.testing.sample_records import RUNNING, attempt, moment, point, training, tuning
from pegbox.testing.store_contract_hosting import HostingContract
from pegbox.testing.store_contract_jobs import AnswersContract, JobsContract, names


class RestContract:
    """Attempts, emitted values, tags and images."""

    @pytest.fixture
    def store(self) -> Iterator[JobStore]:
        """Yield an empty store; the subclass gives it."""
        raise NotImplementedError

    def test_one_live_attempt_at_a_time(self, store: JobStore) -> None:
        """A second live attempt, a used id or number, and an attempt of nothing are refused; the next one is fine."""
        with store.transaction() as work:
            job = work.insert_training_job(training())
            work.insert_attempt(attempt(job.id, 1))
            for wrong in (
                attempt(job.id, 2),
                attempt(job.id, 1, id="other", state="ended"),
                attempt(job.id, 1),
                attempt(job.id + 1, 1),
            ):
                with pytest.raises(StoreError), work.savepoint():
                    work.insert_attempt(wrong)
            first = attempt(job.id, 1)
            assert work.update_attempt(
                first.id, {"live"}, {"state": "fenced", "reported": 3, "ended_at": moment(2)}
            )
            work.insert_attempt(attempt(job.id, 2))
            with pytest.raises(StoreError), work.savepoint():
                work.update_attempt(first.id, {"fenced"}, {"state": "live"})
            assert not work.update_attempt(first.id, {"live", "ended"}, {"state": "ended"})
            assert not work.update_attempt("nothing", {"live"}, {"state": "ended"})
            assert work.update_attempt(attempt(job.id, 2).id, ["live"], {"reported": 1})
        fenced = evolve(first, state="fenced", reported=3, ended_at=moment(2))
        second = attempt(job.id, 2, reported=1)
        assert store.reader.attempts(job.id) == [fenced, second]
        assert store.reader.attempt(first.id) == fenced
        assert store.reader.attempt("nothing") is None

    def test_states_of_attempts_are_checked(self, store: JobStore) -> None:
        """An unknown state and a field that never changes are refused."""
        with store.transaction() as work:
            job = work.insert_training_job(training())
            with pytest.raises(ValueError, match="state"):
                work.insert_attempt(attempt(job.id, state="zombie"))
            with pytest.raises(ValueError, match="number"):
                work.update_attempt("a", {"live"}, {"number": 2})

    def test_metric_points(self, store: JobStore) -> None:
        """Values come back in order of emission, non-finite ones too; a repeated report changes nothing."""
        with store.transaction() as work:
            job = work.insert_training_job(training())
            other = work.insert_training_job(training("other"))
            points = [
                point(job.id, 1, math.nan, step=7),
                point(job.id, 1, 2.5, name="accuracy"),
                point(job.id, 2, math.inf),
                point(job.id, 3, -math.inf),
                point(job.id, 4, 5e-324),
            ]
            work.add_metric_points(points[:3])
            work.add_metric_points([])
        with store.transaction() as work:
            later = point(job.id, 1, 9.0, attempt=2)
            again = [evolve(points[2], value=0.0), *points[3:], points[3]]
            work.add_metric_points([later, point(other.id, 1), *again])
            with pytest.raises(StoreError), work.savepoint():
                work.add_metric_points([point(other.id + 1, 1)])
        reader = store.reader
        assert repr(reader.metric_points(job.id)) == repr([*points, later])
        assert reader.metric_points(job.id) == [*points, later]
        assert reader.metric_points(job.id, name="accuracy") == [points[1]]
        assert reader.metric_points(job.id, attempt=2) == [later]
        assert reader.metric_points(job.id, "loss", 1) == [points[0], *points[2:]]
        assert reader.metric_points(other.id + 1) == []

    def test_deleting_a_training_job_removes_what_hangs_on_it(self, store: JobStore) -> None:
        """Attempts, values and tags go with a training job, and nothing else does."""
        realm = Realm()
        with store.transaction() as work:
            owner = work.insert_tuning_job(tuning("Same"))
            gone, kept = (
                work.insert_training_job(training(name, tuning_job_id=owner.id, number=number))
                for number, name in enumerate(["Same", "kept"], start=1)
            )
            for job in (gone, kept):
                work.insert_attempt(attempt(job.id))
                work.add_metric_points([point(job.id, 1)])
                work.set_tags(realm.training_arn(job.name), {"a": "1"})
            work.set_tags(realm.tuning_arn("Same"), {"a": "2"})
        with store.transaction() as work:
            work.delete_training_job(gone.id)
            work.delete_training_job(gone.id)
        reader = store.reader
        assert reader.training_job("Same") is None
        assert (reader.attempts(gone.id), reader.metric_points(gone.id)) == ([], [])
        assert reader.tags(realm.training_arn("Same")) == {}
        assert (len(reader.attempts(kept.id)), len(reader.metric_points(kept.id))) == (1, 1)
        assert reader.tags(realm.training_arn("kept")) == {"a": "1"}
        assert reader.tags(realm.tuning_arn("Same")) == {"a": "2"}
        assert names(reader.trials(owner.id)) == ["kept"]

    def test_deleting_a_tuning_job_leaves_its_trials(self, store: JobStore) -> None:
        """The record and its tags go; trials stay and keep the id."""
        arn = Realm().tuning_arn("search")
        with store.transaction() as work:
            owner = work.insert_tuning_job(tuning("Search"))
            trial = work.insert_training_job(training(tuning_job_id=owner.id, number=1))
            work.set_tags(arn, {"a": "1"})
        with store.transaction() as work:
            work.delete_tuning_job(owner.id)
            work.delete_tuning_job(owner.id + 7)
        assert store.reader.tuning_job("Search") is None
        assert store.reader.tags(arn) == {}
        assert store.reader.trials(owner.id) == [trial]

    def test_tags_keep_their_order(self, store: JobStore) -> None:
        """Tags come in the order they were added; an overwritten one keeps its place, a removed one comes last again."""
        with store.transaction() as work:
            work.set_tags("arn:x", {"b": "1", "a": "2", "B": "3"})
            work.set_tags("arn:x", {"a": "4", "c": ""})
            work.set_tags("arn:y", {"a": "5"})
            work.set_tags("arn:z", {})
            work.delete_tags("arn:x", ["b", "nothing"])
            work.set_tags("arn:x", {"b": "6"})
        assert list(store.reader.tags("arn:x").items()) == [("a", "4"), ("B", "3"), ("c", ""), ("b", "6")]
        with store.transaction() as work:
            work.delete_tags("arn:x")
            work.delete_tags("arn:nothing")
        assert store.reader.tags("arn:x") == {}
        assert store.reader.tags("arn:y") == {"a": "5"}

    def test_warm_starts(self, store: JobStore) -> None:
        """What was taken over from parents comes back as it was, once for each job, and goes with the job's record."""
        parents: list[dict[str, Any]] = [
            {"name": "ü", "observations": [{"objective": 0.1, "curve": [[1, "nan"]]}]},
            {"name": "b"},
        ]
        with store.transaction() as work:
            job = work.insert_tuning_job(tuning())
            assert work.warm_start(job.id) == []
            work.insert_warm_start(job.id, parents)
            for wrong in (job.id, job.id + 1):
                with pytest.raises(StoreError), work.savepoint():
                    work.insert_warm_start(wrong, [])
            assert work.warm_start(job.id) == parents
        assert store.reader.warm_start(job.id) == parents
        with store.transaction() as work:
            work.delete_tuning_job(job.id)
        assert store.reader.warm_start(job.id) == []

    def test_images(self, store: JobStore) -> None:
        """Entries of the image table are added, replaced and removed by name."""
        with store.transaction() as work:
            work.set_image("b", {"kind": "command", "command": ["x", "y"]})
            work.set_image("a", {"kind": "script"})
            work.set_image("b", {"kind": "script", "python": None})
            work.set_image("c", {})
            work.set_image("c", None)
            work.set_image("d", None)
        assert list(store.reader.images().items()) == [
            ("a", {"kind": "script"}),
            ("b", {"kind": "script", "python": None}),
        ]


class TransactionsContract:
    """All or nothing, and who sees what."""

    @pytest.fixture
    def store(self) -> Iterator[JobStore]:
        """Yield an empty store; the subclass gives it."""
        raise NotImplementedError

    def test_an_exception_undoes_everything(self, store: JobStore) -> None:
        """A transaction left by an exception leaves no trace, and the store goes on."""
        with store.transaction() as work:
            kept = work.insert_training_job(training("kept"))
        with pytest.raises(KeyError), store.transaction() as work:
            work.insert_tuning_job(tuning())
            work.insert_attempt(attempt(kept.id))
            work.add_metric_points([point(kept.id, 1)])
            work.set_tags("arn:x", {"a": "b"})
            work.set_image("i", {})
            work.update_training_job(kept.id, RUNNING, {"status": TrainingStatus.FAILED})
            work.delete_training_job(kept.id)
            raise KeyError
        reader = store.reader
        assert reader.training_job("kept") == kept
        assert reader.tuning_job("search") is None
        assert (reader.attempts(kept.id), reader.metric_points(kept.id)) == ([], [])
        assert (reader.tags("arn:x"), reader.images()) == ({}, {})
        with store.transaction() as work:
            work.insert_tuning_job(tuning())
        assert reader.tuning_job("search") is not None

    def test_readers_see_committed_state_only(self, store: JobStore) -> None:
        """Inside a transaction its own writes are seen; the reader, in this and other threads, sees the state before."""
        with store.transaction() as work:
            job = work.insert_training_job(training("t", tuning_job_id=1, number=1))
        seen: list[Any] = []
        with store.transaction() as work:
            work.update_training_job(job.id, RUNNING, {"status": TrainingStatus.COMPLETED, "objective": 1.0})
            work.insert_training_job(training("u", tuning_job_id=1, number=2))
            thread = threading.Thread(target=lambda: seen.append(store.reader.counters(1)))
            thread.start()
            thread.join()
            assert seen == [Counters(in_progress=1, objective_pending=1)] == [store.reader.counters(1)]
            assert work.counters(1) == Counters(
                completed=1, in_progress=1, objective_pending=1, objective_failed=1
            )
            assert names(work.trials(1)) == ["t", "u"]
            assert names(work.list_training_jobs(Page()).items) == ["t", "u"]
            best = work.best_trial(1, True)
            assert best is not None
            assert best.id == job.id
        assert store.reader.counters(1).completed == 1

    def test_savepoints_undo_their_part_only(self, store: JobStore) -> None:
        """A failed savepoint, nested or not, loses what happened inside and keeps the rest."""
        with store.transaction() as work:
            work.insert_tuning_job(tuning("a"))
            with pytest.raises(KeyError), work.savepoint():
                work.insert_tuning_job(tuning("b"))
                raise KeyError
            with work.savepoint():
                work.insert_tuning_job(tuning("c"))
                with pytest.raises(ResourceInUse), work.savepoint():
                    work.insert_tuning_job(tuning("d"))
                    work.insert_tuning_job(tuning("A"))
                work.insert_tuning_job(tuning("e"))
            with pytest.raises(KeyError), work.savepoint():
                with work.savepoint():
                    work.insert_tuning_job(tuning("f"))
                raise KeyError
            work.insert_tuning_job(tuning("g"))
        assert names(store.reader.list_tuning_jobs(Page()).items) == ["a", "c", "e", "g"]

    def test_an_ended_transaction_is_refused(self, store: JobStore) -> None:
        """What is kept of a transaction after its end can neither write nor read."""
        with store.transaction() as work:
            pass
        with pytest.raises(StoreError):
            work.insert_tuning_job(tuning())
        with pytest.raises(StoreError):
            work.tuning_job("search")
        with pytest.raises(StoreError), work.savepoint():
            pass

    def test_a_transaction_in_a_transaction_is_refused(self, store: JobStore) -> None:
        """The thread that has a transaction open gets an error and not a deadlock, and its transaction goes on."""
        with store.transaction() as work:
            with pytest.raises(StoreError), store.transaction():
                pass
            work.insert_tuning_job(tuning())
        assert store.reader.tuning_job("search") is not None

    def test_threads_take_turns(self, store: JobStore) -> None:
        """Transactions of several threads do not mix: no update is lost."""
        with store.transaction() as work:
            job = work.insert_tuning_job(tuning())

        def add() -> None:
            for _ in range(10):
                with store.transaction() as work:
                    found = work.tuning_job_by_id(job.id)
                    assert found is not None
                    work.update_tuning_job(job.id, [found.status], {"launched": found.launched + 1})

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        final = store.reader.tuning_job_by_id(job.id)
        assert final is not None
        assert final.launched == 40

    def test_a_closed_store_is_refused(self, store: JobStore) -> None:
        """After close reading and writing give a clear error; closing twice is fine."""
        store.close()
        store.close()
        with pytest.raises(StoreError, match="closed"):
            store.reader.tuning_job("search")
        with pytest.raises(StoreError, match="closed"), store.transaction():
            pass


class StoreContract(JobsContract, AnswersContract, RestContract, HostingContract, TransactionsContract):
    """What every backend of the ``JobStore`` port does; see the module for how to use it."""
