"""Log lines of training jobs and endpoints, followed through the logs service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: Log group of all training jobs.
TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"
#: Log group of one endpoint is this and its name.
ENDPOINT_LOGS = "/aws/sagemaker/Endpoints/"


class JobLog:
    """Reads a log from where the last reading ended.

    Args:
        client: boto3 client of the logs service.
        job: Training-job name.
        group: Log group, for a log that is no training job's; all streams in it are read, whatever ``job`` is.
    """

    def __init__(self, client: Any, job: str, group: str | None = None) -> None:
        self._client = client
        self._group = group or TRAINING_LOGS
        # A training job's streams are those of the common group that begin with its name.
        self._streams_of = {} if group else {"logStreamNamePrefix": f"{job}/"}
        self._tokens: dict[str, str] = {}

    def new_lines(self) -> Iterator[str]:
        """Yield the lines written since the last call, stream by stream; nothing while there is no log yet."""
        from botocore.exceptions import ClientError

        try:
            for stream in self._streams():
                yield from self._new_lines_of(stream)
        except ClientError as error:
            # The group or stream appears with the first line.
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise

    def _streams(self) -> list[str]:
        found = self._client.describe_log_streams(
            logGroupName=self._group, orderBy="LogStreamName", limit=50, **self._streams_of
        )
        return [stream["logStreamName"] for stream in found["logStreams"]]

    def _new_lines_of(self, stream: str) -> Iterator[str]:
        while True:
            token = {"nextToken": self._tokens[stream]} if stream in self._tokens else {}
            page = self._client.get_log_events(
                logGroupName=self._group, logStreamName=stream, startFromHead=True, **token
            )
            for event in page["events"]:
                yield event["message"]
            # The service repeats the token when there is nothing new.
            following = page["nextForwardToken"]
            if following == token.get("nextToken") or not page["events"]:
                self._tokens[stream] = following
                return
            self._tokens[stream] = following
