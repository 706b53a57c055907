"""The dispatch table is whole."""

from __future__ import annotations

from typing import Any

from pegbox.api.dispatch import dispatch_table
from pegbox.api.extension import extension_model
from pegbox.wire import SERVED, PageTokens


class Anything:
    """Has every attribute."""

    def __getattr__(self, name: str) -> Any:
        return Anything()


def test_every_served_operation_has_a_handler_and_no_other() -> None:
    """What the wire accepts is answered, and nothing lies in the table that the wire would never let through."""
    engine: Any = Anything()
    table = dispatch_table(engine, PageTokens(b"k" * 32), engine, engine, account="123456789012")
    wanted = {(service, name) for service, names in SERVED.items() for name in names}
    wanted |= {("pegbox", name) for name in extension_model().operations}
    assert set(table) == wanted


def test_handlers_name_existing_methods() -> None:
    """Every method that a handler calls exists on the engine's commands or queries."""
    from pegbox.engine.commands import Commands
    from pegbox.engine.hosting.commands import HostingCommands
    from pegbox.engine.hosting.queries import HostingQueries
    from pegbox.engine.queries import Queries

    class Engine:
        commands = Commands.__new__(Commands)
        queries = Queries.__new__(Queries)
        hosting_commands = HostingCommands.__new__(HostingCommands)
        hosting_queries = HostingQueries.__new__(HostingQueries)

    engine: Any = Engine()
    dispatch_table(engine, PageTokens(b"k" * 32), Anything(), Anything(), account="123456789012")
    for name in ("set_image",):
        assert callable(getattr(Commands, name))
    assert callable(HostingQueries.explain_endpoint)
    for name in ("images", "explain"):
        assert callable(getattr(Queries, name))
