"""A training program in a fake ``/opt/ml``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pegbox.algorithms.program import main
from pegbox.testing.algorithm_runs import Run


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Run]:
    """``run(name, hyperparameters, channels, types)`` trains; channels are bytes of one file or names with bytes."""
    count = 0

    def train(
        name: str,
        hyperparameters: Mapping[str, Any],
        channels: Mapping[str, bytes | Mapping[str, bytes]],
        types: Mapping[str, str] | None = None,
    ) -> Run:
        nonlocal count
        count += 1
        base = tmp_path / f"ml{count}"
        for folder in ("input/config", "model", "output/data"):
            (base / folder).mkdir(parents=True)
        for channel, content in channels.items():
            folder_of = base / "input" / "data" / channel
            folder_of.mkdir(parents=True)
            files = {"data": content} if isinstance(content, bytes) else content
            for file, data in files.items():
                (folder_of / file).write_bytes(data)
        texts = {key: str(value) for key, value in hyperparameters.items()}
        config = {channel: {"ContentType": (types or {}).get(channel, "")} for channel in channels}
        (base / "input" / "config" / "hyperparameters.json").write_text(json.dumps(texts))
        (base / "input" / "config" / "inputdataconfig.json").write_text(json.dumps(config))
        monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(base))
        capsys.readouterr()
        code = main([name, "train"])
        return Run(name, code, capsys.readouterr().out, base)

    return train
