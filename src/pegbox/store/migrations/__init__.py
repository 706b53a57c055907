"""Alembic revisions of the schema, one module each in ``versions``.

A revision is never changed once released. A new one goes to ``versions``, into ``pegbox.store.versions.KNOWN`` and into
``pegbox.store.tables``; a test compares the schema that migrations make with the one that the tables describe. Revisions run in
one transaction, on a store that was copied before.
"""
