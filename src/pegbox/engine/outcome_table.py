"""The table of outcomes: one row for each member of a create request, or for one class of its values.

``definition`` rows hold for ``TrainingJobDefinition`` of a tuning job and for ``CreateTrainingJob`` alike. The functions over
the table are in :mod:`pegbox.engine.outcomes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Literal

Scope = Literal[
    "tuning",
    "definition",
    "training",
    "model",
    "container",
    "config",
    "variant",
    "endpoint",
    "update",
    "capacities",
]


class Outcome(str, Enum):
    """The three outcomes."""

    WORKS = "works"
    MET = "met by nature"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter, or one class of its values."""

    scope: Scope
    #: Path of the member below the scope; ``[]`` stands for each item of a list.
    path: str
    outcome: Outcome
    #: Why it is met by nature, or what to do where it is refused.
    note: str = ""
    #: The values that the row is about; None means every value.
    when: Callable[[Any], bool] | None = None
    #: Those values in words.
    values: str = ""
    #: What must hold for the member's neighbours, where the row depends on them.
    beside: Callable[[Mapping[str, Any]], bool] | None = None


def _works(scope: Scope, *paths: str) -> tuple[Row, ...]:
    return tuple(Row(scope, path, Outcome.WORKS) for path in paths)


def _met(
    scope: Scope,
    path: str,
    note: str,
    when: Callable[[Any], bool] | None = None,
    values: str = "",
    beside: Callable[[Mapping[str, Any]], bool] | None = None,
) -> Row:
    return Row(scope, path, Outcome.MET, note, when, values, beside)


def _refused(
    scope: Scope, path: str, note: str, when: Callable[[Any], bool] | None = None, values: str = ""
) -> Row:
    return Row(scope, path, Outcome.REFUSED, note, when, values)


def _is(*wanted: Any) -> Callable[[Any], bool]:
    return lambda value: value in wanted


def _not(*wanted: Any) -> Callable[[Any], bool]:
    return lambda value: value not in wanted


def _in_folders(channel: Mapping[str, Any]) -> bool:
    return bool(channel.get("InputMode", "File") != "Pipe")


_LATER = "this version does not offer it yet; leave it out"
_ONE_MACHINE = "programs run on this machine"
_NO_LIBRARY = (
    "the program runs in its own interpreter, where no AWS agent collects anything; nothing is sent anywhere"
)
_ONE_INSTANCE = "give 1: training on several instances is not offered yet"

