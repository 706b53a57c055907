"""Which operations this version answers, service by service, and what every client may assume about them.

The names are those of botocore's service models. Everything else that AWS documents is known by name, so that
an operation that exists at AWS but not here is told apart from one that exists nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: botocore service name -> operations answered.
SERVED: Mapping[str, tuple[str, ...]] = {
    "sagemaker": (
        "AddTags",
        "CreateEndpoint",
        "CreateEndpointConfig",
        "CreateHyperParameterTuningJob",
        "CreateModel",
        "CreateTrainingJob",
        "DeleteEndpoint",
        "DeleteEndpointConfig",
        "DeleteHyperParameterTuningJob",
        "DeleteModel",
        "DeleteTags",
        "DeleteTrainingJob",
        "DescribeEndpoint",
        "DescribeEndpointConfig",
        "DescribeHyperParameterTuningJob",
        "DescribeModel",
        "DescribeTrainingJob",
        "ListEndpointConfigs",
        "ListEndpoints",
        "ListHyperParameterTuningJobs",
        "ListModels",
        "ListTags",
        "ListTrainingJobs",
        "ListTrainingJobsForHyperParameterTuningJob",
        "StopHyperParameterTuningJob",
        "StopTrainingJob",
        "UpdateEndpoint",
        "UpdateEndpointWeightsAndCapacities",
    ),
    "logs": ("DescribeLogGroups", "DescribeLogStreams", "FilterLogEvents", "GetLogEvents"),
    "cloudwatch": ("GetMetricData", "GetMetricStatistics", "ListMetrics"),
    "iam": ("GetRole", "SimulatePrincipalPolicy"),
    "sts": ("GetCallerIdentity",),
}

#: Facts that older service models do not carry although newer clients rely on them. The model's own word wins.
METADATA_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "cloudwatch": {
        "protocols": ["smithy-rpc-v2-cbor", "json", "query"],
        "jsonVersion": "1.0",
        "targetPrefix": "GraniteServiceVersion20100801",
        "awsQueryCompatible": {},
    },
}
