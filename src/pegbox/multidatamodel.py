"""Many models behind one endpoint, which Pegbox does not have."""

from __future__ import annotations

from typing import Any

from pegbox.errors import NotHere

__all__ = ["MultiDataModel"]


class MultiDataModel:
    """Many models at one endpoint, loaded as requests name them.

    Raises:
        NotHere: Always; the message says what to do instead.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotHere(
            "MultiDataModel is not offered: an endpoint of Pegbox has one model per variant; make an endpoint, or a "
            "variant with TargetVariant, for each model"
        )
