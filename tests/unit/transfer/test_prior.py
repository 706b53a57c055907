"""Experts, agreement, the prior mean and the first points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Space
from pegbox.surrogate.fit import default_prior
from pegbox.surrogate.kernel import Kernel, Layout
from pegbox.surrogate.transforms import half_rank
from pegbox.transfer import agreement
from pegbox.transfer.agreement import UNTRIED, judge
from pegbox.transfer.coordinates import coordinates
from pegbox.transfer.expert import Expert, consult
from pegbox.transfer.identity import measures_the_same
from pegbox.transfer.prior import Advice, AdvisedPosterior, own_prior, prior_mean
from pegbox.transfer.starts import CLOSE, first_points

Floats = npt.NDArray[np.float64]

SPACE = Space(
    [ContinuousRange("x", 0.0, 1.0), ContinuousRange("z", 0.0, 1.0), CategoricalRange("k", ("a", "b", "c"))]
)
LAYOUT = Layout(SPACE.encoding.categorical)
WHERE = coordinates(SPACE, SPACE, {}, {})
PINNED = coordinates(SPACE, Space([*SPACE.parameters, IntegerRange("depth", 1, 9)]), {}, {"depth": 5})


def _points(n: int, seed: int) -> Floats:
    return SPACE.encoding.from_cube(np.random.default_rng(seed).random((n, 3)))


def _task(X: Floats, shift: float = 0.0) -> Floats:
    return (X[:, 0] - 0.3 - shift) ** 2 + (X[:, 1] - 0.7 + shift) ** 2 + 0.3 * (X[:, 2] != 1)


def _expert(seed: int = 1, sign: float = 1.0, n: int = 60, shift: float = 0.0) -> Expert:
    X = _points(n, seed)
    expert = consult(X, sign * _task(X, shift), WHERE)
    assert expert is not None
    return expert


def test_an_expert_knows_its_task() -> None:
    """What it expects at new points ranks them as the task does."""
    Z = _points(200, 9)
    assert np.corrcoef(_expert().expect(Z), half_rank(_task(Z)))[0, 1] > 0.95


def test_an_experts_gradient() -> None:
    """The gradient agrees with finite differences, with and without pinned columns, and is 0 in choices."""
    X = _points(40, 2)
    wide = np.hstack([X, np.random.default_rng(3).random((40, 1))])
    for where, rows in ((WHERE, X), (PINNED, wide)):
        expert = consult(rows, _task(X), where)
        assert expert is not None
        Z = _points(5, 4)
        value, gradient = expert.expect_with_gradient(Z)
        assert value == pytest.approx(expert.expect(Z))
        assert gradient.shape == (5, 3)
        assert (gradient[:, 2] == 0).all()
        for j in (0, 1):
            step = np.zeros(3)
            step[j] = 1e-6
            slope = (expert.expect(Z + step) - expert.expect(Z - step)) / 2e-6
            assert gradient[:, j] == pytest.approx(slope, abs=1e-5)


def test_parents_that_say_nothing() -> None:
    """One trial, or trials that are all equal, make no expert."""
    X = _points(10, 0)
    assert consult(X[:1], np.array([1.0]), WHERE) is None
    assert consult(X, np.full(10, 3.0), WHERE) is None


def test_an_expert_stays_bounded() -> None:
    """Of thousands of trials it looks at a bounded number, fewer beside other experts."""
    X = _points(3000, 5)
    alone, among = consult(X, _task(X), WHERE), consult(X, _task(X), WHERE, experts=5)
    assert alone is not None
    assert among is not None
    assert len(alone.posterior.X) == 100
    assert len(among.posterior.X) == 36


def test_agreement_tells_friend_from_foe() -> None:
    """After a few observations a related expert is granted much, one with good and bad exchanged next to nothing."""
    X = _points(12, 7)
    t = half_rank(_task(X, shift=0.05))
    expected = np.stack([_expert().expect(X), _expert(sign=-1.0).expect(X)])
    friend, foe = judge(X, t, expected, LAYOUT)
    assert friend.rho > 0.7
    assert friend.none < 0.05
    assert foe.rho < 0.1
    assert foe.none > 0.5


def test_agreement_before_observations() -> None:
    """With fewer than two observations, or only equal ones, the belief of the start holds."""
    X = _points(4, 7)
    assert judge(X[:1], np.zeros(1), np.ones((2, 1)), LAYOUT) == [UNTRIED, UNTRIED]
    assert judge(X, np.zeros(4), np.ones((1, 4)), LAYOUT) == [UNTRIED]
    assert 0.3 < UNTRIED.rho < 0.7


def test_agreement_survives_a_narrow_view() -> None:
    """A child that looked at good points only does not lose faith in a related parent as a rank correlation would."""
    rng = np.random.default_rng(11)
    X = np.column_stack([0.3 + 0.05 * rng.normal(size=10), 0.7 + 0.05 * rng.normal(size=10), np.ones(10)])
    t = half_rank(_task(X, shift=0.03))
    assert judge(X, t, _expert().expect(X)[None], LAYOUT)[0].rho > 0.3


def test_agreement_is_bounded_in_size() -> None:
    """Hundreds of observations are judged by a subset, with the same verdict."""
    X = _points(400, 8)
    verdict = judge(X, half_rank(_task(X)), _expert().expect(X)[None], LAYOUT)[0]
    assert agreement.LIMIT < 400
    assert verdict.rho > 0.8


def test_shares_go_to_the_better_expert() -> None:
    """Of a good and a bad expert, the good one gets nearly all of the say."""
    X = _points(15, 3)
    t = half_rank(_task(X))
    prior = prior_mean([_expert(), _expert(seed=2, sign=-1.0)], X, t, LAYOUT)
    assert prior is not None
    assert prior.shares[0] > 0.9
    assert sum(prior.shares) == pytest.approx(1.0)


def test_no_prior_from_foes() -> None:
    """Where every expert misleads, nothing is granted; without experts likewise."""
    X = _points(25, 3)
    assert prior_mean([_expert(sign=-1.0)], X, half_rank(_task(X)), LAYOUT) is None
    assert prior_mean([], X, half_rank(_task(X)), LAYOUT) is None


def test_weight_fades_with_the_childs_data() -> None:
    """The same agreement has less weight after more observations."""
    X = _points(40, 3)
    t = half_rank(_task(X))
    early, late = (prior_mean([_expert()], X[:n], half_rank(_task(X[:n])), LAYOUT) for n in (5, 40))
    assert early is not None
    assert late is not None
    assert late.weight < 0.3 * early.weight
    assert len(t) == 40


def test_advised_posterior() -> None:
    """It explains the observations, follows the advice far from them, and its gradients are right."""
    X = _points(6, 3)
    t = half_rank(_task(X))
    advice = Advice((_expert(),), b"tag")
    kernel = Kernel(LAYOUT, default_prior(LAYOUT, length=-1.0, noise=1e-4).mean)
    posterior = advice.condition(kernel, X, t, np.arange(6))
    assert isinstance(posterior, AdvisedPosterior)
    assert posterior.predict(X)[0] == pytest.approx(posterior.y, abs=0.05)
    Z = _points(300, 4)
    own, full = posterior.own.predict(Z)[0], posterior.predict(Z)[0]
    assert np.corrcoef(full, _task(Z))[0, 1] > np.corrcoef(own, _task(Z))[0, 1]
    mean, sd, d_mean, d_sd = posterior.predict_with_gradient(Z[:4])
    assert mean == pytest.approx(full[:4])
    for j in (0, 1):
        step = np.zeros(3)
        step[j] = 1e-6
        above, below = posterior.predict(Z[:4] + step), posterior.predict(Z[:4] - step)
        assert d_mean[:, j] == pytest.approx((above[0] - below[0]) / 2e-6, abs=1e-4)
        assert d_sd[:, j] == pytest.approx((above[1] - below[1]) / 2e-6, abs=1e-4)
    waiting = posterior.with_pending(Z[:1])
    assert waiting.predict(Z[:1])[1][0] < 0.5 * sd[0]
    assert waiting.predict(Z[1:2])[0] == pytest.approx(mean[1:2], abs=1e-6)


def test_less_is_left_to_explain() -> None:
    """What advice explains is taken from the expected variance of the child's own model."""
    X = _points(6, 3)
    prior = default_prior(LAYOUT)
    granted = prior_mean([_expert()], X, half_rank(_task(X)), LAYOUT)
    changed = own_prior(prior, granted)
    assert Kernel(LAYOUT, changed.mean).variance < Kernel(LAYOUT, prior.mean).variance
    assert own_prior(prior, None) is prior


