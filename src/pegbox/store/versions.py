"""Which schema versions this version of Pegbox knows. Opening a current store needs this list and not Alembic."""

from __future__ import annotations

#: Alembic revisions from the first to the current one.
KNOWN = ("0001", "0002", "0003")
CURRENT = KNOWN[-1]
