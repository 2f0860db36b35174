"""A rebuild gives what the log says, whatever the tables held, and the history goes on from there.

The log is that of the driver, in memory, read as the broker is read: in batches, to given ends.
"""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import orjson
import pytest

from aggregator_service_driver import (
    COMPETENCY,
    OBSERVED,
    TENANT,
    THEORY,
    VR,
    Driver,
    agent,
    award,
    day,
    driver_of,
    rule,
    statement,
    theory_rule,
    void,
)
from assay_aggregator.rebuild.compare import Why
from assay_aggregator.rebuild.log import Place
from assay_aggregator.rebuild.replay import LogDiffers
from assay_aggregator.rebuild.run import AlreadyRunning, Progress, Rebuild, Report
from assay_aggregator.rebuild.tables import BEFORE, FRESH, TABLES, definition
from assay_runtime.consume import Record
from assay_runtime.kafka import LogIdentity
from assay_schemas.envelope import open_envelope, seal_again
from assay_schemas.topics import STATEMENTS
from assay_testing import Database

NAMES = ("ada", "eve", "fin")
FACTS = (
    "select tenant, id, body_hash, record_offset, fact from {}.statement_fact order by 1, 2",
    "select tenant, id, body_hash, stored_ms, fact from {}.fact_conflict order by 1, 2, 3",
    "select tenant, agent, role::text, id, verb from {}.fact_agent order by 1, 2, 3, 4",
    "select tenant, target, id from {}.void order by 1, 2, 3",
)


class Killed(Exception):
    """The run ends here, as by kill -9: nothing of the open transaction stays."""


@dataclass
class MemoryLog:
    """Records of one topic. `kill_after`: so many batches are given, and no more."""

    records: list[Record] = field(default_factory=list)
    identity: LogIdentity = field(default_factory=lambda: LogIdentity("c", "t"))
    topic: str = STATEMENTS
    first: int = 0
    batch: int = 4
    kill_after: int | None = None

    async def begins(self) -> dict[int, int]:
        return {one.partition: self.first for one in self.records}

    async def ends(self) -> dict[int, int]:
        ends: dict[int, int] = {}
        for one in self.records:
            ends[one.partition] = max(ends.get(one.partition, 0), one.offset + 1)
        return ends

    async def batches(
        self, places: Mapping[int, Place], ends: Mapping[int, int]
    ) -> AsyncIterator[Sequence[Record]]:
        wanted = [
            one
            for one in self.records
            if places[one.partition].next_offset <= one.offset < ends.get(one.partition, 0)
        ]
        for at in range(0, len(wanted), self.batch):
            if self.kill_after is not None:
                self.kill_after -= 1
                if self.kill_after < 0:
                    raise Killed
            yield wanted[at : at + self.batch]


@dataclass
class MemoryAgain:
    """Sends records again as they were, with their places, from a log that is kept elsewhere."""

    records: list[Record]
    logs: dict[str, MemoryLog] = field(default_factory=dict)

    async def send(self, begins: Mapping[int, int]) -> str:
        found: list[Record] = []
        for one in self.records:
            opened = open_envelope(one.headers)
            if one.offset >= begins.get(one.partition, 0) or not opened.ids:
                continue
            places = [
                (one.append_ms, one.partition, one.offset, index)
                for index in range(len(opened.ids))
            ]
            headers = tuple(seal_again(one.headers, one.stored_ms, places))
            now_ms = 4_000_000_000_000 + len(found)
            topic = "assay.statements.replay.x"
            found.append(Record(topic, 0, len(found), now_ms, now_ms, None, one.value, headers))
        self.logs[topic] = MemoryLog(found, LogIdentity("c", "again"), topic)
        return topic

    async def open(self, topic: str) -> MemoryLog:
        return self.logs[topic]


