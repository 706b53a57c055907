"""Whether a create request is accepted: everything that the service model cannot say; tuning jobs in ``tuning_admission``.

All problems of a request are told at once, each with field, value and remedy. Runs in the caller's thread, before a command
gets to the controller; what depends on other jobs (a name in use, a quota) is decided there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegbox.engine.definitions import definition_problems
from pegbox.engine.outcomes import refusals
from pegbox.engine.parts import Parts
from pegbox.engine.specs import model_uri
from pegbox.errors import ValidationException
from pegbox.ports.store import Reader
from pegbox.wire.limits import Quotas, quotas


def admit_training(parts: Parts, reader: Reader, request: Mapping[str, Any]) -> None:
    """Check a ``CreateTrainingJob`` request.

    Raises:
        ValidationException: With every problem found; nothing was changed.
    """
    limits = limits_of(parts)
    problems = refusals(request, "training") + refusals(request, "definition")
    problems += definition_problems(
        parts,
        reader,
        request,
        request.get("HyperParameters") or {},
        prefix="",
        hyperparameters="HyperParameters",
        objective=None,
        limits=limits,
    )
    address = model_uri(request, request["TrainingJobName"])
    if parts.artifacts.check_output(address) is None and parts.artifacts.check_input(address) is None:
        problems.append(
            f"TrainingJobName: {request['TrainingJobName']!r}: {address} holds the model of an earlier training job; "
            "choose another name or S3OutputPath, or remove it"
        )
    raise_problems(problems)


def limits_of(parts: Parts) -> Quotas:
    """Return the quotas of the server's mode."""
    return quotas("extended" if parts.policy.extended else "strict")


def raise_problems(problems: list[str]) -> None:
    """Raise one error that lists all problems, if there are any.

    Raises:
        ValidationException: There are.
    """
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
        raise ValidationException(f"{count}: {'; '.join(problems)}")
