"""What tuning jobs take over from their parents.

Revision 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "warm_starts",
        sa.Column("tuning_job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("parents", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tuning_job_id"],
            ["tuning_jobs.id"],
            name=op.f("fk_warm_starts_tuning_job_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tuning_job_id", name=op.f("pk_warm_starts")),
    )


def downgrade() -> None:
    """Refuse: the store is copied before each migration, and the copy is the way back."""
    raise NotImplementedError("put the copy that was made before the migration in the store's place")
