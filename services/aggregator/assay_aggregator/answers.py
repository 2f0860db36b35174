"""What the API answers about competencies: recomputed from the records, never read from a cache.

Each answer is read in one snapshot of the tables. What may be known is capped where a later record
could still be dated: the same question gives the same bytes.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from assay_aggregator.copies import instant, milliseconds_down
from assay_aggregator.dates import format_instant
from assay_aggregator.decide import decide
from assay_aggregator.errors import Unknown
from assay_aggregator.evidence import gather
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import Store


@dataclass(frozen=True, slots=True)
class Question:
    """Whose competencies, on which day, and known when. None: as the live decisions are made."""

    tenant: str
    person: UUID
    competency: str | None = None
    as_of: datetime | None = None
    known_at: datetime | None = None


async def answer(store: Store, shelf: RuleShelf, question: Question) -> dict[str, Any]:
    """The decisions with their full explanations. Raises Unknown (person, or competency).

    `store` stands on a snapshot (repeatable read).
    """
    tenant, person = question.tenant, question.person
    if not await store.person_exists(tenant, person):
        raise Unknown("there is no such person")
    greatest_ms, _ = await store.applied_through()
    known_at_ms, capped = greatest_ms, False
    if question.known_at is not None:
        asked_ms, cap_ms = milliseconds_down(question.known_at), await consistent_ms(store)
        known_at_ms, capped = min(asked_ms, cap_ms), asked_ms > cap_ms
    as_of = instant(greatest_ms) if question.as_of is None else question.as_of
    book = (await shelf.books(store, [tenant]))[tenant]
    competencies = book.competencies(known_at_ms)
    if question.competency is not None:
        if question.competency not in competencies:
            raise Unknown("no rule is known for this competency")
        competencies = (question.competency,)
    subject = (tenant, person)
    known = (await gather(store, {tenant: book}, {subject: competencies}))[subject]
    documents = []
    for competency in competencies:
        outcome = decide(known, book, competency, as_of, known_at_ms)
        if outcome is not None:
            documents.append(outcome.document)
        await asyncio.sleep(0)
    return {
        "person": str(person),
        "as_of": format_instant(as_of),
        "known_at": format_instant(instant(known_at_ms)),
        "known_at_capped": capped,
        "competencies": documents,
    }


async def consistent_ms(store: Store) -> int:
    """The time of the log up to which everything is known: nothing can be dated so any more.

    One millisecond before the watermark, since the next record of a partition may share its time.
    """
    _, smallest_ms = await store.applied_through()
    return max(0, smallest_ms - 1)