@dataclass
class Stage:
    """A driver whose whole log is kept, and an owner to rebuild as."""

    driver: Driver
    owner: asyncpg.Connection
    log: MemoryLog = field(default_factory=MemoryLog)
    told: list[Progress] = field(default_factory=list)
    again: MemoryAgain = field(default_factory=lambda: MemoryAgain([]))

    async def apply(self, *batch: Record) -> None:
        self.log.records += batch
        await self.driver.apply(*batch)

    async def rebuild(self, *, exchange: bool = True, anew: bool = False) -> Report:
        run = Rebuild(self.owner, self.log, self.again, self.told.append)
        try:
            return await run.run(exchange=exchange, anew=anew)
        finally:
            await self.owner.execute("select pg_advisory_unlock_all()")

    async def facts(self, schema: str = "aggregator") -> list[list[tuple[Any, ...]]]:
        return [
            [tuple(row) for row in await self.owner.fetch(query.format(schema))] for query in FACTS
        ]

    async def answers(self) -> list[bytes]:
        """The bytes of many questions."""
        return [
            orjson.dumps(await self.driver.ask(name, as_of=day(at), known_at=day(known)))
            for name in NAMES
            for at, known in ((90, 89), (60, 82), (120, 81.5), (85, 95))
        ]


@pytest.fixture
async def stage(postgres: Database) -> AsyncIterator[Stage]:
    """A life: evidence of all kinds from three partitions, conflicts, voids, a later link."""
    owner = await postgres.connect("assay_owner")
    async with driver_of(postgres) as driver:
        found = Stage(driver, owner)
        await prepare(driver)
        records = some_records(driver, seed=5)
        for index, record in enumerate(records):
            await found.apply(record)
            if index % 3 == 0:
                await driver.decide()
        await driver.decide()
        yield found
    await owner.close()


async def prepare(driver: Driver) -> None:
    async with driver.records() as records:
        await records.put_rule(rule())
        await records.put_rule(theory_rule())
        ben = await records.put_person([agent("ben")])
        await records.add_authorisation(ben, "gowning-b")


def some_records(driver: Driver, seed: int) -> list[Record]:
    choice = random.Random(seed)  # noqa: S311 - a test's data, drawn from a seed
    # What carries an award of ada's, and then everything else.
    made = [driver.log.append(source, [one], stored) for source, one, stored in award(prefix="a")]
    for number in range(40):
        source, activity = choice.choice(
            [("online", THEORY), ("vr", VR), ("vr", VR), ("in_person", OBSERVED)]
        )
        one = statement(
            # Few ids, so that different copies of one id are usual.
            f"s{choice.randrange(28)}",
            actor=choice.choice(NAMES),
            activity=activity,
            at=day(choice.randrange(0, 80)),
            scaled=choice.choice(["0.95", "0.95", "0.5"]),
            assessor="ben" if source == "in_person" else None,
        )
        statements = [one]
        if choice.random() < 0.2:
            statements.append(void(f"v{number}", f"s{choice.randrange(28)}", at=day(80)))
        partition, stored = choice.randrange(3), day(81 + number / 10)
        made.append(driver.log.append(source, statements, stored, partition=partition))
    return made + [driver.log.tick(day(90), partition=partition) for partition in range(3)]


async def test_fresh_tables_equal_the_live_ones_and_answers_stay_the_same_bytes(
    stage: Stage,
) -> None:
    before, answers = await stage.facts(), await stage.answers()
    history = await stage.owner.fetch("select * from aggregator.decision order by 1, 2, 3, 4")
    assert all(before), "the life has facts, conflicts, agents and voids"
    report = await stage.rebuild()
    assert report.same, report
    assert report.exchanged
    assert report.people >= len(NAMES)
    assert await stage.facts() == before == await stage.facts(BEFORE)
    assert await stage.answers() == answers
    assert not await stage.driver.decide(), "nothing was to be made anew"
    assert history == await stage.owner.fetch(
        "select * from aggregator.decision order by 1, 2, 3, 4"
    )
    assert await stage.owner.fetchval("select to_regnamespace($1)", FRESH) is None


async def test_the_exchanged_tables_are_those_of_the_schema(stage: Stage) -> None:
    """Columns, indexes, constraints and rights; and the service goes on with them."""
    shape = await shape_of(stage.owner)
    await stage.rebuild()
    assert await shape_of(stage.owner) == shape
    await stage.apply(
        stage.driver.log.append("online", [statement("new", at=day(88), actor="eve")], day(91))
    )
    assert len(await stage.driver.decide()) == 1


