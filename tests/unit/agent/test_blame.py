"""Whose fault a program says it is, and which metrics a built-in algorithm must log."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

from pegbox.agent.outcome import blamed
from pegbox.agent.output import Output


def test_a_program_can_blame_its_customer() -> None:
    """Words that begin with ClientError: are the customer's fault, all others the program's."""
    assert blamed("ClientError: bad data") == {"class": "ClientError", "message": "bad data"}
    assert blamed("bad ClientError: data")["class"] == "AlgorithmError"


def test_only_the_objective_of_a_built_in_algorithm_can_be_missing(tmp_path: Path) -> None:
    """It logs a few of its many metrics; that the others are not there is no news."""
    (tmp_path / "log").write_text("")
    definitions = [{"Name": name, "Regex": f"{name}=(.*)"} for name in ("a", "b")]
    for algorithm, missing in (("", {"a", "b"}), ("kmeans", {"b"})):
        order = {
            "runtime": {"algorithm": algorithm},
            "metric_definitions": definitions,
            "objective_metric": "b",
        }
        output = Output(str(tmp_path), order, Mock(counts={}, facts={}), Mock())
        assert set(output.unmatched() or {}) == missing
        output.close()
