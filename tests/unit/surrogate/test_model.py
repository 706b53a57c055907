"""Kernel, fit and posterior: gradients against finite differences, closed forms against slow ways."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from pegbox.surrogate.fit import Prior, default_prior, fit, map_loss, prepare
from pegbox.surrogate.kernel import (
    Kernel,
    Layout,
    matern,
    pair_covariance,
    pair_differences,
    trend_features,
)
from pegbox.surrogate.numerics import NotPositiveDefinite
from pegbox.surrogate.posterior import condition, condition_on_pending
from pegbox.surrogate.transforms import standardise

Floats = npt.NDArray[np.float64]

LAYOUTS = {
    "numeric": Layout(np.array([False, False, False])),
    "categorical": Layout(np.array([True, True])),
    "mixed": Layout(np.array([False, True, False, True])),
}


def _data(layout: Layout, n: int = 14, seed: int = 0) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    X = rng.random((n, layout.d))
    X[:, layout.categorical] = rng.integers(0, 3, (n, int(layout.categorical.sum())))
    return X, standardise(np.sin(3 * X).sum(axis=1) + 0.1 * rng.normal(size=n))


@pytest.fixture(params=sorted(LAYOUTS))
def layout(request: pytest.FixtureRequest) -> Layout:
    """Spaces of numbers, of choices, and of both."""
    return LAYOUTS[request.param]


def _prior(layout: Layout) -> Prior:
    return default_prior(layout, trend=-1.0)


def _theta(layout: Layout, seed: int = 1) -> Floats:
    prior = _prior(layout)
    return prior.mean + 0.4 * np.random.default_rng(seed).normal(size=layout.size)


def test_loss_gradient_is_the_difference_quotient(layout: Layout) -> None:
    """Every entry of the gradient of the fit's loss agrees with central differences, above and below the noise mean."""
    X, y = _data(layout)
    evidence = prepare(X, y, layout, _prior(layout))
    for shift in (-1.0, 1.0):
        theta = _theta(layout)
        theta[-1] = _prior(layout).mean[-1] + shift
        _, gradient = map_loss(theta, evidence)
        for j in range(layout.size):
            step = np.zeros(layout.size)
            step[j] = 1e-5
            quotient = (map_loss(theta + step, evidence)[0] - map_loss(theta - step, evidence)[0]) / 2e-5
            assert gradient[j] == pytest.approx(quotient, rel=2e-4, abs=2e-5)


def test_loss_is_the_textbook_formula(layout: Layout) -> None:
    """The loss equals the negative log density of y under its marginal law plus the prior, up to a constant."""
    X, y = _data(layout)
    prior = _prior(layout)
    values = []
    for seed in (1, 2):
        theta = _theta(layout, seed)
        kernel = Kernel(layout, theta)
        S = kernel.cross(X, X) + kernel.noise * np.eye(len(y))
        S[np.diag_indices(len(y))] = kernel.variances(X) + kernel.noise
        plain = 0.5 * np.linalg.slogdet(S)[1]
        marginal = (
            S + 1.0
        )  # the constant mean with prior N(0, 1), integrated out, has the same quadratic form
        plain += 0.5 * y @ np.linalg.solve(marginal, y)
        below = np.where(theta < prior.mean, prior.below, prior.above)
        plain += 0.5 * (((theta - prior.mean) / below) ** 2).sum()
        values.append(map_loss(theta, prepare(X, y, layout, prior))[0] - plain)
    assert values[0] == pytest.approx(0.0, abs=1e-8)
    assert values[1] == pytest.approx(0.0, abs=1e-8)


def test_pair_and_cross_covariances_agree(layout: Layout) -> None:
    """The condensed and the rectangular way to the kernel give the same numbers, and the matrix is a covariance."""
    X, _ = _data(layout)
    kernel = Kernel(layout, _theta(layout))
    K = kernel.cross(X, X)
    k = pair_covariance(kernel, pair_differences(X, layout.categorical)).k
    trend = kernel.trend_cross(X, X)
    assert np.allclose((K - trend)[np.tril_indices(len(X), -1)], k, atol=1e-9)
    assert np.allclose(np.diag(K), kernel.variances(X))
    assert np.linalg.eigvalsh(K).min() > -1e-9


def test_matern_derivative() -> None:
    """dM/dq is the difference quotient of M, and M(0) = 1."""
    q = np.array([1e-6, 0.1, 1.0, 9.0])
    _, slope = matern(q)
    assert np.allclose(slope, (matern(q + 1e-7)[0] - matern(q - 1e-7)[0]) / 2e-7, rtol=1e-4)
    assert matern(np.zeros(1))[0][0] == 1.0


def test_trend_features_are_orthogonal_with_their_slopes() -> None:
    """Over uniform points the features are uncorrelated, F F' is 3/2 in the mean, and the slopes are difference quotients."""
    X = (np.arange(2000)[:, None] + 0.5) / 2000
    none = np.array([False])
    F, slope = trend_features(X, none)
    G = F.T @ F / len(X)
    assert np.allclose(G, np.diag([1.0, 0.5]), atol=1e-5)
    step = 1e-6
    quotient = (trend_features(X + step, none)[0] - trend_features(X - step, none)[0]) / (2 * step)
    assert np.allclose(slope, quotient, atol=1e-6)


