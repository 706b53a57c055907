"""Parts of a tuner that need no tuner: checks of its arguments, ranges and hyperparameters of a request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pegbox._sdk.class_names import CLASS_ENTRY, MODULE_ENTRY, wire_module
from pegbox._sdk.naming import base_name_from_image
from pegbox._sdk.record_sets import FileSystemRecordSet, RecordSet
from pegbox.amazon.hyperparameter import Hyperparameter
from pegbox.errors import NotHere
from pegbox.estimator import Framework
from pegbox.parameter import CategoricalParameter, ParameterRange
from pegbox.workflow.entities import as_text


def check_ranges(estimator: Any, ranges: Mapping[str, Any] | None) -> None:
    """Check the ranges of an estimator; entries that are None are left out of requests and not checked.

    Args:
        estimator: The estimator, whose class may describe hyperparameters.
        ranges: Range by name.

    Raises:
        ValueError: There is none, one is no range, or a value is not acceptable to the estimator's class.
    """
    if not ranges:
        raise ValueError("Need to specify hyperparameter ranges")
    if not isinstance(ranges, Mapping):
        raise ValueError(
            f"hyperparameter_ranges must be a dict of ranges by name, got {type(ranges).__name__}"
        )
    strangers = [
        f"{name}={value!r}"
        for name, value in ranges.items()
        if not isinstance(value, (ParameterRange, type(None)))
    ]
    if strangers:
        raise ValueError(
            f"hyperparameter_ranges: {', '.join(strangers)} is no range; use ContinuousParameter, IntegerParameter or "
            "CategoricalParameter (a fixed value belongs into the estimator's hyperparameters)"
        )
    for name, value in ranges.items():
        if value is not None:
            value._check_order(f"hyperparameter_ranges: {name}: ")
    for cls in reversed(type(estimator).__mro__):
        for described in vars(cls).values():
            if isinstance(described, Hyperparameter) and described.name in ranges:
                _check_values(described, ranges[described.name])


def _check_values(described: Hyperparameter, wanted: ParameterRange | None) -> None:
    for attribute, value in vars(wanted).items() if wanted is not None else ():
        if attribute == "scaling_type":
            continue
        for item in value if isinstance(value, list) else [value]:
            described.validate(item)


def check_keys(name: str, value: Any, allowed: list[str], same: bool = False) -> None:
    """Check an argument that is a dict by estimator name.

    Args:
        name: The argument.
        value: What was given; None is accepted unless ``same``.
        allowed: Names in order.
        same: Whether all names must be there.

    Raises:
        ValueError: It is no dict, or the names do not agree.
    """
    if value is None and not same:
        return
    if not isinstance(value, dict):
        raise ValueError(f"Argument '{name}' must be a dictionary using {allowed} as keys")
    if same and sorted(value) != allowed:
        raise ValueError(f"The keys of argument '{name}' must be the same as {allowed}")
    if not set(value) <= set(allowed):
        raise ValueError(f"The keys of argument '{name}' must be a subset of {allowed}")


def refuse_autotune(autotune: bool, kept_static: Iterable[str] | None) -> None:
    """Refuse what this version does not offer.

    Raises:
        NotHere: ``autotune`` was asked for.
        ValueError: ``hyperparameters_to_keep_static`` was given without it.
    """
    if autotune:
        raise NotHere("autotune=True is not offered by this version; give hyperparameter_ranges")
    if kept_static is not None:
        raise ValueError(
            "hyperparameters_to_keep_static belongs to autotune=True, which is not offered; leave it out"
        )


def refuse_unused(kwargs: Mapping[str, Any], remedy: str) -> None:
    """Refuse keyword arguments that nothing would read.

    Raises:
        TypeError: There are some.
    """
    if kwargs:
        raise TypeError(f"fit() got {', '.join(sorted(kwargs))}, which would have no effect here; {remedy}")


def check_before_start(estimator: Any) -> None:
    """Run an estimator's own checks, before a server is looked for."""
    check = getattr(estimator, "_check_before_start", None)
    if callable(check):
        check()


def prepare_estimator(estimator: Any, inputs: Any, job_name: str | None, kwargs: Mapping[str, Any]) -> None:
    """Let an estimator prepare itself: names, places, code.

    Args:
        estimator: The estimator.
        inputs: Its inputs.
        job_name: Name of the tuning job, or None.
        kwargs: Further arguments of its preparation, which only estimators of record sets take.

    Raises:
        TypeError: There are arguments that it would not read.
    """
    if isinstance(inputs, (list, RecordSet, FileSystemRecordSet)):
        estimator._prepare_for_training(inputs, **kwargs)
        return
    refuse_unused(kwargs, "these are for estimators that train on record sets")
    estimator._prepare_for_training(job_name)


def job_base(estimator: Any) -> str:
    """Return the first part of a job name made from an estimator."""
    own = getattr(estimator, "_default_job_base", None)
    return str(own()) if callable(own) else base_name_from_image(estimator.train_image())


def static_hyperparameters(
    estimator: Any, ranges: Mapping[str, Any], include_cls_metadata: bool
) -> dict[str, str]:
    """Return an estimator's hyperparameters that are not tuned, as text.

    Args:
        estimator: The estimator.
        ranges: Range by name.
        include_cls_metadata: Add the estimator's class; script estimators of frameworks always have it.
    """
    tuned = {name for name, value in ranges.items() if value is not None}
    values = {
        str(name): as_text(value)
        for name, value in estimator.hyperparameters().items()
        if str(name) not in tuned
    }
    if include_cls_metadata or isinstance(estimator, Framework):
        values[CLASS_ENTRY] = json.dumps(type(estimator).__name__)
        values[MODULE_ENTRY] = json.dumps(wire_module(type(estimator)))
    return values


def request_ranges(ranges: Mapping[str, Any], estimator: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the ranges as the request has them: a list for each kind, possibly empty.

    Args:
        ranges: Range by name.
        estimator: The estimator; categorical values go to frameworks as JSON texts.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for kind in ParameterRange.__all_types__:
        found[f"{kind}ParameterRanges"] = [
            value.as_json_range(name)
            if isinstance(value, CategoricalParameter) and isinstance(estimator, Framework)
            else value.as_tuning_range(name)
            for name, value in ranges.items()
            if value is not None and value.__name__ == kind
        ]
    return found
