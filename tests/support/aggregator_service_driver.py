"""Drives the aggregator's use cases on a real database, without Kafka.

`Log` makes records as ingest and store make them; `Driver` applies them with offsets as the
consumer does, in any batches, and decides until no mark is left.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from assay_aggregator.admin import Records
from assay_aggregator.answers import Question, answer
from assay_aggregator.evaluator import Round, evaluate_round
from assay_aggregator.handle import StatementHandler
from assay_aggregator.people import text_hash
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import PROJECTION, Store
from assay_runtime.consume import Record
from assay_schemas.agents import agent_key
from assay_schemas.envelope import TICK_HEADERS, Envelope, seal
from assay_schemas.topics import OWN_SOURCE, STATEMENTS
from assay_testing import Database

TENANT = "demo"
ADL = "http://adlnet.gov/expapi/verbs/"
COMPETENCY = "https://example.org/competencies/gowning-b"
THEORY = "https://example.org/a/theory"
VR = "https://example.org/a/vr-gown"
OBSERVED = "https://example.org/a/obs-gown"
START = datetime(2026, 1, 1, tzinfo=UTC)

SOURCES: Mapping[str, Envelope] = {
    "online": Envelope(tenant=TENANT, source="online", modality="online"),
    "vr": Envelope(tenant=TENANT, source="vr", modality="vr"),
    "in_person": Envelope(
        tenant=TENANT, source="in_person", modality="in_person", vouches_for_assessors=True
    ),
    "office": Envelope(tenant=TENANT, source="office", may_void=True),
    OWN_SOURCE: Envelope(tenant=TENANT, source=OWN_SOURCE),
}


def agent(name: str) -> dict[str, Any]:
    return {
        "objectType": "Agent",
        "account": {"homePage": "https://id.example.org", "name": name},
    }


def day(number: float) -> datetime:
    """An instant, as days after the start of 2026."""
    return START + timedelta(days=number)


def milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def identifier(name: str) -> UUID:
    return UUID(bytes=hashlib.sha256(name.encode()).digest()[:16], version=4)


def statement(
    name: str,
    *,
    actor: str = "ada",
    verb: str = "passed",
    activity: str = THEORY,
    at: datetime,
    scaled: str | None = "0.95",
    assessor: str | None = None,
) -> dict[str, Any]:
    """A completed statement; `name` gives its id."""
    made: dict[str, Any] = {
        "id": str(identifier(name)),
        "actor": agent(actor),
        "verb": {"id": ADL + verb},
        "object": {"objectType": "Activity", "id": activity},
        "timestamp": at.isoformat(),
    }
    if scaled is not None:
        made["result"] = {"success": verb == "passed", "score": {"scaled": float(scaled)}}
    if assessor is not None:
        made["context"] = {"instructor": agent(assessor)}
    return made


def void(name: str, target: str, *, at: datetime) -> dict[str, Any]:
    return {
        "id": str(identifier(name)),
        "actor": agent("registrar"),
        "verb": {"id": ADL + "voided"},
        "object": {"objectType": "StatementRef", "id": str(identifier(target))},
        "timestamp": at.isoformat(),
    }


def rule(**changes: Any) -> dict[str, Any]:
    """Theory, two VR passes, one observed pass by an authorised assessor; valid twelve months."""
    passed = [ADL + "passed", ADL + "failed"]
    document: dict[str, Any] = {
        "schema": "assay.rule/v1",
        "id": "gowning-b",
        "version": 1,
        "status": "effective",
        "effective_from": "2024-01-01",
        "competency": COMPETENCY,
        "timezone": "Europe/London",
        "evidence": {
            "theory": {
                "modality": ["online"],
                "match": {"verb": passed, "activity": [THEORY]},
                "score_gte": "0.70",
                "window": "P12M",
            },
            "vr": {
                "modality": ["vr"],
                "match": {"verb": passed, "activity": [VR]},
                "score_gte": "0.80",
                "attempts": {"policy": "count", "n": 2},
                "window": "P12M",
            },
            "obs": {
                "modality": ["in_person"],
                "match": {"verb": passed, "activity": [OBSERVED]},
                "score_gte": "0.90",
                "assessor": {"scope": "gowning-b"},
                "window": "P12M",
            },
        },
        "requires": {"all": ["theory", "vr", "obs"]},
        "validity": {"period": "P12M", "basis": "earliest"},
    }
    document.update(changes)
    return document


def theory_rule(number: int = 0, **changes: Any) -> dict[str, Any]:
    """One online pass is enough; valid thirty days from the award."""
    document = rule(
        id=f"theory-{number}",
        competency=f"https://example.org/competencies/theory-{number}",
        requires={"all": ["theory"]},
        validity={"period": "P30D", "basis": "award"},
        **changes,
    )
    document["evidence"] = {"theory": document["evidence"]["theory"]}
    return document


def award(actor: str = "ada", prefix: str = "") -> list[tuple[str, dict[str, Any], datetime]]:
    """(source, statement, stored) of all that `rule` asks for; the assessor is ben."""
    return [
        ("online", statement(f"{prefix}s1", at=day(9), activity=THEORY, actor=actor), day(9.1)),
        ("vr", statement(f"{prefix}s2", at=day(33), activity=VR, actor=actor), day(33.1)),
        ("vr", statement(f"{prefix}s3", at=day(40), activity=VR, actor=actor), day(40.1)),
        (
            "in_person",
            statement(f"{prefix}s4", at=day(60), activity=OBSERVED, assessor="ben", actor=actor),
            day(60.1),
        ),
    ]


@dataclass
class Log:
    """The statements topic: records get offsets in the order in which they are appended."""

    ends: dict[int, int] = field(default_factory=dict)
    newest: dict[int, int] = field(default_factory=dict)

    def append(
        self,
        source: str,
        statements: Sequence[Mapping[str, Any]],
        stored: datetime,
        *,
        partition: int = 0,
        tenant: str = TENANT,
    ) -> Record:
        envelope = SOURCES[source]
        if tenant != envelope.tenant:
            known = {name: getattr(envelope, name) for name in envelope.__struct_fields__}
            envelope = Envelope(**{**known, "tenant": tenant})
        headers = seal(
            envelope,
            [UUID(one["id"]) for one in statements],
            [hashlib.sha256(orjson.dumps(one)).digest() for one in statements],
        )
        return self._record(partition, stored, orjson.dumps(list(statements)), headers)

    def tick(self, stored: datetime, *, partition: int = 0) -> Record:
        return self._record(partition, stored, None, TICK_HEADERS)

    def _record(
        self,
        partition: int,
        stored: datetime,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> Record:
        offset = self.ends.get(partition, 0)
        self.ends[partition] = offset + 1
        append_ms = milliseconds(stored)
        self.newest[partition] = max(append_ms, self.newest.get(partition, 0))
        return Record(
            topic=STATEMENTS,
            partition=partition,
            offset=offset,
            append_ms=append_ms,
            stored_ms=self.newest[partition],
            key=None,
            value=value,
            headers=tuple(headers),
        )


@dataclass
class Driver:
    """One consumer and one evaluator over a pool of the service's own role."""

    pool: asyncpg.Pool
    shelf: RuleShelf = field(default_factory=RuleShelf)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    log: Log = field(default_factory=Log)

    def __post_init__(self) -> None:
        self.handler = StatementHandler(self.shelf, self.wake)

    async def apply(self, *batch: Record) -> None:
        """Apply a batch and its offsets in one transaction."""
        async with self.pool.acquire() as connection, connection.transaction():
            await advance(connection, batch)
            await self.handler.apply(connection, batch)
        await self.handler.committed(batch)

    async def post(
        self,
        source: str,
        *statements: Mapping[str, Any],
        stored: datetime,
        partition: int = 0,
        tenant: str = TENANT,
    ) -> None:
        await self.apply(
            self.log.append(source, statements, stored, partition=partition, tenant=tenant)
        )

    async def tick(self, stored: datetime, *, partition: int = 0) -> None:
        await self.apply(self.log.tick(stored, partition=partition))

    @asynccontextmanager
    async def records(self, tenant: str = TENANT) -> AsyncIterator[Records]:
        async with self.pool.acquire() as connection, connection.transaction():
            yield await Records.begin(Store(connection), self.shelf, tenant)

    async def decide(self, limit: int = 200) -> list[Round]:
        """Decide until no mark is left."""
        rounds: list[Round] = []
        while True:
            async with self.pool.acquire() as connection, connection.transaction():
                done = await evaluate_round(Store(connection), self.shelf, limit)
            if not done.marks:
                return rounds
            rounds.append(done)

    async def person(self, name: str, tenant: str = TENANT) -> UUID:
        """The person that an agent is by a standing link."""
        key = agent_key(agent(name))
        assert key is not None
        async with self.pool.acquire() as connection:
            rows = await Store(connection).links_of_agents([(tenant, text_hash(key))])
        found = {row["person"] for row in rows if row["retracted_ms"] is None}
        stated = {
            row["person"] for row in rows if row["retracted_ms"] is None and not row["automatic"]
        }
        person: UUID = next(iter(stated or found))
        return person

    async def ask(
        self,
        name: str,
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        tenant: str = TENANT,
    ) -> dict[str, Any]:
        question = Question(
            tenant, await self.person(name, tenant), None, as_of=as_of, known_at=known_at
        )
        async with (
            self.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            return await answer(Store(connection), self.shelf, question)

    async def status(self, name: str, competency: str = COMPETENCY) -> str | None:
        """The status that stands in the tables."""
        status: str | None = await self.pool.fetchval(
            "select status from aggregator.decision_current "
            "where tenant = $1 and person = $2 and competency = $3",
            TENANT,
            await self.person(name),
            competency,
        )
        return status

    async def events(self) -> list[dict[str, Any]]:
        rows = await self.pool.fetch("select key, value from aggregator.outbox order by id")
        return [orjson.loads(row["value"]) for row in rows]


async def advance(connection: Any, batch: Sequence[Record]) -> None:
    """What `assay_runtime.consume` does first in each transaction."""
    for record in batch:
        await connection.execute(
            "insert into aggregator.applied (projection, topic, partition, cluster_id, topic_id, "
            "next_offset, stored_ms) values ($1, $2, $3, 'c', 't', $4, $5) "
            "on conflict (projection, topic, partition) do update "
            "set next_offset = excluded.next_offset, "
            "stored_ms = greatest(aggregator.applied.stored_ms, excluded.stored_ms)",
            PROJECTION,
            STATEMENTS,
            record.partition,
            record.offset + 1,
            record.stored_ms,
        )


@asynccontextmanager
async def driver_of(
    database: Database, size: int = 6, command_seconds: float = 20.0
) -> AsyncIterator[Driver]:
    """A driver that comes in as the service's own role, with its own rights."""
    pool = await asyncpg.create_pool(
        dsn=database.dsn("assay_aggregator"),
        password=database.password("assay_aggregator"),
        min_size=1,
        max_size=size,
        command_timeout=command_seconds,
    )
    try:
        yield Driver(pool)
    finally:
        await pool.close()


async def with_records(driver: Driver) -> None:
    """The rule, ben's authority, and ada known to all."""
    async with driver.records() as records:
        await records.put_rule(rule())
        ben = await records.put_person([agent("ben")])
        await records.put_person([agent("ada")])
        await records.add_authorisation(ben, "gowning-b")


async def post_award(driver: Driver, actor: str = "ada", prefix: str = "") -> None:
    for source, made, stored in award(actor, prefix):
        await driver.post(source, made, stored=stored)
