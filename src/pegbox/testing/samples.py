"""Values made from a service model: what a valid client could send, and what a handler could answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any, Final

from pegbox.wire.model import Ref, Shape, float32
from pegbox.wire.validation import problems_of

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_ANY: Final = _LETTERS + " -_.:/=+@#&<>\"'%?,;éßЖ中文🙂"

#: One text for each pattern of the model that random letters would not meet.
_KNOWN_FORMS: Final = (
    "/",
    "/division/",
    "s3://bucket/key/with space",
    "arn:aws:iam::123456789012:role/service-role/Pegbox",
    "arn:aws:lambda:us-east-1:123456789012:function:f",
    "arn:aws:sagemaker:us-east-1:123456789012:automl-job/a",
    "arn:aws:sagemaker:us-east-1:123456789012:hyper-parameter-tuning-job/a",
    "arn:aws:sagemaker:us-east-1:123456789012:labeling-job/a",
    "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/a",
    "arn:aws:sagemaker:us-east-1:123456789012:model-package/a",
    "arn:aws:sagemaker:us-east-1:123456789012:model-package-group/a",
    "arn:aws:sagemaker:us-east-1:123456789012:processing-job/a",
    "arn:aws:sagemaker:us-east-1:123456789012:training-job/a",
    "arn:aws:sagemaker:us-east-1:123456789012:training-plan/a",
    "arn:aws:sagemaker:us-east-1:aws:hub-content/Hub/Model/m/1.0.0",
    "arn:aws:sagemaker:us-east-1:aws:hub-content/Hub/DataSet/d/1.0.0",
    "arn:aws:sagemaker:us-east-1:123456789012:model/a",
    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/a",
    "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/a",
    "arn:aws:sagemaker:us-east-1:123456789012:inference-component/a",
    "arn:aws:sns:us-east-1:123456789012:topic",
    "mig-1g.5gb",
    "text/csv",
    "application/json",
    "123456789012",
    "fs-0123abcd",
    "4K",
    "p99",
    "/opt/ml/input",
    "2026-01-02T03:04:05Z",
)


class Samples:
    """Makes values that satisfy a shape.

    Attributes:
        rng: Where the choices come from; the same state gives the same values.
    """

    def __init__(
        self,
        rng: Random,
        *,
        optional: float = 0.5,
        sub_second: bool = False,
        alphabet: str = _ANY,
        empty: bool = True,
    ) -> None:
        """Make a source of values.

        Args:
            rng: Source of choices.
            optional: Probability that a member that is not required is there.
            sub_second: Whether timestamps have milliseconds.
            alphabet: Characters of free texts.
            empty: Whether inner structures may be empty; the query protocol cannot write such.
        """
        self.rng = rng
        self._optional = optional
        self._sub_second = sub_second
        self._alphabet = alphabet
        self._empty = empty

    def structure(self, shape: Shape | None, depth: int = 0) -> dict[str, Any]:
        """A valid structure; empty for None."""
        if shape is None:
            return {}
        names = list(shape.members)
        if shape.union:
            names = [self.rng.choice(names)]
        # Deep optional members would make most values huge.
        chance = self._optional / (1 + depth / 2)
        chosen = [n for n in names if n in shape.required or shape.union or self.rng.random() < chance]
        if not chosen and names and not self._empty and depth:
            chosen = [self.rng.choice(names)]
        return {name: self.value(shape.members[name], depth + 1) for name in chosen}

    def value(self, ref: Ref, depth: int = 0) -> Any:
        """A valid value of any shape."""
        shape = ref.shape
        if shape.type == "structure":
            return self.structure(shape, depth)
        if shape.type == "list" and shape.member is not None:
            member = shape.member
            return [self.value(member, depth + 1) for _ in range(self._size(shape))]
        if shape.type == "map" and shape.key is not None and shape.value is not None:
            keys = {self.text(shape.key.shape) for _ in range(self._size(shape))}
            return {key: self.value(shape.value, depth + 1) for key in sorted(keys)}
        return self._scalar(shape)

    def text(self, shape: Shape) -> str:
        """A valid string.

        Raises:
            LookupError: No form known here meets the shape's pattern and length.
        """
        if shape.enum:
            return self.rng.choice(shape.enum)
        forms: Iterable[Callable[[], str]] = (
            lambda: self._letters(shape, self._alphabet),
            lambda: self._letters(shape, _LETTERS),
            lambda: self._letters(shape, "0123456789"),
        )
        for form in forms:
            for _ in range(3):
                if _fits(text := form(), shape):
                    return text
        fitting = [text for text in _KNOWN_FORMS if _fits(text, shape)]
        if not fitting:
            raise LookupError(f"no sample for {shape!r} with pattern {shape.pattern!r}")
        return self.rng.choice(fitting)

    def _scalar(self, shape: Shape) -> Any:
        rng = self.rng
        if shape.type == "string":
            return self.text(shape)
        if shape.type == "boolean":
            return rng.random() < 0.5
        if shape.type == "timestamp":
            moment = datetime(1971, 1, 1, tzinfo=timezone.utc) + timedelta(
                seconds=rng.randrange(3_000_000_000)
            )
            return moment + timedelta(milliseconds=rng.randrange(1000) if self._sub_second else 0)
        if shape.type == "blob":
            return rng.randbytes(rng.randrange(20))
        if shape.type in ("integer", "long"):
            low, high = _bounds(shape, 2**31 - 1 if shape.type == "integer" else 2**63 - 1)
            return rng.choice((low, high, rng.randint(low, high), rng.randint(low, min(high, low + 100))))
        low, high = _bounds(shape, 10**6)
        number = rng.choice((float(low), rng.uniform(low, high), rng.uniform(low, min(high, low + 1))))
        return float32(number) if shape.type == "float" else number

    def _letters(self, shape: Shape, alphabet: str) -> str:
        low = int(shape.minimum or 0)
        high = int(shape.maximum if shape.maximum is not None else low + 12)
        length = self.rng.randint(low, max(low, min(high, low + 12)))
        return "".join(self.rng.choice(alphabet) for _ in range(length))

    def _size(self, shape: Shape) -> int:
        low = int(shape.minimum or 0)
        high = int(shape.maximum if shape.maximum is not None else low + 2)
        return self.rng.randint(low, max(low, min(high, low + 2)))


def _fits(text: str, shape: Shape) -> bool:
    holder = Shape("Holder", {"type": "structure"})
    holder.members["Text"] = Ref(shape, {})
    return not problems_of({"Text": text}, holder)


def _bounds(shape: Shape, greatest: int) -> tuple[int, int]:
    low = int(shape.minimum) if shape.minimum is not None else -greatest
    high = int(shape.maximum) if shape.maximum is not None else greatest
    return low, high
