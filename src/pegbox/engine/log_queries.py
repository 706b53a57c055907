"""The ``logs`` service over the programs' output: one group, one stream per attempt of a training job.

Positions in a stream are byte offsets, so a token stays valid while the log grows, and the forward token repeats when there is
nothing new.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pegbox.domain.records import TrainingJob
from pegbox.engine.parts import Parts
from pegbox.errors import ApiError, ResourceNotFoundException
from pegbox.ports.logs import LogLine, LogReader
from pegbox.ports.store import Page

Params = Mapping[str, Any]
Result = dict[str, Any]
Paged = tuple[Result, Any]

#: The group of all training jobs' logs, as on AWS.
GROUP = "/aws/sagemaker/TrainingJobs"
#: Most events, and bytes of events, in one answer; each event counts some bytes more than its text.
MAX_EVENTS = 10_000
MAX_BYTES = 1_048_576
_EVENT_OVERHEAD = 26
_CHUNK = 2_000
_TOKEN = re.compile(r"([fb])/(\d{1,18})")


@dataclass(frozen=True, slots=True)
class _Stream:
    name: str
    job_id: int
    attempt: int
    created_ms: int


class LogQueries:
    """Operations of the ``logs`` service."""

    _parts: Parts
    _logs: LogReader

    def describe_log_groups(self, params: Params, after: Any = None) -> Paged:
        """List log groups: ``logGroups``."""
        prefix, pattern = params.get("logGroupNamePrefix"), params.get("logGroupNamePattern")
        wanted = GROUP.startswith(prefix or "") and (pattern or "").lower() in GROUP.lower()
        realm = self._parts.realm
        group = {
            "logGroupName": GROUP,
            "creationTime": 0,
            "metricFilterCount": 0,
            "arn": f"arn:aws:logs:{realm.region}:{realm.account}:log-group:{GROUP}:*",
            "storedBytes": 0,
        }
        return {"logGroups": [group] if wanted else []}, None

    def describe_log_streams(self, params: Params, after: Any = None) -> Paged:
        """List streams of the group that hold something: ``logStreams``.

        Raises:
            ResourceNotFoundException: There is no such group.
        """
        _check_group(params)
        prefix = params.get("logStreamNamePrefix") or ""
        by_time = params.get("orderBy") == "LastEventTime"
        if by_time and prefix:
            raise _invalid("orderBy LastEventTime cannot be combined with logStreamNamePrefix; leave one out")
        limit = params.get("limit") or 50
        descending = bool(params.get("descending"))
        streams, following = self._streams(prefix, limit, after, descending, by_time)
        return {"logStreams": [self._described(stream) for stream in streams]}, following

    def get_log_events(self, params: Params) -> Result:
        """Read a stream: ``events``, ``nextForwardToken``, ``nextBackwardToken``.

        Raises:
            ResourceNotFoundException: There is no such group or stream.
        """
        _check_group(params)
        stream = self._stream(params["logStreamName"])
        limit = min(params.get("limit") or MAX_EVENTS, MAX_EVENTS)
        size = self._logs.size(stream.job_id, stream.attempt)
        direction, offset = _position(params, size)
        wanted = _time_filter(params)
        if direction == "f":
            lines, end = self._forward(stream, offset, limit, wanted)
            start = lines[0].start if lines else offset
        else:
            lines, start = self._backward(stream, offset, limit, wanted)
            end = lines[-1].end if lines else offset
        events = [
            {"timestamp": line.at_ms, "message": line.text, "ingestionTime": line.at_ms} for line in lines
        ]
        return {"events": events, "nextForwardToken": f"f/{end}", "nextBackwardToken": f"b/{start}"}

    def filter_log_events(self, params: Params, after: Any = None) -> Paged:
        """Search streams of the group, one after the other: ``events``, ``searchedLogStreams``.

        Raises:
            ResourceNotFoundException: There is no such group.
        """
        _check_group(params)
        matches = _pattern(params.get("filterPattern") or "")
        wanted = _time_filter(params)
        limit = min(params.get("limit") or MAX_EVENTS, MAX_EVENTS)
        page, index, offset = after or (None, 0, 0)
        streams, following = self._searched(params, page)
        events: list[dict[str, Any]] = []
        for place in range(index, len(streams)):
            stream = streams[place]
            lines, end = self._forward(
                stream, offset, limit - len(events), lambda line: wanted(line) and matches(line.text)
            )
            events += [_found(stream, line) for line in lines]
            if len(events) >= limit:
                return _searched_answer(events, streams), [page, place, end]
            offset = 0
        return _searched_answer(events, streams), [following, 0, 0] if following is not None else None

    def _searched(self, params: Params, page: Any) -> tuple[Sequence[_Stream], Any]:
        names = params.get("logStreamNames")
        if names:
            return [self._stream(name) for name in names], None
        return self._streams(params.get("logStreamNamePrefix") or "", 50, page, False, False)

    def _streams(
        self, prefix: str, limit: int, after: Any, descending: bool, by_time: bool
    ) -> tuple[Sequence[_Stream], Any]:
        reader = self._parts.store.reader
        if "/" in prefix:
            job = reader.training_job(prefix.partition("/")[0])
            found = [] if job is None else [s for s in self._streams_of(job) if s.name.startswith(prefix)]
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
            streams = [
                stream
                for job in rows.items
                for stream in self._streams_of(job)
                if stream.name.startswith(prefix)
            ]
            # Attempts make more streams than jobs; a page never holds more than was asked for.
            if len(streams) <= limit or page.limit == 1:
                return streams[:limit], rows.next_after
            page = dataclasses.replace(page, limit=page.limit // 2)

    def _streams_of(self, job: TrainingJob, *, empty: bool = False) -> Iterator[_Stream]:
        used: set[int] = set()
        for attempt in self._parts.store.reader.attempts(job.id):
            epoch = int(attempt.created_at.timestamp())
            while epoch in used:
                epoch += 1
            used.add(epoch)
            if empty or self._logs.size(job.id, attempt.number):
                created = int(attempt.created_at.timestamp() * 1000)
                yield _Stream(f"{job.name}/algo-1-{epoch}", job.id, attempt.number, created)

    def _stream(self, name: str) -> _Stream:
        job = self._parts.store.reader.training_job(name.partition("/")[0])
        for stream in self._streams_of(job, empty=True) if job is not None else ():
            if stream.name == name:
                return stream
        raise ResourceNotFoundException("The specified log stream does not exist.")

    def _described(self, stream: _Stream) -> dict[str, Any]:
        size = self._logs.size(stream.job_id, stream.attempt)
        first = self._logs.forward(stream.job_id, stream.attempt, 0, 1)
        last = self._logs.backward(stream.job_id, stream.attempt, size, 1)
        realm = self._parts.realm
        described: dict[str, Any] = {
            "logStreamName": stream.name,
            "creationTime": stream.created_ms,
            "arn": f"arn:aws:logs:{realm.region}:{realm.account}:log-group:{GROUP}:log-stream:{stream.name}",
            "storedBytes": 0,
        }
        if first and last:
            described["firstEventTimestamp"] = first[0].at_ms
            described["lastEventTimestamp"] = described["lastIngestionTime"] = last[-1].at_ms
        return described

    def _forward(
        self, stream: _Stream, offset: int, limit: int, wanted: Callable[[LogLine], bool]
    ) -> tuple[list[LogLine], int]:
        """Return lines from an offset on, and where the next ones start."""
        found: list[LogLine] = []
        room = MAX_BYTES
        while True:
            lines = self._logs.forward(stream.job_id, stream.attempt, offset, min(limit, _CHUNK))
            if not lines:
                return found, offset
            for line in lines:
                if wanted(line):
                    room -= len(line.text.encode()) + _EVENT_OVERHEAD
                    if found and room < 0:
                        return found, offset
                    found.append(line)
                offset = line.end
                if len(found) >= limit:
                    return found, offset

    def _backward(
        self, stream: _Stream, offset: int, limit: int, wanted: Callable[[LogLine], bool]
    ) -> tuple[list[LogLine], int]:
        """Return lines before an offset, oldest first, and where they start."""
        found: list[LogLine] = []
        room = MAX_BYTES
        while True:
            lines = self._logs.backward(stream.job_id, stream.attempt, offset, min(limit, _CHUNK))
            if not lines:
                return found[::-1], offset
            for line in reversed(lines):
                if wanted(line):
                    room -= len(line.text.encode()) + _EVENT_OVERHEAD
                    if found and room < 0:
                        return found[::-1], offset
                    found.append(line)
                offset = line.start
                if len(found) >= limit:
                    return found[::-1], offset


def _found(stream: _Stream, line: LogLine) -> dict[str, Any]:
    return {
        "logStreamName": stream.name,
        "timestamp": line.at_ms,
        "message": line.text,
        "ingestionTime": line.at_ms,
        "eventId": f"{stream.job_id:012d}{stream.attempt:04d}{line.start:020d}",
    }


def _searched_answer(events: list[dict[str, Any]], streams: Sequence[_Stream]) -> Result:
    searched = [{"logStreamName": stream.name, "searchedCompletely": True} for stream in streams]
    return {"events": events, "searchedLogStreams": searched}


def _position(params: Params, size: int) -> tuple[str, int]:
    token = params.get("nextToken")
    if token is None:
        return ("f", 0) if params.get("startFromHead") else ("b", size)
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise _invalid("The specified nextToken is invalid.")
    return match[1], int(match[2])


def _time_filter(params: Params) -> Callable[[LogLine], bool]:
    start, end = params.get("startTime"), params.get("endTime")
    return lambda line: (start is None or line.at_ms >= start) and (end is None or line.at_ms < end)


def _pattern(pattern: str) -> Callable[[str], bool]:
    """Read a filter pattern of terms: all must occur, ``?term`` any of them, ``-term`` none."""
    text = pattern.strip()
    if text[:1] in ("{", "[", "%"):
        raise _invalid(
            f"filterPattern {pattern!r}: JSON, column and regular-expression patterns are not offered; use terms"
        )
    needed: list[str] = []
    optional: list[str] = []
    excluded: list[str] = []
    for sign, quoted, plain in re.findall(r'([?-]?)(?:"((?:[^"\\]|\\.)*)"|(\S+))', text):
        kind = {"?": optional, "-": excluded}.get(sign, needed)
        kind.append(re.sub(r"\\(.)", r"\1", quoted) if quoted else plain)
    return lambda line: (
        all(term in line for term in needed)
        and not any(term in line for term in excluded)
        and (not optional or any(term in line for term in optional))
    )


def _check_group(params: Params) -> None:
    name = params.get("logGroupName") or params.get("logGroupIdentifier") or ""
    if name != GROUP and f":log-group:{GROUP}" not in name:
        raise ResourceNotFoundException("The specified log group does not exist.")


def _invalid(message: str) -> ApiError:
    return ApiError(message, code="InvalidParameterException")
