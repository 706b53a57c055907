"""A value that only a pipeline's run knows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NoReturn

from pegbox.errors import NotHere

__all__ = ["PipelineVariable"]


class PipelineVariable(ABC):
    """A value that only a pipeline's run knows. It has an expression, and no value yet."""

    @property
    @abstractmethod
    def expr(self) -> dict[str, Any]:
        """The expression, as a pipeline's definition has it."""

    def to_string(self) -> PipelineVariable:
        """Return a variable that is the text of this one."""
        from pegbox.workflow.functions import Join

        return Join(on="", values=[self])

    def __str__(self) -> str:
        raise TypeError(
            f"{type(self).__name__} has no value before its pipeline runs; use to_string(), or give the value itself"
        )

    def __int__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} has no value before its pipeline runs")

    __float__ = __int__


def as_text(value: Any) -> Any:
    """Return a value as text, a pipeline's variable as a variable that is text.

    Args:
        value: Anything.
    """
    return value.to_string() if isinstance(value, PipelineVariable) else str(value)


def refuse_variables(request: Any, path: str = "") -> None:
    """Refuse a request that holds a pipeline's variable: no service could read it.

    Args:
        request: The request, or a part of it.
        path: Where that part is.

    Raises:
        NotHere: It holds one.
    """
    if isinstance(request, PipelineVariable):
        raise NotHere(
            f"{path} is a {type(request).__name__}, which only a pipeline's run gives a value, and Pegbox runs no "
            "pipelines; give the value itself"
        )
    if isinstance(request, Mapping):
        for name, value in request.items():
            refuse_variables(value, f"{path}.{name}" if path else str(name))
    elif isinstance(request, (list, tuple)):
        for index, value in enumerate(request):
            refuse_variables(value, f"{path}[{index}]")
