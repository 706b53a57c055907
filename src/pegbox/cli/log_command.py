"""``pegbox logs``: what training programs and model servers printed."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from pegbox.cli.client import Client
from pegbox.cli.context import connect
from pegbox.cli.endpoint_commands import LOG_GROUP, find_endpoint, no_such_endpoint
from pegbox.cli.job_commands import no_such_job
from pegbox.cli.output import print_json
from pegbox.errors import ApiError

GROUP = "/aws/sagemaker/TrainingJobs"
#: Seconds between two looks while following.
POLL_SECONDS = 1.0


def print_logs(name: str, follow: bool, endpoint: bool, as_json: bool) -> None:
    """Print the output of a training job, of all training jobs of a tuning job, or of an endpoint's model servers."""
    client = connect()
    if endpoint and find_endpoint(client, name) is None:
        raise no_such_endpoint(name)
    _Printer(client, as_json, LOG_GROUP + name if endpoint else GROUP).run(name, follow)


class _Printer:
    def __init__(self, client: Client, as_json: bool, group: str) -> None:
        self._client = client
        self._as_json = as_json
        self._tokens: dict[str, str] = {}
        self._last: str | None = None
        self._group = group

    def run(self, name: str, follow: bool) -> None:
        """Print what is there and, while following, what comes, until the job has ended."""
        collected: list[dict[str, Any]] = []
        try:
            while True:
                jobs, ended = self._jobs(name)
                for job in jobs:
                    collected += self._news(job, headed=len(jobs) > 1 or jobs[0] != name)
                if not follow or ended:
                    break
                sys.stdout.flush()
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            pass
        if self._as_json and not follow:
            print_json(collected)

    def _jobs(self, name: str) -> tuple[Sequence[str], bool]:
        """Return the jobs meant by a name and whether all have ended; read before their logs are.

        An endpoint is as good as one job, which goes on for as long as it is there.
        """
        if self._group != GROUP:
            return [name], find_endpoint(self._client, name) is None
        try:
            status = self._client.call("sagemaker", "DescribeTrainingJob", TrainingJobName=name)[
                "TrainingJobStatus"
            ]
            return [name], status not in ("InProgress", "Stopping")
        except ApiError as error:
            if error.code != "ResourceNotFound":
                raise
        try:
            described = self._client.call(
                "sagemaker", "DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name
            )
        except ApiError as error:
            if error.code != "ResourceNotFound":
                raise
            if find_endpoint(self._client, name) is None:
                raise no_such_job(name) from None
            self._group = LOG_GROUP + name
            return [name], False
        pages = self._client.pages(
            "sagemaker",
            "ListTrainingJobsForHyperParameterTuningJob",
            HyperParameterTuningJobName=name,
            SortBy="CreationTime",
            MaxResults=100,
        )
        names = [item["TrainingJobName"] for page in pages for item in page["TrainingJobSummaries"]]
        return names, described["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping")

    def _news(self, job: str, *, headed: bool) -> list[dict[str, Any]]:
        """Print the lines of a job that were not printed yet; return them where JSON is wanted at the end."""
        try:
            # An endpoint has a group of its own, and a stream for each model server in it.
            prefix = f"{job}/" if self._group == GROUP else None
            pages = self._client.pages(
                "logs", "DescribeLogStreams", logGroupName=self._group, logStreamNamePrefix=prefix
            )
            streams = [item["logStreamName"] for page in pages for item in page["logStreams"]]
        except ApiError as error:
            if error.code == "ResourceNotFoundException":
                return []
            raise
        found: list[dict[str, Any]] = []
        of_endpoint = self._group != GROUP
        for stream in streams:
            title = stream if of_endpoint else job
            for event in self._events(stream):
                if self._as_json:
                    what = {"stream": stream} if of_endpoint else {"trainingJob": job}
                    found.append({**what, "timestamp": event["timestamp"], "message": event["message"]})
                    continue
                if (headed or (of_endpoint and len(streams) > 1)) and self._last != title:
                    print(f"==> {title} <==")
                self._last = title
                print(event["message"])
        return found

    def _events(self, stream: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        while True:
            token = self._tokens.get(stream)
            page = self._client.call(
                "logs",
                "GetLogEvents",
                logGroupName=self._group,
                logStreamName=stream,
                startFromHead=True,
                nextToken=token,
            )
            events += page["events"]
            self._tokens[stream] = page["nextForwardToken"]
            if page["nextForwardToken"] == token or not page["events"]:
                return events
