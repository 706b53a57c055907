"""Limits: the one table of what ``extended`` mode changes in AWS's model, and AWS's quotas as data.

``extended`` (the default) lifts limits that have no reason on one's own machines. ``strict`` is the model as AWS
publishes it together with AWS's quotas, for people who test what will run there. :data:`CHANGES` changes the
constraints of shapes, which the validation of every request applies; :class:`Quotas` are the limits that no shape
states, which the engine applies. Everything that is in neither is as modelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

#: The two modes.
MODES: Final = ("extended", "strict")

#: What of a shape a change replaces.
Constraint = Literal["min", "max", "pattern", "enum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One constraint of one shape that ``extended`` mode replaces.

    Attributes:
        service: botocore's name of the service.
        shape: Name of the shape in the service model.
        used_as: Members that the shape is used as, for people.
        constraint: ``min``, ``max``, ``pattern`` or ``enum``.
        old: What AWS's model says. Of an enum only the added values are told, so it is None.
        new: What applies instead; of an enum the values accepted in addition, none of them for any value.
        reason: Why.
    """

    service: str
    shape: str
    used_as: str
    constraint: Constraint
    old: Any
    new: Any
    reason: str


_LOCAL_FILES: Final = "inputs and outputs may lie on this machine: file:///path and absolute paths"
_S3_PATTERN: Final = "(https|s3)://([^/]+)/?(.*)"
_S3_OR_FILE_PATTERN: Final = "(https|s3)://([^/]+)/?(.*)|file:///.*|/.*"
_NAME_REASON: Final = "names as long as those of training jobs; generated names stay within 32"
_RANGES_REASON: Final = "large search spaces need no quota on one's own machines"


def _address(shape: str, used_as: str) -> Change:
    return Change(
        service="sagemaker",
        shape=shape,
        used_as=used_as,
        constraint="pattern",
        old=_S3_PATTERN,
        new=_S3_OR_FILE_PATTERN,
        reason=_LOCAL_FILES,
    )


def _ranges(shape: str, used_as: str) -> Change:
    return Change(
        service="sagemaker",
        shape=shape,
        used_as=used_as,
        constraint="max",
        old=30,
        new=1000,
        reason=_RANGES_REASON,
    )


