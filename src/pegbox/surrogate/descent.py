"""Many small smooth minimisations inside boxes, in lockstep.

==========  =====================================================================  =========
symbol      meaning                                                                shape
==========  =====================================================================  =========
x           current points, one minimisation per row                               (m, p)
f, g        values and gradients                                                   (m,), (m, p)
H           estimates of the inverse Hessians                                      (m, p, p)
s, c        last step and the change of the gradient along it                      (m, p)
==========  =====================================================================  =========

BFGS (Nocedal and Wright, "Numerical optimization", 2006, eq. 6.17 and 6.20) with projection onto the box and Armijo
backtracking. Rows never influence each other. Problems here have few unknowns, so the dense update costs fewer
interpreter steps than a limited-memory one; twenty rows cost little more than one; and the room needs no import of a
general optimiser, which would cost more than a suggestion.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: values (k,) and gradients (k, p) of points (k, p) that belong to the rows (k,)
Function = Callable[[Floats, npt.NDArray[np.intp]], tuple[Floats, Floats]]

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
    gradient_tolerance: float = 1e-4,
    decrease_tolerance: float = 1e-9,
    first_step: float = 0.1,
) -> tuple[Floats, Floats]:
    """Minimise from every row of ``start`` (m, p) within ``lower`` and ``upper``, (p,) or (m, p).

    A point where the function is not finite is a failed step, never a result. A row stops when its projected
    gradient is below ``gradient_tolerance``, when a step lowers the value by less than ``decrease_tolerance``
    (relative to max(1, |f|)), or after ``iterations``.

    Returns:
        The best points (m, p) and their values (m,); never worse than the start.
    """
    m, p = start.shape
    lower, upper = np.broadcast_to(lower, (m, p)), np.broadcast_to(upper, (m, p))
    x = np.clip(start, lower, upper)
    f, g = function(x, np.arange(m))
    live = np.isfinite(f) & np.isfinite(g).all(axis=1)
    f = np.where(live, f, np.inf)
    g = np.where(live[:, None], g, 0.0)
    H = np.zeros((m, p, p))
    fresh = np.ones(m, dtype=bool)
    for _ in range(iterations):
        free = ~(((x <= lower) & (g > 0)) | ((x >= upper) & (g < 0)))
        projected = np.where(free, g, 0.0)
        live &= np.abs(projected).max(axis=1, initial=0.0) > gradient_tolerance
        if not live.any():
            break
        direction = _direction(projected, H, free, fresh, first_step)
        new_x, new_f, new_g = _line_search(function, x, f, g, direction, lower, upper, live)
        live &= new_f + decrease_tolerance * np.maximum(1.0, np.abs(f)) < f
        _update(H, fresh, new_x - x, new_g - g)
        x, f, g = new_x, new_f, new_g
    return x, f


def _direction(g: Floats, H: Floats, free: Bools, fresh: Bools, first_step: float) -> Floats:
    """-H g in the free coordinates; a short step against the gradient where that is no descent."""
    direction = -np.where(free, (H @ g[:, :, None])[:, :, 0], 0.0)
    steepest = fresh | ((direction * g).sum(axis=1) >= 0)
    if steepest.any():
        scale = first_step / np.maximum(np.abs(g).max(axis=1, initial=0.0), 1e-300)
        direction = np.where(steepest[:, None], -g * scale[:, None], direction)
    return direction


def _line_search(
    function: Function,
    x: Floats,
    f: Floats,
    g: Floats,
    direction: Floats,
    lower: Floats,
    upper: Floats,
    live: Bools,
) -> tuple[Floats, Floats, Floats]:
    """Backtrack each live row along the projected path until it decreases enough; others stay where they are."""
    new_x, new_f, new_g = x.copy(), f.copy(), g.copy()
    t = 1.0
    todo = np.nonzero(live)[0]
    for _ in range(_BACKTRACKS):
        trial = np.clip(x[todo] + t * direction[todo], lower[todo], upper[todo])
        value, gradient = function(trial, todo)
        slope = (g[todo] * (trial - x[todo])).sum(axis=1)
        good = np.isfinite(gradient).all(axis=1) & (value <= f[todo] + _ARMIJO * slope)
        done = todo[good]
        new_x[done], new_f[done], new_g[done] = trial[good], value[good], gradient[good]
        todo = todo[~good]
        if not len(todo):
            break
        t *= _SHRINK
    return new_x, new_f, new_g


def _update(H: Floats, fresh: Bools, s: Floats, c: Floats) -> None:
    """Rank-two update of each H in place; steps without positive curvature teach nothing and are skipped."""
    curvature = (s * c).sum(axis=1)
    use = curvature > 1e-10 * np.maximum((c * c).sum(axis=1), 1e-300) ** 0.5
    if not use.any():
        return
    rows = np.nonzero(use)[0]
    first = rows[fresh[rows]]
    if len(first):  # scale of the first estimate, eq. 6.20
        size = curvature[first] / (c[first] ** 2).sum(axis=1)
        H[first] = size[:, None, None] * np.eye(s.shape[1])
        fresh[first] = False
    h, s, c, rho = H[rows], s[rows], c[rows], 1.0 / curvature[rows]
    hc = (h @ c[:, :, None])[:, :, 0]
    factor = rho * (1.0 + rho * (c * hc).sum(axis=1))
    cross = s[:, :, None] * hc[:, None, :] * rho[:, None, None]
    H[rows] = h + factor[:, None, None] * (s[:, :, None] * s[:, None, :]) - cross - cross.transpose(0, 2, 1)
