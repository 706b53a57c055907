"""Statements on tags, on the user's entries of the image table, and on what tuning jobs took over from parents."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, bindparam, delete, insert, select

from pegbox.store.database import Database, Work
from pegbox.store.rows import read_json, tag_row, write_json
from pegbox.store.tables import images, tags, warm_starts

_TAGS = select(tags.c.key, tags.c.value).where(tags.c.arn == bindparam("the_arn")).order_by(tags.c.id)
_DELETE_TAG = delete(tags).where(tags.c.arn == bindparam("the_arn"), tags.c.key == bindparam("the_key"))
_DELETE_TAGS = delete(tags).where(tags.c.arn == bindparam("the_arn"))
_IMAGES = select(images.c.name, images.c.runtime).order_by(images.c.name)
_DELETE_IMAGE = delete(images).where(images.c.name == bindparam("the_name"))
_WARM_START = select(warm_starts.c.parents).where(warm_starts.c.tuning_job_id == bindparam("tuning_job"))
_INSERT_WARM_START = insert(warm_starts)


class ExtraReads:
    """What can be asked about tags, images and warm starts."""

    def _fetch(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Any]:
        raise NotImplementedError

    def tags(self, arn: str) -> Mapping[str, str]:
        """Return the tags of a resource in the order they were added."""
        return {row.key: row.value for row in self._fetch(_TAGS, {"the_arn": arn})}

    def images(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the user's entries of the image table by name."""
        return {name: read_json(runtime) for name, runtime in self._fetch(_IMAGES, {})}

    def warm_start(self, tuning_job_id: int) -> Sequence[Mapping[str, Any]]:
        """Return what a tuning job took over from its parents."""
        rows = self._fetch(_WARM_START, {"tuning_job": tuning_job_id})
        found: Sequence[Mapping[str, Any]] = read_json(rows[0].parents) if rows else []
        return found


class ExtraWrites:
    """What can be changed about tags, images and warm starts."""

    _work: Work
    _database: Database

    def set_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add tags, or overwrite them where they stand."""
        self._work.change_many(
            _set_tags(self._database), [tag_row(arn, key, value) for key, value in tags.items()]
        )

    def delete_tags(self, arn: str, keys: Collection[str] | None = None) -> None:
        """Remove some tags, or all."""
        if keys is None:
            self._work.change(_DELETE_TAGS, {"the_arn": arn})
        else:
            self._work.change_many(_DELETE_TAG, [{"the_arn": arn, "the_key": key} for key in keys])

    def set_image(self, name: str, runtime: Mapping[str, Any] | None) -> None:
        """Add, replace or (None) remove an entry."""
        if runtime is None:
            self._work.change(_DELETE_IMAGE, {"the_name": name})
        else:
            self._work.change(_set_image(self._database), {"name": name, "runtime": write_json(runtime)})

    def insert_warm_start(self, tuning_job_id: int, parents: Sequence[Mapping[str, Any]]) -> None:
        """Keep what a tuning job takes over from its parents."""
        row = {"tuning_job_id": tuning_job_id, "parents": write_json(list(parents))}
        self._work.change(_INSERT_WARM_START, row)


def _set_tags(database: Database) -> Any:
    statement = database.insert(tags)
    return statement.on_conflict_do_update(
        index_elements=("arn", "key"), set_={"value": statement.excluded.value}
    )


def _set_image(database: Database) -> Any:
    statement = database.insert(images)
    return statement.on_conflict_do_update(
        index_elements=("name",), set_={"runtime": statement.excluded.runtime}
    )
