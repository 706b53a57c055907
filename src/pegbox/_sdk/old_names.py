"""Arguments and attributes that version 2 of the AWS SDK renamed: both names work, both at once is an error."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

_F = TypeVar("_F", bound=Callable[..., Any])

#: Old name -> new name, for estimators.
ESTIMATOR_NAMES = {
    "train_instance_count": "instance_count",
    "train_instance_type": "instance_type",
    "train_volume_size": "volume_size",
    "train_volume_kms_key": "volume_kms_key",
    "train_max_run": "max_run",
    "train_max_wait": "max_wait",
    "train_use_spot_instances": "use_spot_instances",
    "image_name": "image_uri",
    "distributions": "distribution",
}


def accepts_old_names(renames: dict[str, str]) -> Callable[[_F], _F]:
    """Let a function take renamed keyword arguments under their old names too.

    Args:
        renames: Old name -> new name.

    Raises:
        ValueError: (by the function) Both names of one argument were given.
    """

    def decorate(function: _F) -> _F:
        positions = function.__code__.co_varnames[: function.__code__.co_argcount]

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            by_position = positions[: len(args)]
            for old in [name for name in kwargs if name in renames]:
                new = renames[old]
                if new in kwargs or new in by_position:
                    raise ValueError(f"{old} and {new} are two names of one argument; give only {new}")
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return cast("_F", call)

    return decorate


class OldName:
    """An attribute under its old name.

    Args:
        new: Name that holds the value.
    """

    def __init__(self, new: str) -> None:
        self.new = new

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else getattr(instance, self.new)

    def __set__(self, instance: Any, value: Any) -> None:
        setattr(instance, self.new, value)
