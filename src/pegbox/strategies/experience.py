"""What people have learnt about the usual hyperparameters, by name.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
Z           encoded candidates                                                          (m, d)
centre      code of the value that is usually best; NaN where the name says nothing     (d,)
width       deviation of the best value's code around it                                (d,)
choices     for categorical columns, how much less each choice is believed (<= 0)       (levels,)
==========  ==========================================================================  ==========

    log pi(z) = -1/2 sum over known numeric columns ((z_j - centre_j) / width_j)^2 + sum over known choices

A learning rate near 0.03 is a better first guess than the middle of its range, whatever the program, and a careful user
would start there. So a known name moves the first trials towards its usual values, and weighs the model's first
suggestions with log pi, by a weight that fades as results come in (Hvarfner et al., "piBO", 2022, eq. 6): what the job
itself measures soon counts for more.

The table rounds the defaults and recommendations of the libraries that use these names (scikit-learn, XGBoost, LightGBM,
PyTorch, rpart), of Bengio, "Practical recommendations for gradient-based training of deep architectures" (2012), and of
Probst et al., "Tunability: importance of hyperparameters of machine learning algorithms" (2019), with spreads wide enough
to hold them all. Left out are names that mean different things in different programs (``alpha``, ``gamma``, ``k``,
``depth``, ``C``), and in one job a name whose usual value lies outside its range: who chose that range knows better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from pegbox.space import CategoricalRange, ContinuousRange, Encoding, IntegerRange, Scaling
from pegbox.strategies.names import owner_and_name, plain

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: No belief is narrower than this share of its range (the table is general, the range is the user's), or wider than this
#: many ranges, which says nothing.
_NARROWEST, _WIDEST = 0.12, 10.0
#: Quantiles stay this far from 0 and 1, which have none.
_EDGE = 1e-12


@dataclass(frozen=True)
class Usual:
    """Where the best value of a hyperparameter usually lies.

    Attributes:
        value: The middle.
        spread: Deviation to either side: a factor with ``by_factor``, else a distance.
        by_factor: What the spread is.
    """

    value: float
    spread: float
    by_factor: bool = True

    @property
    def ends(self) -> tuple[float, float]:
        """The values one spread below and above."""
        if self.by_factor:
            return self.value / self.spread, self.value * self.spread
        return self.value - self.spread, self.value + self.spread


#: Names that mean the same, and what is usual for them.
NUMBERS: tuple[tuple[str, Usual], ...] = (
    ("learning_rate lr eta eta0 step_size learning_rate_init", Usual(0.03, 6.0)),
    ("momentum", Usual(0.9, 0.2, by_factor=False)),
    ("weight_decay wd", Usual(1e-4, 30.0)),
    ("dropout dropout_rate dropout_prob max_dropout hidden_dropout", Usual(0.15, 0.2, by_factor=False)),
    ("batch_size mini_batch_size", Usual(64, 3.0)),
    ("num_layers n_layers layers hidden_layers", Usual(3, 1.5, by_factor=False)),
    ("units num_units max_units hidden_units n_units neurons hidden hidden_size hidden_dim", Usual(512, 3.0)),
    ("epochs num_epochs n_epochs max_epochs", Usual(50, 5.0)),
    ("n_estimators nrounds num_round num_rounds num_boost_round num_iterations num_trees", Usual(300, 4.0)),
    ("max_depth", Usual(8, 2.0)),
    ("min_child_weight min_child_samples min_data_in_leaf minbucket min_samples_leaf", Usual(5, 4.0)),
    ("minsplit min_samples_split", Usual(15, 3.0)),
    ("num_leaves", Usual(16, 3.0)),
    ("max_bin max_bins", Usual(255, 3.0)),
    ("subsample bagging_fraction", Usual(0.8, 0.2, by_factor=False)),
    ("colsample colsample_bytree colsample_bylevel colsample_bynode feature_fraction", Usual(0.7, 0.25, by_factor=False)),
    ("lambda reg_lambda lambda_l2 l2", Usual(0.5, 50.0)),
    ("reg_alpha lambda_l1 l1", Usual(0.05, 100.0)),
    ("rate_drop", Usual(0.1, 0.2, by_factor=False)),
    ("cp", Usual(0.002, 6.0)),
    ("n_neighbors", Usual(7, 3.0)),
)  # fmt: skip

#: For each choice, the logarithm of how much less it is believed than the best of its kind.
_CHOICES: tuple[Mapping[str, float], ...] = (
    {"gbtree": 0.0, "dart": -0.2, "gblinear": -2.0},
    {"relu": 0.0, "gelu": 0.0, "tanh": -0.7, "sigmoid": -1.5, "logistic": -1.5},
)


_BY_NAME = {plain(name): usual for names, usual in NUMBERS for name in names.split()}


def usual(name: str) -> Usual | None:
    """What is known of a hyperparameter's name, whatever its case, its separators, its prefix and its number.

    ``max_depth``, ``maxDepth``, ``model__max_depth`` and ``dropout_2`` are known; ``x1`` is not.
    """
    _, last = owner_and_name(name)
    for form in (name, last, last.rstrip("0123456789_")):
        found = _BY_NAME.get(plain(form))
        if found is not None:
            return found
    return None


@dataclass(frozen=True)
class Experience:
    """What the names of one space say; build it with :func:`experience_with`."""

    centre: Floats
    width: Floats
    choices: Mapping[int, Floats]

    @property
    def known(self) -> Bools:
        """(d,) which numeric columns have a usual value."""
        return ~np.isnan(self.centre)

    def log_density(self, Z: Floats) -> tuple[Floats, Floats]:
        """log pi (m,) at candidates ``Z`` (m, d), and its gradient (m, d); 0 at the usual values."""
        known = self.known
        scaled = np.where(known, (Z - np.where(known, self.centre, 0.0)) / self.width, 0.0)
        value = -0.5 * (scaled * scaled).sum(axis=1)
        for column, preference in self.choices.items():
            value = value + preference[Z[:, column].astype(np.intp)]
        return value, -scaled / self.width

    def shape(self, U: Floats, encoding: Encoding) -> Floats:
        """A design of the unit cube (n, d), in every other row with known columns at the belief's quantiles, first at its top.

        The rows between keep the whole range in sight.
        """
        out = U.copy()
        for j in np.nonzero(self.known)[0].tolist():
            normal = NormalDist(float(self.centre[j]), float(self.width[j]))
            low, high = max(normal.cdf(0.0), _EDGE), min(normal.cdf(1.0), 1.0 - _EDGE)
            out[::2, j] = [normal.inv_cdf(low + u * (high - low)) for u in U[::2, j].tolist()]
            out[0, j] = self.centre[j]
        for j, preference in self.choices.items():
            out[0, j] = (int(np.argmax(preference)) + 0.5) / encoding.levels[j]
        return np.clip(out, 0.0, 1.0)


def experience_with(encoding: Encoding) -> Experience | None:
    """What is known of a space's hyperparameters by their names; None where nothing is."""
    centre, width = np.full(encoding.dimension, np.nan), np.ones(encoding.dimension)
    choices: dict[int, Floats] = {}
    for j, range_ in enumerate(encoding.parameters):
        if isinstance(range_, CategoricalRange):
            for table in _CHOICES:
                if len(set(range_.choices) & set(table)) > 1:
                    least = min(table.values())
                    choices[j] = np.array([table.get(choice, 0.5 * least) for choice in range_.choices])
            continue
        found = usual(range_.name)
        if found is None or not range_.low <= found.value <= range_.high or range_.low == range_.high:
            continue
        low, high = (_position(end, range_) for end in found.ends)
        centre[j] = _position(found.value, range_)
        width[j] = min(max(0.5 * (high - low), _NARROWEST), _WIDEST)
    if not choices and np.isnan(centre).all():
        return None
    return Experience(centre, width, choices)


def _position(x: float, range_: ContinuousRange | IntegerRange) -> float:
    """Where a value lies on a range's scale: 0 at its lower bound and 1 at its upper one, beyond them outside."""

    def scaled(value: float) -> float:
        if range_.scale is Scaling.LOGARITHMIC:
            return math.log(max(value, 1e-300))
        if range_.scale is Scaling.REVERSE_LOGARITHMIC:
            return -math.log1p(-min(value, 1.0 - 1e-9))
        return 0.5 * value

    start, end = scaled(range_.low), scaled(range_.high)
    return (scaled(x) - start) / (end - start) if end > start else 0.5
