"""Copies of one statement: which is first, and what the others are (design.md, "First").

Pure. The answer depends on the set of copies alone, not on the order in which they came.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from assay_aggregator.fact import Fact, decode_fact, encode_fact
from assay_aggregator.people import text_hash
from assay_runtime.instants import EPOCH
from assay_runtime.instants import instant as instant


class Copy(NamedTuple):
    """One copy as a row of `statement_fact` or `fact_conflict`; the fields are its columns."""

    tenant: str
    id: UUID
    body_hash: bytes
    append_ms: int
    partition: int
    record_offset: int
    record_index: int
    stored_ms: int
    occurred: datetime
    actor: UUID | None
    verb: UUID
    activity: UUID | None
    fact: bytes

    @property
    def key(self) -> tuple[str, UUID]:
        return (self.tenant, self.id)

    @property
    def place(self) -> tuple[int, int, int, int]:
        """Where it stands in the log. The smallest place of an id is first."""
        return (self.append_ms, self.partition, self.record_offset, self.record_index)


class Merged(NamedTuple):
    """The first copy, and one for each other body."""

    first: Copy
    others: tuple[Copy, ...]


def milliseconds_up(moment: datetime) -> int:
    """A moment as a time of the log, rounded up: at that time it has come."""
    return -((EPOCH - moment) // timedelta(milliseconds=1))


def milliseconds_down(moment: datetime) -> int:
    """A moment as a time of the log, rounded down."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def copy_of(tenant: str, fact: Fact, statement_id: UUID, body_hash: bytes, stored_ms: int) -> Copy:
    """The row of a fact; `statement_id` is its id as a UUID."""
    return Copy(
        tenant=tenant,
        id=statement_id,
        body_hash=body_hash,
        append_ms=fact.append_ms,
        partition=fact.partition,
        record_offset=fact.offset,
        record_index=fact.index,
        stored_ms=stored_ms,
        occurred=fact.timestamp,
        actor=None if fact.is_group or fact.actor is None else text_hash(fact.actor),
        verb=text_hash(fact.verb),
        activity=None if fact.activity is None else text_hash(fact.activity),
        fact=encode_fact(fact),
    )


def merge(copies: Iterable[Copy]) -> Merged:
    """Merge all known copies of one id (at least one).

    Equal bodies are one copy: it stands at its smallest place, and was stored at the smallest time,
    so that what was once known is never unknown again.
    """
    by_body: dict[bytes, Copy] = {}
    for copy in copies:
        held = by_body.get(copy.body_hash)
        by_body[copy.body_hash] = copy if held is None else _one(held, copy)
    first, *others = sorted(by_body.values(), key=lambda copy: (copy.place, copy.body_hash))
    return Merged(first, tuple(others))


def _one(left: Copy, right: Copy) -> Copy:
    kept, other = (left, right) if left.place <= right.place else (right, left)
    if other.stored_ms >= kept.stored_ms:
        return kept
    fact = msgspec.structs.replace(decode_fact(kept.fact), stored=instant(other.stored_ms))
    return kept._replace(stored_ms=other.stored_ms, fact=encode_fact(fact))
