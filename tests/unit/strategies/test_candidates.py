"""The maximiser of the acquisition, on scores whose maximum is known."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Scaling, Space
from pegbox.strategies.candidates import Search
from pegbox.strategies.recipe import DEFAULT
from pegbox.strategies.seeds import generator

Floats = npt.NDArray[np.float64]


class Peak:
    """A smooth peak in the numeric columns, plus a reward for certain choices."""

    def __init__(self, space: Space, top: Floats) -> None:
        self.top = top
        self.categorical = space.encoding.categorical

    def score(self, Z: Floats) -> Floats:
        """Values (m,)."""
        gap = np.where(self.categorical, self.top != Z, 4.0 * (Z - self.top))
        return np.asarray(-(gap**2).sum(axis=1))

    def score_with_gradient(self, Z: Floats) -> tuple[Floats, Floats]:
        """Values (m,) and gradients (m, d)."""
        return self.score(Z), np.where(self.categorical, 0.0, -32.0 * (Z - self.top))

    def box(self, Z: Floats) -> tuple[Floats, Floats]:
        """The whole cube."""
        return np.zeros_like(Z), np.ones_like(Z)


def test_finds_the_top_of_a_mixed_space() -> None:
    """Reals to a thousandth, every integer and choice exactly, also among forty choices and 500 integers."""
    space = Space(
        [
            *(ContinuousRange(f"x{j}", 0.0, 1.0, Scaling.LINEAR) for j in range(6)),
            IntegerRange("few", 1, 7, Scaling.LINEAR),
            IntegerRange("many", 1, 500, Scaling.LINEAR),
            CategoricalRange("kind", tuple("abcd")),
            CategoricalRange("long", tuple(f"c{k}" for k in range(40))),
        ]
    )
    wanted = {
        **{f"x{j}": 0.1 + 0.13 * j for j in range(6)},
        "few": 6,
        "many": 317,
        "kind": "c",
        "long": "c33",
    }
    top = space.encode(wanted)
    start = space.encoding.from_cube(np.full((3, space.dimension), 0.5))
    Z, score = Search(space.encoding, DEFAULT, generator((1, 2), 0)).maximise(Peak(space, top), start)
    found = space.decode(Z[0])
    assert {name: found[name] for name in ("few", "many", "kind", "long")} == {
        name: wanted[name] for name in ("few", "many", "kind", "long")
    }
    assert np.abs(Z[0, :6] - top[:6]).max() < 1e-3
    assert (np.diff(score) <= 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_equals_exhaustion_on_a_lattice(seed: int) -> None:
    """On a space of 1,260 points with a rugged score, the maximum found is the maximum."""
    space = Space(
        [
            IntegerRange("a", 0, 6),
            IntegerRange("b", 0, 5),
            CategoricalRange("c", tuple("uvwxy")),
            IntegerRange("d", 0, 5),
        ]
    )
    grids = [space.encoding.grid(j) for j in range(4)]
    rows = np.array(list(itertools.product(*grids)))
    weights = np.random.default_rng(seed).normal(size=(4, 3))

    class Rugged(Peak):
        def score(self, Z: Floats) -> Floats:
            return np.asarray(np.sin(3 * (Z + 0.5) @ weights).sum(axis=1))

    target = Rugged(space, rows[0])
    _, score = Search(space.encoding, DEFAULT, generator((seed, 2), 0)).maximise(target, rows[:3])
    assert score[0] == pytest.approx(target.score(rows).max())


def test_mutations_change_something_and_stay_in_the_space() -> None:
    """Each child differs from its parent (unless the space has one point there) and is a code of the space."""
    space = Space(
        [ContinuousRange("x", 0.0, 1.0), IntegerRange("n", 1, 5), CategoricalRange("k", ("a", "b", "c"))]
    )
    rng = np.random.default_rng(0)
    parents = space.encoding.from_cube(rng.random((500, 3)))
    children = Search(space.encoding, DEFAULT, rng).mutate(parents, np.full((500, 1), 0.1), 0.3)
    assert (children != parents).any(axis=1).mean() > 0.95
    assert np.allclose(space.encoding.snap(children), children, atol=1e-12)
    assert all(space.problems(space.decode(child)) == [] for child in children)
