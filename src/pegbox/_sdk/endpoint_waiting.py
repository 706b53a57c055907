"""Waiting for endpoints."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pegbox._sdk import waiting
from pegbox._sdk.waiting import patiently
from pegbox.exceptions import UnexpectedStatusException

#: Seconds between describe calls to AWS, as its SDK has it.
REMOTE_POLL = 30.0
#: Shortest and longest pause between calls to the local server.
LOCAL_POLL = (0.1, 2.0)
#: Statuses of an endpoint that is on its way somewhere.
MOVING = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
#: Log lines shown of an endpoint that failed.
SHOWN_LINES = 20


def pauses(poll: float | None, is_local: bool) -> Iterator[float]:
    """Yield the pauses between calls in seconds; see :func:`pegbox._sdk.waiting.pauses`."""
    return waiting.pauses(poll, is_local, LOCAL_POLL, REMOTE_POLL)


def wait_for_endpoint(
    client: Any,
    logs_client: Callable[[], Any],
    endpoint: str,
    pause_seconds: Iterator[float],
    live_logging: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    revive: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Show an endpoint until it serves, and return its description.

    Args:
        client: boto3 client of the service.
        logs_client: Returns that of the logs service.
        endpoint: Name of the endpoint.
        pause_seconds: Pauses between calls.
        live_logging: Print its log.
        sleep: Pauses for some seconds.
        revive: Starts the service again if it died.

    Raises:
        UnexpectedStatusException: It does not serve.
    """
    from pegbox._sdk.job_logs import ENDPOINT_LOGS, JobLog

    log = JobLog(logs_client(), endpoint, ENDPOINT_LOGS + endpoint) if live_logging else None
    told = ""
    try:
        while True:
            described: dict[str, Any] = patiently(
                lambda: client.describe_endpoint(EndpointName=endpoint), sleep, revive
            )
            status = described["EndpointStatus"]
            line = f"{endpoint}: {status}{_instances(described)}"
            if line != told:
                print(line, flush=True)
                told = line
            for text in log.new_lines() if log is not None else ():
                print(text)
            if status not in MOVING:
                break
            sleep(next(pause_seconds))
    except KeyboardInterrupt:
        print(
            f"\npegbox: no longer watching; {endpoint} goes on.\n  see it:    pegbox show {endpoint} --endpoint\n"
            f"  delete it: pegbox delete-endpoint {endpoint}",
            file=sys.stderr,
        )
        raise
    if status != "InService":
        if log is None:
            _print_end_of_log(JobLog(logs_client(), endpoint, ENDPOINT_LOGS + endpoint), described)
        raise UnexpectedStatusException(
            f"Error hosting endpoint {endpoint}: {status}. Reason: {described.get('FailureReason')}. "
            f"Its log: pegbox logs {endpoint} --endpoint; delete it with pegbox delete-endpoint {endpoint}",
            ["InService"],
            status,
        )
    return described


def _instances(described: Mapping[str, Any]) -> str:
    """How many machines of each variant serve, while some do not yet."""
    parts = []
    for variant in described.get("ProductionVariants") or ():
        current, desired = variant.get("CurrentInstanceCount"), variant.get("DesiredInstanceCount")
        if current is not None and desired is not None and (current or desired > 1):
            parts.append(f"{variant['VariantName']} {current} of {desired}")
    return f" ({', '.join(parts)})" if parts else ""


def _print_end_of_log(log: Any, described: Mapping[str, Any]) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        lines = deque(log.new_lines(), maxlen=SHOWN_LINES)
    except (BotoCoreError, ClientError):
        # The failure itself is told in any case.
        return
    reason = described.get("FailureReason") or ""
    if lines and lines[-1] not in reason:
        print(f"Last lines of the log of {described['EndpointName']}:", file=sys.stderr)
        for line in lines:
            print(f"  {line}", file=sys.stderr)