async def shape_of(owner: asyncpg.Connection) -> list[tuple[Any, ...]]:
    rows = await owner.fetch(
        """
        select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
          pg_get_expr(d.adbin, d.adrelid), c.reloptions::text, c.relacl::text
        from pg_class as c
        join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
        left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
        where c.relnamespace = 'aggregator'::regnamespace
        union all
        select conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '', '', ''
        from pg_constraint where connamespace = 'aggregator'::regnamespace
        union all
        select tablename, indexname, indexdef, '', '', '', ''
        from pg_indexes where schemaname = 'aggregator'
        order by 1, 2, 3
        """
    )
    return [tuple(row) for row in rows]


def test_every_table_has_its_definition() -> None:
    text = definition()
    for name in (*TABLES, "applied"):
        assert f"create table {FRESH}.{name} (" in text, name
        assert f"on {FRESH}.{name} to assay_aggregator" in text, name
    assert "aggregator.statement_fact" not in text


async def test_lost_and_changed_facts_come_back_and_only_differences_are_told(
    stage: Stage,
) -> None:
    answers = await stage.answers()
    facts = await stage.facts()
    events = await stage.driver.events()
    # Ada's award stands on facts of which one is lost, and one now says something else.
    used = await stage.owner.fetchval(
        "select used from aggregator.decision_current where cardinality(used) > 1 "
        "order by person limit 1"
    )
    await stage.owner.execute("delete from aggregator.statement_fact where id = $1", used[0])
    await stage.owner.execute(
        "update aggregator.statement_fact set fact = replace(convert_from(fact, 'utf8'), "
        "'passed', 'failed')::bytea where id = $1",
        used[1],
    )
    await stage.owner.execute("delete from aggregator.void")
    await mark_all(stage)
    await stage.driver.decide()
    assert await stage.answers() != answers, "nothing was broken"
    wrong = await stage.driver.events()
    assert len(wrong) > len(events)
    report = await stage.rebuild()
    assert {f"{TENANT} {one}" for one in used[:2]} <= set(report.facts)
    assert report.decisions[Why.OTHER] >= 1
    assert await stage.facts() == facts
    await stage.driver.decide()
    assert await stage.answers() == answers
    told = (await stage.driver.events())[len(wrong) :]
    # What was withdrawn wrongly is told again, by the next sequence of each, and nothing else is.
    assert 1 <= len(told) <= sum(report.decisions.values())
    for one in told:
        same = [
            e for e in wrong if (e["person"], e["competency"]) == (one["person"], one["competency"])
        ]
        assert one["sequence"] == len(same) + 1
    assert (await stage.rebuild()).same


async def mark_all(stage: Stage) -> None:
    await stage.owner.execute(
        "insert into aggregator.mark (tenant, person, competency) "
        "select tenant, person, competency from aggregator.decision_current"
    )


@pytest.mark.parametrize("after", [0, 1, 3, 6])
async def test_a_killed_run_goes_on_where_it_was(stage: Stage, after: int) -> None:
    before = await stage.facts()
    stage.log.kill_after = after
    with pytest.raises(Killed):
        await stage.rebuild()
    assert await stage.facts() == before, "the live tables were touched"
    kept = await stage.owner.fetchval("select sum(next_offset) from aggregator_rebuild.applied")
    assert (kept > 0) == (after > 0)
    stage.log.kill_after = None
    stage.told.clear()
    report = await stage.rebuild()
    assert report.same
    assert stage.told[0].done > kept, "it began from the first record again"
    assert await stage.facts() == before


class BusyLog(MemoryLog):
    """While its batches are read, the service applies `late`, and decides it."""

    stage: "Stage"
    late: list[Record]

    async def batches(
        self, places: Mapping[int, Place], ends: Mapping[int, int]
    ) -> AsyncIterator[Sequence[Record]]:
        async for batch in super().batches(places, ends):
            yield batch
            if self.late:
                await self.stage.apply(self.late.pop(0))
                await self.stage.driver.decide()


