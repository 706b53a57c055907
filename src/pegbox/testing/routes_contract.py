"""What every way to a gateway must do, as tests: inherit :class:`RoutesContract` and give it a ``rig`` fixture.

The rig stands for the engine (it collects what it is told) and lets time pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pegbox.ports.routes import Drained, Routes


class Rig(Protocol):
    """Routes with a gateway behind them and a stand-in for the engine."""

    #: The routes under test, opened.
    routes: Routes

    def told(self) -> Sequence[Drained]:
        """Return what was told, in order."""
        ...

    def settle(self, until: Callable[[], object]) -> None:
        """Let time pass until a condition holds.

        Raises:
            AssertionError: It does not come true.
        """
        ...

    def crash(self) -> None:
        """Throw the routes away as a crash of the server does, and open new ones to the same gateway."""
        ...


def snapshot(version: int, **endpoints: Sequence[int]) -> dict[str, Any]:
    """Return a snapshot whose endpoints have one variant with these instances."""
    return {
        "version": version,
        "written_at": float(version),
        "region": "us-east-1",
        "account": "000000000000",
        "endpoints": {
            name: {
                "id": index,
                "arn": f"arn:aws:sagemaker:us-east-1:000000000000:endpoint/{name}",
                "status": "InService",
                "variants": [
                    {
                        "name": "a",
                        "weight": 1.0,
                        "routing": "LEAST_OUTSTANDING_REQUESTS",
                        "timeout_seconds": 60,
                        "max_payload_bytes": 1024,
                        "instances": [
                            {"id": item, "address": f"unix:/nowhere/{item}", "log_stream_arn": "arn:aws:logs"}
                            for item in instances
                        ],
                    }
                ],
                "capture": None,
                "async": None,
            }
            for index, (name, instances) in enumerate(endpoints.items(), 1)
        },
    }


class RoutesContract:
    """The contract suite."""

    def test_instances_that_left_are_told(self, rig: Rig) -> None:
        """Once a snapshot without them is applied, instances without a request are told with its version or a later one."""
        rig.routes.publish(snapshot(1, one=[1, 2], two=[3]))
        rig.routes.publish(snapshot(2, one=[2]))
        rig.settle(lambda: _gone(rig) >= {1, 3})
        assert all(item.version >= 2 for item in rig.told() if {1, 3} & set(item.instances))
        assert 2 not in _gone(rig)

    def test_publishing_again_is_fine(self, rig: Rig) -> None:
        """The same snapshot twice changes nothing; the next one counts."""
        rig.routes.publish(snapshot(1, one=[1]))
        rig.routes.publish(snapshot(1, one=[1]))
        rig.routes.publish(snapshot(2, one=[]))
        rig.settle(lambda: 1 in _gone(rig))

    def test_a_new_server_goes_on(self, rig: Rig) -> None:
        """After a crash of the server the gateway has its snapshot still, and takes newer ones."""
        rig.routes.publish(snapshot(1, one=[1, 2]))
        rig.crash()
        rig.routes.publish(snapshot(1, one=[1, 2]))
        rig.routes.publish(snapshot(2, one=[2]))
        rig.settle(lambda: 1 in _gone(rig))

    def test_status_tells_the_version(self, rig: Rig) -> None:
        """What the gateway said of itself can be asked at any time; in the end it routes by what was published."""
        status = rig.routes.status()
        assert isinstance(status, Mapping)
        assert isinstance(status.get("captures", {}), Mapping)
        rig.routes.publish(snapshot(3, one=[1]))
        rig.settle(lambda: rig.routes.status().get("version", 3) == 3)


def _gone(rig: Rig) -> set[int]:
    return {instance for item in rig.told() for instance in item.instances}