def test_parents_tell_which_parameters_matter() -> None:
    """Length scales and category weights are expected between the usual and the parents', noise and trend as usual."""
    X = _points(12, 3)
    Y = _points(60, 1)
    expert = consult(Y, (Y[:, 0] - 0.3) ** 2, WHERE)
    assert expert is not None
    prior = default_prior(LAYOUT)
    granted = prior_mean([expert], X, half_rank((X[:, 0] - 0.35) ** 2), LAYOUT)
    assert granted is not None
    changed, theta = own_prior(prior, granted).mean, expert.posterior.kernel.theta
    matters = [0, 1, 2, 5, 6]
    expected = (1.0 - granted.rho) * prior.mean + granted.rho * theta
    assert changed[matters] == pytest.approx(expected[matters])
    assert changed[1] - changed[0] > prior.mean[1] - prior.mean[0]
    assert changed[[3, 7]].tolist() == prior.mean[[3, 7]].tolist()


def test_columns_of_parents_alone_do_not_matter() -> None:
    """Of a parent with further columns, the child takes the entries of its own."""
    X, Y = _points(12, 3), np.hstack([_points(60, 1), np.random.default_rng(3).random((60, 1))])
    expert = consult(Y, _task(Y), PINNED)
    assert expert is not None
    prior = default_prior(LAYOUT)
    granted = prior_mean([expert], X, half_rank(_task(X)), LAYOUT)
    assert granted is not None
    changed, theta = own_prior(prior, granted).mean, expert.posterior.kernel.theta
    assert len(theta) == len(changed) + 1
    assert changed[:3] == pytest.approx((1.0 - granted.rho) * prior.mean[:3] + granted.rho * theta[:3])
    assert changed[-3:-1] == pytest.approx(
        (1.0 - granted.rho) * prior.mean[-3:-1] + granted.rho * theta[-3:-1]
    )


