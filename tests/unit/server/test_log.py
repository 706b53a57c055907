"""The server's log: private, and never without bound."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pegbox.bootstrap import server


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A log with a small bound; afterwards this process logs as before."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    mask = os.umask(0o077)  # As the server does before anything else.
    monkeypatch.setattr(server, "LOG_BYTES", 2_000)
    file = tmp_path / "server.log"
    server.start_log(file, "info")
    yield file
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    os.umask(mask)


def test_a_long_log_is_put_aside_while_the_server_runs(log: Path) -> None:
    """However much is logged, there are at most two files of the bounded length, and the newest lines are in them."""
    for number in range(200):
        logging.getLogger("pegbox.test").info("line %d %s", number, "x" * 60)
    files = sorted(path.name for path in log.parent.iterdir())
    assert files == ["server.log", "server.log.1"]
    assert all(path.stat().st_size <= 2_000 for path in log.parent.iterdir())
    assert "line 199" in log.read_text()
    assert stat.S_IMODE((log.parent / "server.log.1").stat().st_mode) == 0o600
