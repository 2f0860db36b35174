"""One set of statements, arriving in two orders: the decisions must be equal, hash by hash.

    python tests/support/two_orders.py --statements 1000000

The statements are those of the benchmark's backlog: 5,000 people under twenty rules, all of it
evidence; one in fifty is voided by another statement. The first order is that of their timestamps,
in records of 100, decided once at the end. The second is shuffled, voids before their targets, in
records of 1 to 300 over all partitions, one record in twenty sent twice, decided while it arrives.
Each order has a database of its own; the people have the same ids in both. What is compared is the
digest of every decision that stands: person, competency, outcome hash.
"""

import argparse
import asyncio
import hashlib
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import orjson

from aggregator_service_driver import Driver, driver_of
from assay_aggregator.evaluator import evaluate_round
from assay_aggregator.people import text_hash
from assay_aggregator.store import Store
from assay_cli import bench_backlog
from assay_cli.bench_backlog import ASSESSORS, TENANT, Backlog
from assay_cli.stack import StackInfo
from assay_runtime.consume import Record
from assay_schemas.agents import agent_key
from assay_schemas.envelope import TICK_HEADERS, Envelope, open_envelope, seal
from assay_schemas.topics import STATEMENTS
from assay_testing import Database, drop_database, ensure_principals, ensure_template, new_database

PARTITIONS = 3
VOIDED_ONE_IN = 50
REPEATED_ONE_IN = 20
RECORDS_AT_ONCE = 10
MARKS_AT_ONCE = 500
COMMAND_SECONDS = 600.0
ENDING = datetime(2026, 6, 1, tzinfo=UTC)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class One:
    """A statement with what its source may say."""

    envelope: Envelope
    id: UUID
    hash: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What stands after all has arrived. `digest` is over all decisions, in their order."""

    decisions: int
    achieved: int
    excluded: int
    history: int
    digest: str
    seconds: float


def statements_of(backlog: Backlog) -> list[One]:
    """The statements in the order of their timestamps, each void at the end of its hundred."""
    found: list[One] = []
    draw = random.Random(backlog.seed)  # noqa: S311 - a test's data, drawn from a seed
    for value, headers in bench_backlog.records_of(backlog, ENDING):
        opened = open_envelope(headers)
        bodies = [orjson.dumps(one) for one in orjson.loads(value)]
        made = [
            One(opened.envelope, one, digest, body)
            for one, digest, body in zip(opened.ids, opened.hashes, bodies, strict=True)
        ]
        found += made
        found += [_void(opened.envelope, one) for one in made if draw.randrange(VOIDED_ONE_IN) == 0]
    return found


def _void(envelope: Envelope, target: One) -> One:
    made = UUID(bytes=hashlib.sha256(b"void" + target.id.bytes).digest()[:16], version=4)
    body = orjson.dumps(
        {
            "id": str(made),
            "actor": {"account": {"homePage": "https://id.bench.example", "name": "office"}},
            "verb": {"id": "http://adlnet.gov/expapi/verbs/voided"},
            "object": {"objectType": "StatementRef", "id": str(target.id)},
            "timestamp": "2026-05-31T00:00:00Z",
        }
    )
    return One(envelope, made, hashlib.sha256(body).digest(), body)


def in_time(found: Sequence[One]) -> Iterator[list[One]]:
    """Records of one source each, in the order of time."""
    record: list[One] = []
    for one in found:
        if record and (len(record) == 100 or one.envelope != record[0].envelope):
            yield record
            record = []
        record.append(one)
    if record:
        yield record


def shuffled(found: Sequence[One], seed: int) -> Iterator[list[One]]:
    """Records of any size, in any order, some of them twice."""
    draw = random.Random(seed)  # noqa: S311 - a test's order, drawn from a seed
    mixed = list(found)
    draw.shuffle(mixed)
    waiting: dict[str, list[One]] = {}
    sizes: dict[str, int] = {}
    for one in mixed:
        source = one.envelope.source
        record = waiting.setdefault(source, [])
        record.append(one)
        if len(record) >= sizes.setdefault(source, draw.randint(1, 300)):
            yield waiting.pop(source)
            if draw.randrange(REPEATED_ONE_IN) == 0:
                yield record
            del sizes[source]
    yield from waiting.values()


class Arrival:
    """The log of one order: offsets and append times as the records come."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)  # noqa: S311 - a test's order, drawn from a seed
        self._offsets = [0] * PARTITIONS
        self._now_ms = int(ENDING.timestamp() * 1000)

    def record(self, some: Sequence[One]) -> Record:
        headers = seal(some[0].envelope, [one.id for one in some], [one.hash for one in some])
        value = b"[" + b",".join(one.body for one in some) + b"]"
        self._now_ms += self._draw.randint(0, 3)
        return self._at(self._draw.randrange(PARTITIONS), value, tuple(headers))

    def ticks(self, at: datetime) -> list[Record]:
        self._now_ms = int(at.timestamp() * 1000)
        return [self._at(number, None, tuple(TICK_HEADERS)) for number in range(PARTITIONS)]

    def _at(
        self, partition: int, value: bytes | None, headers: tuple[tuple[str, bytes], ...]
    ) -> Record:
        offset = self._offsets[partition]
        self._offsets[partition] = offset + 1
        return Record(
            STATEMENTS, partition, offset, self._now_ms, self._now_ms, None, value, headers
        )


