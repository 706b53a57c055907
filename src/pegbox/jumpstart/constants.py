"""Where Amazon keeps that collection."""

from __future__ import annotations

__all__ = ["JUMPSTART_BUCKET_NAME_SET", "JUMPSTART_RESOURCE_BASE_NAME"]

#: First part of the names of jobs and models that are made from it.
JUMPSTART_RESOURCE_BASE_NAME = "jumpstart"
_REGIONS = (
    "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1",
    "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
)  # fmt: skip
#: Its buckets.
JUMPSTART_BUCKET_NAME_SET = frozenset(f"jumpstart-cache-prod-{region}" for region in _REGIONS)
