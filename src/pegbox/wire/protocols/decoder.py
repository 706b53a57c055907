"""From the values of a parsed body to parameters: the part that the protocols share.

A protocol first turns bytes into a tree of dictionaries, lists and scalars, without knowing the model. The
decoder then walks that tree beside the model's shape and makes what handlers want::

    {"HyperParameterTuningJobName": "a", "CreationTimeAfter": datetime(..., tzinfo=UTC), ...}

structure, map -> dict · list -> list · string -> str · integer, long -> int · float, double -> float ·
boolean -> bool · timestamp -> aware datetime · blob -> bytes. A member that is absent or null is left out.

It answers what the tree *is*; whether the values are allowed is the question of :mod:`pegbox.wire.validation`.
A value of the wrong type is a problem; all of them are collected. A member that the model does not know is
remembered, so that validation can name it.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pegbox.errors import SerializationException
from pegbox.wire.model import Ref, Shape, float32
from pegbox.wire.protocols import timestamps

_INTEGER_BITS = {"integer": 32, "long": 64}
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_SHOWN_PROBLEMS = 20
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Unknown:
    """A member that the model does not have.

    Attributes:
        path: Of the structure, in AWS's notation; empty at the top.
        name: As it was sent.
        known: The members that the structure has.
    """

    path: str
    name: str
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decoded:
    """Parameters of a request.

    Attributes:
        params: By member name.
        unknown: Members that the model does not have.
    """

    params: dict[str, Any]
    unknown: tuple[Unknown, ...] = ()


def shown(text: str, longest: int = 120) -> str:
    """A client's text as a message quotes it: shortened, and without characters that could forge a line of a log."""
    short = text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"
    return short if short.isprintable() else _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], short)


def member_path(path: str, name: str) -> str:
    """The path of a member: AWS writes members with a small first letter."""
    small = name[:1].lower() + name[1:]
    return f"{path}.{small}" if path else small


def element_path(path: str, index: int) -> str:
    """The path of a list's element; ``index`` counts from 0, AWS counts from 1."""
    return f"{path}.{index + 1}.member"


