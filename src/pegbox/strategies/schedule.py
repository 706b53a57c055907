"""When hyperparameters are fitted: a pure function of the history, however often it is asked.

Full fits (several starts) happen at fixed sizes only; at any other size a bounded fit starts from the last full one.
So the answer for n observations needs at most two fits, whether the memory is warm or empty.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pegbox.strategies.memory import Memory
from pegbox.strategies.recipe import Member, Recipe
from pegbox.strategies.seeds import generator
from pegbox.surrogate.fit import Prior, default_prior, fit
from pegbox.surrogate.kernel import Layout
from pegbox.surrogate.subset import representative
from pegbox.surrogate.transforms import TRANSFORMS
from pegbox.transfer.prior import Advice, own_prior

Floats = npt.NDArray[np.float64]

_PURPOSE = 3
_GROWTH = 1.3
_EVERY_BELOW = 10


def last_full_size(n: int) -> int:
    """The largest size at most ``n`` at which a full fit happens: every one below 10, then 30 % apart."""
    if n < _EVERY_BELOW:
        return n
    size = _EVERY_BELOW
    while True:
        following = int(np.ceil(size * _GROWTH))
        if following > n:
            return size
        size = following


def hyperparameters(
    X: Floats,
    y: Floats,
    layout: Layout,
    member: Member,
    recipe: Recipe,
    job_seed: int,
    memory: Memory,
    advice: Advice | None = None,
    bold: bool = False,
) -> Floats:
    """``theta`` of one ensemble member for observations ``X`` (n, d) and raw values ``y`` (n,).

    With ``advice`` it is fitted to what the parents leave unexplained; ``bold`` gives the surrogate a trend.
    """
    trend = recipe.trend if bold else None
    prior = default_prior(layout, length=member.length, noise=member.noise, trend=trend)
    tag = repr((member, recipe, job_seed, layout.categorical.tolist(), bold)).encode()
    if advice is not None:
        tag += advice.tag

    def solve(size: int, starts: Floats, iterations: int) -> Floats:
        rows = representative(y[:size], recipe.fit_limit)
        t = TRANSFORMS[member.transform](y[:size])
        believed = prior
        if advice is not None:
            t, granted = advice.residuals(X[:size], t, layout)
            believed = own_prior(prior, granted)
        return fit(X[rows], t[rows], layout, believed, starts, iterations)[0]

    def remember(size: int, kind: bytes, compute: Callable[[], Floats]) -> Floats:
        digest = hashlib.blake2b(tag + kind, digest_size=16)
        digest.update(np.ascontiguousarray(X[:size]).tobytes())
        digest.update(np.ascontiguousarray(y[:size]).tobytes())
        key = digest.digest()
        known = memory.get(key)
        if known is None:
            known = compute()
            memory.put(key, known)
        return np.asarray(known)

    n = len(y)
    size = last_full_size(n)
    full = remember(
        size,
        b"full",
        lambda: solve(size, starting_points(prior, recipe.starts, job_seed, size), recipe.full_iterations),
    )
    if size < n <= recipe.fit_limit:  # beyond, a few more observations hardly move the values
        full = remember(n, b"warm", lambda: solve(n, full[None], recipe.warm_iterations))
    return full


def starting_points(prior: Prior, count: int, job_seed: int, size: int) -> Floats:
    """(count, d + 5): the prior mean, then random points with shorter length scales and more noise."""
    rng = generator((job_seed, size), _PURPOSE)
    starts = np.tile(prior.mean, (count, 1))
    d = len(prior.mean) - 5
    starts[1:, :d] += rng.normal(-0.7, 0.8, (count - 1, d))
    starts[1:, -4] += rng.normal(0.0, 0.5, count - 1)
    starts[1:, -1] += rng.normal(1.0, 1.5, count - 1)
    return starts
