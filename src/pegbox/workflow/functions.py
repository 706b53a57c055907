"""Variables that a pipeline works out from others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pegbox.workflow.entities import PipelineVariable

__all__ = ["Join", "JsonGet"]


class Join(PipelineVariable):
    """Values as one text.

    Args:
        on: What stands between them.
        values: The values, variables among them.
    """

    def __init__(self, on: str = "", values: Sequence[Any] = ()) -> None:
        self.on = on
        self.values = list(values)

    @property
    def expr(self) -> dict[str, Any]:
        """The expression, as a pipeline's definition has it."""
        values = [value.expr if hasattr(value, "expr") else value for value in self.values]
        return {"Std:Join": {"On": self.on, "Values": values}}

    def to_string(self) -> PipelineVariable:
        """Return this variable; it is text already."""
        return self


class JsonGet(PipelineVariable):
    """A value of a file that a step of a pipeline wrote.

    Args:
        step_name: The step.
        property_file: Name of the file's declaration, or the declaration itself, which has a ``name``.
        json_path: Where the value is in it.
    """

    def __init__(self, step_name: str, property_file: Any, json_path: str) -> None:
        self.step_name = step_name
        self.property_file = property_file
        self.json_path = json_path

    @property
    def expr(self) -> dict[str, Any]:
        """The expression, as a pipeline's definition has it."""
        file = getattr(self.property_file, "name", self.property_file)
        place = {"Get": f"Steps.{self.step_name}.PropertyFiles.{file}"}
        return {"Std:JsonGet": {"PropertyFile": place, "Path": self.json_path}}
