"""A clock that moves only when told to."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

#: Where fake time begins.
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


class FakeClock:
    """The ``Clock`` port under the test's control."""

    def __init__(self, start: datetime = START) -> None:
        self._wall = start
        self._monotonic = 1000.0

    def now(self) -> datetime:
        """Return the fake wall time."""
        return self._wall

    def monotonic(self) -> float:
        """Return the fake monotonic time in seconds."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: Time would run backwards.
        """
        if seconds < 0:
            raise ValueError(
                f"seconds = {seconds}: time does not run backwards; use set_wall to set a clock back"
            )
        self._monotonic += seconds
        self._wall += timedelta(seconds=seconds)

    def set_wall(self, jump: timedelta) -> None:
        """Set the wall clock forward or back, as an administrator would; monotonic time does not notice."""
        self._wall += jump
