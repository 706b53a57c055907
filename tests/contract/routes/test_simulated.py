"""The ways to a gateway that is not there keep the contract of routes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from pegbox.engine.hosting.unrouted import NoRoutes
from pegbox.ports.routes import Drained, Routes
from pegbox.testing.fake_clock import FakeClock
from pegbox.testing.routes_contract import RoutesContract
from pegbox.testing.simulated_routes import SimulatedGateway, SimulatedRoutes


class _Rig:
    """Collects what it is told; time is the fake clock's."""

    def __init__(self, make: Callable[[], Routes], deliver: Callable[[Routes], None]) -> None:
        self._make = make
        self._deliver = deliver
        self._told: list[Drained] = []
        self.routes = make()
        self.routes.open(self._told.append)

    def told(self) -> Sequence[Drained]:
        return self._told

    def settle(self, until: Callable[[], object]) -> None:
        for _ in range(100):
            if until():
                return
            self._deliver(self.routes)
        raise AssertionError("it does not come true")

    def crash(self) -> None:
        self.routes.close()
        self.routes = self._make()
        self.routes.open(self._told.append)


class TestSimulatedRoutes(RoutesContract):
    """Routes to the simulation's gateway."""

    @pytest.fixture
    def rig(self) -> _Rig:
        """Return routes to a gateway whose requests take up to a second."""
        clock = FakeClock()
        gateway = SimulatedGateway(clock, random.Random(0))

        def deliver(routes: Routes) -> None:
            assert isinstance(routes, SimulatedRoutes)
            clock.advance(0.1)
            routes.deliver()

        return _Rig(lambda: SimulatedRoutes(gateway), deliver)


class TestNoRoutes(RoutesContract):
    """An engine without a gateway."""

    @pytest.fixture
    def rig(self) -> _Rig:
        """Return routes that lead nowhere."""
        return _Rig(NoRoutes, lambda routes: None)
