"""The audit trail of what people decide: who, what, when, why, before and after.

Written in the transaction of the change itself, so neither can be there without the other
(21 CFR 11.10(e), EU GMP Annex 11 clause 9). No personal data: people are random ids. Each service
has a trail of its own, in the table `audit_event` of its schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from assay_runtime.instants import format_instant, instant
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One change. `subject` is `<kind>:<id>`; `before` and `after` are JSON objects or None."""

    actor: str
    action: str
    subject: str
    reason: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events are asked for; None asks for all.

    `since` and `until` are half-open and of the database's clock; `recorded_ms_max` is of the log.
    """

    subject: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    recorded_ms_max: int | None = None


class AuditTrail:
    """The trail of the service with this schema."""

    def __init__(self, schema: str) -> None:
        self.queries = load_queries("assay_runtime", file="audit", schema=schema)

    async def record(
        self, connection: Connection, tenant: str, recorded_ms: int, event: AuditEvent
    ) -> None:
        """Append one event. `recorded_ms` is the time of the log that the change is dated by."""
        await connection.execute(
            self.queries["insert_audit_event"],
            tenant,
            recorded_ms,
            event.actor,
            event.action,
            event.subject,
            event.reason,
            _text(event.before),
            _text(event.after),
        )

    async def events(
        self, connection: Connection, tenant: str, wanted: AuditFilter, after: int, limit: int
    ) -> list[dict[str, Any]]:
        """A tenant's events behind the event `after`, in order, as JSON objects."""
        rows: list[asyncpg.Record] = await connection.fetch(
            self.queries["audit_events"],
            tenant,
            after,
            limit,
            wanted.subject,
            wanted.actor,
            wanted.action,
            wanted.since,
            wanted.until,
            wanted.recorded_ms_max,
        )
        return [_document(row) for row in rows]

    async def reach(self, connection: Connection, tenant: str, first: int, last: int) -> int:
        """How many events a tenant has from `first` to `last`, both included."""
        found: int = await connection.fetchval(self.queries["audit_reach"], tenant, first, last)
        return found


def _document(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "event": row["event"],
        "at": format_instant(row["at"]),
        "recorded": format_instant(instant(row["recorded_ms"])),
        "actor": row["actor"],
        "action": row["action"],
        "subject": row["subject"],
        "reason": row["reason"],
        "before": None if row["before"] is None else orjson.loads(row["before"]),
        "after": None if row["after"] is None else orjson.loads(row["after"]),
    }


def _text(document: Mapping[str, Any] | None) -> str | None:
    if document is None:
        return None
    return orjson.dumps(document, default=str, option=orjson.OPT_SORT_KEYS).decode()
