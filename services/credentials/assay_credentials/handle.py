"""The use case of one batch of competency events: the newest of each award, and work for it.

It runs inside the transaction that also holds the offsets (`assay_runtime.consume`).
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError

from assay_credentials.awarding.store import AwardingStore, Merge
from assay_credentials.awards import newest
from assay_credentials.errors import EventUnreadable
from assay_credentials.store import Store
from assay_runtime.consume import Record
from assay_runtime.postgres import Connection
from assay_schemas.events import (
    CompetencyEvent,
    PersonEvent,
    PersonUnmerged,
    competencies_record,
)
from assay_schemas.topics import is_slug

COMPETENCY_BYTES_MAX: Final = 2_000
"""A btree takes entries up to 2,704 bytes, and the key of an award holds tenant and person, too."""


class AwardHandler:
    """Applies batches of `assay.competencies.v1`. `wake` is set when there may be work."""

    def __init__(self, wake: asyncio.Event) -> None:
        self._wake = wake

    async def apply(self, connection: Connection, batch: Sequence[Record]) -> None:
        """Write what the batch tells. A repeat, or an older event, changes nothing (law 2)."""
        read = [(read_event(record), record.append_ms) for record in batch]
        competencies = [(one, ms) for one, ms in read if not isinstance(one, PersonEvent)]
        await Store(connection).put_awards(newest(competencies))
        # What follows of a merge for awards is found by `awarding.standing.settle`.
        await AwardingStore(connection).put_merges(
            Merge(one.tenant, one.merge, one.person, one.kept, isinstance(one, PersonUnmerged))
            for one, _ in read
            if isinstance(one, PersonEvent)
        )

    async def committed(self, batch: Sequence[Record]) -> None:
        if batch:
            self._wake.set()


def read_event(record: Record) -> CompetencyEvent | PersonEvent:
    """The event of a record. Raises EventUnreadable."""
    try:
        event = competencies_record.validate_json(record.value or b"")
    except ValidationError as error:
        # Which member breaks which rule, but not what it holds.
        found = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'])}: {one['type']}"
            for one in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise EventUnreadable(found) from None
    if not is_slug(event.tenant):
        raise EventUnreadable("tenant: not a name that a tenant may have")
    if isinstance(event, PersonEvent):
        if event.person == event.kept:
            raise EventUnreadable("kept: the person that was merged")
    elif len(event.competency.encode()) > COMPETENCY_BYTES_MAX:
        raise EventUnreadable(f"competency: longer than {COMPETENCY_BYTES_MAX} bytes")
    return event
