"""What becomes of each parameter of a create request: the one table that code, documentation and tests share.

*Works*: it does what AWS documents. *Met by nature*: accepted, because on one machine it holds anyway or has nothing to act
on; the note says why, and :func:`notices_of` tells the owner. *Refused*: it would change results, safety or privacy and
cannot be honoured yet; the note is the remedy. A parameter may be refused for some values only.

``definition`` rows hold for ``TrainingJobDefinition`` of a tuning job and for ``CreateTrainingJob`` alike, ``container`` rows for
``PrimaryContainer`` and the one item of ``Containers``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pegbox.engine.hosting.outcome_rows import HOSTING_TABLE
from pegbox.engine.outcome_table import TABLE as JOBS_TABLE
from pegbox.engine.outcome_table import Outcome, Row, Scope

__all__ = ["TABLE", "Outcome", "Row", "as_markdown", "notices_of", "refusals"]

#: Every row.
TABLE: tuple[Row, ...] = (*JOBS_TABLE, *HOSTING_TABLE)


def as_markdown() -> str:
    """Return the table as the documentation shows it (``docs/parameters.md``)."""
    titles = {
        "tuning": "CreateHyperParameterTuningJob",
        "definition": "TrainingJobDefinition, and CreateTrainingJob alike",
        "training": "CreateTrainingJob only",
        "model": "CreateModel",
        "container": "PrimaryContainer, and the one item of Containers alike",
        "config": "CreateEndpointConfig",
        "variant": "Each of ProductionVariants",
        "endpoint": "CreateEndpoint",
        "update": "UpdateEndpoint",
        "capacities": "UpdateEndpointWeightsAndCapacities",
    }
    lines = ["# Parameters: what works, what is met by nature, what is refused", "", *_INTRODUCTION, ""]
    for scope, title in titles.items():
        lines += [f"## {title}", "", "| member | values | outcome | reason or remedy |", "|---|---|---|---|"]
        lines += [
            f"| `{row.path}` | {row.values or 'all'} | {row.outcome.value} | {row.note} |"
            for row in TABLE
            if row.scope == scope and (row.outcome is not Outcome.WORKS or not _has_more(row))
        ]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


_INTRODUCTION = (
    "Every member of a create request has one of three outcomes. *Works*: it does what AWS documents. *Met by nature*:",
    "accepted, because on one machine it holds anyway or has nothing to act on; `pegbox show` tells so. *Refused*: it would",
    "change results, safety or privacy and cannot be honoured in this version; the error names field, value and remedy. A",
    "member that is listed for some values works for the others. This page is written from the table that the server uses",
    "(`pegbox.engine.outcomes`); a test keeps them equal. What values must satisfy beyond: [engine.md](engine.md).",
)


def _has_more(row: Row) -> bool:
    """Return whether other rows speak of the same member or of members below it."""
    others = (other for other in TABLE if other is not row and other.scope == row.scope)
    return any(o.path == row.path or o.path.startswith((f"{row.path}.", f"{row.path}[]")) for o in others)


def refusals(request: Mapping[str, Any], scope: Scope, prefix: str = "") -> list[str]:
    """Return what of a request is refused, each with field, value and remedy.

    Args:
        request: A create request, or the definition in it.
        scope: Which rows apply.
        prefix: Put before each path, for instance ``TrainingJobDefinition.``.
    """
    return [
        f"{prefix}{path}: {_shown(value)} is refused: {row.note}"
        for row, path, value in _hits(request, scope, Outcome.REFUSED)
    ]


def notices_of(request: Mapping[str, Any], scope: Scope, prefix: str = "") -> list[str]:
    """Return what of a request is met by nature, each with field, value and reason."""
    return [
        f"{prefix}{path}: {_shown(value)} is accepted and needs nothing: {row.note}"
        for row, path, value in _hits(request, scope, Outcome.MET)
    ]


def _hits(request: Mapping[str, Any], scope: Scope, outcome: Outcome) -> Iterator[tuple[Row, str, Any]]:
    request = _with_input_modes(request)
    for row in TABLE:
        if row.scope == scope and row.outcome is outcome:
            for path, value, neighbours in _values(request, row.path.split("."), "", {}):
                if (row.when is None or row.when(value)) and (row.beside is None or row.beside(neighbours)):
                    yield row, path, value


def _with_input_modes(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """A request whose channels all say their input mode: what becomes of other members depends on it."""
    algorithm = request.get("AlgorithmSpecification") or {}
    if "TrainingInputMode" not in algorithm or not request.get("InputDataConfig"):
        return request
    mode = {"InputMode": algorithm["TrainingInputMode"]}
    return {**request, "InputDataConfig": [{**mode, **item} for item in request["InputDataConfig"]]}


def _values(
    data: Any, path: list[str], sofar: str, neighbours: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    if not path:
        yield sofar, data, neighbours
        return
    name = path[0].removesuffix("[]")
    if not isinstance(data, Mapping) or data.get(name) is None:
        return
    here = f"{sofar}.{name}" if sofar else name
    if not path[0].endswith("[]"):
        yield from _values(data[name], path[1:], here, data)
        return
    for index, item in enumerate(data[name]):
        yield from _values(item, path[1:], f"{here}[{index}]", data)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
