"""A lab with a server, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pegbox.testing.lab import Lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A home with a running server and a short grace period for stopped programs."""
    with Lab({"PEGBOX_GRACE_SECONDS": "0.5"}) as lab:
        lab.launch()
        yield lab
