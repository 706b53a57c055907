"""The schema: what is kept, and what the database itself refuses.

Times are integers, microseconds since 1970 in UTC. JSON is text. A NaN is kept as NULL, since SQLite has none. Row ids are never
used again. Everything here is common to the databases that Pegbox can use; what one of them says differently stands in its own
module (``sqlite``). A change here needs a migration; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
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

#: SQLite gives ids to its own integer type only, and PostgreSQL needs the wide one.
_RowId = BigInteger().with_variant(Integer(), "sqlite")


def _words(column: str, values: type[Enum] | Iterable[str]) -> CheckConstraint:
    words = [item.value if isinstance(item, Enum) else item for item in values]
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in words)})", name=column)


def _required(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, nullable=False)


tuning_jobs = Table(
    "tuning_jobs",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    _required("name"),
    _required("name_key"),
    _required("status"),
    _required("created_at", BigInteger),
    _required("modified_at", BigInteger),
    Column("ended_at", BigInteger),
    _required("seed", BigInteger),
    _required("launched", BigInteger),
    _required("observed", BigInteger),
    Column("converged_at", BigInteger),
    Column("completion_reason", Text),
    Column("failure_reason", Text),
    _required("notices"),
    _required("request"),
    UniqueConstraint("name_key"),
    _words("status", TuningStatus),
    Index(None, "status", "id"),
    Index(None, "created_at", "id"),
    sqlite_autoincrement=True,
)

#: Small columns stand first and JSON last, so that counting and sorting need not read past long texts.
training_jobs = Table(
    "training_jobs",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    _required("name"),
    _required("name_key"),
    _required("status"),
    _required("secondary"),
    _required("created_at", BigInteger),
    _required("modified_at", BigInteger),
    #: No foreign key: trials stay when the record of their tuning job is deleted.
    Column("tuning_job_id", BigInteger),
    Column("number", BigInteger),
    Column("observed_seq", BigInteger),
    Column("objective", Double),
    Column("objective_status", Text),
    Column("failure_kind", Text),
    Column("stop_reason", Text),
    _required("attempt", BigInteger),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("exit_code", BigInteger),
    Column("signal", BigInteger),
    Column("definition", Text),
    Column("failure_reason", Text),
    _required("notices"),
    _required("final_metrics"),
    _required("transitions"),
    _required("artifacts"),
    Column("suggestion", Text),
    _required("request"),
    UniqueConstraint("name_key"),
    UniqueConstraint("tuning_job_id", "number"),
    UniqueConstraint("tuning_job_id", "observed_seq"),
    _words("status", TrainingStatus),
    _words("secondary", SecondaryStatus),
    _words("objective_status", ObjectiveStatus),
    _words("failure_kind", FailureKind),
    _words("stop_reason", StopReason),
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
    _required("number", BigInteger),
    _required("created_at", BigInteger),
    _required("state"),
    _required("reported", BigInteger),
    Column("ended_at", BigInteger),
    UniqueConstraint("training_job_id", "number"),
    _words("state", ATTEMPT_STATES),
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
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("training_job_id", BigInteger, ForeignKey("training_jobs.id", ondelete="CASCADE"), nullable=False),
    _required("attempt", BigInteger),
    _required("name"),
    _required("count", BigInteger),
    Column("value", Double),
    _required("at", BigInteger),
    Column("step", BigInteger),
    UniqueConstraint("training_job_id", "attempt", "name", "count"),
)

tags = Table(
    "tags",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    _required("arn"),
    #: Kind and name of the ARN, by which tags go when their resource goes.
    _required("resource"),
    _required("key"),
    _required("value"),
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
    _required("parents"),
)

images = Table(
    "images",
    metadata,
    Column("name", Text, primary_key=True),
    _required("runtime"),
)

#: Alembic's own table; it stands here so that a new store is made without loading Alembic.
alembic_version = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
