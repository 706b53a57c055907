"""Acquisition, ensemble, feasibility and trust region: gradients and meaning."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from pegbox.strategies.acquisition import Incumbent, log_improvement, log_improvement_gradient
from pegbox.strategies.belief import Belief, belief_after
from pegbox.strategies.ensemble import Ensemble, Opinion
from pegbox.strategies.experience import Experience
from pegbox.strategies.feasibility import learn_feasibility
from pegbox.strategies.recipe import DEFAULT
from pegbox.strategies.trust_region import trust_region
from pegbox.surrogate.fit import default_prior
from pegbox.surrogate.kernel import Kernel, Layout
from pegbox.surrogate.numerics import log_h
from pegbox.surrogate.posterior import Posterior, condition
from pegbox.surrogate.transforms import standardise

Floats = npt.NDArray[np.float64]

LAYOUT = Layout(np.array([False, True, False]))


def _data(n: int, seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    X = rng.random((n, 3))
    X[:, 1] = rng.integers(0, 3, n)
    return X, standardise(np.cos(4 * X).sum(axis=1))


def _posterior(seed: int) -> Posterior:
    X, y = _data(15, 0)
    theta = default_prior(LAYOUT).mean + 0.3 * np.random.default_rng(seed).normal(size=LAYOUT.size)
    return condition(Kernel(LAYOUT, theta), X, y)


CLEAN = Incumbent(0.2, 0.2)
LUCKY = Incumbent(-0.5, 0.2, 0.3)


@pytest.mark.parametrize("best", [CLEAN, LUCKY, Incumbent(0.2, 0.0, 0.1)])
@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (0.4, 0.9), (-2.0, 0.3), (-0.3, 0.1)])
def test_the_improvement_is_the_mean_gain_of_the_returned_trial(
    best: Incumbent, mean: float, sd: float
) -> None:
    """The closed form equals the average, over many draws, of what is gained where less than the best is reported."""
    f, noise = np.random.default_rng(0).standard_normal((2, 2_000_000))
    f = mean + sd * f
    gain = float(((best.worth - f) * (f + best.noise**0.5 * noise < best.reported)).mean())
    value = np.exp(log_improvement(np.array([mean]), np.array([sd]), best))[0]
    assert value == pytest.approx(gain, rel=2e-2)


def test_without_noise_it_is_expected_improvement() -> None:
    """sd h(z) in the well-conditioned range and deep in the tail."""
    mean, sd = np.array([-1.0, 0.0, 3.0, 50.0]), np.array([0.5, 1.0, 0.2, 0.7])
    assert np.allclose(log_improvement(mean, sd, CLEAN), log_h((0.2 - mean) / sd) + np.log(sd), rtol=1e-9)


def test_a_lucky_best_is_not_polished() -> None:
    """Beside a lucky value, a place that is surely no better promises less than one that is better and one that is unknown."""
    mean, sd = np.array([0.3, 0.5, -0.1, 0.3]), np.array([0.05, 0.05, 0.05, 1.0])
    same, worse, better, unknown = log_improvement(mean, sd, LUCKY)
    assert worse < same < better
    assert same < unknown
    assert np.isfinite([same, worse]).all()


@pytest.mark.parametrize("best", [CLEAN, LUCKY])
def test_gradient_of_the_improvement_is_the_difference_quotient(best: Incumbent) -> None:
    """With respect to the mean and the deviation, wherever something is to be gained."""
    rng = np.random.default_rng(1)
    mean, sd = rng.normal(0.0, 0.6, 200), np.exp(rng.normal(-0.5, 0.7, 200))
    along = np.tile(np.eye(2), (200, 1, 1))
    value, gradient = log_improvement_gradient(mean, sd, along[:, 0], along[:, 1], best)
    assert np.allclose(value, log_improvement(mean, sd, best))
    clear = (gradient != 0.0).all(axis=1)
    assert clear.sum() > 100
    step = 1e-6
    for j, (up, down) in enumerate(
        (((mean + step, sd), (mean - step, sd)), ((mean, sd + step), (mean, sd - step)))
    ):
        quotient = (log_improvement(*up, best) - log_improvement(*down, best)) / (2 * step)
        assert np.allclose(gradient[clear, j], quotient[clear], rtol=1e-4, atol=1e-5)


def test_hopeless_candidates_stay_comparable() -> None:
    """Fifty deviations away the improvement underflows, its logarithm still tells which is better."""
    value = log_improvement(np.array([50.0, 60.0]), np.ones(2), Incumbent(0.0, 0.0))
    assert np.isfinite(value).all()
    assert value[0] > value[1]


def test_the_belief_is_highest_where_values_are_expected() -> None:
    """Inside a range of an unknown name, at the usual value of a known one; bold suggestions believe in names alone; it fades."""
    categorical = np.zeros(2, dtype=bool)
    known = Experience(np.array([np.nan, 0.8]), np.array([1.0, 0.2]), {})
    Z = np.array([[0.5, 0.8], [1.0, 0.8], [0.5, 0.2]])
    cautious = belief_after(10, categorical, False, known, DEFAULT)
    bold = belief_after(10, categorical, True, known, DEFAULT)
    later = belief_after(100, categorical, False, known, DEFAULT)
    assert cautious is not None
    assert bold is not None
    assert later is not None
    value = cautious.log_density(Z)[0]
    assert value[0] == 0.0
    assert value.tolist()[1:] == pytest.approx([-DEFAULT.interior / 10, -4.5 * DEFAULT.experience / 10])
    assert bold.log_density(Z)[0].tolist()[:2] == [0.0, 0.0]
    assert np.allclose(later.log_density(Z)[0], value / 10)
    assert belief_after(10, categorical, True, None, DEFAULT) is None


@pytest.mark.parametrize("failures", [0, 4])
def test_score_gradient_is_the_difference_quotient(failures: int) -> None:
    """The gradient of two opinions, a belief and a feasibility model agrees with central differences."""
    X, _ = _data(15, 0)
    feasibility = learn_feasibility(X, _data(4, 5)[0][:failures], LAYOUT)
    assert (feasibility is None) == (failures == 0)
    opinions = (
        Opinion(_posterior(1), Incumbent(-1.0, 0.5, 0.05), 0.7),
        Opinion(_posterior(2), Incumbent(-1.2, -1.2), 0.3),
    )
    known = Experience(
        np.array([np.nan, np.nan, 0.3]), np.array([1.0, 1.0, 0.2]), {1: np.array([0.0, -1.0, -2.0])}
    )
    ensemble = Ensemble(opinions, feasibility, belief=Belief(np.array([0.4, 0.0, 0.0]), known, 0.7))
    Z, _ = _data(6, 9)
    value, gradient = ensemble.score_with_gradient(Z)
    assert np.allclose(value, ensemble.score(Z))
    assert not gradient[:, 1].any()
    for j in (0, 2):
        step = np.zeros(3)
        step[j] = 1e-5
        quotient = (ensemble.score(Z + step) - ensemble.score(Z - step)) / 2e-5
        assert np.allclose(gradient[:, j], quotient, rtol=1e-3, atol=1e-3)


def test_gradient_of_one_opinion_far_away_is_finite() -> None:
    """Deep in the tail the two ratios of the gradient do not overflow."""
    value, gradient = log_improvement_gradient(
        np.array([1e5]), np.array([1e-3]), np.ones((1, 2)), np.ones((1, 2)), Incumbent(0.0, 0.0)
    )
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()


def test_failures_are_learnt_where_they_happen() -> None:
    """Success is likely where trials succeeded and unlikely where they failed."""
    layout = Layout(np.array([False, False]))
    X = np.random.default_rng(0).random((40, 2))
    bad = X[:, 0] > 0.7
    feasibility = learn_feasibility(X[~bad], X[bad], layout)
    assert feasibility is not None
    p = np.exp(feasibility.log_probability(np.array([[0.2, 0.5], [0.9, 0.5]])))
    assert p[0] > 0.85
    assert p[1] < 0.25


def test_trust_region_grows_until_it_is_gone() -> None:
    """Near points are free, far ones are barred but ordered by distance; with enough points nothing is barred."""
    categorical = np.array([False, True])
    region = trust_region(np.array([[0.5, 0.0], [0.1, 1.0]]), categorical, 0.2)
    assert region is not None
    assert 0.2 < region.radius < 0.3
    penalty = region.penalty(np.array([[0.6, 2.0], [0.0, 0.0], [0.9, 0.0], [1.0, 0.0]]))
    assert penalty[:2].tolist() == [0.0, 0.0]
    assert penalty[2] < -1e5
    assert penalty[3] < penalty[2]
    lower, upper = region.box(np.array([[0.6, 2.0]]))
    assert lower[0, 0] == pytest.approx(0.5 - region.radius)
    assert upper[0, 0] == pytest.approx(0.5 + region.radius)
    assert trust_region(np.random.default_rng(0).random((15, 2)), categorical, 0.2) is None
    assert trust_region(np.zeros((3, 2)), np.array([True, True]), 0.2) is None
