"""Names and ARNs."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z\-]*):(?P<service>[a-z0-9\-]+):(?P<region>[a-z0-9\-]*):(?P<account>\d{12}):(?P<kind>[a-z\-]+)/(?P<name>.+)"
)

#: Kinds of resources in ARNs.
TUNING_KIND = "hyper-parameter-tuning-job"
TRAINING_KIND = "training-job"
MODEL_KIND = "model"
CONFIG_KIND = "endpoint-config"
ENDPOINT_KIND = "endpoint"


@dataclass(frozen=True, slots=True)
class Realm:
    """Region and account that ARNs of this server carry."""

    region: str = "us-east-1"
    account: str = "000000000000"

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of a resource; names are lower-cased in ARNs, as the service does."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name.lower()}"

    def tuning_arn(self, name: str) -> str:
        """Return the ARN of a tuning job."""
        return self.arn(TUNING_KIND, name)

    def training_arn(self, name: str) -> str:
        """Return the ARN of a training job."""
        return self.arn(TRAINING_KIND, name)

    def model_arn(self, name: str) -> str:
        """Return the ARN of a model."""
        return self.arn(MODEL_KIND, name)

    def config_arn(self, name: str) -> str:
        """Return the ARN of an endpoint configuration."""
        return self.arn(CONFIG_KIND, name)

    def endpoint_arn(self, name: str) -> str:
        """Return the ARN of an endpoint."""
        return self.arn(ENDPOINT_KIND, name)


def parse_arn(arn: str) -> tuple[str, str] | None:
    """Return (kind, name) of a resource ARN, or None when it is none."""
    match = _ARN.fullmatch(arn)
    return (match["kind"], match["name"]) if match else None


def trial_name(tuning_name: str, number: int, mark: str) -> str:
    """Return the training-job name of a trial: ``<tuning>-<3-digit number>-<8 hex>``, at most 63 characters.

    A long tuning name (``extended`` mode allows 63 characters) is cut so that number and mark stay whole.
    """
    tail = f"-{number:03d}-{mark[:8]}"
    return tuning_name[: 63 - len(tail)].rstrip("-") + tail
