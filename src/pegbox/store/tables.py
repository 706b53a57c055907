"""The schema: what is kept, and what the database itself refuses.

Times are integers, microseconds since 1970 in UTC. JSON is text. A NaN is kept as NULL, since SQLite has none. Row ids are never
used again. Everything here is common to the databases that Pegbox can use; what one of them says differently stands in its own
module (``sqlite``). A change here needs a migration; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import Double

from pegbox.domain.statuses import (
    FailureKind,
    ObjectiveStatus,
    SecondaryStatus,
    StopReason,
    TrainingStatus,
    TuningStatus,
)
from pegbox.store.columns import required, row_id, words
from pegbox.store.hosting_tables import add_hosting_tables
from pegbox.store.rules import ATTEMPT_STATES

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

tuning_jobs = Table(
    "tuning_jobs",
    metadata,
    row_id(),
    required("name"),
    required("name_key"),
    required("status"),
    required("created_at", BigInteger),
    required("modified_at", BigInteger),
    Column("ended_at", BigInteger),
    required("seed", BigInteger),
    required("launched", BigInteger),
    required("observed", BigInteger),
    Column("converged_at", BigInteger),
    Column("completion_reason", Text),
    Column("failure_reason", Text),
    required("notices"),
    required("request"),
    UniqueConstraint("name_key"),
    words("status", TuningStatus),
    Index(None, "status", "id"),
    Index(None, "created_at", "id"),
    sqlite_autoincrement=True,
)

#: Small columns stand first and JSON last, so that counting and sorting need not read past long texts.
training_jobs = Table(
    "training_jobs",
    metadata,
    row_id(),
    required("name"),
    required("name_key"),
    required("status"),
    required("secondary"),
    required("created_at", BigInteger),
    required("modified_at", BigInteger),
    #: No foreign key: trials stay when the record of their tuning job is deleted.
    Column("tuning_job_id", BigInteger),
    Column("number", BigInteger),
    Column("observed_seq", BigInteger),
    Column("objective", Double),
    Column("objective_status", Text),
    Column("failure_kind", Text),
    Column("stop_reason", Text),
    required("attempt", BigInteger),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("exit_code", BigInteger),
    Column("signal", BigInteger),
    Column("definition", Text),
    Column("failure_reason", Text),
    required("notices"),
    required("final_metrics"),
    required("transitions"),
    required("artifacts"),
    Column("suggestion", Text),
    required("request"),
    UniqueConstraint("name_key"),
    UniqueConstraint("tuning_job_id", "number"),
    UniqueConstraint("tuning_job_id", "observed_seq"),
    words("status", TrainingStatus),
    words("secondary", SecondaryStatus),
    words("objective_status", ObjectiveStatus),
    words("failure_kind", FailureKind),
    words("stop_reason", StopReason),
    CheckConstraint("(tuning_job_id IS NULL) = (number IS NULL)", name="trial"),
    Index(None, "status", "id"),
    Index(None, "created_at", "id"),
    Index(None, "tuning_job_id", "name_key", "id"),
    Index(None, "tuning_job_id", "created_at", "id"),
    Index(None, "tuning_job_id", "objective", "id"),
    Index("ix_training_jobs_counters", "tuning_job_id", "status", "failure_kind", "objective_status"),
    sqlite_autoincrement=True,
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("training_job_id", BigInteger, ForeignKey("training_jobs.id", ondelete="CASCADE"), nullable=False),
    required("number", BigInteger),
    required("created_at", BigInteger),
    required("state"),
    required("reported", BigInteger),
    Column("ended_at", BigInteger),
    UniqueConstraint("training_job_id", "number"),
    words("state", ATTEMPT_STATES),
)
#: One live attempt of a training job at a time.
Index(
    "uq_attempts_live",
    attempts.c.training_job_id,
    unique=True,
    sqlite_where=text("state = 'live'"),
    postgresql_where=text("state = 'live'"),
)

metric_points = Table(
    "metric_points",
    metadata,
    row_id(),
    Column("training_job_id", BigInteger, ForeignKey("training_jobs.id", ondelete="CASCADE"), nullable=False),
    required("attempt", BigInteger),
    required("name"),
    required("count", BigInteger),
    Column("value", Double),
    required("at", BigInteger),
    Column("step", BigInteger),
    UniqueConstraint("training_job_id", "attempt", "name", "count"),
)

tags = Table(
    "tags",
    metadata,
    row_id(),
    required("arn"),
    #: Kind and name of the ARN, by which tags go when their resource goes.
    required("resource"),
    required("key"),
    required("value"),
    UniqueConstraint("arn", "key"),
    Index(None, "resource"),
)

#: What a tuning job took over from its parents when it was created; they may be deleted afterwards.
warm_starts = Table(
    "warm_starts",
    metadata,
    Column(
        "tuning_job_id",
        BigInteger,
        ForeignKey("tuning_jobs.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    required("parents"),
)

images = Table(
    "images",
    metadata,
    Column("name", Text, primary_key=True),
    required("runtime"),
)

models, endpoint_configs, endpoints, endpoint_instances, counters = add_hosting_tables(metadata)

#: Alembic's own table; it stands here so that a new store is made without loading Alembic.
alembic_version = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
