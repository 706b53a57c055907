"""What all commands share: the home, its server, and how errors end a command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from pegbox.bootstrap.home import Home
from pegbox.cli.client import Client
from pegbox.errors import ApiError, PegboxError
from pegbox.settings import home_folder

_F = TypeVar("_F", bound=Callable[..., Any])


def this_home() -> Home:
    """Return the home that ``PEGBOX_HOME`` names."""
    return Home(home_folder())


def connect() -> Client:
    """Return a client of the home's server, starting the server if need be (it then ends by itself when idle)."""
    from pegbox.cli.launch import start

    home = this_home()
    facts, _ = start(home, auto=True)
    return Client(home, facts)


def command(function: _F) -> _F:
    """Make a command end with a message and status 1, not a traceback, when Pegbox refuses."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except ApiError as error:
            _fail(f"{error.message} ({error.code})")
        except PegboxError as error:
            _fail(str(error))
        except BrokenPipeError:
            # Whoever read our output has seen enough.
            sys.stderr.close()
            sys.exit(0)

    return run  # type: ignore[return-value]


def _fail(words: str) -> None:
    print(f"pegbox: {words}", file=sys.stderr)
    sys.exit(1)
