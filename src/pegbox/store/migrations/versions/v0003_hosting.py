"""Models, endpoint configurations, endpoints and their instances.

Revision 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    for name in ("models", "endpoint_configs"):
        _named(name)
    _endpoints()
    _instances()
    op.create_table(
        "counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
    )


def downgrade() -> None:
    """Refuse: the store is copied before each migration, and the copy is the way back."""
    raise NotImplementedError("put the copy that was made before the migration in the store's place")


def _named(table: str) -> None:
    op.create_table(
        table,
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("name_key", name=op.f(f"uq_{table}_name_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{table}_created_at_id", table, ["created_at", "id"], unique=False)


def _endpoints() -> None:
    op.create_table(
        "endpoints",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("generations", sa.BigInteger(), nullable=False),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("deployment", sa.Text(), nullable=True),
        sa.Column("current", sa.Text(), nullable=True),
        sa.Column("next", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status IN ('Creating', 'Updating', 'SystemUpdating', 'RollingBack', 'InService', 'OutOfService', "
            "'Deleting', 'Failed', 'UpdateRollbackFailed')",
            name=op.f("ck_endpoints_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoints")),
        sa.UniqueConstraint("name_key", name=op.f("uq_endpoints_name_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_endpoints_created_at_id", "endpoints", ["created_at", "id"], unique=False)
    op.create_index("ix_endpoints_status_id", "endpoints", ["status", "id"], unique=False)


def _instances() -> None:
    op.create_table(
        "endpoint_instances",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("endpoint_id", sa.BigInteger(), nullable=False),
        sa.Column("endpoint_name", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("reported", sa.BigInteger(), nullable=False),
        sa.Column("ready_at", sa.BigInteger(), nullable=True),
        sa.Column("drained_at", sa.BigInteger(), nullable=True),
        sa.Column("drain_version", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("failure_kind", sa.Text(), nullable=True),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("exit_code", sa.BigInteger(), nullable=True),
        sa.Column("signal", sa.BigInteger(), nullable=True),
        sa.Column("notices", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('starting', 'ready', 'draining', 'stopping', 'ended')",
            name=op.f("ck_endpoint_instances_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint_instances")),
        sa.UniqueConstraint("attempt_id", name=op.f("uq_endpoint_instances_attempt_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_endpoint_instances_endpoint_id_id", "endpoint_instances", ["endpoint_id", "id"], unique=False
    )
    op.create_index(
        "ix_endpoint_instances_endpoint_name_id", "endpoint_instances", ["endpoint_name", "id"], unique=False
    )
