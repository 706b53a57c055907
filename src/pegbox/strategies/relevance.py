"""Which hyperparameters have no effect beside which choice.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
Z           encoded points                                                              (m, d)
idle        which entries of Z have no effect, by a choice of the same row              (m, d)
==========  ==========================================================================  ==========

``degree`` does nothing unless the kernel is polynomial, ``rate_drop`` nothing unless the booster is ``dart``. A model that
does not know this sees two points where the program sees one, and a search spends trials on the difference. So a model is
shown the same code in every idle entry, and a candidate that differs from a tried point in idle entries only is passed
over. The values themselves stay as they were drawn, and whether to avoid an exact repeat is judged by them: a program
that uses a familiar name in its own way is still searched, if more slowly.

Each rule names the choices *beside which a hyperparameter is ignored*, so an unknown choice leaves it in force. Where all
choices of a job would ignore what it tunes, it must mean something else, and the rule is left out. The rules
are those of the documentation of XGBoost ("XGBoost Parameters"), LightGBM ("Parameters") and scikit-learn (``SVC``,
``SVR``, ``SGDClassifier``, ``LogisticRegression``, ``MLPClassifier``, ``KNeighborsClassifier``) and of the optimizers of PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pegbox.space import CategoricalRange, Encoding
from pegbox.strategies.evidence import Evidence
from pegbox.strategies.experience import Experience
from pegbox.strategies.names import owner_and_name, plain

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Names of a choice, its values beside which others are ignored, and the names of those.
RULES: tuple[tuple[str, str, str], ...] = (
    ("booster boosting boosting_type", "gbtree gblinear gbdt goss rf",
     "rate_drop skip_drop one_drop sample_type normalize_type drop_rate max_drop uniform_drop"),
    ("booster", "gblinear",
     "max_depth max_leaves grow_policy min_child_weight gamma min_split_loss max_delta_step subsample sampling_method "
     "colsample_bytree colsample_bylevel colsample_bynode tree_method max_bin"),
    ("booster", "gbtree dart", "feature_selector top_k"),
    ("boosting boosting_type", "gbdt dart rf", "top_rate other_rate"),
    ("kernel", "linear", "gamma"),
    ("kernel", "linear rbf sigmoid", "degree"),
    ("kernel", "linear rbf", "coef0"),
    ("penalty", "l1 l2 none", "l1_ratio"),
    ("learning_rate lr_schedule learning_rate_schedule", "constant optimal adaptive", "power_t"),
    ("learning_rate lr_schedule learning_rate_schedule", "optimal", "eta0"),
    ("loss", "hinge log_loss modified_huber squared_hinge perceptron squared_error", "epsilon"),
    ("solver optimizer", "adam adamw adamax nadam adagrad lbfgs", "momentum nesterov nesterovs_momentum"),
    ("solver optimizer", "sgd lbfgs rmsprop adagrad", "beta_1 beta_2 beta1 beta2"),
    ("metric", "euclidean manhattan chebyshev cosine", "p"),
)  # fmt: skip

_RULES = tuple(
    (frozenset(map(plain, names.split())), frozenset(values.split()), frozenset(map(plain, ignored.split())))
    for names, values, ignored in RULES
)


@dataclass(frozen=True)
class Relevance:
    """The rules that hold in one space; build it with :func:`relevance_in`.

    Attributes:
        ignored: For each column of a choice, which columns are idle beside which of its levels (levels + 1, d); the last
            row, of levels that only a parent's space has, ignores nothing.
        codes: What a model sees in idle columns (d,).
    """

    ignored: Mapping[int, Bools]
    codes: Floats

    def idle(self, Z: Floats) -> Bools:
        """Which entries of ``Z`` have no effect (m, d or more); columns beyond the space's own always count."""
        out = np.zeros(Z.shape, dtype=bool)
        own = out[:, : len(self.codes)]
        for choice, table in self.ignored.items():
            own |= table[np.minimum(Z[:, choice].astype(np.intp), len(table) - 1)]
        return out

    def canonical(self, Z: Floats) -> Floats:
        """``Z`` (m, d or more) with the same code in every idle entry of a column; ``Z`` itself without rules."""
        if not self.ignored:
            return Z
        out, d = Z.copy(), len(self.codes)
        out[:, :d] = np.where(self.idle(Z)[:, :d], self.codes, Z[:, :d])
        return out

    def of(self, evidence: Evidence) -> Evidence:
        """The evidence as a model should see it."""
        if not self.ignored:
            return evidence
        X, F, P = (self.canonical(Z) for Z in (evidence.X, evidence.F, evidence.P))
        return replace(evidence, X=X, F=F, P=P)


#: Nothing is known to be idle.
EVERYTHING = Relevance({}, np.zeros(0))


def relevance_in(encoding: Encoding, experience: Experience | None = None) -> Relevance:
    """The rules that hold in a space; idle entries show the usual code where ``experience`` knows one."""
    d = encoding.dimension
    ignored: dict[int, Bools] = {}
    for choice, levels, column in _applicable(encoding):
        table = ignored.setdefault(choice, np.zeros((len(levels) + 1, d), dtype=bool))
        table[:-1, column] |= levels
    codes = np.where(encoding.categorical, 0.0, 0.5)
    if experience is not None:
        codes = np.where(experience.known, experience.centre, codes)
    return Relevance(ignored, codes) if ignored else EVERYTHING


def _applicable(encoding: Encoding) -> Iterator[tuple[int, Bools, int]]:
    """Column of a choice, which of its levels ignore another column of the same owner, and that column."""
    parts = [owner_and_name(range_.name) for range_ in encoding.parameters]
    names = [(owner, plain(name)) for owner, name in parts]
    for which, without, affected in _RULES:
        for choice, range_ in enumerate(encoding.parameters):
            owner, name = names[choice]
            if not isinstance(range_, CategoricalRange) or name not in which:
                continue
            ignored = np.array([value.lower() in without for value in range_.choices])
            if ignored.any() and not ignored.all():
                same = [j for j, other in enumerate(names) if other[0] == owner and other[1] in affected]
                yield from ((choice, ignored, j) for j in same if j != choice)
