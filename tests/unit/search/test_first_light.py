"""The ask/tell class finds an optimum that random search does not."""

from __future__ import annotations

from pegbox.search import CategoricalRange, ContinuousRange, IntegerRange, Optimizer, Scaling


def test_finds_the_optimum_of_a_mixed_bowl() -> None:
    """Thirty evaluations of a mixed bowl come close to its optimum, which random search does not."""
    optimizer = Optimizer(
        [
            ContinuousRange("x", -1.0, 3.0),
            ContinuousRange("rate", 1e-5, 1e1, Scaling.LOGARITHMIC),
            IntegerRange("n", 1, 20),
            CategoricalRange("kind", ("a", "b", "c")),
        ],
        objective_type="Minimize",
        seed=1,
    )
    for _ in range(30):
        suggestion = optimizer.ask()[0]
        v = suggestion.values
        loss = (float(v["x"]) - 1.3) ** 2 + (int(v["n"]) - 7) ** 2 / 50 + (v["kind"] != "b")
        optimizer.tell(suggestion, loss)
    assert optimizer.best is not None
    assert optimizer.best.objective < 0.02
    assert optimizer.best.values["kind"] == "b"
