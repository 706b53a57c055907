"""Many small smooth minimisations inside boxes, in lockstep.

==========  =====================================================================  =========
symbol      meaning                                                                shape
==========  =====================================================================  =========
x           current points, one minimisation per row                               (m, p)
f, g        values and gradients                                                   (m,), (m, p)
S, Y        the last ``MEMORY`` steps and gradient changes of each row             (memory, m, p)
==========  =====================================================================  =========

L-BFGS (Liu and Nocedal 1989) with projection onto the box and Armijo backtracking. Rows never influence each other.
Twenty rows cost little more than one, because the arithmetic is far cheaper than the interpreter; and the room needs
no import of a general optimiser, which would cost more than a suggestion.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: values (k,) and gradients (k, p) of points (k, p) that belong to the rows (k,)
Function = Callable[[Floats, npt.NDArray[np.intp]], tuple[Floats, Floats]]

MEMORY = 8
_ARMIJO = 1e-4
_SHRINK = 0.3
_BACKTRACKS = 6


def descend(
    function: Function,
    start: Floats,
    lower: Floats,
    upper: Floats,
    iterations: int,
    *,
    tolerance: float = 1e-4,
    first_step: float = 0.1,
) -> tuple[Floats, Floats]:
    """Minimise from every row of ``start`` (m, p) within ``lower`` and ``upper`` (p,).

    A point where the function is not finite is a failed step, never a result. A row stops when its projected
    gradient is below ``tolerance``, when no step improves it, or after ``iterations``.

    Returns:
        The best points (m, p) and their values (m,); never worse than the start.
    """
    x = np.clip(start, lower, upper)
    m, p = x.shape
    rows = np.arange(m)
    f, g = function(x, rows)
    f = np.where(np.isfinite(f), f, np.inf)
    g = np.where(np.isfinite(g), g, 0.0)
    S = np.zeros((0, m, p))
    Y = np.zeros((0, m, p))
    live = np.isfinite(f)
    for _ in range(iterations):
        free = ~(((x <= lower) & (g > 0)) | ((x >= upper) & (g < 0)))
        projected = np.where(free, g, 0.0)
        live = live & (np.abs(projected).max(axis=1) > tolerance)
        if not live.any():
            break
        direction = _direction(projected, S, Y, first_step)
        direction = np.where(free, direction, 0.0)
        uphill = (direction * projected).sum(axis=1) >= 0
        direction[uphill] = -projected[uphill]
        new_x, new_f, new_g = _line_search(function, x, f, g, direction, lower, upper, live)
        step, change = new_x - x, new_g - g
        live = live & (f - new_f > 1e-9 * np.maximum(1.0, np.abs(f)))
        useful = (step * change).sum(axis=1) > 1e-10
        step[~useful] = 0.0
        change[~useful] = 0.0
        S = np.concatenate([S[-MEMORY + 1 :], step[None]])
        Y = np.concatenate([Y[-MEMORY + 1 :], change[None]])
        x, f, g = new_x, new_f, new_g
    return x, f


def _direction(g: Floats, S: Floats, Y: Floats, first_step: float) -> Floats:
    """Two-loop recursion for every row; a row without history takes a short step against the gradient."""
    q = g.copy()
    curvature = (S * Y).sum(axis=2)  # (memory, m)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = np.where(curvature > 0, 1.0 / curvature, 0.0)
    alpha = np.zeros(rho.shape)
    scale = first_step / np.maximum(np.abs(g).max(axis=1), 1e-300)
    for i in range(len(S) - 1, -1, -1):
        alpha[i] = rho[i] * (S[i] * q).sum(axis=1)
        q -= alpha[i][:, None] * Y[i]
    for i in range(len(S)):  # the newest useful pair sets the scale
        has = rho[i] > 0
        scale = np.where(has, curvature[i] / np.where(has, (Y[i] ** 2).sum(axis=1), 1.0), scale)
    q *= scale[:, None]
    for i in range(len(S)):
        beta = rho[i] * (Y[i] * q).sum(axis=1)
        q += S[i] * (alpha[i] - beta)[:, None]
    return -q


def _line_search(
    function: Function,
    x: Floats,
    f: Floats,
    g: Floats,
    direction: Floats,
    lower: Floats,
    upper: Floats,
    live: npt.NDArray[np.bool_],
) -> tuple[Floats, Floats, Floats]:
    """Backtrack each live row along the projected path until it decreases enough; others stay where they are."""
    new_x, new_f, new_g = x.copy(), f.copy(), g.copy()
    t = np.ones(len(x))
    todo = np.nonzero(live)[0]
    for _ in range(_BACKTRACKS):
        trial = np.clip(x[todo] + t[todo, None] * direction[todo], lower, upper)
        value, gradient = function(trial, todo)
        slope = (g[todo] * (trial - x[todo])).sum(axis=1)
        good = np.isfinite(value) & np.isfinite(gradient).all(axis=1) & (value <= f[todo] + _ARMIJO * slope)
        done = todo[good]
        new_x[done], new_f[done], new_g[done] = trial[good], value[good], gradient[good]
        todo = todo[~good]
        if not len(todo):
            break
        t[todo] *= _SHRINK
    return new_x, new_f, new_g
