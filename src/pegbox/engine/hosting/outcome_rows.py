"""Rows of the table of outcomes for models, endpoint configurations and endpoints; see :mod:`pegbox.engine.outcomes`.

``container`` rows hold for ``PrimaryContainer`` and the one item of ``Containers``, ``update`` rows for ``UpdateEndpoint``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pegbox.engine.outcome_table import Outcome, Row, Scope

_LATER = "this version does not offer it; leave it out"
_NETWORK = "leave it out; programs use this machine's network"
_HERE = "model servers run on this machine"
_ONE_CONTAINER = "give one container: pipelines and multi-container models are not offered"
_SWITCH = (
    "traffic moves at once, when all new instances answer; old ones end when their requests are answered"
)


def _works(scope: Scope, *paths: str) -> tuple[Row, ...]:
    return tuple(Row(scope, path, Outcome.WORKS) for path in paths)


def _met(
    scope: Scope, path: str, note: str, when: Callable[[Any], bool] | None = None, values: str = ""
) -> Row:
    return Row(scope, path, Outcome.MET, note, when, values)


def _refused(
    scope: Scope, path: str, note: str, when: Callable[[Any], bool] | None = None, values: str = ""
) -> Row:
    return Row(scope, path, Outcome.REFUSED, note, when, values)


def _not(*wanted: Any) -> Callable[[Any], bool]:
    return lambda value: value not in wanted


def _is(*wanted: Any) -> Callable[[Any], bool]:
    return lambda value: value in wanted


def _several(value: Any) -> bool:
    return len(value) > 1


_MODEL: tuple[Row, ...] = (
    *_works("model", "ModelName", "PrimaryContainer", "Containers", "Tags"),
    _refused("model", "Containers", _ONE_CONTAINER, _several, "more than one"),
    _works("model", "InferenceExecutionConfig")[0],
    _refused("model", "InferenceExecutionConfig.Mode", _ONE_CONTAINER, _is("Direct"), "Direct"),
    _met("model", "ExecutionRoleArn", f"{_HERE} as their owner; no role is assumed"),
    _refused("model", "VpcConfig", _NETWORK, bool, "any"),
    _works("model", "EnableNetworkIsolation")[0],
    _refused(
        "model", "EnableNetworkIsolation", "use false; programs use this machine's network", bool, "true"
    ),
)
_CONTAINER: tuple[Row, ...] = (
    *_works(
        "container",
        "Image",
        "ModelDataUrl",
        "Environment",
        "Mode",
        "ModelDataSource",
        "ModelDataSource.S3DataSource",
        "ModelDataSource.S3DataSource.S3Uri",
        "ModelDataSource.S3DataSource.S3DataType",
        "ModelDataSource.S3DataSource.CompressionType",
    ),
    _refused("container", "Mode", "use SingleModel", _is("MultiModel"), "MultiModel"),
    _met("container", "ContainerHostname", "a model has one container; nothing needs its name"),
    _works("container", "ImageConfig")[0],
    _met(
        "container", "ImageConfig.RepositoryAccessMode", "the image table stands for images; none is pulled"
    ),
    _refused("container", "ImageConfig.RepositoryAuthConfig", "leave it out; no image is pulled"),
    _refused(
        "container",
        "ModelDataSource.S3DataSource.S3DataType",
        "use S3Object and give a model.tar.gz",
        _not("S3Object"),
        "S3Prefix",
    ),
    _refused(
        "container",
        "ModelDataSource.S3DataSource.CompressionType",
        "use Gzip and give a model.tar.gz",
        _not("Gzip"),
        "None",
    ),
    *(
        _refused("container", f"ModelDataSource.S3DataSource.{name}", note)
        for name, note in (
            ("ModelAccessConfig", "leave it out; no licence is asked for here"),
            ("HubAccessConfig", "leave it out; there is no hub here"),
            ("ManifestS3Uri", "give S3Uri of a model.tar.gz"),
            ("ETag", "leave it out; the archive is taken as it lies when an instance starts"),
            ("ManifestEtag", "leave it out; manifests are not offered"),
        )
    ),
    _refused("container", "AdditionalModelDataSources", "put everything into one model.tar.gz", bool, "any"),
    _refused(
        "container", "ModelPackageName", "give Image and ModelDataUrl; there are no model packages here"
    ),
    _refused("container", "InferenceSpecificationName", "it belongs to a model package; leave it out"),
    _refused("container", "MultiModelConfig", "it belongs to Mode MultiModel; leave it out"),
    _refused("container", "ContainerMetricsConfig", f"metrics of the container's own: {_LATER}"),
)
_CONFIG: tuple[Row, ...] = (
    *_works(
        "config",
        "EndpointConfigName",
        "ProductionVariants",
        "Tags",
        "DataCaptureConfig",
        "DataCaptureConfig.EnableCapture",
        "DataCaptureConfig.InitialSamplingPercentage",
        "DataCaptureConfig.DestinationS3Uri",
        "DataCaptureConfig.CaptureOptions",
        "DataCaptureConfig.CaptureContentTypeHeader",
        "AsyncInferenceConfig",
        "AsyncInferenceConfig.ClientConfig",
        "AsyncInferenceConfig.OutputConfig",
        "AsyncInferenceConfig.OutputConfig.S3OutputPath",
        "AsyncInferenceConfig.OutputConfig.S3FailurePath",
        "DataCaptureConfig.KmsKeyId",
        "AsyncInferenceConfig.OutputConfig.KmsKeyId",
    ),
    _refused(
        "config",
        "AsyncInferenceConfig.OutputConfig.NotificationConfig",
        "leave it out; there are no notification topics here",
        bool,
        "any",
    ),
    *_works("config", "KmsKeyId"),
    _refused("config", "ExplainerConfig", f"explanations: {_LATER}", bool, "any"),
    _refused("config", "ShadowProductionVariants", f"shadow variants: {_LATER}", bool, "any"),
    _met("config", "ExecutionRoleArn", f"{_HERE} as their owner; no role is assumed"),
    _refused("config", "VpcConfig", _NETWORK, bool, "any"),
    _works("config", "EnableNetworkIsolation")[0],
    _refused(
        "config", "EnableNetworkIsolation", "use false; programs use this machine's network", bool, "true"
    ),
    _refused("config", "MetricsConfig", f"metrics beyond those of each endpoint: {_LATER}", bool, "any"),
    _refused("config", "CrossRegionTrafficConfig", "leave it out; there is one machine", bool, "any"),
)
_VARIANT: tuple[Row, ...] = (
    *_works(
        "variant",
        "VariantName",
        "ModelName",
        "InitialInstanceCount",
        "InitialVariantWeight",
        "ContainerStartupHealthCheckTimeoutInSeconds",
        "RoutingConfig",
        "RoutingConfig.RoutingStrategy",
    ),
    Row("variant", "AcceleratorType", Outcome.WORKS),
    _met("variant", "InstanceType", f"{_HERE}, whatever the type", _not("local"), "all but local"),
    _refused("variant", "InstancePools", "give InstanceType; there is one machine", bool, "any"),
    _met("variant", "VariantInstanceProvisionTimeoutInSeconds", "there is no capacity to wait for"),
    _refused("variant", "CoreDumpConfig", f"core dumps: {_LATER}", bool, "any"),
    _refused(
        "variant",
        "ServerlessConfig",
        "give InitialInstanceCount; model servers stay up and cost nothing here",
        bool,
        "any",
    ),
    _met("variant", "VolumeSizeInGB", f"{_HERE} with its own disk"),
    _met("variant", "ModelDataDownloadTimeoutInSeconds", "model archives lie on this machine already"),
    _refused("variant", "EnableSSMAccess", "use false; look at the machine itself", bool, "true"),
    _works("variant", "ManagedInstanceScaling")[0],
    _refused(
        "variant",
        "ManagedInstanceScaling.Status",
        "use DISABLED and UpdateEndpointWeightsAndCapacities",
        _is("ENABLED"),
        "ENABLED",
    ),
    *(
        _met("variant", f"ManagedInstanceScaling.{name}", "managed scaling is off: it has nothing to act on")
        for name in ("MinInstanceCount", "MaxInstanceCount", "ScaleInPolicy")
    ),
    _refused(
        "variant",
        "RoutingConfig.RoutingStrategy",
        "use LEAST_OUTSTANDING_REQUESTS or RANDOM",
        _not("LEAST_OUTSTANDING_REQUESTS", "RANDOM"),
        "PREFIX_AWARE, KV_AWARE",
    ),
    _refused(
        "variant",
        "RoutingConfig.PrefixAwareRoutingConfig",
        "use LEAST_OUTSTANDING_REQUESTS or RANDOM and leave it out",
        bool,
        "any",
    ),
    _met("variant", "InferenceAmiVersion", f"{_HERE} as it is"),
    _refused(
        "variant", "CapacityReservationConfig", "leave it out; there is no capacity to reserve", bool, "any"
    ),
    _refused(
        "variant",
        "AcceleratorPartitionLayouts",
        "give AcceleratorType as the setting accelerators names it",
        bool,
        "any",
    ),
)


def _deployment(scope: Scope) -> tuple[Row, ...]:
    policy = "DeploymentConfig.BlueGreenUpdatePolicy"
    routing = f"{policy}.TrafficRoutingConfiguration"
    return (
        *_works(scope, "DeploymentConfig", policy, routing, f"{routing}.Type"),
        _refused(scope, f"{routing}.Type", "use ALL_AT_ONCE", _not("ALL_AT_ONCE"), "CANARY, LINEAR"),
        _met(scope, f"{routing}.WaitIntervalInSeconds", _SWITCH),
        _refused(scope, f"{routing}.CanarySize", "use ALL_AT_ONCE and leave it out", bool, "any"),
        _refused(scope, f"{routing}.LinearStepSize", "use ALL_AT_ONCE and leave it out", bool, "any"),
        _met(scope, f"{policy}.TerminationWaitInSeconds", _SWITCH),
        _met(
            scope,
            f"{policy}.MaximumExecutionTimeoutInSeconds",
            "a roll-out ends by itself: its instances answer, or it is given up",
        ),
        _refused(
            scope,
            "DeploymentConfig.RollingUpdatePolicy",
            "use BlueGreenUpdatePolicy with ALL_AT_ONCE",
            bool,
            "any",
        ),
        _works(scope, "DeploymentConfig.AutoRollbackConfiguration")[0],
        _refused(
            scope,
            "DeploymentConfig.AutoRollbackConfiguration.Alarms",
            "leave it out; there are no alarms here",
            bool,
            "any",
        ),
    )


HOSTING_TABLE: tuple[Row, ...] = (
    *_MODEL,
    *_CONTAINER,
    *_CONFIG,
    *_VARIANT,
    *_works("endpoint", "EndpointName", "EndpointConfigName", "Tags"),
    *_deployment("endpoint"),
    *_works(
        "update",
        "EndpointName",
        "EndpointConfigName",
        "RetainAllVariantProperties",
        "ExcludeRetainedVariantProperties",
    ),
    *_deployment("update"),
    _met("update", "RetainDeploymentConfig", "every update is rolled out in the same way"),
    *_works(
        "capacities",
        "EndpointName",
        "DesiredWeightsAndCapacities",
        "DesiredWeightsAndCapacities[].VariantName",
        "DesiredWeightsAndCapacities[].DesiredWeight",
        "DesiredWeightsAndCapacities[].DesiredInstanceCount",
    ),
    _refused(
        "capacities",
        "DesiredWeightsAndCapacities[].ServerlessUpdateConfig",
        "give DesiredInstanceCount; there are no serverless variants here",
        bool,
        "any",
    ),
)