def test_a_trend_goes_on_where_nothing_was_tried() -> None:
    """Of a sum over twelve columns, tried inside only, the trend foresees the corner; without it the mean is far off."""
    layout = Layout(np.zeros(12, dtype=bool))
    X = 0.25 + 0.5 * np.random.default_rng(0).random((30, 12))
    total = X.sum(axis=1)
    y = (total - total.mean()) / total.std()
    corner = (0.0 - total.mean()) / total.std()
    error = []
    for trend in (-1.0, None):
        prior = default_prior(layout, trend=trend)
        theta, _ = fit(X, y, layout, prior, prior.mean[None], 30)
        mean, _ = condition(Kernel(layout, theta), X, y).predict(np.zeros((1, 12)))
        error.append(abs(float(mean[0]) / corner - 1.0))
    assert error[0] < 0.1
    assert error[1] > 2 * error[0]


def test_posterior_gradient_is_the_difference_quotient(layout: Layout) -> None:
    """Gradients of mean and deviation agree with central differences; categorical columns have none."""
    X, y = _data(layout)
    posterior = condition(Kernel(layout, _theta(layout)), X, y)
    Z = _data(layout, 5, seed=9)[0]
    mean, sd, d_mean, d_sd = posterior.predict_with_gradient(Z)
    again = posterior.predict(Z)
    assert np.allclose(mean, again[0])
    assert np.allclose(sd, again[1])
    for j in range(layout.d):
        if layout.categorical[j]:
            assert not d_mean[:, j].any()
            assert not d_sd[:, j].any()
            continue
        step = np.zeros(layout.d)
        step[j] = 1e-5
        up, down = posterior.predict(Z + step), posterior.predict(Z - step)
        assert np.allclose(d_mean[:, j], (up[0] - down[0]) / 2e-5, atol=1e-5)
        assert np.allclose(d_sd[:, j], (up[1] - down[1]) / 2e-5, atol=1e-5)


def test_leave_one_out_is_leaving_one_out(layout: Layout) -> None:
    """The closed form equals refitting without the observation (with the constant mean held)."""
    X, y = _data(layout)
    posterior = condition(Kernel(layout, _theta(layout)), X, y)
    mean, sd = posterior.leave_one_out()
    for i in (0, 7):
        keep = np.arange(len(y)) != i
        K = posterior.kernel.cross(X[keep], X[keep]) + posterior.kernel.noise * np.eye(len(y) - 1)
        k = posterior.kernel.cross(X[keep], X[i : i + 1])[:, 0]
        assert mean[i] == pytest.approx(posterior.m + k @ np.linalg.solve(K, y[keep] - posterior.m), abs=1e-6)
        own = posterior.kernel.variances(X[i : i + 1])[0]
        variance = own + posterior.kernel.noise - k @ np.linalg.solve(K, k)
        assert sd[i] == pytest.approx(np.sqrt(variance), abs=1e-6)


def test_pending_points_only_shrink_the_deviation(layout: Layout) -> None:
    """Conditioning on pending points keeps the mean and lowers the deviation, most at the points themselves."""
    X, y = _data(layout)
    posterior = condition(Kernel(layout, _theta(layout)), X, y)
    pending, Z = _data(layout, 3, seed=4)[0], _data(layout, 20, seed=5)[0]
    after = condition_on_pending(posterior, pending)
    assert (after.predict(Z)[1] <= posterior.predict(Z)[1] + 1e-9).all()
    assert np.allclose(after.predict(Z)[0], posterior.predict(Z)[0], atol=0.35)
    assert (after.predict(pending)[1] < posterior.predict(pending)[1]).all()
    assert condition_on_pending(posterior, pending[:0]) is posterior


def test_fit_lowers_the_loss_and_respects_the_box(layout: Layout) -> None:
    """The fit is at least as good as its best start, and stays in the box of the prior."""
    X, y = _data(layout, 25)
    prior = _prior(layout)
    starts = np.stack([prior.mean, _theta(layout)])
    theta, loss = fit(X, y, layout, prior, starts, 40)
    evidence = prepare(X, y, layout, prior)
    assert loss <= min(map_loss(start, evidence)[0] for start in starts) + 1e-9
    assert (theta >= prior.lower).all()
    assert (theta <= prior.upper).all()


def test_fit_says_when_it_cannot() -> None:
    """Values that are not finite end in NotPositiveDefinite, never in a wrong answer."""
    layout = LAYOUTS["numeric"]
    X, y = _data(layout)
    y[0] = np.nan
    with pytest.raises(NotPositiveDefinite):
        fit(X, y, layout, default_prior(layout), default_prior(layout).mean[None], 5)


def test_identical_observations_can_be_fitted(layout: Layout) -> None:
    """Forty copies of one point, all equal: the smallest noise still makes a usable posterior."""
    X = np.tile(_data(layout, 1)[0], (40, 1))
    theta, _ = fit(X, np.zeros(40), layout, default_prior(layout), default_prior(layout).mean[None], 10)
    mean, sd = condition(Kernel(layout, theta), X, np.zeros(40)).predict(X[:1])
    assert np.isfinite(mean).all()
    assert np.isfinite(sd).all()
