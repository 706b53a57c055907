"""Operations on the home's master keys; their model stands with the other operations of ours in :mod:`pegbox.api.extension`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pegbox.api.paging import Handler
from pegbox.errors import ApiError, PegboxError, ValidationException


class KeyControl(Protocol):
    """The home's master keys, as plain JSON data; errors are PegboxErrors that say what to do."""

    def create(self, name: str, command: Sequence[str]) -> Mapping[str, Any]:
        """Make a key, or take the one that a command hands over; return what may be known of it."""
        ...

    def list(self) -> Sequence[Mapping[str, Any]]:
        """Return what may be known of each key."""
        ...

    def enable(self, key: str, enabled: bool) -> Mapping[str, Any]:
        """Enable or disable a key."""
        ...

    def open_data_key(self, key_id: str, wrapped: str) -> str:
        """Return the data key (hexadecimal) that opens one sealed file."""
        ...


def handlers(keys: KeyControl) -> dict[str, Handler]:
    """Return the handlers of these operations by operation name."""

    def create_key(params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"Key": _told(lambda: keys.create(params["Name"], params.get("Command") or ()))}

    def list_keys(params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"Keys": {"keys": list(keys.list())}}

    def set_key_state(params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"Key": _told(lambda: keys.enable(params["Key"], params["Enabled"]))}

    def open_data_key(params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"Plain": _told(lambda: keys.open_data_key(params["Key"], params["Wrapped"]))}

    return {
        "CreateKey": create_key,
        "ListKeys": list_keys,
        "SetKeyState": set_key_state,
        "OpenDataKey": open_data_key,
    }


def _told(action: Any) -> Any:
    """Carry out an action; what goes wrong is told to the client."""
    try:
        return action()
    except ApiError:
        raise
    except PegboxError as error:
        raise ValidationException(str(error)) from error