#: Every shape constraint that ``extended`` mode changes.
CHANGES: Final[tuple[Change, ...]] = (
    Change(
        service="sagemaker",
        shape="HyperParameterTuningJobName",
        used_as="HyperParameterTuningJobName",
        constraint="max",
        old=32,
        new=63,
        reason=_NAME_REASON,
    ),
    Change(
        service="sagemaker",
        shape="HyperParameterTuningJobName",
        used_as="HyperParameterTuningJobName",
        constraint="pattern",
        old="[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}",
        new="[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
        reason=_NAME_REASON,
    ),
    Change(
        service="sagemaker",
        shape="HyperParameterTrainingJobDefinitionName",
        used_as="TrainingJobDefinitions.DefinitionName",
        constraint="pattern",
        old="[a-zA-Z0-9](-*[a-zA-Z0-9]){0,63}",
        new="[a-zA-Z0-9]([-_]*[a-zA-Z0-9]){0,63}",
        reason="the documentation's own example has estimator_pca",
    ),
    _ranges("ContinuousParameterRanges", "ParameterRanges.ContinuousParameterRanges"),
    _ranges("IntegerParameterRanges", "ParameterRanges.IntegerParameterRanges"),
    _ranges("CategoricalParameterRanges", "ParameterRanges.CategoricalParameterRanges"),
    _ranges("ParameterValues", "CategoricalParameterRange.Values"),
    _address(
        "S3Uri", "S3DataSource.S3Uri, OutputDataConfig.S3OutputPath, CheckpointConfig.S3Uri and the like"
    ),
    Change(
        service="sagemaker",
        shape="TrainingInstanceType",
        used_as="ResourceConfig.InstanceType",
        constraint="enum",
        old=None,
        new=("local", "local_gpu"),
        reason="a training job may take this machine as it is",
    ),
    _address("Url", "ModelDataUrl"),
    _address("S3ModelUri", "ModelDataSource.S3DataSource.S3Uri"),
    Change(
        service="sagemaker",
        shape="DestinationS3Uri",
        used_as="DataCaptureConfig.DestinationS3Uri, AsyncInferenceConfig.OutputConfig",
        constraint="pattern",
        old="(https|s3)://([^/])/?(.*)",
        new="(https|s3)://([^/])/?(.*)|file:///.*|/.*",
        reason=_LOCAL_FILES,
    ),
    Change(
        service="sagemaker",
        shape="ProductionVariantInstanceType",
        used_as="ProductionVariants.InstanceType",
        constraint="enum",
        old=None,
        new=("local", "local_gpu"),
        reason="an endpoint may take this machine as it is",
    ),
    Change(
        service="sagemaker",
        shape="ProductionVariantAcceleratorType",
        used_as="ProductionVariants.AcceleratorType",
        constraint="enum",
        old=None,
        new=(),
        reason="accelerators have the names that the setting `accelerators` gives them",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """Limits that no shape of the model states; None means unbounded.

    Attributes:
        concurrent_tuning_jobs: Tuning jobs in progress at one time.
        tunable_parameters: Ranges of one definition, over all kinds.
        parameters: Static and tunable hyperparameters of one definition together, the injected
            ``_tuning_objective_metric`` included.
        metric_definitions: Metrics of one definition.
        parallel_training_jobs: Greatest MaxParallelTrainingJobs.
        training_jobs: Greatest MaxNumberOfTrainingJobs, except with strategy Random.
        training_jobs_random: The same with strategy Random.
        hyperband_max_resource: Greatest HyperbandStrategyConfig.MaxResource.
        tuning_runtime_seconds: Greatest MaxRuntimeInSeconds of a tuning job, in seconds.
        training_runtime_seconds: Greatest MaxRuntimeInSeconds of a training job, in seconds.
        warm_start_parents: Parents of one tuning job.
        definitions: Definitions of one tuning job.
        grid_takes_integers: Whether strategy Grid accepts integer ranges beside categorical ones.
    """

    concurrent_tuning_jobs: int | None = None
    tunable_parameters: int | None = None
    parameters: int | None = None
    metric_definitions: int | None = None
    parallel_training_jobs: int | None = None
    training_jobs: int | None = None
    training_jobs_random: int | None = None
    hyperband_max_resource: int | None = None
    tuning_runtime_seconds: int | None = None
    training_runtime_seconds: int | None = None
    warm_start_parents: int | None = None
    definitions: int | None = None
    grid_takes_integers: bool = False


#: AWS's quotas as its developer guide states them for a new account (2023), before any raise on request.
STRICT_QUOTAS: Final = Quotas(
    concurrent_tuning_jobs=100,
    tunable_parameters=30,
    parameters=100,
    metric_definitions=40,
    parallel_training_jobs=10,
    training_jobs=750,
    training_jobs_random=750,
    hyperband_max_resource=20_000,
    tuning_runtime_seconds=30 * 86_400,
    training_runtime_seconds=28 * 86_400,
    warm_start_parents=5,
    definitions=10,
)

#: What holds in ``extended`` mode.
EXTENDED_QUOTAS: Final = Quotas(
    tunable_parameters=1000,
    metric_definitions=40,
    warm_start_parents=5,
    definitions=10,
    grid_takes_integers=True,
)

_QUOTA_REASONS: Final[Mapping[str, str]] = {
    "concurrent_tuning_jobs": "the machine's slots bound what runs, not a count of searches",
    "tunable_parameters": _RANGES_REASON,
    "parameters": "follows from the number of ranges",
    "parallel_training_jobs": "the machine's slots bound what runs",
    "training_jobs": "a search may be as long as its owner wants",
    "training_jobs_random": "a search may be as long as its owner wants",
    "hyperband_max_resource": "a resource unit is whatever the program counts",
    "tuning_runtime_seconds": "the model's own maximum remains",
    "training_runtime_seconds": "one's own machine bills nobody",
    "grid_takes_integers": "an integer range is as finite as a list of values",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of limits, as the documentation shows it.

    Attributes:
        subject: Shape or quota.
        used_as: Where it applies.
        strict: The limit in ``strict`` mode, as text.
        extended: The limit in ``extended`` mode, as text.
        reason: Why they differ.
    """

    subject: str
    used_as: str
    strict: str
    extended: str
    reason: str


def constraint_changes(mode: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Constraints to replace in the model.

    Args:
        mode: ``extended`` or ``strict``.

    Returns:
        service -> shape -> constraint -> new value, as :func:`pegbox.wire.model.build` takes it. Empty in
        ``strict`` mode.

    Raises:
        ValueError: There is no such mode.
    """
    check_mode(mode)
    changes: dict[str, dict[str, dict[str, Any]]] = {}
    if mode == "extended":
        for change in CHANGES:
            changes.setdefault(change.service, {}).setdefault(change.shape, {})[change.constraint] = (
                change.new
            )
    return changes


def quotas(mode: str) -> Quotas:
    """The quotas of a mode.

    Raises:
        ValueError: There is no such mode.
    """
    check_mode(mode)
    return EXTENDED_QUOTAS if mode == "extended" else STRICT_QUOTAS


def check_mode(mode: str) -> None:
    """Refuse a mode that does not exist.

    Raises:
        ValueError: There is no such mode.
    """
    if mode not in MODES:
        raise ValueError(f"limits must be one of {', '.join(MODES)}, not {mode!r}")


def as_rows() -> list[Row]:
    """Every difference between the two modes: changed shapes first, then quotas."""
    rows = [
        Row(
            f"{change.shape} ({change.constraint})",
            change.used_as,
            "as modelled" if change.old is None else str(change.old),
            _new_text(change),
            change.reason,
        )
        for change in CHANGES
    ]
    for quota in fields(Quotas):
        old, new = getattr(STRICT_QUOTAS, quota.name), getattr(EXTENDED_QUOTAS, quota.name)
        if old != new:
            rows.append(
                Row(quota.name, "quota", _quota_text(old), _quota_text(new), _QUOTA_REASONS[quota.name])
            )
    return rows


def _new_text(change: Change) -> str:
    if change.constraint != "enum":
        return str(change.new)
    return f"also {', '.join(change.new)}" if change.new else "any name"


def _quota_text(value: int | bool | None) -> str:
    if value is None:
        return "unbounded"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}"
