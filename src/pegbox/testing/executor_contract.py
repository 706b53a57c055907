"""What every executor must do, as tests: inherit :class:`ExecutorContract` and give it a ``rig`` fixture.

The rig stands for the engine (it commits and acknowledges reports) and for the machine (it counts program starts).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pegbox.domain.orders import AttemptOrder, Order, ServingOrder
from pegbox.domain.statuses import StopReason
from pegbox.ports.executor import Executor


class Rig(Protocol):
    """An executor with its machine and a stand-in for the engine."""

    #: The executor under test, opened.
    executor: Executor
    #: While False, reports are neither committed nor acknowledged.
    committing: bool

    def order(self, fate: str, **changes: Any) -> AttemptOrder:
        """Return a new order whose program ``completes`` (with one metric value), ``fails``, or ``runs`` until it is stopped."""
        ...

    def server(self, fate: str, **changes: Any) -> ServingOrder:
        """Return a new order whose model server ``serves`` until it is stopped, or ``dies`` before it is ready."""
        ...

    def settle(self, until: Callable[[], object]) -> None:
        """Let time pass until a condition holds.

        Raises:
            AssertionError: It does not come true.
        """
        ...

    def events(self, attempt_id: str) -> Sequence[Mapping[str, Any]]:
        """Return the committed events of an attempt in order; a repeated one is committed once."""
        ...

    def reported(self, attempt_id: str) -> bool:
        """Whether any report of the attempt arrived, committed or not."""
        ...

    def starts(self, attempt_id: str) -> int:
        """Return how often the attempt's program was started."""
        ...

    def crash(self) -> None:
        """Throw the executor away as a crash of the server does, and open a new one on the same machine."""
        ...


def _finished(rig: Rig, order: Order) -> bool:
    events = rig.events(order.attempt_id)
    return bool(events) and events[-1]["kind"] == "finished"


def _ready(rig: Rig, order: Order) -> list[str]:
    """Addresses at which an instance was reported ready, in order."""
    return [event["address"] for event in rig.events(order.attempt_id) if event["kind"] == "ready"]


def _running(rig: Rig, order: AttemptOrder) -> bool:
    return any(event["kind"] == "training" for event in rig.events(order.attempt_id))


