"""The audit trail of what people decide: who, what, when, why, before and after.

Written in the transaction of the change itself, so neither can be there without the other
(21 CFR 11.10(e), EU GMP Annex 11 clause 9). No personal data: people are random ids.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries

QUERIES: Final = load_queries("assay_aggregator", file="audit")


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One change. `subject` is `<kind>:<id>`; `before` and `after` are JSON objects or None."""

    actor: str
    action: str
    subject: str
    reason: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


async def record(connection: Connection, tenant: str, recorded_ms: int, event: AuditEvent) -> None:
    """Append one event. `recorded_ms` is the time of the log that the change is dated by."""
    await connection.execute(
        QUERIES["insert_audit_event"],
        tenant,
        recorded_ms,
        event.actor,
        event.action,
        event.subject,
        event.reason,
        _text(event.before),
        _text(event.after),
    )


def _text(document: Mapping[str, Any] | None) -> str | None:
    if document is None:
        return None
    return orjson.dumps(document, default=str, option=orjson.OPT_SORT_KEYS).decode()