async def arrive(
    database: Database,
    backlog: Backlog,
    records: Iterator[list[One]],
    *,
    seed: int,
    at_once: bool,
    say: Say,
) -> Outcome:
    """Apply the records as a consumer does and decide: at the end only, or while they come."""
    began = time.perf_counter()
    await _people(database, backlog)
    # Patient: a machine that is shared may stand still for longer than a test would wait.
    async with driver_of(database, command_seconds=COMMAND_SECONDS) as driver:
        owner = await database.connect("assay_owner")
        try:
            await bench_backlog.record_rules(owner)
            arrival, applied = Arrival(seed), 0
            batch: list[Record] = []
            for some in records:
                batch.append(arrival.record(some))
                applied += len(some)
                if len(batch) == RECORDS_AT_ONCE:
                    await driver.apply(*batch)
                    batch = []
                    if not at_once:
                        await _decide_some(driver)
                    say(f"{applied:,} statements, {time.perf_counter() - began:,.0f} s")
            await driver.apply(*batch)
            # Expiries that have passed come as wake-ups, a bounded number with each tick.
            await driver.decide(MARKS_AT_ONCE)
            for minute in range(1, 1_000):
                await driver.apply(*arrival.ticks(ENDING + timedelta(days=1, minutes=minute)))
                if not await driver.decide(MARKS_AT_ONCE):
                    break
            await driver.apply(*arrival.ticks(ENDING + timedelta(days=2)))
            await driver.decide(MARKS_AT_ONCE)
            return await _outcome(owner, time.perf_counter() - began)
        finally:
            await owner.close()


async def _decide_some(driver: Driver) -> None:
    """One round: what is decided now is decided again when more arrives."""
    async with driver.pool.acquire() as connection, connection.transaction():
        await evaluate_round(Store(connection), driver.shelf, MARKS_AT_ONCE)


async def _people(database: Database, backlog: Backlog) -> None:
    """Everybody, with an id that follows from the name: it is the same in both databases."""
    names = [f"{backlog.population}-{number:06d}" for number in range(backlog.people)]
    names += ["office", *(f"assessor-{number}" for number in range(ASSESSORS))]
    rows = []
    for name in names:
        key = agent_key({"account": {"homePage": "https://id.bench.example", "name": name}})
        if key is None:
            raise ValueError("a learner has an identifier")
        person = UUID(bytes=hashlib.sha256(name.encode()).digest()[:16], version=4)
        rows.append((text_hash(key), key, person))
    owner = await database.connect("assay_owner")
    try:
        agents, keys, people = (list(column) for column in zip(*rows, strict=True))
        await owner.execute(
            "insert into aggregator.person (tenant, person) select $1, unnest($2::uuid[])",
            TENANT,
            people,
        )
        await owner.execute(
            "insert into aggregator.identity_link "
            "(tenant, link, agent, agent_key, person, automatic) "
            "select $1, person, agent, agent_key, person, true "
            "from unnest($2::uuid[], $3::text[], $4::uuid[]) as n (agent, agent_key, person)",
            TENANT,
            agents,
            keys,
            people,
        )
    finally:
        await owner.close()


async def _outcome(owner: asyncpg.Connection, seconds: float) -> Outcome:
    for table in ("mark", "evaluation_failure", "quarantine"):
        left = await owner.fetchval(f"select count(*) from aggregator.{table}")  # noqa: S608
        if left:
            raise AssertionError(f"{left} rows are left in {table}")
    digest = hashlib.sha256()
    decisions = achieved = excluded = 0
    async with owner.transaction():
        async for row in owner.cursor(
            "select tenant, person, competency, status, outcome_hash, (select coalesce(sum("
            "value::bigint), 0)::bigint from jsonb_each_text(reasons)) as excluded "
            "from aggregator.decision_current order by tenant, person, competency",
            prefetch=1_000,
        ):
            digest.update(row["person"].bytes + row["competency"].encode() + row["outcome_hash"])
            decisions += 1
            achieved += row["status"] == "achieved"
            excluded += row["excluded"]
    history = await owner.fetchval("select count(*) from aggregator.decision")
    return Outcome(decisions, achieved, excluded, history, digest.hexdigest(), seconds)


async def compare(stack: StackInfo, backlog: Backlog, say: Say) -> tuple[Outcome, Outcome]:
    """Both orders, each in a database of its own."""
    template = await ensure_template(stack)
    found = statements_of(backlog)
    say(f"{len(found):,} statements with their voids, of {backlog.people:,} people")
    outcomes = []
    for records, seed, at_once in ((in_time(found), 1, True), (shuffled(found, 2), 2, False)):
        database = await new_database(stack, template)
        try:
            outcomes.append(
                await arrive(database, backlog, records, seed=seed, at_once=at_once, say=say)
            )
        finally:
            await drop_database(database)
    return outcomes[0], outcomes[1]


def main(arguments: Sequence[str]) -> int:
    """Print both outcomes; 1 when they differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--statements", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=5_000)
    given = parser.parse_args(arguments)
    stack = StackInfo.from_environment({"ASSAY_DATA": os.environ["ASSAY_TEST_STACK"]})
    ensure_principals(stack)
    backlog = Backlog("order", given.statements, given.people)
    first, second = asyncio.run(compare(stack, backlog, lambda text: print(text, flush=True)))
    for name, one in (("in time", first), ("shuffled", second)):
        print(
            f"{name}: {one.decisions:,} decisions stand ({one.achieved:,} achieved), "
            f"{one.excluded:,} statements excluded, {one.history:,} decisions in the history, "
            f"{one.seconds:,.0f} s, digest {one.digest}"
        )
    same = first.digest == second.digest
    print("equal" if same else "DIFFERENT")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
