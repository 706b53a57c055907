"""Is a request allowed? Every constraint of the service model, all problems at once, in AWS's words.

::

    2 validation errors detected: Value 'Best' at 'hyperParameterTuningJobConfig.strategy' failed to satisfy
    constraint: Member must satisfy enum value set: [Bayesian, Random, Hyperband, Grid]; Value null at
    'hyperParameterTuningJobName' failed to satisfy constraint: Member must not be null

Checked are required members, enumerations, patterns (the whole text), lengths of strings, sizes of lists and maps,
ranges of numbers, and unions, at every depth. Numbers are finite: NaN and the infinities are refused wherever they stand.

A member that the model does not have is an error in both modes. AWS passes over it; but no client made from the
model sends one, so it is a misspelt name or a newer option, and a request must not run as if it had not been said.

Values are shown shortened; those that the model marks as sensitive and those of environments are not shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.errors import ValidationException
from pegbox.wire import patterns
from pegbox.wire.model import Ref, Shape
from pegbox.wire.protocols.decoder import Decoded, Unknown, element_path, member_path, shown

#: Most problems spelt out in one message; the rest is counted.
SHOWN_PROBLEMS = 30

_SHOWN_ENUM_VALUES = 400


def validate(decoded: Decoded, shape: Shape | None) -> None:
    """Check the parameters of a request.

    Args:
        decoded: What a protocol made of the body.
        shape: The operation's input, or None.

    Raises:
        ValidationException: Some constraint is broken; all are named.
    """
    problems = _Problems()
    if shape is not None:
        _structure(problems, decoded.params, shape, "")
    for unknown in decoded.unknown[:SHOWN_PROBLEMS]:
        problems.add(_unknown(unknown))
    problems.count += max(0, len(decoded.unknown) - SHOWN_PROBLEMS)
    if problems.count:
        raise ValidationException(message_for(problems.texts, problems.count))


def problems_of(params: Mapping[str, Any], shape: Shape, path: str = "") -> list[str]:
    """Every broken constraint below a structure.

    Args:
        params: Members by name, of the types that the decoder gives.
        shape: The structure.
        path: Where it stands, in AWS's notation; empty at the top.

    Returns:
        One sentence without its end for each of the first :data:`SHOWN_PROBLEMS`, in the model's order.
    """
    problems = _Problems()
    _structure(problems, params, shape, path)
    return problems.texts


def message_for(problems: Sequence[str], count: int | None = None) -> str:
    """Join problems the way AWS does.

    Args:
        problems: Texts; beyond :data:`SHOWN_PROBLEMS` they are only counted.
        count: How many there are, if more than are given.
    """
    total = len(problems) if count is None else count
    texts = list(problems[:SHOWN_PROBLEMS])
    if total > len(texts):
        texts.append(f"and {total - len(texts)} more")
    return f"{total} validation error{'s' if total > 1 else ''} detected: {'; '.join(texts)}"


def constraint(value: Any, path: str, broken: str, *, hidden: bool = False) -> str:
    """One problem in AWS's words, for rules that no shape states.

    Args:
        value: What was sent; None is shown as null.
        path: Where, in AWS's notation: ``hyperParameterTuningJobConfig.strategy``.
        broken: What it failed, for example ``Member must not be null``.
        hidden: Whether the value must not be shown.
    """
    what = "Value" if hidden else "Value null" if value is None else f"Value '{shown(str(value))}'"
    return f"{what} at '{path}' failed to satisfy constraint: {broken}"


def missing_members(result: Mapping[str, Any], shape: Shape) -> list[str]:
    """Required members that an answer lacks, at every depth: a check for tests of what is sent to clients.

    Args:
        result: What a handler returned.
        shape: The operation's output.

    Returns:
        Paths in AWS's notation.
    """
    found: list[str] = []
    _missing(found, result, Ref(shape, {}), "")
    return found


class _Problems:
    """Collects texts up to what a message shows, and counts the rest."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.count = 0

    def add(self, text: str) -> None:
        self.count += 1
        if len(self.texts) < SHOWN_PROBLEMS:
            self.texts.append(text)


def _structure(problems: _Problems, params: Mapping[str, Any], shape: Shape, path: str) -> None:
    for name, ref in shape.members.items():
        value = params.get(name)
        if value is not None:
            _value(problems, value, ref.shape, member_path(path, name))
        elif name in shape.required:
            problems.add(constraint(None, member_path(path, name), "Member must not be null"))
    if shape.union and len(params) != 1:
        members = ", ".join(shape.members)
        problems.add(constraint("", path, f"Exactly one of [{members}] must be set", hidden=True))