class ExecutorContract:
    """The contract suite."""

    def test_a_program_that_completes(self, rig: Rig) -> None:
        """A launched program runs once, its metric is told, and one finished event ends the story."""
        order = rig.order("completes")
        rig.executor.launch(order)
        rig.settle(lambda: _finished(rig, order))
        events = rig.events(order.attempt_id)
        kinds = [event["kind"] for event in events]
        assert kinds.index("training") < kinds.index("metric") < kinds.index("finished")
        assert kinds.count("finished") == 1
        assert events[-1]["outcome"] == "completed"
        assert events[-1]["artifacts"]["model"]["sha256"]
        assert rig.starts(order.attempt_id) == 1

    def test_a_program_that_fails(self, rig: Rig) -> None:
        """A program's own failure is told as such, with a class and a message."""
        order = rig.order("fails")
        rig.executor.launch(order)
        rig.settle(lambda: _finished(rig, order))
        end = rig.events(order.attempt_id)[-1]
        assert end["outcome"] == "failed"
        assert end["failure"]["class"] == "AlgorithmError"
        assert end["failure"]["message"]

    def test_stop(self, rig: Rig) -> None:
        """Stop ends a running program with its reason; asking twice, or for an unknown attempt, changes nothing."""
        order = rig.order("runs")
        rig.executor.launch(order)
        rig.settle(lambda: _running(rig, order))
        rig.executor.stop("0" * 32, StopReason.STOPPED, 1.0)
        rig.executor.stop(order.attempt_id, StopReason.EARLY_STOP, 5.0)
        rig.executor.stop(order.attempt_id, StopReason.EARLY_STOP, 5.0)
        rig.settle(lambda: _finished(rig, order))
        end = rig.events(order.attempt_id)[-1]
        assert (end["outcome"], end["stop_reason"]) == ("stopped", "early_stop")
        rig.executor.stop(order.attempt_id, StopReason.STOPPED, 1.0)

    def test_max_runtime(self, rig: Rig) -> None:
        """A program that outlives its time is stopped for that reason."""
        order = rig.order("runs", max_runtime_seconds=0.3, grace_seconds=5.0)
        rig.executor.launch(order)
        rig.settle(lambda: _finished(rig, order))
        end = rig.events(order.attempt_id)[-1]
        assert (end["outcome"], end["stop_reason"]) == ("stopped", "max_runtime")

    def test_launching_twice_starts_once(self, rig: Rig) -> None:
        """The same attempt launched again is the same attempt."""
        order = rig.order("completes")
        rig.executor.launch(order)
        rig.executor.launch(order)
        rig.settle(lambda: _finished(rig, order))
        assert rig.starts(order.attempt_id) == 1

    def test_busy_until_discarded(self, rig: Rig) -> None:
        """An executor is busy until the last attempt's end is committed; discard may be called twice."""
        order = rig.order("completes")
        assert not rig.executor.busy()
        rig.executor.launch(order)
        assert rig.executor.busy()
        rig.settle(lambda: _finished(rig, order))
        rig.executor.discard(order.attempt_id)
        rig.executor.discard(order.attempt_id)
        rig.settle(lambda: not rig.executor.busy())

    def test_resume_of_what_was_never_launched(self, rig: Rig) -> None:
        """An attempt whose row was committed before a crash, and nothing else, is launched by resume."""
        order = rig.order("completes")
        rig.executor.resume(order)
        rig.settle(lambda: _finished(rig, order))
        assert rig.starts(order.attempt_id) == 1

    def test_resume_of_a_running_program(self, rig: Rig) -> None:
        """A program that runs through a crash of the server is found again, not started again, and can be stopped."""
        order = rig.order("runs")
        rig.executor.launch(order)
        rig.settle(lambda: _running(rig, order))
        rig.crash()
        rig.executor.resume(order)
        rig.executor.stop(order.attempt_id, StopReason.STOPPED, 5.0)
        rig.settle(lambda: _finished(rig, order))
        assert rig.events(order.attempt_id)[-1]["outcome"] == "stopped"
        assert rig.starts(order.attempt_id) == 1

    def test_what_was_not_acknowledged_comes_again(self, rig: Rig) -> None:
        """Reports that a crashed server did not commit reach the next one, complete and in order."""
        order = rig.order("completes")
        rig.committing = False
        rig.executor.launch(order)
        rig.settle(lambda: rig.reported(order.attempt_id))
        assert not rig.events(order.attempt_id)
        rig.crash()
        rig.committing = True
        rig.executor.resume(order)
        rig.settle(lambda: _finished(rig, order))
        kinds = [event["kind"] for event in rig.events(order.attempt_id)]
        assert kinds.count("finished") == 1
        assert "metric" in kinds
        assert rig.starts(order.attempt_id) == 1

    def test_what_could_not_be_committed_comes_again(self, rig: Rig) -> None:
        """Reports that the engine could not commit for a while (a full disk) come again without any crash."""
        order = rig.order("completes")
        rig.committing = False
        rig.executor.launch(order)
        rig.settle(lambda: rig.reported(order.attempt_id))
        rig.committing = True
        rig.settle(lambda: _finished(rig, order))
        assert rig.starts(order.attempt_id) == 1

    def test_an_instance_from_start_to_stop(self, rig: Rig) -> None:
        """A model server is told starting, then ready with its address; it serves until it is stopped, and ends once."""
        order = rig.server("serves")
        rig.executor.launch(order)
        rig.settle(lambda: _ready(rig, order))
        assert rig.executor.busy()
        assert not _finished(rig, order)
        rig.executor.stop(order.attempt_id, StopReason.STOPPED, 5.0)
        rig.settle(lambda: _finished(rig, order))
        kinds = [event["kind"] for event in rig.events(order.attempt_id)]
        assert (
            kinds.index("starting") < kinds.index("ready") < kinds.index("stopping") < kinds.index("finished")
        )
        end = rig.events(order.attempt_id)[-1]
        assert (end["outcome"], end["stop_reason"]) == ("stopped", "stopped")
        rig.executor.discard(order.attempt_id)
        rig.settle(lambda: not rig.executor.busy())

    def test_an_instance_that_dies(self, rig: Rig) -> None:
        """A model server that ends before it is ready has failed, and the message has the last lines of its log."""
        order = rig.server("dies")
        rig.executor.launch(order)
        rig.settle(lambda: _finished(rig, order))
        end = rig.events(order.attempt_id)[-1]
        assert end["outcome"] == "failed"
        assert "no weights here" in end["failure"]["message"]
        assert not _ready(rig, order)

    def test_resume_of_a_model_server(self, rig: Rig) -> None:
        """A model server that runs through a crash of the server is found again, not started again, and can be stopped."""
        order = rig.server("serves")
        rig.executor.launch(order)
        rig.settle(lambda: _ready(rig, order))
        rig.crash()
        rig.executor.resume(order)
        rig.executor.stop(order.attempt_id, StopReason.STOPPED, 5.0)
        rig.settle(lambda: _finished(rig, order))
        assert rig.events(order.attempt_id)[-1]["outcome"] == "stopped"
        assert rig.starts(order.attempt_id) == 1