@dataclass(slots=True)
class Decoder:
    """Walks a tree beside a shape. One per request.

    Attributes:
        problems: What had the wrong type, each naming its path; the first of them.
        problem_count: How many there were.
        unknown: Members that the model does not have.
    """

    problems: list[str] = field(default_factory=list)
    problem_count: int = 0
    unknown: list[Unknown] = field(default_factory=list)

    def decode(self, tree: Any, shape: Shape | None) -> Decoded:
        """Decode the whole input of an operation.

        Args:
            tree: The parsed body.
            shape: The operation's input; None for an operation without input.

        Raises:
            SerializationException: Some value has the wrong type; all of them are named.
        """
        if shape is None:
            return Decoded({})
        params = self.structure(tree, shape, "")
        if self.problems:
            shown = "; ".join(self.problems)
            more = self.problem_count - len(self.problems)
            raise SerializationException(shown + (f"; and {more} more" if more > 0 else ""))
        return Decoded(params, tuple(self.unknown))

    def value(self, tree: Any, ref: Ref, path: str) -> Any:
        """Decode any value."""
        shape = ref.shape
        if shape.type == "structure":
            return tree if shape.document else self.structure(tree, shape, path)
        if shape.type == "list":
            return self.list_(tree, ref, path)
        if shape.type == "map":
            return self.map_(tree, ref, path)
        if shape.type == "timestamp":
            return self.timestamp(tree, ref, path)
        return _SCALARS[shape.type](self, tree, shape, path)

    def structure(self, tree: Any, shape: Shape, path: str) -> dict[str, Any]:
        """Decode a structure; unknown members are remembered and left out."""
        if not isinstance(tree, Mapping):
            self.wrong(path, "a structure", tree)
            return {}
        decoded: dict[str, Any] = {}
        remaining = dict(tree)
        for name, ref in shape.members.items():
            found = remaining.pop(self.wire_name(name, ref), None)
            if found is not None:
                decoded[name] = self.value(found, ref, member_path(path, name))
        if remaining:
            known = tuple(shape.members)
            self.unknown += [
                Unknown(path, str(name), known) for name, found in remaining.items() if found is not None
            ]
        return decoded

    def wire_name(self, name: str, ref: Ref) -> str:
        """The key under which a member stands in the tree."""
        return ref.wire_name or name

    def list_(self, tree: Any, ref: Ref, path: str) -> list[Any]:
        """Decode a list."""
        if not isinstance(tree, list) or ref.shape.member is None:
            self.wrong(path, "a list", tree)
            return []
        element = ref.shape.member
        return [self._present(item, element, element_path(path, i)) for i, item in enumerate(tree)]

    def map_(self, tree: Any, ref: Ref, path: str) -> dict[str, Any]:
        """Decode a map; keys are strings."""
        if not isinstance(tree, Mapping) or ref.shape.key is None or ref.shape.value is None:
            self.wrong(path, "a map", tree)
            return {}
        key, value = ref.shape.key, ref.shape.value
        return {
            self.string(name, key.shape, f"{path}.key"): self._present(
                item, value, f"{path}.{shown(str(name))}.value"
            )
            for name, item in tree.items()
        }

    def timestamp(self, tree: Any, ref: Ref, path: str) -> datetime | None:
        """Decode a timestamp: a number of seconds since 1970, or ISO 8601 text."""
        try:
            if isinstance(tree, str):
                return timestamps.from_text(tree)
            if isinstance(tree, (int, float)) and not isinstance(tree, bool):
                return timestamps.from_epoch(tree)
        except (ValueError, OverflowError) as error:
            self.problem(f"'{path or 'input'}' is not a time: {error}")
            return None
        self.wrong(path, "a timestamp", tree)
        return None

    def string(self, tree: Any, shape: Shape, path: str) -> str:
        """Decode a string: well-formed Unicode without U+0000."""
        if not isinstance(tree, str):
            self.wrong(path, "a string", tree)
            return ""
        if not tree.isascii():
            try:
                tree.encode()
            except UnicodeEncodeError:
                self.problem(f"'{path or 'input'}' is not well-formed Unicode (lone surrogate)")
                return ""
        if "\0" in tree:
            # Neither a program's arguments nor its environment nor every database could carry it.
            self.problem(f"'{path or 'input'}' contains U+0000, which is not accepted")
            return ""
        return tree

    def integer(self, tree: Any, shape: Shape, path: str) -> int:
        """Decode an integer of 32 or 64 bits; a float with an integral value is one."""
        if isinstance(tree, float) and tree.is_integer():
            tree = int(tree)
        if not isinstance(tree, int) or isinstance(tree, bool):
            self.wrong(path, "an integer", tree)
            return 0
        bits = _INTEGER_BITS[shape.type]
        if not -(2 ** (bits - 1)) <= tree < 2 ** (bits - 1):
            self.problem(f"'{path or 'input'}' is outside the range of a {bits}-bit integer")
            return 0
        return tree

    def number(self, tree: Any, shape: Shape, path: str) -> float:
        """Decode a float or double; the texts NaN, Infinity and -Infinity are numbers."""
        if isinstance(tree, str) and tree in _NON_FINITE:
            return _NON_FINITE[tree]
        if not isinstance(tree, (int, float)) or isinstance(tree, bool):
            self.wrong(path, "a number", tree)
            return 0.0
        try:
            number = float(tree)
        except OverflowError:
            number = math.inf
        finite = math.isfinite(float32(number) if shape.type == "float" else number)
        if not finite and not (isinstance(tree, float) and not math.isfinite(tree)):
            bits = 32 if shape.type == "float" else 64
            self.problem(f"'{path or 'input'}' is outside the range of a {bits}-bit number")
            return 0.0
        return number

    def boolean(self, tree: Any, shape: Shape, path: str) -> bool:
        """Decode true or false."""
        if not isinstance(tree, bool):
            self.wrong(path, "true or false", tree)
            return False
        return tree

    def blob(self, tree: Any, shape: Shape, path: str) -> bytes:
        """Decode bytes, written in base64."""
        if not isinstance(tree, str):
            self.wrong(path, "base64 text", tree)
            return b""
        try:
            return base64.b64decode(tree, validate=True)
        except (binascii.Error, ValueError):
            self.problem(f"'{path or 'input'}' is not base64")
            return b""

    def wrong(self, path: str, wanted: str, tree: Any) -> None:
        """Note a value of the wrong type. The value itself is not shown: it may be long or secret."""
        self.problem(f"'{path or 'input'}' must be {wanted}, not {_kind(tree)}")

    def problem(self, text: str) -> None:
        """Note a problem; those beyond what a message shows are only counted."""
        self.problem_count += 1
        if self.problem_count <= _SHOWN_PROBLEMS:
            self.problems.append(text)

    def _present(self, item: Any, ref: Ref, path: str) -> Any:
        if item is None:
            self.wrong(path, "a value", None)
            return None
        return self.value(item, ref, path)


_SCALARS: dict[str, Callable[[Decoder, Any, Shape, str], Any]] = {
    "string": lambda decoder, tree, shape, path: decoder.string(tree, shape, path),
    "character": lambda decoder, tree, shape, path: decoder.string(tree, shape, path),
    "integer": lambda decoder, tree, shape, path: decoder.integer(tree, shape, path),
    "long": lambda decoder, tree, shape, path: decoder.integer(tree, shape, path),
    "float": lambda decoder, tree, shape, path: decoder.number(tree, shape, path),
    "double": lambda decoder, tree, shape, path: decoder.number(tree, shape, path),
    "boolean": lambda decoder, tree, shape, path: decoder.boolean(tree, shape, path),
    "blob": lambda decoder, tree, shape, path: decoder.blob(tree, shape, path),
}


def _kind(tree: Any) -> str:
    if tree is None:
        return "null"
    if isinstance(tree, bool):
        return "true or false"
    kinds = (
        (str, "text"),
        ((int, float), "a number"),
        (list, "a list"),
        (Mapping, "an object"),
        (bytes, "bytes"),
    )
    return next((kind for types, kind in kinds if isinstance(tree, types)), type(tree).__name__)
