"""Names of jobs, made from a base and the time."""

from __future__ import annotations

import re
import secrets
import time
from typing import Any

#: Longest name of training jobs, models and endpoints.
LONG_NAME = 63

_STAMPED = re.compile(r"(.+)-(?:\d{4}(?:-\d{2}){5}-\d{3}|\d{6}-\d{4})(?:-\d{1,2})?")
_IMAGE = re.compile(r"^(.+/)?([^:/]+)(:[^:]+)?$")


def name_from_base(base: str, max_length: int = LONG_NAME, short: bool = False) -> str:
    """Return ``<base>-<time>``, cutting the base so that the whole fits.

    Args:
        base: First part of the name.
        max_length: Longest name in characters.
        short: Local time to the minute (``YYMMDD-HHMM``) instead of UTC to the millisecond.
    """
    stamp = short_timestamp() if short else long_timestamp()
    return f"{base[: max_length - len(stamp) - 1]}-{stamp}"


def base_from_name(name: str) -> str:
    """Return the base of a name that :func:`name_from_base` or :func:`numbered` made; any other name as it is."""
    match = _STAMPED.fullmatch(name)
    return match[1] if match else name


def numbered(name: str, number: int, max_length: int) -> str:
    """Return a generated name with ``-<number>`` at its end, cutting its base so that the whole fits.

    Args:
        name: A name from :func:`name_from_base` with ``short=True``.
        number: 2, 3, ... for the second and later jobs of one minute.
        max_length: Longest name in characters.
    """
    tail = f"{name[-12:]}-{number}"
    return name[:-12][: max_length - len(tail)] + tail


def short_timestamp() -> str:
    """Return local time as ``YYMMDD-HHMM``."""
    return time.strftime("%y%m%d-%H%M")


def long_timestamp() -> str:
    """Return UTC as ``YYYY-MM-DD-HH-MM-SS-mmm``."""
    now = time.time()
    return time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime(now)) + f"-{int(now % 1 * 1000):03d}"


def name_from_image(image: str, max_length: int = LONG_NAME) -> str:
    """Return a name made from an image's and the time.

    Args:
        image: The image.
        max_length: Longest name in characters.
    """
    return name_from_base(base_name_from_image(image), max_length=max_length)


def unique_name_from_base(base: str, max_length: int = LONG_NAME) -> str:
    """Return ``<base>-<seconds>-<four random digits>``, cutting the base so that the whole fits.

    Args:
        base: First part of the name.
        max_length: Longest name in characters.
    """
    tail = f"{int(time.time())}-{secrets.token_hex(2)}"
    return f"{base[: max_length - len(tail) - 1]}-{tail}"


def base_name_from_image(image: str) -> str:
    """Return an image's name without registry, path and tag, fit for the start of a job name."""
    match = _IMAGE.match(image)
    name = match.group(2) if match else image
    return base_name(name)


#: Names of the AWS SDK for the two forms of the time.
sagemaker_timestamp, sagemaker_short_timestamp = long_timestamp, short_timestamp


def base_name(text: str) -> str:
    """Return text with everything that a job name cannot hold replaced by hyphens; never empty."""
    return re.sub(r"[^a-zA-Z0-9]+", "-", text).strip("-") or "job"


def to_str(value: Any) -> str:
    """Return a value as text."""
    return str(value)
