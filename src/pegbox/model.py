"""Models that can be served. Endpoints come with a later version; the names are here."""

from __future__ import annotations

from typing import Any

from pegbox.session import endpoints_come_later

__all__ = ["FrameworkModel", "Model"]


class Model:
    """A trained model that can be deployed to an endpoint.

    Raises:
        NotHere: Always in this version.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise endpoints_come_later(type(self).__name__)


class FrameworkModel(Model):
    """A model that a script of the user's serves."""

    __framework_name__: str | None = None
