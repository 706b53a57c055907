"""The public ask/tell class."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pegbox.errors import SpaceError
from pegbox.search import CategoricalRange, ContinuousRange, IntegerRange, Optimizer, ParentHistory
from pegbox.space import ParameterRange

DOCS = Path(__file__).parents[3] / "docs" / "search.md"
RANGES: list[ParameterRange] = [
    ContinuousRange("x", 0.0, 1.0),
    IntegerRange("n", 1, 9),
    CategoricalRange("k", ("a", "b")),
]


def test_the_documented_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Every Python block of the page runs as printed and finds a good value."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(DOCS), "exec"), {})
    assert "Recommendation" in capsys.readouterr().out


def test_every_reason_is_documented() -> None:
    """The page names each reason that the strategies give."""
    source = "".join(path.read_text() for path in (DOCS.parents[1] / "src/pegbox/strategies").glob("*.py"))
    page = DOCS.read_text()
    for reason in ("initial design", "exploring", "exploiting", "from a parent", "random", "grid", "repeat"):
        assert f'"{reason}"' in source
        assert f"`{reason}`" in page


def test_same_seed_same_run() -> None:
    """Two optimizers with one seed and the same answers suggest the same; another seed does not."""

    def run(seed: int) -> list[object]:
        optimizer = Optimizer(RANGES, seed=seed)
        seen: list[object] = []
        for _ in range(14):
            suggestion = optimizer.ask()[0]
            seen.append(suggestion)
            optimizer.tell(suggestion, -((float(suggestion.values["x"]) - 0.4) ** 2))
        return seen

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_best_follows_the_objective_type_and_ignores_what_has_no_value() -> None:
    """Failures, NaN and stopped trials are never best; Maximize and Minimize look at opposite ends."""
    for objective_type, winner in (("Maximize", 3.0), ("Minimize", 1.0)):
        optimizer = Optimizer(RANGES, objective_type=objective_type)
        assert optimizer.best is None
        for value in (1.0, 3.0, None, math.nan, math.inf):
            optimizer.tell(optimizer.ask()[0], value)
        optimizer.tell(optimizer.ask()[0], 99.0, status="stopped")
        assert optimizer.best is not None
        assert optimizer.best.objective == winner
        assert [seen.status for seen in optimizer.history].count("failed") == 3


def test_an_earlier_search_can_be_a_parent() -> None:
    """A search with a parent tries its best values first and then improves on them."""
    ranges = [ContinuousRange("x", 0.0, 1.0), ContinuousRange("y", 0.0, 1.0)]

    def run(optimizer: Optimizer, n: int) -> Optimizer:
        for _ in range(n):
            one = optimizer.ask()[0]
            optimizer.tell(one, -((float(one.values["x"]) - 0.3) ** 2) - (float(one.values["y"]) - 0.8) ** 2)
        return optimizer

    earlier = run(Optimizer(ranges, seed=1), 6)
    parent = ParentHistory("earlier", earlier.space, earlier.history)
    later = Optimizer(ranges, seed=2, parents=[parent])
    assert earlier.best is not None
    first = later.ask()[0]
    assert first.reason == "from a parent"
    assert later.space.encode(first.values) == pytest.approx(later.space.encode(earlier.best.values))
    later.tell(first, earlier.best.objective)
    best = run(later, 8).best
    assert best is not None
    assert best.objective > earlier.best.objective


def test_values_found_elsewhere_can_be_told() -> None:
    """A plain mapping counts as an observation; told in any order, pending suggestions stay pending."""
    optimizer = Optimizer(RANGES)
    first, second = optimizer.ask(2)
    optimizer.tell({"x": 0.5, "n": 3, "k": "a"}, 1.0)
    optimizer.tell(second, 2.0)
    assert len(optimizer.history) == 2
    third = optimizer.ask()[0]
    assert third.values not in (first.values, second.values)


def test_bad_input_names_itself() -> None:
    """Each wrong argument is refused with its value and a remedy, and nothing is recorded."""
    with pytest.raises(ValueError, match="'Sideways' is unknown"):
        Optimizer(RANGES, objective_type="Sideways")
    with pytest.raises(ValueError, match="'Luck' is unknown"):
        Optimizer(RANGES, strategy="Luck")
    with pytest.raises(SpaceError, match="above MaxValue"):
        Optimizer({"ContinuousParameterRanges": [{"Name": "x", "MinValue": "2", "MaxValue": "1"}]})
    optimizer = Optimizer(RANGES)
    with pytest.raises(ValueError, match="below 1"):
        optimizer.ask(0)
    with pytest.raises(ValueError, match="'n' is missing"):
        optimizer.tell({"x": 7.0, "k": "a"}, 1.0)
    with pytest.raises(ValueError, match="'done' is unknown"):
        optimizer.tell({"x": 0.5, "n": 3, "k": "a"}, 1.0, status="done")
    assert optimizer.history == ()


def test_recommendation_prefers_the_mean_to_luck() -> None:
    """Among noisy repeats of a bowl, the recommendation lies nearer to the bottom than one lucky outlier."""
    optimizer = Optimizer([ContinuousRange("x", 0.0, 1.0)], objective_type="Minimize")
    assert optimizer.recommendation is None
    for i in range(40):
        x = i / 39
        noise = 0.05 * math.sin(12.9898 * i)
        optimizer.tell({"x": x}, (x - 0.4) ** 2 + noise - (0.5 if i == 35 else 0.0))
    assert optimizer.best is not None
    assert abs(float(optimizer.best.values["x"]) - 0.4) > 0.4
    assert optimizer.recommendation is not None
    assert abs(float(optimizer.recommendation.values["x"]) - 0.4) < 0.25


def test_importing_the_search_is_light() -> None:
    """The import loads neither a server nor scipy nor any optional package."""
    code = "import sys, pegbox.search; print(' '.join(sorted(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    unwanted = (
        "scipy",
        "pandas",
        "boto3",
        "botocore",
        "starlette",
        "sqlalchemy",
        "pegbox.engine",
        "pegbox.api",
    )
    assert [name for name in unwanted if name in loaded] == []
