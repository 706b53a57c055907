"""How much a child's own observations grant to advice.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
t           the child's transformed values                                              (n,)
p           what an expert expects at the same points                                   (n,)
C           correlation of what the child may differ by: a smooth reference kernel      (n, n)
rho         correlation of child and expert, one of ``RHO``                             (g,)
v           the child's unit in the expert's: v t is compared with rho p                (g,)
S           (1 - rho^2) C + ``NOISE`` I                                                 (n, n)
==========  ==========================================================================  ==========

    v t - a ~ N(rho p, S),  a any constant

the autoregressive model of Kennedy and O'Hagan, "Predicting the output from a complex computer code when fast
approximations are available" (2000), eq. 1, with the child's variance held at 1. For each rho the best v solves

    A v^2 - B v - n = 0,   A = t' Q t,   B = rho p' Q t,   Q = S^-1 less what the constant takes

and the likelihood there, times a prior that expects a useful parent but does not count on it, gives the probability of
each rho. rho = 0 is among them: a parent that misleads is ignored as soon as the observations say so. Unlike a rank
correlation, the likelihood does not lose its judgement when the child has looked at good points only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pegbox.surrogate.fit import default_prior
from pegbox.surrogate.kernel import Kernel, Layout
from pegbox.surrogate.subset import representative

Floats = npt.NDArray[np.float64]

RHO = np.array([0.0, 0.2, 0.4, 0.6, 0.75, 0.9])
#: Belief before the child has observed anything.
PRIOR = np.array([0.15, 0.1, 0.15, 0.2, 0.25, 0.15])
NOISE = 0.02
#: The most observations that are looked at: the child's own model rules long before.
LIMIT = 100
#: Log length scales of the reference kernels, from rough to smooth.
LENGTHS = (-1.4, -0.5, 0.4)
#: Bounds of the child's unit.
_UNITS = (0.3, 2.0)


@dataclass(frozen=True)
class Agreement:
    """What is granted to one expert.

    Attributes:
        rho: Expected correlation, in [0, 1).
        unit: What the child's transformed values are multiplied by to be compared with the expert's.
        none: Probability that the expert says nothing about the child.
    """

    rho: float
    unit: float
    none: float


#: What is granted before the child has two observations.
UNTRIED = Agreement(float(PRIOR @ RHO), 1.0, float(PRIOR[0]))


def judge(X: Floats, t: Floats, expected: Floats, layout: Layout) -> list[Agreement]:
    """What the observations ``X`` (n, d) and ``t`` (n,) grant to the experts that expected ``expected`` (k, n)."""
    if len(t) < 2 or not t.any():
        return [UNTRIED] * len(expected)
    rows = representative(t, LIMIT)
    X, t, expected = X[rows], t[rows], expected[:, rows]
    parts = [_likelihoods(X, t, expected, layout, length) for length in LENGTHS]
    log_likelihood = np.stack([part[0] for part in parts], axis=1)  # (k, l, g)
    log_unit = np.stack([part[1] for part in parts], axis=1)
    weight = np.log(PRIOR) + log_likelihood
    weight = np.exp(weight - weight.max(axis=(1, 2), keepdims=True))
    weight /= weight.sum(axis=(1, 2), keepdims=True)
    return [
        Agreement(float((w.sum(axis=0) * RHO).sum()), float(np.exp((w * u).sum())), float(w[:, 0].sum()))
        for w, u in zip(weight, log_unit, strict=True)
    ]


def _likelihoods(
    X: Floats, t: Floats, expected: Floats, layout: Layout, length: float
) -> tuple[Floats, Floats]:
    """Log likelihoods and log v (k, g) of every expert and rho under one reference kernel."""
    C = Kernel(layout, default_prior(layout, length=length).mean).cross(X, X)
    values, vectors = np.linalg.eigh(C)
    spectra = (1.0 - RHO[:, None] ** 2) * np.maximum(values, 0.0) + NOISE  # (g, n), eigenvalues of S
    ones, turned = vectors.sum(axis=0), t @ vectors
    found = [_one(turned, ones, p @ vectors, spectra) for p in expected]
    return np.stack([one[0] for one in found]), np.stack([one[1] for one in found])


def _one(t: Floats, ones: Floats, p: Floats, spectra: Floats) -> tuple[Floats, Floats]:
    """Log likelihood and log v (g,) of one expert, everything in the eigenbasis of C."""
    n = len(t)

    def product(a: Floats, b: Floats) -> Floats:
        """a' Q b for every rho (g,)."""
        weighted = a / spectra
        constant = (weighted * ones).sum(axis=1) * ((b * ones) / spectra).sum(axis=1)
        return np.asarray((weighted * b).sum(axis=1) - constant / (ones * ones / spectra).sum(axis=1))

    A, B, P = product(t, t), RHO * product(p, t), RHO**2 * product(p, p)
    v = (B + np.sqrt(B * B + 4.0 * A * n)) / (2.0 * np.maximum(A, 1e-12))
    v = np.clip(v, *_UNITS)
    misfit = A * v * v - 2.0 * B * v + P
    return n * np.log(v) - 0.5 * misfit - 0.5 * np.log(spectra).sum(axis=1), np.log(v)
