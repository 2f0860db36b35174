"""Replaying: records of the log into the fresh tables, with the offsets in the same transaction."""

from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg

from assay_aggregator.handle import read_record, write_copies
from assay_aggregator.rebuild.log import Log, Place
from assay_aggregator.rebuild.tables import FRESH, REBUILD, FreshStore
from assay_aggregator.store import PROJECTION
from assay_runtime.consume import Record
from assay_runtime.postgres import TRANSIENT
from assay_runtime.sql import load_queries

_APPLIED: Final = load_queries("assay_runtime", schema=FRESH)


class LogDiffers(Exception):
    """The log is not the one that the tables were made from, or its beginning is gone."""


class Overtaken(Exception):
    """Somebody else moved the fresh tables' offsets on: two runs must not be."""


async def begin(
    connection: asyncpg.Connection, log: Log, begins: Mapping[int, Place] | None = None
) -> None:
    """Note each partition that the fresh tables have not seen, to be read from `begins` on."""
    for number in sorted(await log.begins()):
        place = (begins or {}).get(number, Place(0, 0))
        await connection.execute(
            REBUILD["begin_partition"],
            PROJECTION,
            log.topic,
            number,
            log.identity.cluster_id,
            log.identity.topic_id,
            place.next_offset,
            place.stored_ms,
        )


async def places_of(connection: asyncpg.Connection, log: Log) -> dict[int, Place]:
    """Where the fresh tables are in the log; begins each partition that they have not seen.

    Raises LogDiffers for a log of another identity, and for one whose beginning was deleted.
    """
    await begin(connection, log)
    begins = await log.begins()
    found: dict[int, Place] = {}
    for row in await connection.fetch(REBUILD["fresh_applied"], PROJECTION):
        if row["topic"] != log.topic:
            continue
        number = row["partition"]
        if (row["cluster_id"], row["topic_id"]) != (log.identity.cluster_id, log.identity.topic_id):
            raise LogDiffers(f"{log.topic}/{number} is another topic than the run began with")
        if begins.get(number, 0) > row["next_offset"]:
            raise LogDiffers(
                f"{log.topic}/{number} begins at {begins[number]}, and the fresh tables need it "
                f"from {row['next_offset']} on"
            )
        found[number] = Place(row["next_offset"], row["stored_ms"])
    return found


class Replay:
    """Applies batches of one topic. `set_aside` counts records that cannot be read."""

    def __init__(self, connection: asyncpg.Connection, places: dict[int, Place]) -> None:
        self._connection = connection
        self.places = places
        self.set_aside = 0

    async def apply(self, batch: Sequence[Record]) -> int:
        """Apply a batch whole, or in halves until what cannot be read stands alone.

        Returns how many statements it held.
        """
        try:
            async with self._connection.transaction():
                after = await self._advance(batch)
                arrived = [copy for record in batch for copy in read_record(record)]
                if arrived:
                    await write_copies(FreshStore(self._connection), arrived)
                    await self._connection.execute(REBUILD["add_statements"], len(arrived))
        except Overtaken:
            raise
        except Exception as error:
            # Whatever it is: it is kept with the record, unless it is the database that is away.
            # The driver's complaint about a value is of the family of "connection lost".
            if isinstance(error, TRANSIENT) and not isinstance(error, ValueError):
                raise
            if len(batch) > 1:
                middle = len(batch) // 2
                return await self.apply(batch[:middle]) + await self.apply(batch[middle:])
            after = await self._quarantine(batch[0], error)
            arrived = []
        self.places.update(after)
        return len(arrived)

    async def _advance(self, batch: Sequence[Record]) -> Mapping[int, Place]:
        after = {one.partition: Place(one.offset + 1, one.stored_ms) for one in batch}
        numbers = sorted(after)
        moved = await self._connection.fetch(
            _APPLIED["advance_applied"],
            PROJECTION,
            batch[0].topic,
            numbers,
            [self.places[number].next_offset for number in numbers],
            [after[number].next_offset for number in numbers],
            [after[number].stored_ms for number in numbers],
        )
        if len(moved) != len(numbers):
            raise Overtaken("the fresh tables have moved on without this run")
        return after

    async def _quarantine(self, record: Record, error: Exception) -> Mapping[int, Place]:
        """Keep one record with the reason, as the consumer does."""
        async with self._connection.transaction():
            after = await self._advance([record])
            await self._connection.execute(
                _APPLIED["quarantine"],
                PROJECTION,
                record.topic,
                record.partition,
                record.offset,
                record.append_ms,
                type(error).__name__,
                [name.encode() + b"=" + value for name, value in record.headers],
                record.key,
                record.value,
            )
        self.set_aside += 1
        return after
