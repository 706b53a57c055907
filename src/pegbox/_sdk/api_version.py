"""Which version of the AWS SDK this process's scripts were written for, where its versions differ in what a call does."""

from __future__ import annotations

#: Versions whose behaviour can be chosen -> the release of the AWS SDK that stands for it.
RELEASES = {"v1": "1.72.1", "v2": "2.257.7"}

_chosen = "v1"
_stands_for_sagemaker = False


def choose(api: str) -> None:
    """Choose the version for this process.

    Args:
        api: ``v1`` or ``v2``.

    Raises:
        ValueError: It is neither.
    """
    global _chosen
    if api not in RELEASES:
        raise ValueError(f"api={api!r} must be one of {', '.join(map(repr, RELEASES))}")
    _chosen = api


def stand_for_sagemaker() -> None:
    """Note that Pegbox goes by the AWS SDK's name in this process."""
    global _stands_for_sagemaker
    _stands_for_sagemaker = True


def release() -> str:
    """Return the release of the AWS SDK that stands for the chosen version."""
    return RELEASES[_chosen]


def stands_for_sagemaker() -> bool:
    """Tell whether Pegbox goes by the AWS SDK's name in this process, so that what runs may not have been written for it."""
    return _stands_for_sagemaker


def waits_by_default() -> bool:
    """Tell whether a tuner's ``fit`` waits when nothing is said: since version 2 of the AWS SDK it does."""
    return _chosen == "v2"


def speaks_of_version_2() -> bool:
    """Tell whether a session's calls have the keywords of version 2 of the AWS SDK."""
    return _chosen == "v2"


def names_deployments_by_time() -> bool:
    """Tell whether models and endpoints are named by the time: since version 2 of the AWS SDK they are."""
    return _chosen == "v2"


def names_types_of_bytes() -> bool:
    """Tell whether a predictor without serializers sends MIME types: since version 2 of the AWS SDK it does."""
    return _chosen == "v2"
