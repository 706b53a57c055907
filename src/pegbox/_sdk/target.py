"""Which service a session speaks to. Only an explicit choice leaves the local server.

Ambient AWS profiles and keys never choose a target and never sign a request to the local server.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pegbox._sdk import local_server
from pegbox._sdk.local_server import AccessKey, LocalServer, is_loopback
from pegbox.errors import ServerError, VersionMismatch

#: Variables that choose an endpoint, strongest first.
ENDPOINT_VARIABLES = ("PEGBOX_ENDPOINT_URL", "AWS_ENDPOINT_URL_SAGEMAKER", "AWS_ENDPOINT_URL")

_ACCOUNT = "000000000000"
_BUCKET = "pegbox-local"


@dataclass(frozen=True)
class Target:
    """The service of a session.

    Attributes:
        url: Address, or None for AWS's own of the region.
        region: Region of requests.
        chosen_by: What made the choice, for people.
        home: Home folder of the local server, None for every other target.
        key: Access key of our own, None where boto3's chain finds it.
        account: Account of ARNs that the client makes up (local server only).
        bucket: Default bucket (local server only).
    """

    url: str | None
    region: str
    chosen_by: str
    home: Path | None = None
    key: AccessKey | None = None
    account: str = _ACCOUNT
    bucket: str = _BUCKET

    @property
    def is_local(self) -> bool:
        """Whether it is this user's own server on this machine."""
        return self.home is not None

    def sentence(self) -> str:
        """Return one line that says where requests go."""
        if self.home is not None:
            return f"pegbox: local server {self.url} (home {self.home})"
        where = self.url or f"AWS SageMaker in {self.region}"
        return f"pegbox: {where} (chosen by {self.chosen_by})"


def endpoint_choice(endpoint_url: str | None) -> tuple[str, str] | None:
    """Return the chosen endpoint and what chose it, or None.

    Args:
        endpoint_url: The session's argument.
    """
    if endpoint_url:
        return endpoint_url.rstrip("/"), "endpoint_url"
    for variable in ENDPOINT_VARIABLES:
        value = os.environ.get(variable)
        if value:
            return value.rstrip("/"), variable
    return None


def resolve(endpoint_url: str | None, boto_session: Any, version: str) -> Target:
    """Return the target of a session, starting the local server if it is the choice and none runs.

    Args:
        endpoint_url: The session's argument.
        boto_session: The session's argument.
        version: This package's version.

    Raises:
        ServerError: The server cannot be reached, started or signed for.
        VersionMismatch: An older local server is busy.
    """
    if endpoint_url is None and boto_session is not None:
        mine = _own_server_of_environment()
        if mine is not None:
            return _target_of(mine)
        region = getattr(boto_session, "region_name", None)
        return Target(url=None, region=_checked_region(region), chosen_by="boto_session")
    choice = endpoint_choice(endpoint_url)
    if choice is None:
        return local_target(local_server.home_folder(), version)
    return _endpoint_target(*choice, boto_session)


def local_target(home: Path, version: str) -> Target:
    """Return the home's server as target, starting or replacing it as needed."""
    server = local_server.find(home) or local_server.start(home)
    target = _target_of(server)
    if is_older(server.version, version):
        target = _target_of(_replace(target, server, version))
    return target


def is_older(server: str, mine: str) -> bool:
    """Tell whether a server's version is older than this package's; versions are dotted numbers."""
    return _numbers(server) < _numbers(mine)


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split("+")[0].split(".")
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in parts)


def _replace(target: Target, server: LocalServer, version: str) -> LocalServer:
    from pegbox._sdk.clients import make_client

    client = make_client(target, "sagemaker", None)
    busy = client.list_hyper_parameter_tuning_jobs(StatusEquals="InProgress", MaxResults=1)
    trials = client.list_training_jobs(StatusEquals="InProgress", MaxResults=1)
    if busy["HyperParameterTuningJobSummaries"] or trials["TrainingJobSummaries"]:
        raise VersionMismatch(
            f"the local server runs version {server.version} and is busy, this package is {version}; wait for its "
            "jobs, or end it with `pegbox server stop` (its jobs go on when the newer server starts)"
        )
    local_server.stop(server.home)
    return local_server.start(server.home)


def _target_of(server: LocalServer) -> Target:
    return Target(
        url=server.url,
        region=server.region,
        chosen_by="default",
        home=server.home,
        key=local_server.access_key(server.home),
        account=server.account,
        bucket=server.bucket,
    )


def _endpoint_target(url: str, chosen_by: str, boto_session: Any) -> Target:
    home = local_server.home_folder()
    if is_loopback(url):
        mine = local_server.find(home)
        if mine is not None and _same_place(mine.url, url):
            return _target_of(mine)
    region = getattr(boto_session, "region_name", None) or os.environ.get("AWS_REGION")
    region = region or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    key = os.environ.get("PEGBOX_ACCESS_KEY_ID"), os.environ.get("PEGBOX_SECRET_ACCESS_KEY")
    if key[0] and key[1]:
        return Target(url=url, region=region, chosen_by=chosen_by, key=AccessKey(key[0], key[1]))
    if is_loopback(url) and boto_session is None and not chosen_by.startswith("AWS_"):
        raise ServerError(
            f"no access key for {url} ({chosen_by}): it is not the server of {home}. Set PEGBOX_HOME to that server's "
            "home, or PEGBOX_ACCESS_KEY_ID and PEGBOX_SECRET_ACCESS_KEY, or pass boto_session"
        )
    return Target(url=url, region=region, chosen_by=chosen_by)


def _own_server_of_environment() -> LocalServer | None:
    """Return this user's own server if AWS's variables lead every boto3 client to it, as after ``pegbox env``."""
    for variable in ENDPOINT_VARIABLES[1:]:
        url = os.environ.get(variable)
        if url:
            mine = local_server.find(local_server.home_folder()) if is_loopback(url) else None
            return mine if mine is not None and _same_place(mine.url, url) else None
    return None


def _same_place(one: str, other: str) -> bool:
    from urllib.parse import urlsplit

    left, right = urlsplit(one), urlsplit(other)
    return left.port == right.port and {left.hostname, right.hostname} <= {
        "127.0.0.1",
        "localhost",
        left.hostname,
    }


def _checked_region(region: str | None) -> str:
    if not region:
        raise ValueError("boto_session has no region; make it with boto3.Session(region_name=...)")
    return region
