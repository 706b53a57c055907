"""boto3 clients for a target. boto3 is loaded here, when the first client is made."""

from __future__ import annotations

import functools
import os
from typing import Any

from pegbox._sdk import local_server
from pegbox._sdk.aws_account import is_aws
from pegbox._sdk.target import Target
from pegbox.errors import ServerError

#: Attempts of one request, the first included; a server that restarts is back within them.
ATTEMPTS = 4
RUNTIME = "sagemaker-runtime"


def make_boto_session(target: Target) -> Any:
    """Return a boto3 session for a target; for our own keys one that no ambient setting reaches.

    Args:
        target: Where requests go.
    """
    import boto3

    if target.key is None:
        return boto3.Session(region_name=target.region)
    import botocore.session

    nothing = os.devnull
    core = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, nothing, None),
            "credentials_file": (None, None, nothing, None),
            "ca_bundle": (None, None, None, None),
        }
    )
    core.register_component("data_loader", _loader())
    core.set_credentials(target.key.key, target.key.secret)
    return boto3.Session(botocore_session=core, region_name=target.region)


@functools.cache
def _loader() -> Any:
    """One reader of service models for all sessions of the process; it keeps what it has read."""
    from botocore.loaders import create_loader

    return create_loader()


def _url(target: Target, service: str) -> str | None:
    """Return where a service is, for a target with a key of our own."""
    if service == "s3":
        return _s3_url(target)
    if service == RUNTIME:
        # Predictions go straight to the process that routes them; a server elsewhere passes them on.
        own = local_server.runtime_url(target.home) if target.home is not None else None
        ours = target.chosen_by in ("endpoint_url", "PEGBOX_ENDPOINT_URL")
        said = None if ours else os.environ.get("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME")
        return said or own or target.url
    return target.url


def _s3_url(target: Target) -> str:
    """Return where the buckets of another server are offered over S3.

    Raises:
        ServerError: Nothing says where.
    """
    url = os.environ.get("AWS_ENDPOINT_URL_S3")
    if not url:
        raise ServerError(
            f"the buckets of {target.url} are reached over S3: start that server with 'pegbox server start --s3' and set "
            "AWS_ENDPOINT_URL_S3 to the address that its 'pegbox env' prints"
        )
    return url


def make_client(target: Target, service: str, boto_session: Any) -> Any:
    """Return a client of an AWS service that speaks to the target.

    Args:
        target: Where requests go.
        service: boto3's service name, for example ``sagemaker`` or ``logs``.
        boto_session: The user's own boto3 session, or None.
    """
    from botocore.config import Config

    session = boto_session if target.key is None else None
    session = session or make_boto_session(target)
    options: dict[str, Any] = {}
    # Other services of an AWS-like endpoint are found by their own variables.
    if target.url and not is_aws(target.url) and service not in ("s3", "sts", "iam"):
        options["endpoint_url"] = _url(target, service)
    if target.key is not None:
        options["endpoint_url"] = _url(target, service)
        # The stubs do not know every option of Config.
        settings: dict[str, Any] = {"ignore_configured_endpoint_urls": True}
        options["config"] = Config(
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            proxies={} if target.is_local else None,
            connect_timeout=10,
            # The runtime's own time-out of a prediction, one minute, comes first.
            read_timeout=75 if service == RUNTIME else 60,
            user_agent_extra="pegbox",
            **settings,
        )
    return session.client(service, region_name=target.region, **options)
