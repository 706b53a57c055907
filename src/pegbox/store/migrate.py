"""Brings an older schema up to date with Alembic. Loaded only when there is something to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from pegbox.store.tables import metadata

_SCRIPTS = Path(__file__).with_name("migrations")


def scripts(versions: Path | None = None) -> ScriptDirectory:
    """Return the migrations; ``versions`` replaces the folder they are read from."""
    config = Config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", _escaped(_SCRIPTS))
    config.set_main_option("version_locations", _escaped(versions or _SCRIPTS / "versions"))
    return ScriptDirectory.from_config(config)


def upgrade(connection: Connection, versions: Path | None = None) -> None:
    """Run what is missing inside the connection's transaction: all of it is committed with that transaction, or nothing."""
    directory = scripts(versions)
    head = directory.get_current_head()

    def steps(revision: Any, _: Any) -> Any:
        return directory._upgrade_revs(head or "head", revision)

    config = Config()
    with EnvironmentContext(config, directory, fn=steps) as environment:
        environment.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
        with environment.begin_transaction():
            environment.run_migrations()


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")
