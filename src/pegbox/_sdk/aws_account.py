"""Roles and buckets of an AWS account, and their stand-ins on the local server."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

#: Name of the role that the local server assumes nobody needs to choose.
LOCAL_ROLE = "pegbox"


def role_arn(session: Any, role: str | None) -> str:
    """Return the ARN of a role.

    Args:
        session: A :class:`pegbox.session.Session`.
        role: ARN, bare name or None.

    Raises:
        ValueError: None was given and the session speaks to AWS, which needs a role.
    """
    if role and "/" in role:
        return role
    target = session.target
    if target.is_local or not is_aws(target.url):
        return f"arn:aws:iam::{target.account}:role/{role or LOCAL_ROLE}"
    if not role:
        raise ValueError(f"role is missing: {target.sentence()} needs one; pass role= with its name or ARN")
    arn: str = session.client("iam").get_role(RoleName=role)["Role"]["Arn"]
    return arn


def execution_role(session: Any) -> str:
    """Return the role that jobs run under if nothing else is said.

    Raises:
        ValueError: On AWS, the caller is no role.
    """
    if session.target.is_local or not is_aws(session.target.url):
        return role_arn(session, None)
    arn = caller_role_arn(session)
    if ":role/" not in arn:
        raise ValueError(f"the current AWS identity {arn} is no role; pass a role's ARN instead")
    return arn


def caller_role_arn(session: Any) -> str:
    """Return the caller's ARN, that of the role itself where the caller is in an assumed role's session."""
    if session.target.is_local:
        return role_arn(session, None)
    arn: str = session.client("sts").get_caller_identity()["Arn"]
    if ":assumed-role/" not in arn:
        return arn
    name = arn.split("/")[1]
    # The role's own ARN may carry a path that the session's does not.
    found: str = session.client("iam").get_role(RoleName=name)["Role"]["Arn"]
    return found


def ensure_default_bucket(session: Any, name: str | None) -> str:
    """Return the session's default bucket on AWS, made if it is not there.

    Args:
        session: A :class:`pegbox.session.Session`.
        name: The bucket's name, or None for ``sagemaker-<region>-<account>``.
    """
    from botocore.exceptions import ClientError

    region = session.boto_region_name
    if name is None:
        name = f"sagemaker-{region}-{session.client('sts').get_caller_identity()['Account']}"
    client = session.s3_client or session.client("s3")
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket", "NotFound"):
            raise
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        client.create_bucket(Bucket=name, **place)
    return name


def is_aws(url: str | None) -> bool:
    """Tell whether an address is AWS's own."""
    return url is None or (urlsplit(url).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))
