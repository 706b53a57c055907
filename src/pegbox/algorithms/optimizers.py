"""Steps of stochastic gradient descent for arrays of parameters: plain with momentum, RMSProp and Adam.

Adam: Kingma and Ba, ICLR 2015. RMSProp: Tieleman and Hinton, lecture 6.5 of "Neural networks for machine learning", 2012.
"""

from __future__ import annotations

import numpy as np

_RMSPROP_DECAY = 0.9
_SMALL = 1e-8


class Optimizer:
    """Updates parameters in place.

    Args:
        kind: ``sgd``, ``rmsprop`` or ``adam``.
        momentum: Share of the last step that is kept, for ``sgd``.
        beta_1: Decay of the first moment, for ``adam``.
        beta_2: Decay of the second moment, for ``adam``.
        small: Added where it is divided.
    """

    def __init__(
        self,
        kind: str,
        momentum: float = 0.0,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        small: float = _SMALL,
    ) -> None:
        self.kind = kind
        self._momentum = momentum
        self._betas = (beta_1, beta_2)
        self._small = small
        self._first: dict[str, np.ndarray] = {}
        self._second: dict[str, np.ndarray] = {}
        self._steps: dict[str, int] = {}

    def step(self, name: str, value: np.ndarray, gradient: np.ndarray, rate: float | np.ndarray) -> None:
        """Move a parameter against its gradient.

        Args:
            name: The parameter, whose earlier steps are remembered.
            value: Its value, changed in place.
            gradient: Of the same shape.
            rate: Learning rate, or rates that broadcast to the shape.
        """
        if name not in self._first:
            self._first[name], self._second[name] = np.zeros_like(value), np.zeros_like(value)
        first, second = self._first[name], self._second[name]
        count = self._steps[name] = self._steps.get(name, 0) + 1
        if self.kind == "sgd":
            first *= self._momentum
            first -= rate * gradient
            value += first
        elif self.kind == "rmsprop":
            second *= _RMSPROP_DECAY
            second += (1.0 - _RMSPROP_DECAY) * gradient**2
            value -= rate * gradient / (np.sqrt(second) + self._small)
        else:
            beta_1, beta_2 = self._betas
            first *= beta_1
            first += (1.0 - beta_1) * gradient
            second *= beta_2
            second += (1.0 - beta_2) * gradient**2
            fair = first / (1.0 - beta_1**count)
            value -= rate * fair / (np.sqrt(second / (1.0 - beta_2**count)) + self._small)
