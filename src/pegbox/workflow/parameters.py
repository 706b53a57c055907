"""Parameters of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pegbox.workflow.entities import PipelineVariable

__all__ = ["Parameter", "ParameterBoolean", "ParameterFloat", "ParameterInteger", "ParameterString"]


class Parameter(PipelineVariable):
    """A value that the start of a pipeline gives.

    Args:
        name: Its name.
        default_value: The value where the start gives none.
    """

    #: Its type, as a pipeline's definition has it.
    parameter_type: ClassVar[str] = ""

    def __init__(self, name: str, default_value: Any = None) -> None:
        self.name = name
        self.default_value = default_value

    @property
    def expr(self) -> dict[str, Any]:
        """The expression, as a pipeline's definition has it."""
        return {"Get": f"Parameters.{self.name}"}


class ParameterString(Parameter):
    """A text.

    Args:
        name: Its name.
        default_value: The text where the start of the pipeline gives none.
        enum_values: The texts that are allowed.
    """

    parameter_type = "String"

    def __init__(
        self, name: str, default_value: str | None = None, enum_values: Sequence[str] | None = None
    ) -> None:
        super().__init__(name, default_value)
        self.enum_values = None if enum_values is None else list(enum_values)

    def to_string(self) -> PipelineVariable:
        """Return this variable; it is text already."""
        return self


class ParameterInteger(Parameter):
    """A whole number."""

    parameter_type = "Integer"


class ParameterFloat(Parameter):
    """A number."""

    parameter_type = "Float"


class ParameterBoolean(Parameter):
    """True or False."""

    parameter_type = "Boolean"
