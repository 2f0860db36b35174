"""Statements whose records the janitor has deleted, sent again for a rebuild.

The store has their bytes; what the source might do when they were accepted (modality, voids,
assessors) and their place in the log are kept in the aggregator's facts and nowhere else. Both go
to a topic of the run's own, `assay.statements.replay.<run>`, as records like those of the log; it
is deleted when the tables have been exchanged.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from typing import Final
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaProducer

from assay_aggregator.fact import Fact, decode_fact
from assay_aggregator.rebuild.log import KafkaLog
from assay_cli.errors import StackError
from assay_runtime.broker import Broker
from assay_runtime.kafka import client_settings, identify_log
from assay_runtime.settings import ServiceSettings
from assay_runtime.sql import Queries
from assay_schemas.envelope import Envelope, Headers, OriginalPlace, seal, seal_again
from assay_schemas.topics import STATEMENT_RECORD_BYTES, Topic

PREFIX: Final = "assay.statements.replay."
ROWS_AT_ONCE: Final = 1_000
IN_FLIGHT_RECORDS: Final = 64


@dataclass(frozen=True, slots=True)
class _Copy:
    """One copy of a statement: its bytes from the store, the rest from its fact."""

    tenant: str
    id: UUID
    body_hash: bytes
    client: str
    version: str
    raw: bytes
    stored_ms: int
    place: OriginalPlace
    fact: Fact

    @property
    def record(self) -> tuple[int, int, int]:
        """The record that it stood in, apart by when it counts as stored."""
        return self.place[1], self.place[2], self.stored_ms


class SentAgain:
    """`assay_aggregator.rebuild.run.Again`, by the store's tables and the broker."""

    def __init__(self, connection: asyncpg.Connection, settings: ServiceSettings) -> None:
        self._connection = connection
        self._settings = settings
        text = files("assay_cli").joinpath("sql", "rebuild.sql").read_text(encoding="utf-8")
        self._sql = Queries(text)
        self._open: list[KafkaLog] = []

    async def send(self, begins: Mapping[int, int]) -> str:
        """Send what stood before `begins` (partition, offset); the topic that holds it.

        Raises StackError when the source's rights of some statement are not known any more.
        """
        numbers = sorted(begins)
        firsts = [begins[number] for number in numbers]
        unknown = await self._connection.fetchval(self._sql["unknown_rights"], numbers, firsts)
        if unknown:
            raise StackError(
                f"{unknown} statements stand in the store alone: their records and their facts "
                "are gone, and with them what their sources were allowed to do"
            )
        topic = PREFIX + secrets.token_hex(4)
        await asyncio.to_thread(self._make, topic)
        producer = AIOKafkaProducer(
            **client_settings(self._settings),
            acks="all",
            enable_idempotence=True,
            max_request_size=STATEMENT_RECORD_BYTES,
        )
        await producer.start()
        try:
            waiting: set[asyncio.Future[object]] = set()
            async for value, headers in self._records(numbers, firsts):
                waiting.add(await producer.send(topic, value, headers=list(headers)))
                if len(waiting) >= IN_FLIGHT_RECORDS:
                    done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    for one in done:
                        one.result()
            await asyncio.gather(*waiting)
        finally:
            await producer.stop()
        return topic

    async def open(self, topic: str) -> KafkaLog:
        """The topic of an earlier `send`."""
        identity = await asyncio.to_thread(identify_log, self._settings, topic)
        log = await KafkaLog.open(client_settings(self._settings), topic, identity)
        self._open.append(log)
        return log

    async def close(self) -> None:
        for log in self._open:
            await log.close()

    def forget(self) -> list[str]:
        """Delete every topic that a run made; which ones. Blocking."""
        broker = self._broker()
        gone = sorted(name for name in broker.topic_names() if name.startswith(PREFIX))
        for name in gone:
            broker.delete_topic(name)
        return gone

    def _broker(self) -> Broker:
        given = self._settings
        return Broker.from_password_file(
            given.kafka_bootstrap, given.kafka_user, given.kafka_password_file
        )

    def _make(self, topic: str) -> None:
        config = {
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(STATEMENT_RECORD_BYTES),
            "retention.ms": "-1",
            "retention.bytes": "-1",
        }
        self._broker().ensure_topic(
            Topic(topic, "none", 1, (), (), "statements of deleted records, for a rebuild", config)
        )

    async def _records(
        self, numbers: list[int], firsts: list[int]
    ) -> AsyncIterator[tuple[bytes, Headers]]:
        """The records as they were, without the copies that changed nothing."""
        held: list[_Copy] = []
        async with self._connection.transaction(isolation="repeatable_read", readonly=True):
            async for row in self._connection.cursor(
                self._sql["copies_before"], numbers, firsts, prefetch=ROWS_AT_ONCE
            ):
                copy = _copy(row)
                if held and copy.record != held[0].record:
                    for record in _as_records(held):
                        yield record
                    held = []
                held.append(copy)
            for record in _as_records(held):
                yield record


def _copy(row: asyncpg.Record) -> _Copy:
    return _Copy(
        tenant=row["tenant"],
        id=row["id"],
        body_hash=row["body_hash"],
        client=row["client"],
        version=row["version"],
        raw=row["raw"],
        stored_ms=row["stored_ms"],
        place=(row["append_ms"], row["partition"], row["record_offset"], row["record_index"]),
        fact=decode_fact(row["fact"]),
    )


def _as_records(copies: list[_Copy]) -> list[tuple[bytes, Headers]]:
    """The copies of one record, apart by what their envelope said (one said it for all)."""
    found = []
    for envelope, some in groupby(copies, key=_envelope):
        many = list(some)
        signed = tuple(one.fact.signed_assessor for one in many)
        if any(signed):
            envelope = Envelope(
                **{
                    **{name: getattr(envelope, name) for name in envelope.__struct_fields__},
                    "signed_by": signed,
                }
            )
        headers = seal(envelope, [one.id for one in many], [one.body_hash for one in many])
        found.append(
            (
                b"[" + b",".join(one.raw for one in many) + b"]",
                seal_again(headers, many[0].stored_ms, [one.place for one in many]),
            )
        )
    return found


def _envelope(copy: _Copy) -> Envelope:
    fact = copy.fact
    return Envelope(
        tenant=copy.tenant,
        source=fact.source,
        modality=fact.modality,
        client=copy.client,
        xapi_version=copy.version,
        vouches_for_assessors=fact.vouches,
        learner_controlled=fact.learner_controlled,
        may_void=fact.may_void,
    )
