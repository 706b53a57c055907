"""Hyperparameters of a built-in algorithm as a table: name, kind, default, what is accepted; and their reading."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pegbox.algorithms.errors import CustomerError

#: Marks a hyperparameter that has no default.
REQUIRED = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One hyperparameter."""

    name: str
    #: ``integer``, ``float``, ``boolean``, ``choice``, ``text`` or ``list``.
    kind: str
    default: Any = None
    low: float | None = None
    high: float | None = None
    #: Whether the bounds themselves are excluded.
    open_low: bool = False
    open_high: bool = False
    choices: tuple[str, ...] = ()
    #: Whether the text ``auto`` is accepted; it is then the value ``"auto"``.
    auto: bool = False
    #: Why a value has no effect here; logged when one is given.
    without_effect: str = ""

    def read(self, text: str) -> Any:
        """Return the value of a text.

        Raises:
            ValueError: It is not accepted; the message says what is.
        """
        text = text.strip()
        if self.auto and text == "auto":
            return text
        try:
            value = _READERS[self.kind](text, self)
        except ValueError:
            raise ValueError(self.accepted) from None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not self._inside(value):
            raise ValueError(self.accepted)
        return value

    def _inside(self, value: float) -> bool:
        if math.isnan(value):
            return False
        above = self.low is None or (value > self.low if self.open_low else value >= self.low)
        below = self.high is None or (value < self.high if self.open_high else value <= self.high)
        return above and below

    @property
    def accepted(self) -> str:
        """What is accepted, in words."""
        if self.choices:
            words = ("a list of " if self.kind == "list" else "one of ") + ", ".join(self.choices)
        elif self.kind == "boolean":
            words = "True or False"
        elif self.kind in ("integer", "float"):
            words = ("an integer" if self.kind == "integer" else "a number") + self._bounds()
        else:
            words = "a JSON list of texts" if self.kind == "list" else "a text"
        return words + (" or auto" if self.auto and "auto" not in self.choices else "")

    def _bounds(self) -> str:
        low, high = ("" if bound is None else f"{bound:g}" for bound in (self.low, self.high))
        if low and high:
            return f" in {'(' if self.open_low else '['}{low}, {high}{')' if self.open_high else ']'}"
        if low:
            return f" {'above' if self.open_low else 'of at least'} {low}"
        return f" {'below' if self.open_high else 'of at most'} {high}" if high else ""


def integer(
    name: str, default: Any = None, low: float | None = None, high: float | None = None, **more: Any
) -> Spec:
    """Describe a hyperparameter that is an integer."""
    return Spec(name=name, kind="integer", default=default, low=low, high=high, **more)


def number(
    name: str, default: Any = None, low: float | None = None, high: float | None = None, **more: Any
) -> Spec:
    """Describe a hyperparameter that is a number."""
    return Spec(name=name, kind="float", default=default, low=low, high=high, **more)


def boolean(name: str, default: Any = None, **more: Any) -> Spec:
    """Describe a hyperparameter that is true or false."""
    return Spec(name=name, kind="boolean", default=default, **more)


def choice(name: str, default: Any, *choices: str, **more: Any) -> Spec:
    """Describe a hyperparameter that is one of several words."""
    return Spec(name=name, kind="choice", default=default, choices=choices, **more)


def text(name: str, default: Any = None, **more: Any) -> Spec:
    """Describe a hyperparameter that is any text."""
    return Spec(name=name, kind="text", default=default, **more)


def words(name: str, default: Any, *choices: str) -> Spec:
    """Describe a hyperparameter that is a list of words, as JSON or with commas between them."""
    return Spec(name=name, kind="list", default=default, choices=choices)


#: What every algorithm of AWS takes.
SHARED = (
    text("_log_level", "info", without_effect="the log has one level"),
    text("_kvstore", without_effect="one machine has no key-value store"),
    text("_num_kv_servers", without_effect="one machine has no key-value store"),
    text("_num_gpus", without_effect="built-in algorithms compute on the CPU"),
)
#: Where these have no effect, they would have changed the use of memory, not the model; SDKs send them unasked.
_UNTOLD = ("mini_batch_size", "force_dense")
#: Added by the service.
OBJECTIVE = "_tuning_objective_metric"


def read_all(
    specs: Sequence[Spec],
    texts: Mapping[str, str],
    warn: Callable[[str], None],
    aliases: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the values of all hyperparameters, defaults included.

    Args:
        specs: The algorithm's table.
        texts: What was given.
        warn: Is told of values that have no effect.
        aliases: Other name -> name.

    Raises:
        CustomerError: With everything wrong: unknown names, missing ones, values that are not accepted.
    """
    table = {spec.name: spec for spec in (*specs, *SHARED)}
    values: dict[str, Any] = {}
    problems = []
    for given, raw in sorted(texts.items()):
        name = (aliases or {}).get(given, given)
        if name == OBJECTIVE or name.startswith("sagemaker_"):
            continue
        if name not in table:
            known = ", ".join(sorted(name for name in table if not name.startswith("_")))
            problems.append(
                f"hyperparameter {given!r} is not known to this algorithm; remove it (known: {known})"
            )
            continue
        spec = table[name]
        try:
            values[name] = spec.read(_unquoted(str(raw)))
        except ValueError as accepted:
            problems.append(f"hyperparameter {given}={raw!r} is not accepted; give {accepted}")
            continue
        if spec.without_effect and values[name] != spec.default and name not in _UNTOLD:
            warn(f"hyperparameter {given}={raw} has no effect here: {spec.without_effect}")
    for spec in table.values():
        if spec.default is REQUIRED and spec.name not in values and not _mentioned(spec.name, problems):
            problems.append(f"hyperparameter {spec.name} is missing; give {spec.accepted}")
        values.setdefault(spec.name, spec.default)
    if problems:
        raise CustomerError("; ".join(problems))
    return values


def _mentioned(name: str, problems: list[str]) -> bool:
    return any(problem.startswith(f"hyperparameter {name}=") for problem in problems)


def _unquoted(raw: str) -> str:
    """The text without JSON quotes that a framework's SDK may have put around it."""
    while len(raw) >= 2 and raw[0] == raw[-1] == '"':
        try:
            inner = json.loads(raw)
        except ValueError:
            return raw
        if not isinstance(inner, str):
            return raw
        raw = inner
    return raw


def _integer(raw: str, spec: Spec) -> int:
    try:
        return int(raw)
    except ValueError:
        value = float(raw)
        if value != int(value) if math.isfinite(value) else True:
            raise ValueError(raw) from None
        return int(value)


def _boolean(raw: str, spec: Spec) -> bool:
    found = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(raw.lower())
    if found is None:
        raise ValueError(raw)
    return found


def _choice(raw: str, spec: Spec) -> str:
    if raw not in spec.choices:
        raise ValueError(raw)
    return raw


def _list(raw: str, spec: Spec) -> list[str]:
    if raw.startswith("["):
        found = json.loads(raw.replace("'", '"'))
    else:
        found = [item.strip() for item in raw.split(",") if item.strip()]
    if not all(isinstance(item, str) for item in found) or (spec.choices and not {*found} <= {*spec.choices}):
        raise ValueError(raw)
    return list(found)


_READERS: dict[str, Callable[[str, Spec], Any]] = {
    "integer": _integer,
    "float": lambda raw, spec: float(raw),
    "boolean": _boolean,
    "choice": _choice,
    "text": lambda raw, spec: raw,
    "list": _list,
}
