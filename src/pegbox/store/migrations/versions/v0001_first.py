"""The first schema.

Revision 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables."""
    _tuning_jobs()
    _training_jobs()
    _attempts()
    _metric_points()
    _tags()
    _images()


def downgrade() -> None:
    """Refuse: the store is copied before each migration, and the copy is the way back."""
    raise NotImplementedError("put the copy that was made before the migration in the store's place")


def _tuning_jobs() -> None:
    """Searches."""
    op.create_table(
        "tuning_jobs",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("launched", sa.BigInteger(), nullable=False),
        sa.Column("observed", sa.BigInteger(), nullable=False),
        sa.Column("converged_at", sa.BigInteger(), nullable=True),
        sa.Column("completion_reason", sa.Text(), nullable=True),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("notices", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "status IN ('InProgress', 'Completed', 'Failed', 'Stopping', 'Stopped', 'Deleting')",
            name=op.f("ck_tuning_jobs_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tuning_jobs")),
        sa.UniqueConstraint("name_key", name=op.f("uq_tuning_jobs_name_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tuning_jobs_created_at_id", "tuning_jobs", ["created_at", "id"], unique=False)
    op.create_index("ix_tuning_jobs_status_id", "tuning_jobs", ["status", "id"], unique=False)


def _training_jobs() -> None:
    """Evaluations."""
    op.create_table(
        "training_jobs",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("secondary", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("tuning_job_id", sa.BigInteger(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("observed_seq", sa.BigInteger(), nullable=True),
        sa.Column("objective", sa.Double(), nullable=True),
        sa.Column("objective_status", sa.Text(), nullable=True),
        sa.Column("failure_kind", sa.Text(), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("exit_code", sa.BigInteger(), nullable=True),
        sa.Column("signal", sa.BigInteger(), nullable=True),
        sa.Column("definition", sa.Text(), nullable=True),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("notices", sa.Text(), nullable=False),
        sa.Column("final_metrics", sa.Text(), nullable=False),
        sa.Column("transitions", sa.Text(), nullable=False),
        sa.Column("artifacts", sa.Text(), nullable=False),
        sa.Column("suggestion", sa.Text(), nullable=True),
        sa.Column("request", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "failure_kind IN ('AlgorithmError', 'ClientError', 'InternalServerError')",
            name=op.f("ck_training_jobs_failure_kind"),
        ),
        sa.CheckConstraint(
            "objective_status IN ('Succeeded', 'Pending', 'Failed')",
            name=op.f("ck_training_jobs_objective_status"),
        ),
        sa.CheckConstraint(
            "secondary IN ('Starting', 'Pending', 'Downloading', 'Training', 'Uploading', 'Interrupted', 'Restarting', "
            "'Stopping', 'Stopped', 'MaxRuntimeExceeded', 'Completed', 'Failed')",
            name=op.f("ck_training_jobs_secondary"),
        ),
        sa.CheckConstraint(
            "status IN ('InProgress', 'Completed', 'Failed', 'Stopping', 'Stopped', 'Deleting')",
            name=op.f("ck_training_jobs_status"),
        ),
        sa.CheckConstraint(
            "stop_reason IN ('stopped', 'max_runtime', 'early_stop')",
            name=op.f("ck_training_jobs_stop_reason"),
        ),
        sa.CheckConstraint("(tuning_job_id IS NULL) = (number IS NULL)", name=op.f("ck_training_jobs_trial")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_jobs")),
        sa.UniqueConstraint("name_key", name=op.f("uq_training_jobs_name_key")),
        sa.UniqueConstraint("tuning_job_id", "number", name=op.f("uq_training_jobs_tuning_job_id_number")),
        sa.UniqueConstraint(
            "tuning_job_id", "observed_seq", name=op.f("uq_training_jobs_tuning_job_id_observed_seq")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_training_jobs_counters",
        "training_jobs",
        ["tuning_job_id", "status", "failure_kind", "objective_status"],
        unique=False,
    )
    op.create_index("ix_training_jobs_created_at_id", "training_jobs", ["created_at", "id"], unique=False)
    op.create_index("ix_training_jobs_status_id", "training_jobs", ["status", "id"], unique=False)
    op.create_index(
        "ix_training_jobs_tuning_job_id_created_at_id",
        "training_jobs",
        ["tuning_job_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_training_jobs_tuning_job_id_name_key_id",
        "training_jobs",
        ["tuning_job_id", "name_key", "id"],
        unique=False,
    )
    op.create_index(
        "ix_training_jobs_tuning_job_id_objective_id",
        "training_jobs",
        ["tuning_job_id", "objective", "id"],
        unique=False,
    )


def _attempts() -> None:
    """Starts of a program."""
    op.create_table(
        "attempts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("training_job_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reported", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('live', 'ended', 'fenced')", name=op.f("ck_attempts_state")),
        sa.ForeignKeyConstraint(
            ["training_job_id"],
            ["training_jobs.id"],
            name=op.f("fk_attempts_training_job_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("training_job_id", "number", name=op.f("uq_attempts_training_job_id_number")),
    )
    op.create_index(
        "uq_attempts_live",
        "attempts",
        ["training_job_id"],
        unique=True,
        sqlite_where=sa.text("state = 'live'"),
        postgresql_where=sa.text("state = 'live'"),
    )


def _metric_points() -> None:
    """Values that programs emitted."""
    op.create_table(
        "metric_points",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("training_job_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["training_job_id"],
            ["training_jobs.id"],
            name=op.f("fk_metric_points_training_job_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metric_points")),
        sa.UniqueConstraint(
            "training_job_id",
            "attempt",
            "name",
            "count",
            name=op.f("uq_metric_points_training_job_id_attempt_name_count"),
        ),
    )


def _tags() -> None:
    """Tags by ARN."""
    op.create_table(
        "tags",
        sa.Column("id", _ROW_ID, autoincrement=True, nullable=False),
        sa.Column("arn", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tags")),
        sa.UniqueConstraint("arn", "key", name=op.f("uq_tags_arn_key")),
    )
    op.create_index("ix_tags_resource", "tags", ["resource"], unique=False)


def _images() -> None:
    """The user's entries of the image table."""
    op.create_table(
        "images",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("runtime", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_images")),
    )
