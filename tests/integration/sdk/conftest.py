"""A session of the SDK on the module's server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from pegbox.session import Session


@pytest.fixture(scope="module")
def session(server: Any) -> Iterator[Session]:
    """A session that finds the running server through its home."""
    before = os.environ.get("PEGBOX_HOME")
    os.environ["PEGBOX_HOME"] = str(server.home)
    yield Session()
    if before is None:
        del os.environ["PEGBOX_HOME"]
    else:
        os.environ["PEGBOX_HOME"] = before
