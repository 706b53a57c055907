"""Timestamps of the AWS protocols: aware datetimes inside, epoch seconds or ISO 8601 outside.

Milliseconds are kept, as the services do; anything finer is rounded away on output.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?"
    r"\s*(?:([Zz]|UTC|GMT)|([+-])(\d\d):?(\d\d))?",
    re.ASCII,
)


def from_epoch(seconds: float) -> datetime:
    """The moment ``seconds`` after 1970-01-01T00:00:00Z, to the microsecond.

    Raises:
        ValueError: It is not a finite number or lies outside the years 1 to 9999.
    """
    if not math.isfinite(seconds):
        raise ValueError("not a finite number")
    try:
        return _EPOCH + timedelta(microseconds=round(seconds * 1_000_000))
    except OverflowError:
        raise ValueError("outside the years 1 to 9999") from None


def to_epoch(moment: datetime) -> int | float:
    """Seconds since 1970-01-01T00:00:00Z, rounded to milliseconds; an integer where it is one.

    Raises:
        ValueError: The datetime has no time zone.
    """
    milliseconds = _milliseconds(moment)
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000


def from_text(text: str) -> datetime:
    """Read ISO 8601 (UTC where no zone is given) or a number of seconds since 1970.

    Raises:
        ValueError: It is neither.
    """
    found = _ISO.fullmatch(text.strip())
    if found is None:
        try:
            seconds = float(text)
        except ValueError:
            raise ValueError("neither an ISO 8601 time nor a number of seconds since 1970") from None
        return from_epoch(seconds)
    year, month, day, hour, minute, second, fraction, _, sign, zone_hours, zone_minutes = found.groups()
    zone = timezone.utc
    if sign:
        offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
        zone = timezone(offset if sign == "+" else -offset)
    moment = datetime(
        int(year),
        int(month),
        int(day),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        int((fraction or "0").ljust(6, "0")[:6]),
        zone,
    )
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError:
        raise ValueError("outside the years 1 to 9999") from None


def to_iso(moment: datetime) -> str:
    """ISO 8601 in UTC with a ``Z``, with milliseconds where there are any.

    Raises:
        ValueError: The datetime has no time zone.
    """
    milliseconds = _milliseconds(moment)
    whole = _EPOCH + timedelta(seconds=milliseconds // 1000)
    fraction = f".{milliseconds % 1000:03d}" if milliseconds % 1000 else ""
    return f"{whole:%H:%M:%S}".join((f"{whole.year:04d}-{whole:%m-%d}T", f"{fraction}Z"))


def _milliseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError(f"the time {moment.isoformat()} has no time zone")
    return round((moment - _EPOCH) / timedelta(milliseconds=1))
