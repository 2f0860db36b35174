"""Statements and records of the log for the tests of ingest, made by the product's own code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import orjson

from assay_runtime.consume import Record
from assay_schemas.envelope import TICK_HEADERS, Envelope, seal
from assay_schemas.statement import Limits, check_statements, complete_statement
from assay_schemas.topics import STATEMENTS

ATTACHMENT = {
    "usageType": "http://example.org/usage/photograph",
    "display": {"en": "Photograph"},
    "contentType": "image/png",
    "length": 3,
    "sha2": "AB" * 32,
    "fileUrl": "http://example.org/photograph.png",
}
VOIDED = "http://adlnet.gov/expapi/verbs/voided"
AUTHORITY = {"objectType": "Agent", "account": {"homePage": "http://lrs.test", "name": "c"}}


def statement(
    statement_id: UUID | str | None = None,
    *,
    actor: str = "mailto:a@example.org",
    verb: str = "http://example.org/verbs/did",
    activity: str = "http://example.org/activities/1",
    **more: Any,
) -> dict[str, Any]:
    """A small good statement; `more` are further properties."""
    made: dict[str, Any] = {
        "actor": {"mbox": actor},
        "verb": {"id": verb},
        "object": {"id": activity},
        **more,
    }
    if statement_id is not None:
        made["id"] = str(statement_id)
    return made


def void(target: UUID, statement_id: UUID | None = None) -> dict[str, Any]:
    """A statement that voids `target`."""
    return statement(
        statement_id,
        verb=VOIDED,
        object={"objectType": "StatementRef", "id": str(target)},
    )


def comment(target: UUID, statement_id: UUID | None = None, **more: Any) -> dict[str, Any]:
    """A statement that refers to `target` without voiding it."""
    made = statement(statement_id, verb="http://example.org/verbs/commented", **more)
    return {**made, "object": {"objectType": "StatementRef", "id": str(target)}}


@dataclass(frozen=True)
class Sender:
    """Who a record comes from."""

    tenant: str = "t1"
    source: str = "s1"
    client: str = "c"
    may_void: bool = False
    learner_controlled: bool = False

    def envelope(self) -> Envelope:
        return Envelope(
            tenant=self.tenant,
            source=self.source,
            client=self.client,
            xapi_version="2.0.0",
            may_void=self.may_void,
            learner_controlled=self.learner_controlled,
        )


SENDER = Sender()


def sealed(
    statements: Sequence[Mapping[str, Any]], sender: Sender = SENDER
) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Value and headers of a record, as `ingest` writes it."""
    checked, _ = check_statements(orjson.dumps(list(statements)), version="2.0.0", limits=Limits())
    ids = [one.id or uuid4() for one in checked]
    value = b"[%b]" % b",".join(
        complete_statement(one, statement_id=statement_id, authority=AUTHORITY, version="2.0.0")
        for one, statement_id in zip(checked, ids, strict=True)
    )
    return value, list(seal(sender.envelope(), ids, [one.comparison_hash for one in checked]))


def record(
    statements: Sequence[Mapping[str, Any]],
    *,
    append_ms: int,
    partition: int = 0,
    offset: int = 0,
    stored_ms: int | None = None,
    sender: Sender = SENDER,
) -> Record:
    """A record as the store is given it."""
    value, headers = sealed(statements, sender)
    return Record(
        topic=STATEMENTS,
        partition=partition,
        offset=offset,
        append_ms=append_ms,
        stored_ms=append_ms if stored_ms is None else stored_ms,
        key=None,
        value=value,
        headers=tuple(headers),
    )


def tick(*, append_ms: int, partition: int = 0, offset: int = 0) -> Record:
    """A tick as the store is given it."""
    return Record(
        STATEMENTS, partition, offset, append_ms, append_ms, None, None, tuple(TICK_HEADERS)
    )
