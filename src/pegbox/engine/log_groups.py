"""Groups of log streams: one for all training jobs, one for each endpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pegbox.domain.records import TrainingJob
from pegbox.errors import ResourceNotFoundException
from pegbox.ports.logs import LogLine, LogReader
from pegbox.ports.store import Page, Reader

#: The group of all training jobs' logs, and those of endpoints before the endpoint's name, as on AWS.
GROUP = "/aws/sagemaker/TrainingJobs"
ENDPOINT_GROUPS = "/aws/sagemaker/Endpoints/"


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream: the output of one attempt of a training job, or of one instance of an endpoint."""

    name: str
    created_ms: int
    logs: LogReader
    #: Row ids that the reader finds it by: training job and attempt, or endpoint and instance.
    owner: int
    part: int

    def size(self) -> int:
        """Return its bytes."""
        return self.logs.size(self.owner, self.part)

    def forward(self, offset: int, limit: int) -> Sequence[LogLine]:
        """Return lines from an offset on."""
        return self.logs.forward(self.owner, self.part, offset, limit)

    def backward(self, offset: int, limit: int) -> Sequence[LogLine]:
        """Return lines before an offset, oldest first."""
        return self.logs.backward(self.owner, self.part, offset, limit)


class Group(Protocol):
    """A group of streams."""

    name: str

    def streams(
        self, prefix: str, limit: int, after: Any, *, descending: bool, by_time: bool
    ) -> tuple[Sequence[Stream], Any]:
        """Return a page of streams that hold something, and where the next page starts."""
        ...

    def stream(self, name: str) -> Stream:
        """Return a stream, empty or not.

        Raises:
            ResourceNotFoundException: There is none of this name.
        """
        ...


class JobStreams:
    """Streams of training jobs: ``<job>/algo-1-<epoch>`` for each attempt."""

    def __init__(self, reader: Reader, logs: LogReader) -> None:
        self.name = GROUP
        self._reader = reader
        self._logs = logs

    def streams(
        self, prefix: str, limit: int, after: Any, *, descending: bool, by_time: bool
    ) -> tuple[Sequence[Stream], Any]:
        """Return a page of streams that hold something, and where the next page starts."""
        reader = self._reader
        if "/" in prefix:
            job = reader.training_job(prefix.partition("/")[0])
            found = [] if job is None else [s for s in self._of(job) if s.name.startswith(prefix)]
            return found[:limit], None
        page = Page(
            sort_by="CreationTime" if by_time else "Name",
            descending=descending,
            limit=limit,
            after=tuple(after) if after is not None else None,
            name_contains=prefix or None,
        )
        while True:
            rows = reader.list_training_jobs(page)
            streams = [s for job in rows.items for s in self._of(job) if s.name.startswith(prefix)]
            # Attempts make more streams than jobs; a page never holds more than was asked for.
            if len(streams) <= limit or page.limit == 1:
                return streams[:limit], rows.next_after
            page = dataclasses.replace(page, limit=page.limit // 2)

    def stream(self, name: str) -> Stream:
        """Return a stream, empty or not.

        Raises:
            ResourceNotFoundException: There is none of this name.
        """
        job = self._reader.training_job(name.partition("/")[0])
        return _named(name, self._of(job, empty=True) if job is not None else ())

    def _of(self, job: TrainingJob, *, empty: bool = False) -> Iterator[Stream]:
        used: set[int] = set()
        for attempt in self._reader.attempts(job.id):
            epoch = int(attempt.created_at.timestamp())
            while epoch in used:
                epoch += 1
            used.add(epoch)
            if empty or self._logs.size(job.id, attempt.number):
                created = int(attempt.created_at.timestamp() * 1000)
                yield Stream(f"{job.name}/algo-1-{epoch}", created, self._logs, job.id, attempt.number)


class InstanceStreams:
    """Streams of the endpoints of one name, deleted ones included: ``<variant>/i-<instance>``.

    Raises:
        ResourceNotFoundException: There was never such an endpoint, or nothing of it is kept.
    """

    def __init__(self, reader: Reader, logs: LogReader, endpoint: str) -> None:
        self.name = f"{ENDPOINT_GROUPS}{endpoint}"
        instances = reader.instances_named(endpoint)
        if not instances and reader.endpoint(endpoint) is None:
            raise ResourceNotFoundException("The specified log group does not exist.")
        self._streams = [
            Stream(
                f"{item.variant}/i-{item.id}",
                int(item.created_at.timestamp() * 1000),
                logs,
                item.endpoint_id,
                item.id,
            )
            for item in instances
        ]

    def streams(
        self, prefix: str, limit: int, after: Any, *, descending: bool, by_time: bool
    ) -> tuple[Sequence[Stream], Any]:
        """Return a page of streams that hold something, and where the next page starts."""

        def place(stream: Stream) -> list[Any]:
            return [stream.created_ms if by_time else stream.name, stream.part]

        found = [s for s in self._streams if s.name.startswith(prefix) and s.size()]
        found.sort(key=place, reverse=descending)
        if after is not None:
            found = [s for s in found if (place(s) < after if descending else place(s) > after)]
        return found[:limit], place(found[limit - 1]) if len(found) > limit else None

    def stream(self, name: str) -> Stream:
        """Return a stream, empty or not.

        Raises:
            ResourceNotFoundException: There is none of this name.
        """
        return _named(name, self._streams)


def _named(name: str, streams: Iterator[Stream] | Sequence[Stream]) -> Stream:
    for stream in streams:
        if stream.name == name:
            return stream
    raise ResourceNotFoundException("The specified log stream does not exist.")
