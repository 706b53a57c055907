"""The ``logs`` service over the programs' output: a group of training jobs, and one of each endpoint.

Positions in a stream are byte offsets, so a token stays valid while the log grows, and the forward token repeats when there is
nothing new.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pegbox.engine.log_groups import ENDPOINT_GROUPS, GROUP, Group, InstanceStreams, JobStreams, Stream
from pegbox.engine.parts import Parts
from pegbox.errors import ApiError, ResourceNotFoundException
from pegbox.ports.logs import LogLine, LogReader

Params = Mapping[str, Any]
Result = dict[str, Any]
Paged = tuple[Result, Any]

#: Most events, and bytes of events, in one answer; each event counts some bytes more than its text.
MAX_EVENTS = 10_000
MAX_BYTES = 1_048_576
_EVENT_OVERHEAD = 26
_CHUNK = 2_000
_TOKEN = re.compile(r"([fb])/(\d{1,18})")


class LogQueries:
    """Operations of the ``logs`` service."""

    _parts: Parts
    _logs: LogReader
    #: Output of model servers, or None where there are no endpoints.
    _serving_logs: LogReader | None

    def describe_log_groups(self, params: Params, after: Any = None) -> Paged:
        """List log groups: ``logGroups``."""
        prefix, pattern = params.get("logGroupNamePrefix") or "", params.get("logGroupNamePattern") or ""
        names = [GROUP]
        if self._serving_logs is not None:
            names = [*(ENDPOINT_GROUPS + name for name in self._parts.store.reader.served_names()), GROUP]
        found = [
            name
            for name in sorted(names)
            if name.startswith(prefix) and pattern.lower() in name.lower() and (after is None or name > after)
        ]
        limit = params.get("limit") or 50
        realm = self._parts.realm
        groups = [
            {
                "logGroupName": name,
                "creationTime": 0,
                "metricFilterCount": 0,
                "arn": f"arn:aws:logs:{realm.region}:{realm.account}:log-group:{name}:*",
                "storedBytes": 0,
            }
            for name in found[:limit]
        ]
        return {"logGroups": groups}, found[limit - 1] if len(found) > limit else None

    def describe_log_streams(self, params: Params, after: Any = None) -> Paged:
        """List streams of the group that hold something: ``logStreams``.

        Raises:
            ResourceNotFoundException: There is no such group.
        """
        group = self._group(params)
        prefix = params.get("logStreamNamePrefix") or ""
        by_time = params.get("orderBy") == "LastEventTime"
        if by_time and prefix:
            raise _invalid("orderBy LastEventTime cannot be combined with logStreamNamePrefix; leave one out")
        limit = params.get("limit") or 50
        descending = bool(params.get("descending"))
        streams, following = group.streams(prefix, limit, after, descending=descending, by_time=by_time)
        return {"logStreams": [self._described(group, stream) for stream in streams]}, following

    def get_log_events(self, params: Params) -> Result:
        """Read a stream: ``events``, ``nextForwardToken``, ``nextBackwardToken``.

        Raises:
            ResourceNotFoundException: There is no such group or stream.
        """
        stream = self._group(params).stream(params["logStreamName"])
        limit = min(params.get("limit") or MAX_EVENTS, MAX_EVENTS)
        direction, offset = _position(params, stream.size())
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
        group = self._group(params)
        matches = _pattern(params.get("filterPattern") or "")
        wanted = _time_filter(params)
        limit = min(params.get("limit") or MAX_EVENTS, MAX_EVENTS)
        page, index, offset = after or (None, 0, 0)
        streams, following = _searched(group, params, page)
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

    def _group(self, params: Params) -> Group:
        """Return the group that a request names.

        Raises:
            ResourceNotFoundException: There is no such group.
        """
        name = params.get("logGroupName") or params.get("logGroupIdentifier") or ""
        name = name.partition(":log-group:")[2].removesuffix(":*") or name
        reader = self._parts.store.reader
        if name == GROUP:
            return JobStreams(reader, self._logs)
        if name.startswith(ENDPOINT_GROUPS) and self._serving_logs is not None:
            return InstanceStreams(reader, self._serving_logs, name.removeprefix(ENDPOINT_GROUPS))
        raise ResourceNotFoundException("The specified log group does not exist.")

    def _described(self, group: Group, stream: Stream) -> dict[str, Any]:
        first = stream.forward(0, 1)
        last = stream.backward(stream.size(), 1)
        realm = self._parts.realm
        described: dict[str, Any] = {
            "logStreamName": stream.name,
            "creationTime": stream.created_ms,
            "arn": f"arn:aws:logs:{realm.region}:{realm.account}:log-group:{group.name}:log-stream:{stream.name}",
            "storedBytes": 0,
        }
        if first and last:
            described["firstEventTimestamp"] = first[0].at_ms
            described["lastEventTimestamp"] = described["lastIngestionTime"] = last[-1].at_ms
        return described

    def _forward(
        self, stream: Stream, offset: int, limit: int, wanted: Callable[[LogLine], bool]
    ) -> tuple[list[LogLine], int]:
        """Return lines from an offset on, and where the next ones start."""
        found: list[LogLine] = []
        room = MAX_BYTES
        while True:
            lines = stream.forward(offset, min(limit, _CHUNK))
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
        self, stream: Stream, offset: int, limit: int, wanted: Callable[[LogLine], bool]
    ) -> tuple[list[LogLine], int]:
        """Return lines before an offset, oldest first, and where they start."""
        found: list[LogLine] = []
        room = MAX_BYTES
        while True:
            lines = stream.backward(offset, min(limit, _CHUNK))
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


def _searched(group: Group, params: Params, page: Any) -> tuple[Sequence[Stream], Any]:
    names = params.get("logStreamNames")
    if names:
        return [group.stream(name) for name in names], None
    return group.streams(params.get("logStreamNamePrefix") or "", 50, page, descending=False, by_time=False)


def _found(stream: Stream, line: LogLine) -> dict[str, Any]:
    return {
        "logStreamName": stream.name,
        "timestamp": line.at_ms,
        "message": line.text,
        "ingestionTime": line.at_ms,
        "eventId": f"{stream.owner:012d}{stream.part:04d}{line.start:020d}",
    }


def _searched_answer(events: list[dict[str, Any]], streams: Sequence[Stream]) -> Result:
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


def _invalid(message: str) -> ApiError:
    return ApiError(message, code="InvalidParameterException")