_ROWS: tuple[Row, ...] = (
    # A tuning job.
    *_works(
        "tuning",
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobConfig",
        "TrainingJobDefinition",
        "TrainingJobDefinitions",
        "WarmStartConfig",
        "Tags",
    ),
    _refused("tuning", "Autotune", f"Autotune: {_LATER} and give ranges"),
    *_works(
        "tuning",
        "HyperParameterTuningJobConfig.Strategy",
        "HyperParameterTuningJobConfig.StrategyConfig",
        "HyperParameterTuningJobConfig.HyperParameterTuningJobObjective",
        "HyperParameterTuningJobConfig.ResourceLimits",
        "HyperParameterTuningJobConfig.ParameterRanges",
        "HyperParameterTuningJobConfig.TrainingJobEarlyStoppingType",
        "HyperParameterTuningJobConfig.TuningJobCompletionCriteria",
        "HyperParameterTuningJobConfig.RandomSeed",
    ),
    _refused(
        "tuning",
        "HyperParameterTuningJobConfig.ParameterRanges.AutoParameters",
        "give the range itself; Autotune comes later",
        bool,
        "any",
    ),
    # What a definition and a training job share.
    *_works(
        "definition",
        "AlgorithmSpecification",
        "AlgorithmSpecification.TrainingImage",
        "AlgorithmSpecification.TrainingInputMode",
        "AlgorithmSpecification.MetricDefinitions",
        "InputDataConfig",
        "OutputDataConfig",
        "OutputDataConfig.S3OutputPath",
        "StoppingCondition",
        "StoppingCondition.MaxRuntimeInSeconds",
        "CheckpointConfig",
        "Environment",
        "RetryStrategy",
    ),
    _refused(
        "definition",
        "AlgorithmSpecification.AlgorithmName",
        "give a TrainingImage; algorithms of the marketplace are not offered",
    ),
    _met("definition", "RoleArn", f"{_ONE_MACHINE} as their owner; no role is assumed"),
    _works("definition", "ResourceConfig")[0],
    _met(
        "definition",
        "ResourceConfig.InstanceType",
        f"{_ONE_MACHINE}, whatever the type",
        _not("local"),
        "all but local",
    ),
    _works("definition", "ResourceConfig.InstanceCount")[0],
    _refused("definition", "ResourceConfig.InstanceCount", _ONE_INSTANCE, _not(1), "above 1"),
    _met("definition", "ResourceConfig.VolumeSizeInGB", f"{_ONE_MACHINE} with its own disk"),
    _works("definition", "ResourceConfig.VolumeKmsKeyId")[0],
    _met(
        "definition",
        "ResourceConfig.KeepAlivePeriodInSeconds",
        "agents stay warm between training jobs anyway",
    ),
    _refused("definition", "ResourceConfig.InstanceGroups", _ONE_INSTANCE, bool, "any"),
    _refused(
        "definition", "ResourceConfig.TrainingPlanArn", "leave it out; there are no training plans here"
    ),
    _refused("definition", "ResourceConfig.InstancePlacementConfig", "leave it out; there is one machine"),
    _refused(
        "definition",
        "ResourceConfig.InstancePreferences",
        "give InstanceType; there is one machine",
        bool,
        "any",
    ),
    _met("definition", "ResourceConfig.SelectedInstanceType", "an answer of the service; as InstanceType"),
    _met("definition", "ResourceConfig.SelectedInstanceCount", "an answer of the service; as InstanceCount"),
    _works("definition", "OutputDataConfig.KmsKeyId")[0],
    _works("definition", "OutputDataConfig.CompressionType")[0],
    _refused("definition", "OutputDataConfig.CompressionType", "use GZIP", _is("NONE"), "NONE"),
    _refused("definition", "VpcConfig", "leave it out; programs use this machine's network"),
    _works("definition", "EnableNetworkIsolation")[0],
    _refused(
        "definition", "EnableNetworkIsolation", "use false; programs use this machine's network", bool, "true"
    ),
    _met(
        "definition",
        "EnableInterContainerTrafficEncryption",
        "one instance: no traffic between containers",
        bool,
        "true",
    ),
    _met("definition", "EnableManagedSpotTraining", f"{_ONE_MACHINE}; nothing is interrupted", bool, "true"),
    _met("definition", "StoppingCondition.MaxWaitTimeInSeconds", "there is no spot capacity to wait for"),
    _met("definition", "StoppingCondition.MaxPendingTimeInSeconds", "there is no capacity to wait for"),
    *_works(
        "definition",
        "InputDataConfig[].ChannelName",
        "InputDataConfig[].DataSource",
        "InputDataConfig[].ContentType",
    ),
    _works("definition", "InputDataConfig[].CompressionType")[0],
    _works("definition", "InputDataConfig[].RecordWrapperType")[0],
    _met(
        "definition",
        "InputDataConfig[].RecordWrapperType",
        "in File and FastFile mode data arrive as they lie",
        _is("RecordIO"),
        "RecordIO, in File and FastFile mode",
        _in_folders,
    ),
    _works("definition", "InputDataConfig[].InputMode")[0],
    _works("definition", "InputDataConfig[].ShuffleConfig")[0],
    _met(
        "definition",
        "InputDataConfig[].ShuffleConfig",
        "in File and FastFile mode files lie by name, in no order",
        bool,
        "in File and FastFile mode",
        _in_folders,
    ),
    _works("definition", "InputDataConfig[].DataSource.S3DataSource")[0],
    *_works(
        "definition",
        "InputDataConfig[].DataSource.FileSystemDataSource",
        "InputDataConfig[].DataSource.FileSystemDataSource.FileSystemId",
        "InputDataConfig[].DataSource.FileSystemDataSource.DirectoryPath",
    ),
    _met(
        "definition",
        "InputDataConfig[].DataSource.FileSystemDataSource.FileSystemType",
        "the setting file_systems says which folder is meant, whatever serves it",
    ),
    _works("definition", "InputDataConfig[].DataSource.FileSystemDataSource.FileSystemAccessMode")[0],
    _refused(
        "definition",
        "InputDataConfig[].DataSource.FileSystemDataSource.FileSystemAccessMode",
        "use ro; write results to /opt/ml/model or /opt/ml/output/data",
        _is("rw"),
        "rw",
    ),
    _refused(
        "definition",
        "InputDataConfig[].DataSource.DatasetSource",
        "give an S3DataSource with s3:// or file://",
    ),
    *_works(
        "definition",
        "InputDataConfig[].DataSource.S3DataSource.S3DataType",
        "InputDataConfig[].DataSource.S3DataSource.S3Uri",
    ),
    _refused(
        "definition",
        "InputDataConfig[].DataSource.S3DataSource.S3DataType",
        "use S3Prefix, ManifestFile or AugmentedManifestFile",
        _is("Converse"),
        "Converse",
    ),
    _met(
        "definition",
        "InputDataConfig[].DataSource.S3DataSource.S3DataDistributionType",
        "one instance: its shard is the whole",
        _is("ShardedByS3Key"),
        "ShardedByS3Key",
    ),
    _works("definition", "InputDataConfig[].DataSource.S3DataSource.AttributeNames")[0],
    _refused(
        "definition",
        "InputDataConfig[].DataSource.S3DataSource.InstanceGroupNames",
        _ONE_INSTANCE,
        bool,
        "any",
    ),
    _refused(
        "definition",
        "InputDataConfig[].DataSource.S3DataSource.ModelAccessConfig",
        "leave it out; no licence is asked for here",
    ),
    _refused(
        "definition",
        "InputDataConfig[].DataSource.S3DataSource.HubAccessConfig",
        "leave it out; there is no hub here",
    ),
    # Only in a tuning job's definition.
    *_works("tuning", "TrainingJobDefinition.DefinitionName", "TrainingJobDefinition.StaticHyperParameters"),
    _refused(
        "tuning",
        "TrainingJobDefinition.TuningObjective",
        "give HyperParameterTuningJobObjective in the job's config",
    ),
    _refused(
        "tuning", "TrainingJobDefinition.HyperParameterRanges", "give ParameterRanges in the job's config"
    ),
    _works("tuning", "TrainingJobDefinition.HyperParameterTuningResourceConfig")[0],
    _met(
        "tuning",
        "TrainingJobDefinition.HyperParameterTuningResourceConfig.InstanceType",
        f"{_ONE_MACHINE}, whatever the type",
        _not("local"),
        "all but local",
    ),
    _works("tuning", "TrainingJobDefinition.HyperParameterTuningResourceConfig.InstanceCount")[0],
    _refused(
        "tuning",
        "TrainingJobDefinition.HyperParameterTuningResourceConfig.InstanceCount",
        _ONE_INSTANCE,
        _not(1),
        "above 1",
    ),
    _met(
        "tuning",
        "TrainingJobDefinition.HyperParameterTuningResourceConfig.VolumeSizeInGB",
        f"{_ONE_MACHINE} with its own disk",
    ),
    _works("tuning", "TrainingJobDefinition.HyperParameterTuningResourceConfig.VolumeKmsKeyId")[0],
    _met(
        "tuning",
        "TrainingJobDefinition.HyperParameterTuningResourceConfig.AllocationStrategy",
        "there is one machine to allocate",
    ),
    _met(
        "tuning",
        "TrainingJobDefinition.HyperParameterTuningResourceConfig.InstanceConfigs",
        "the first is taken; there is one machine",
    ),
    _met(
        "tuning",
        "TrainingJobDefinition.HyperParameterTuningResourceConfig.InstanceConfigs[].InstanceType",
        f"{_ONE_MACHINE}, whatever the type",
        _not("local"),
        "all but local",
    ),
    _met(
        "tuning",
        "TrainingJobDefinition.HyperParameterTuningResourceConfig.InstanceConfigs[].VolumeSizeInGB",
        f"{_ONE_MACHINE} with its own disk",
    ),
    _refused(
        "tuning",
        "TrainingJobDefinition.HyperParameterTuningResourceConfig.InstanceConfigs[].InstanceCount",
        _ONE_INSTANCE,
        _not(1),
        "above 1",
    ),
    # Only in CreateTrainingJob.
    *_works(
        "training",
        "TrainingJobName",
        "HyperParameters",
        "Tags",
        "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries",
    ),
    _refused(
        "training",
        "AlgorithmSpecification.ContainerEntrypoint",
        "add the command to the image table: pegbox images add NAME -- COMMAND",
        bool,
        "any",
    ),
    _refused(
        "training",
        "AlgorithmSpecification.ContainerArguments",
        "add the command to the image table: pegbox images add NAME -- COMMAND",
        bool,
        "any",
    ),
    _refused(
        "training",
        "AlgorithmSpecification.TrainingImageConfig",
        "leave it out; images are looked up in the image table",
        bool,
        "any",
    ),
    _met("training", "DebugHookConfig", _NO_LIBRARY),
    _refused("training", "DebugRuleConfigurations", "leave it out; there is no debugger here", bool, "any"),
    _refused(
        "training",
        "TensorBoardOutputConfig",
        "write to /opt/ml/output/tensorboard and keep it with the output; no upload is made here",
    ),
    _refused("training", "ExperimentConfig", "leave it out; there are no experiments here"),
    _met("training", "ProfilerConfig", _NO_LIBRARY),
    _refused(
        "training", "ProfilerRuleConfigurations", "leave it out; there is no profiler here", bool, "any"
    ),
    _works("training", "RemoteDebugConfig")[0],
    _refused(
        "training",
        "RemoteDebugConfig.EnableRemoteDebug",
        "use false; the program runs on this machine already",
        bool,
        "true",
    ),
    _met("training", "InfraCheckConfig", f"{_ONE_MACHINE}; there is no fleet to check"),
    _works("training", "SessionChainingConfig")[0],
    _refused(
        "training",
        "SessionChainingConfig.EnableSessionTagChaining",
        "use false; no role is assumed here",
        bool,
        "true",
    ),
    _refused("training", "ServerlessJobConfig", "leave it out and give a TrainingImage"),
    _refused("training", "MlflowConfig", "leave it out; log to your MLflow server from the program"),
    _refused("training", "ModelPackageConfig", "leave it out; there is no model registry here"),
)

_SINGLE, _LISTED = "TrainingJobDefinition.", "TrainingJobDefinitions[]."
#: Members that only a definition in a list has of its own.
_OF_LIST = ("TuningObjective", "HyperParameterRanges")
#: What holds for a single definition holds for each of several, but for objective and ranges.
TABLE: tuple[Row, ...] = (
    *_ROWS,
    *(
        replace(row, path=row.path.replace(_SINGLE, _LISTED, 1))
        for row in _ROWS
        if row.path.startswith(_SINGLE) and row.path.removeprefix(_SINGLE) not in _OF_LIST
    ),
    *_works("tuning", *(f"{_LISTED}{name}" for name in _OF_LIST)),
    _refused(
        "tuning",
        f"{_LISTED}HyperParameterRanges.AutoParameters",
        "give the range itself; Autotune comes later",
        bool,
        "any",
    ),
)