def _value(problems: _Problems, value: Any, shape: Shape, path: str, hidden: bool = False) -> None:
    hidden = hidden or shape.sensitive
    if shape.type == "structure":
        if not shape.document:
            _structure(problems, value, shape, path)
        return
    for broken in _broken(value, shape):
        # A list or map is named by its path: all its values would be a message nobody reads.
        container = shape.type in ("list", "map")
        problems.add(constraint(value, path, broken, hidden=hidden or container))
    if shape.type == "list" and shape.member is not None:
        # A list that is too long is refused as it is; its surplus elements would only cost time.
        checked = value if shape.maximum is None else value[: int(shape.maximum)]
        for i, item in enumerate(checked):
            _value(problems, item, shape.member.shape, element_path(path, i), hidden)
    elif shape.type == "map":
        _map(problems, value, shape, path, hidden)


def _map(problems: _Problems, value: Mapping[str, Any], shape: Shape, path: str, hidden: bool) -> None:
    if shape.key is None or shape.value is None:
        return
    secret = hidden or shape.value.shape.name.endswith("EnvironmentValue")
    for key, item in value.items():
        broken = _broken(key, shape.key.shape)
        if broken:
            rule = f"Map keys must satisfy constraint: [{', '.join(broken)}]"
            problems.add(constraint(key, path, rule, hidden=hidden))
        if shape.value.shape.type in ("structure", "list", "map"):
            _value(problems, item, shape.value.shape, f"{path}.{key}.member", secret)
            continue
        broken = _broken(item, shape.value.shape)
        if broken:
            rule = f"Map value must satisfy constraint: [{', '.join(broken)}]"
            problems.add(constraint(item, f"{path}.{shown(str(key))}", rule, hidden=secret))


def _broken(value: Any, shape: Shape) -> list[str]:
    """The constraints that a value breaks by itself, not by what it contains."""
    broken: list[str] = []
    kind = shape.type
    if kind == "string":
        if shape.enum and value not in shape.enum:
            broken.append(f"Member must satisfy enum value set: [{_enum(shape.enum)}]")
        broken += _outside(len(value), shape, "length")
        # The pattern of a text that is too long anyway would only cost time.
        too_long = shape.maximum is not None and len(value) > shape.maximum
        if shape.pattern is not None and not too_long and not patterns.matches(shape.pattern, value):
            broken.append(f"Member must satisfy regular expression pattern: {shape.pattern}")
    elif kind in ("list", "map", "blob"):
        broken += _outside(len(value), shape, "length")
    elif kind in ("integer", "long", "float", "double"):
        if isinstance(value, float) and not math.isfinite(value):
            return ["Member must be a finite number"]
        broken += _outside(value, shape, "value")
    return broken


def _outside(measure: float, shape: Shape, what: str) -> list[str]:
    low, high = shape.minimum, shape.maximum
    if high is not None and not measure <= high:
        return [f"Member must have {what} less than or equal to {high}"]
    if low is not None and not measure >= low:
        return [f"Member must have {what} greater than or equal to {low}"]
    return []


def _unknown(unknown: Unknown) -> str:
    where = f"'{unknown.path}'" if unknown.path else "the request"
    name = shown(unknown.name)
    # A rare error should not cost every start its import.
    import difflib

    near = difflib.get_close_matches(unknown.name[:100], unknown.known, n=1)
    if near:
        hint = f"did you mean '{near[0]}'?"
    else:
        hint = f"it may have: {_enum(unknown.known)}" if unknown.known else "it has no members"
    return f"Unknown member '{name}' at {where}: {hint}"


def _missing(found: list[str], value: Any, ref: Ref, path: str) -> None:
    shape = ref.shape
    if shape.type == "structure" and isinstance(value, Mapping):
        found += [member_path(path, name) for name in shape.required if value.get(name) is None]
        for name, member in shape.members.items():
            if value.get(name) is not None:
                _missing(found, value[name], member, member_path(path, name))
    elif shape.type == "list" and shape.member is not None:
        for i, item in enumerate(value):
            _missing(found, item, shape.member, element_path(path, i))
    elif shape.type == "map" and shape.value is not None:
        for key, item in value.items():
            _missing(found, item, shape.value, f"{path}.{key}")


def _enum(values: Sequence[str]) -> str:
    text = ", ".join(values)
    return (
        text if len(text) <= _SHOWN_ENUM_VALUES else f"{text[:_SHOWN_ENUM_VALUES]}... ({len(values)} in all)"
    )
