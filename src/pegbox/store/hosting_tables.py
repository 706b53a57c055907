"""Tables of models, endpoint configurations, endpoints and instances; the rules of :mod:`pegbox.store.tables` hold."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, MetaData, Table, Text, UniqueConstraint

from pegbox.domain.hosting import EndpointStatus, InstanceState
from pegbox.store.columns import required, row_id, words


def add_hosting_tables(metadata: MetaData) -> tuple[Table, Table, Table, Table, Table]:
    """Add the tables to a schema: models, endpoint configurations, endpoints, instances, counters."""
    named = [
        Table(
            name,
            metadata,
            row_id(),
            required("name"),
            required("name_key"),
            required("created_at", BigInteger),
            required("request"),
            UniqueConstraint("name_key"),
            Index(None, "created_at", "id"),
            sqlite_autoincrement=True,
        )
        for name in ("models", "endpoint_configs")
    ]
    endpoints = Table(
        "endpoints",
        metadata,
        row_id(),
        required("name"),
        required("name_key"),
        required("status"),
        required("created_at", BigInteger),
        required("modified_at", BigInteger),
        required("generations", BigInteger),
        Column("failure_reason", Text),
        Column("deployment", Text),
        Column("current", Text),
        Column("next", Text),
        UniqueConstraint("name_key"),
        words("status", EndpointStatus),
        Index(None, "created_at", "id"),
        Index(None, "status", "id"),
        sqlite_autoincrement=True,
    )
    instances = Table(
        "endpoint_instances",
        metadata,
        row_id(),
        #: No foreign key: instances stay when their endpoint is deleted, as their logs do.
        required("endpoint_id", BigInteger),
        required("endpoint_name"),
        required("generation", BigInteger),
        required("variant"),
        required("model_name"),
        required("state"),
        required("created_at", BigInteger),
        Column("attempt_id", Text),
        Column("address", Text),
        required("reported", BigInteger),
        Column("ready_at", BigInteger),
        Column("drained_at", BigInteger),
        Column("drain_version", BigInteger),
        Column("ended_at", BigInteger),
        Column("outcome", Text),
        Column("failure_kind", Text),
        Column("failure_reason", Text),
        Column("exit_code", BigInteger),
        Column("signal", BigInteger),
        required("notices"),
        UniqueConstraint("attempt_id"),
        words("state", InstanceState),
        Index(None, "endpoint_id", "id"),
        Index(None, "endpoint_name", "id"),
        sqlite_autoincrement=True,
    )
    counters = Table(
        "counters", metadata, Column("name", Text, primary_key=True), required("value", BigInteger)
    )
    return (*named, endpoints, instances, counters)  # type: ignore[return-value]