async def test_what_comes_during_a_run_is_in_the_exchanged_tables(stage: Stage) -> None:
    """The service goes on while the log is replayed and people are decided."""
    log = BusyLog(records=stage.log.records)
    stage.log, log.stage = log, stage
    log.late = [
        stage.driver.log.append(
            "online", [statement(f"late{number}", at=day(85), actor="fin")], day(91 + number)
        )
        for number in range(6)
    ]
    last = log.late[-1].offset
    report = await stage.rebuild()
    assert log.late == []
    assert report.same, report
    assert await stage.facts() == await stage.facts(BEFORE)
    places = "select max(record_offset) from aggregator.statement_fact where partition = 0"
    assert await stage.owner.fetchval(places) == last


async def test_a_standing_decision_that_was_lost_comes_from_the_history(stage: Stage) -> None:
    columns = "person, competency, ordinal, decision, sequence, status, used, reasons, outcome_hash"
    query = f"select {columns} from aggregator.decision_current order by 1, 2"  # noqa: S608
    before = await stage.owner.fetch(query)
    await stage.owner.execute(
        "delete from aggregator.decision_current where competency = $1", COMPETENCY
    )
    report = await stage.rebuild()
    assert report.repaired == report.decisions[Why.SEVERED] >= 2
    assert await stage.owner.fetch(query) == before
    rounds = await stage.driver.decide()
    assert all(not one.changes and not one.failures for one in rounds)


async def test_a_lost_wake_up_is_found(stage: Stage) -> None:
    lost = await stage.owner.fetchval(
        "with gone as (delete from aggregator.wakeup returning 1) select count(*) from gone"
    )
    report = await stage.rebuild()
    assert report.decisions == {Why.WAKE_UP: lost}
    await stage.driver.decide()
    assert await stage.owner.fetchval("select count(*) from aggregator.wakeup") == lost


async def test_comparing_alone_exchanges_nothing(stage: Stage) -> None:
    await stage.owner.execute(
        "delete from aggregator.statement_fact where id = "
        "(select id from aggregator.statement_fact order by id limit 1)"
    )
    broken = await stage.facts()
    report = await stage.rebuild(exchange=False)
    assert not report.same
    assert not report.exchanged
    assert await stage.facts() == broken
    assert (await stage.rebuild()).exchanged
    assert await stage.facts() != broken


async def test_another_log_is_refused(stage: Stage) -> None:
    stage.log.kill_after = 2
    with pytest.raises(Killed):
        await stage.rebuild()
    stage.log.identity = LogIdentity("c", "another")
    with pytest.raises(LogDiffers, match="another topic"):
        await stage.rebuild()
    with pytest.raises(LogDiffers, match="another log"):
        await stage.rebuild(anew=True)


@pytest.mark.parametrize("killed_after", [None, 1, 3])
async def test_what_is_deleted_from_the_log_is_replayed_with_its_old_places(
    stage: Stage, killed_after: int | None
) -> None:
    """The janitor deletes what everybody applied; a rebuild gives the same tables as before."""
    before, answers = await stage.facts(), await stage.answers()
    stage.again = MemoryAgain(list(stage.log.records))
    stage.log.first = 7
    stage.log.records = [one for one in stage.log.records if one.offset >= 7]
    if killed_after is not None:
        stage.log.kill_after = killed_after
        with pytest.raises(Killed):
            await stage.rebuild()
        stage.log.kill_after = None
    report = await stage.rebuild()
    assert report.same, report
    assert await stage.facts() == before
    assert await stage.answers() == answers


async def test_one_rebuild_at_a_time(stage: Stage, postgres: Database) -> None:
    other = await postgres.connect("assay_owner")
    try:
        await other.fetch("select pg_advisory_lock(hashtext('aggregator.rebuild'))")
        with pytest.raises(AlreadyRunning):
            await stage.rebuild()
    finally:
        await other.close()


async def test_a_record_that_cannot_be_read_is_set_aside_there_too(stage: Stage) -> None:
    good = stage.driver.log.append("online", [statement("x", at=day(86))], day(92))
    bad = Record(**{**{name: getattr(good, name) for name in good.__slots__}, "value": b"[{"})
    stage.log.records.append(bad)
    await stage.owner.execute(
        "update aggregator.applied set next_offset = next_offset + 1 where partition = 0"
    )
    report = await stage.rebuild()
    assert report.set_aside == 1
    rows = await stage.owner.fetch("select record_offset, reason, value from aggregator.quarantine")
    assert [tuple(row) for row in rows] == [(bad.offset, "RecordUnreadable", b"[{")]