def test_trust_is_earned() -> None:
    """After three observations a related expert replaces the rest of a design, one with good and bad exchanged does not."""
    X = _points(3, 7)
    t = half_rank(_task(X))
    assert Advice((_expert(shift=0.05),), b"").is_trusted(X, t, LAYOUT)
    assert not Advice((_expert(sign=-1.0),), b"").is_trusted(X, t, LAYOUT)
    assert not Advice((), b"").is_trusted(X, t, LAYOUT)


def test_first_points_take_turns_and_keep_apart() -> None:
    """The best of each parent in turn; a point close to one that is taken is passed over."""
    categorical = np.array([False, False, True])
    one = np.array([[0.5, 0.5, 0.0], [0.51, 0.5, 0.0], [0.9, 0.1, 0.0]])
    two = np.array([[0.5, 0.52, 0.0], [0.5, 0.5, 1.0]])
    rows = first_points([(one, np.array([0.1, 0.2, 0.3])), (two, np.array([5.0, 6.0]))], categorical, 4)
    assert rows.tolist() == [[0.5, 0.5, 0.0], [0.5, 0.5, 1.0], [0.9, 0.1, 0.0]]
    assert first_points([(one, np.array([0.3, 0.2, 0.1]))], categorical, 1).tolist() == [[0.9, 0.1, 0.0]]
    assert first_points([], categorical, 3).shape == (0, 3)
    assert 0 < CLOSE < 1


def test_identity_is_checked() -> None:
    """The child's values decide whether a parent measured the same function: same, noisy, shifted, exchanged."""
    X = _points(60, 1)
    y_p = _task(X)
    expert = _expert()
    Z = _points(8, 12)
    noise = 0.02 * np.random.default_rng(0).normal(size=8)
    assert measures_the_same(expert, y_p, Z[:0], np.empty(0))
    assert measures_the_same(expert, y_p, Z, _task(Z))
    assert measures_the_same(expert, y_p, Z, _task(Z) + noise)
    assert not measures_the_same(expert, y_p, Z, -_task(Z))
    assert not measures_the_same(expert, y_p, Z, _task(Z) + 2.0)
    assert not measures_the_same(expert, y_p, Z, _task(Z) - 2.0)
    assert not measures_the_same(expert, y_p, Z[:1], _task(Z[:1]) - 2.0)
    huge = 1.7e308 * (2.0 * (y_p - y_p.min()) / np.ptp(y_p) - 1.0)
    assert measures_the_same(expert, huge, X[:5], huge[:5])
    assert not measures_the_same(expert, huge, X[:5], -huge[:5])
