"""pegbox.report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import pegbox
from pegbox.reporting import report


def test_reports_go_to_the_jobs_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Inside a job each report is one JSON line of the file, and nothing is printed."""
    target = tmp_path / "reports"
    monkeypatch.setenv("PEGBOX_REPORT_FILE", str(target))
    report(accuracy=0.5, loss=2, step=3)
    report({"validation:auc": float("nan")})
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert (lines[0]["metrics"], lines[0]["step"]) == ({"accuracy": 0.5, "loss": 2.0}, 3)
    assert lines[1]["step"] is None
    assert lines[0]["time"] > 1.7e9
    assert capsys.readouterr().out == ""


def test_reports_are_printed_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a job each metric is one line that the default pattern reads."""
    monkeypatch.delenv("PEGBOX_REPORT_FILE", raising=False)
    report({"a b": 1e-07}, c=True, step=2)
    assert capsys.readouterr().out == "[pegbox] a b=1e-07 step=2\n[pegbox] c=1.0 step=2\n"


def test_bad_reports_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing, names given twice, texts and half steps are errors that name the value."""
    monkeypatch.delenv("PEGBOX_REPORT_FILE", raising=False)
    with pytest.raises(ValueError, match="at least one metric"):
        report(step=1)
    with pytest.raises(ValueError, match="got a twice"):
        report({"a": 1}, a=2)
    with pytest.raises(TypeError, match="metric 'a' must be a number, got 'x'"):
        report(a="x")
    with pytest.raises(ValueError, match=r"step must be a whole number, got 1\.5"):
        report(a=1, step=1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="on one line"):
        report({"a\nb": 1})


def test_one_file_is_enough(tmp_path: Path) -> None:
    """The module runs alone, in an interpreter without Pegbox and without site packages."""
    source = Path(pegbox.__file__).parent / "reporting.py"
    (tmp_path / "reporting.py").write_text(source.read_text())
    code = "import sys; sys.path.insert(0, '.'); import reporting; reporting.report(a=1)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[pegbox] a=1.0\n"


def test_top_level_names_are_lazy_and_complete() -> None:
    """Every public name loads; unknown ones are ordinary AttributeErrors; report is the function."""
    for name in pegbox.__all__:
        assert getattr(pegbox, name) is not None
    assert pegbox.report is report
    assert set(pegbox.__all__) <= set(dir(pegbox))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pegbox.nothing
