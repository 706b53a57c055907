"""Which definition of a parent a child's definition learns from, and what was taken over for one. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.engine.specs import DefinitionSpec

#: The type of warm start whose jobs all measure the same.
IDENTICAL = "IdenticalDataAndAlgorithm"


def parents_of(request: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the parents that a request gives."""
    config = request.get("WarmStartConfig") or {}
    items = config.get("ParentHyperParameterTuningJobs") or ()
    return tuple(item.get("HyperParameterTuningJobName") or "" for item in items)


def pairs(
    theirs: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Return the definitions of a parent with those of its child that may learn from them.

    A single definition learns from a single one, whatever their names; of several, one learns from that of its name.
    """
    if len(theirs) == len(ours) == 1:
        return [(theirs[0], ours[0])]
    named = {item.get("DefinitionName"): item for item in theirs}
    return [(named[name], item) for item in ours if (name := item.get("DefinitionName")) in named]


def injected(name: str) -> bool:
    """Return whether a hyperparameter is one that AWS's and our SDK add for their own use."""
    return name.startswith("sagemaker_")


def history_key(spec: DefinitionSpec) -> str:
    """Return what a definition's part of a warm start is kept under."""
    return spec.name or ""


def histories_for(taken: Sequence[Mapping[str, Any]], spec: DefinitionSpec) -> tuple[Mapping[str, Any], ...]:
    """Return the ``ParentHistory`` items, as JSON, that one definition's search is given."""
    key = history_key(spec)
    return tuple(item["histories"][key] for item in taken if key in item["histories"])
