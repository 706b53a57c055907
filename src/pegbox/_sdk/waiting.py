"""Waiting for jobs.

A wait is a loop over describe calls. A service that is away for a while (a server that restarts) is waited for too:
the jobs do not depend on it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pegbox._sdk.displays import Display
from pegbox._sdk.progress import Progress, progress_of
from pegbox.errors import ServerError
from pegbox.exceptions import UnexpectedStatusException

_T = TypeVar("_T")

#: Seconds between describe calls to AWS, as its SDK has it.
REMOTE_POLL = 5.0
#: Shortest and longest pause between calls to the local server.
LOCAL_POLL = (0.2, 2.0)
#: Seconds a service may be away before a wait gives up.
AWAY_SECONDS = 300.0

ALLOWED = ("Completed", "Stopped")


def pauses(
    poll: float | None,
    is_local: bool,
    local: tuple[float, float] = LOCAL_POLL,
    remote: float = REMOTE_POLL,
) -> Iterator[float]:
    """Yield the pauses between calls in seconds.

    Args:
        poll: A fixed pause, or None to choose.
        is_local: Whether the service is the local server, which is asked often at first and less often later.
        local: Shortest and longest pause there.
        remote: The pause elsewhere.
    """
    if poll is None and is_local:
        pause, longest = local
        while True:
            yield pause
            pause = min(longest, pause * 1.1)
    while True:
        yield remote if poll is None else poll


def patiently(
    call: Callable[[], _T],
    sleep: Callable[[float], None] = time.sleep,
    revive: Callable[[], None] | None = None,
) -> _T:
    """Return a call's result, repeating it while the service cannot be reached.

    Args:
        call: The request.
        sleep: Pauses for some seconds.
        revive: Starts the service again if it died, for a service of our own.

    Raises:
        ServerError: The service was away for longer than five minutes.
    """
    from botocore.exceptions import ConnectionError as Unreachable
    from botocore.exceptions import HTTPClientError

    deadline = time.monotonic() + AWAY_SECONDS
    told = False
    while True:
        try:
            return call()
        except (Unreachable, HTTPClientError) as error:
            if time.monotonic() > deadline:
                raise ServerError(
                    f"the service has not answered for {AWAY_SECONDS:.0f} s: {error}"
                ) from error
            if not told:
                print("pegbox: the service does not answer; waiting for it (the jobs go on)", file=sys.stderr)
                told = True
            if revive is not None:
                revive()
            sleep(1.0)


def follow_tuning_job(
    client: Any,
    name: str,
    display: Display,
    pause_seconds: Iterator[float],
    on_change: Callable[[Progress], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    revive: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Show a tuning job until it ends and return its last description.

    Args:
        client: boto3 client of the service.
        name: Tuning-job name.
        display: What shows it.
        pause_seconds: Pauses between calls.
        on_change: Called after each look, for example to print logs.
        sleep: Pauses for some seconds.
        revive: See :func:`patiently`.
    """
    seen: Any = None
    summaries: list[dict[str, Any]] = []
    wants_trials = display.wants_trials or on_change is not None
    try:
        while True:
            described: dict[str, Any] = patiently(
                lambda: client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name),
                sleep,
                revive,
            )
            counts = (described.get("TrainingJobStatusCounters"), described.get("ObjectiveStatusCounters"))
            if wants_trials and counts != seen:
                summaries = patiently(lambda: training_job_summaries(client, name), sleep, revive)
                seen = counts
            progress = progress_of(described, summaries)
            display.show(progress)
            if on_change is not None:
                on_change(progress)
            if progress.is_over:
                return described
            sleep(next(pause_seconds))
    finally:
        display.close()


def training_job_summaries(client: Any, name: str, pages: int = 100) -> list[dict[str, Any]]:
    """Return the training jobs of a tuning job in the service's default order.

    Args:
        client: boto3 client of the service.
        name: Tuning-job name.
        pages: Largest number of pages of 100 that are read.
    """
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    for _ in range(pages):
        page = client.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name, MaxResults=100, **token
        )
        items = page["TrainingJobSummaries"]
        found.extend(items)
        if not page.get("NextToken") or not items:
            break
        token = {"NextToken": page["NextToken"]}
    return found


def check_status(job: str, described: Mapping[str, Any], key: str, allowed: Sequence[str] = ALLOWED) -> None:
    """Raise unless a job ended well.

    Raises:
        UnexpectedStatusException: It ended otherwise; the message has the failure reason.
    """
    status = described[key]
    if status in allowed:
        return
    reason = described.get("FailureReason") or "(No reason provided)"
    # The AWS SDK's words, which scripts look for.
    kind = key.replace("JobStatus", " job")
    raise UnexpectedStatusException(f"Error for {kind} {job}: {status}. Reason: {reason}", allowed, status)


def wait_for_training_job(
    client: Any,
    name: str,
    pause_seconds: Iterator[float],
    each_look: Callable[[Mapping[str, Any]], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    revive: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Return a training job's description once it has ended.

    Args:
        client: boto3 client of the service.
        name: Training-job name.
        pause_seconds: Pauses between calls.
        each_look: Called with each description, the last one included.
        sleep: Pauses for some seconds.
        revive: See :func:`patiently`.
    """
    while True:
        described: dict[str, Any] = patiently(
            lambda: client.describe_training_job(TrainingJobName=name), sleep
        )
        if each_look is not None:
            each_look(described)
        if described["TrainingJobStatus"] not in ("InProgress", "Stopping"):
            return described
        sleep(next(pause_seconds))
