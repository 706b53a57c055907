"""Fixtures of the store's integration tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from pegbox.testing.power_loss import build_library


@pytest.fixture(scope="session")
def file_layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the library that records a process's file operations and makes them fail."""
    return build_library(tmp_path_factory.mktemp("file_layer"))
