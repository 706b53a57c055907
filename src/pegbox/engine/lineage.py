"""Which definition of a parent a child's definition learns from, and what was taken over for one. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.engine.specs import DefinitionSpec


def pairs(
    theirs: Sequence[DefinitionSpec], ours: Sequence[DefinitionSpec]
) -> list[tuple[DefinitionSpec, DefinitionSpec]]:
    """Return the definitions of a parent with those of its child that learn from them.

    A single definition learns from a single one, whatever their names; of several, one learns from that of its name, if both
    have the same hyperparameters.
    """
    if len(theirs) == len(ours) == 1:
        return [(theirs[0], ours[0])]
    named = {item.name: item for item in theirs}
    return [
        (named[item.name], item)
        for item in ours
        if item.name in named and names_of(named[item.name]) == names_of(item)
    ]


def names_of(spec: DefinitionSpec) -> frozenset[str]:
    """Return the names of a definition's hyperparameters, static and tunable, without those that clients inject."""
    statics = spec.definition.get("StaticHyperParameters") or {}
    return frozenset(name for name in (*statics, *spec.space.names) if not injected(name))


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
