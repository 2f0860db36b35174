"""Laws 2 to 4: any order, any repeats and any batches of the same log give the same tables."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import asyncpg
import orjson
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aggregator_service_driver import (
    OBSERVED,
    THEORY,
    VR,
    Driver,
    Log,
    agent,
    day,
    driver_of,
    rule,
    statement,
    theory_rule,
    void,
)
from assay_aggregator.copies import instant
from assay_aggregator.shelf import RuleShelf
from assay_runtime.consume import Record
from assay_testing import Database

NAMES = ("ada", "eve", "fin")
TABLES = (
    "applied, person, identity_link, assessor_authorisation, assessor_conflict, rule_version, "
    "statement_fact, fact_conflict, fact_agent, void, mark, wakeup, evaluation_failure, decision, "
    "decision_current, outbox"
)


def some_log(seed: int) -> list[Record]:
    """Records of three partitions: evidence, other copies of it, repeats, voids, voids of voids."""
    choice = random.Random(seed)  # noqa: S311 - a test's data, drawn from a seed
    log = Log()
    made: list[Record] = []
    for number in range(14):
        at = day(choice.randrange(0, 80))
        source, activity = choice.choice(
            [("online", THEORY), ("vr", VR), ("vr", VR), ("in_person", OBSERVED)]
        )
        # Few ids, so that different copies of one id are usual.
        name = f"s{choice.randrange(9)}"
        one = statement(
            name,
            actor=choice.choice(NAMES),
            activity=activity,
            at=at,
            scaled=choice.choice(["0.95", "0.95", "0.5"]),
            assessor="ben" if source == "in_person" else None,
        )
        statements = [one]
        if choice.random() < 0.3:
            target = choice.choice(["s1", "s4", "s7", "v1"])
            statements.append(void(f"v{choice.randrange(3)}", target, at=at))
        envelope = choice.choice([source, source, "office"])
        stored = day(81 + number / 10)
        partition = choice.randrange(3)
        made.append(log.append(envelope, statements, stored, partition=partition))
        if choice.random() < 0.2:
            made.append(log.append(envelope, statements, stored, partition=(partition + 1) % 3))
    made += [log.tick(day(90), partition=partition) for partition in range(3)]
    return made


async def prepare(driver: Driver) -> None:
    async with driver.records() as records:
        await records.put_rule(rule())
        await records.put_rule(theory_rule())
        ben = await records.put_person([agent("ben")])
        await records.add_authorisation(ben, "gowning-b")


async def replay(driver: Driver, batches: Sequence[Sequence[Record]]) -> None:
    for batch in batches:
        await driver.apply(*batch)
        if batch[0].offset % 2:
            await driver.decide(limit=3)
    await driver.decide()


async def picture(driver: Driver) -> dict[str, Any]:
    """All that must not depend on the order, people by their agent's name."""
    names = {str(await driver.person(name)): name for name in NAMES if await has(driver, name)}

    def named(value: object) -> Any:
        text = orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS).decode()
        for person, name in names.items():
            text = text.replace(person, name)
        return orjson.loads(text)

    async def rows(sql: str) -> list[Any]:
        return sorted(named([list(row.values()) for row in await driver.pool.fetch(sql)]))

    return {
        "facts": await rows(
            "select id, encode(body_hash, 'hex'), append_ms, partition, record_offset, "
            "record_index, stored_ms, actor, verb, activity, convert_from(fact, 'utf8') "
            "from aggregator.statement_fact"
        ),
        "conflicts": await rows(
            "select id, encode(body_hash, 'hex'), append_ms, partition, record_offset, stored_ms, "
            "convert_from(fact, 'utf8') from aggregator.fact_conflict"
        ),
        "agents": await rows("select agent, role::text, id, verb from aggregator.fact_agent"),
        "voids": await rows("select target, id from aggregator.void"),
        "wakeups": await rows("select person, competency, due_ms from aggregator.wakeup"),
        "decisions": await rows(
            "select person, competency, status, achieved_on, expires_on, used, reasons "
            "from aggregator.decision_current"
        ),
        "answers": [
            named(await driver.ask(name, as_of=day(at), known_at=day(known)))
            for name in sorted(names.values())
            for at, known in ((90, 89), (60, 82), (120, 81.5))
        ],
        "marks": await driver.pool.fetchval("select count(*) from aggregator.mark"),
    }


async def has(driver: Driver, name: str) -> bool:
    try:
        await driver.person(name)
    except StopIteration:
        return False
    return True


async def fresh(owner: asyncpg.Connection, driver: Driver) -> Driver:
    await owner.execute(f"set search_path = aggregator; truncate {TABLES}")
    again = Driver(driver.pool, shelf=RuleShelf())
    await prepare(again)
    return again


@settings(
    max_examples=10,
    deadline=None,
    # A smaller seed is no simpler log.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.integers(0, 10_000))
async def test_any_order_repeats_and_batches_give_equal_tables(
    postgres: Database, seed: int
) -> None:
    log, choice = some_log(seed), random.Random(seed)  # noqa: S311 - a test's order
    owner = await postgres.connect("assay_owner")
    try:
        async with driver_of(postgres) as pool:
            driver = await fresh(owner, pool)
            await replay(driver, [log])
            expected = await picture(driver)
            assert expected["marks"] == 0
            assert expected["decisions"]
            driver = await fresh(owner, pool)
            await replay(driver, rebatched(log, choice))
            assert await picture(driver) == expected
    finally:
        await owner.close()


def rebatched(log: Sequence[Record], choice: random.Random) -> list[list[Record]]:
    """The log out of order, some of it twice, in batches of one to five."""
    shuffled = [*log, *choice.sample(log, k=3)]
    choice.shuffle(shuffled)
    batches: list[list[Record]] = []
    while shuffled:
        size = choice.randrange(1, 6)
        batches.append(shuffled[:size])
        del shuffled[:size]
    return batches


async def test_two_consumers_and_two_evaluators_never_decide_on_a_part(
    postgres: Database,
) -> None:
    """At once, over the same people: at the end each decision is what its evidence gives."""
    log = [record for seed in range(6) for record in renamed(some_log(seed), seed)]
    parts = [[one for one in log if one.partition % 2 == side] for side in (0, 1)]
    done = asyncio.Event()
    async with driver_of(postgres, size=8) as driver:
        await prepare(driver)

        async def consume(part: Sequence[Record]) -> None:
            consumer = Driver(driver.pool, shelf=RuleShelf())
            for index in range(0, len(part), 2):
                await consumer.apply(*part[index : index + 2])

        async def evaluate() -> None:
            evaluator = Driver(driver.pool, shelf=RuleShelf())
            while not done.is_set():
                await evaluator.decide(limit=2)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            evaluators = [group.create_task(evaluate()) for _ in range(2)]
            async with asyncio.TaskGroup() as consumers:
                for part in parts:
                    consumers.create_task(consume(part))
            done.set()
        assert all(one.done() for one in evaluators)
        await driver.decide()
        await equal_to_recomputation(driver)
        events = await driver.events()
        by_subject: dict[tuple[str, str], list[int]] = {}
        for one in events:
            by_subject.setdefault((one["person"], one["competency"]), []).append(one["sequence"])
        assert all(numbers == sorted(set(numbers)) for numbers in by_subject.values())
        assert all(numbers[-1] == len(numbers) for numbers in by_subject.values())


def renamed(log: Sequence[Record], seed: int) -> list[Record]:
    """The log a little later, so that the logs of several seeds follow each other."""
    shift = seed * 1000
    return [
        Record(
            topic=one.topic,
            partition=one.partition,
            offset=one.offset + shift,
            append_ms=one.append_ms,
            stored_ms=one.stored_ms,
            key=one.key,
            value=one.value,
            headers=one.headers,
        )
        for one in log
    ]


async def equal_to_recomputation(driver: Driver) -> None:
    """Each decision row that stands equals the pure function at its (as_of, known_at)."""
    rows = await driver.pool.fetch(
        "select d.person, d.competency, d.as_of_ms, d.known_at_ms, d.document, l.agent_key "
        "from aggregator.decision_current as c "
        "join aggregator.decision as d using (tenant, decision) "
        "join aggregator.identity_link as l on l.tenant = c.tenant and l.person = c.person"
    )
    assert rows
    for row in rows:
        name = row["agent_key"].rpartition(" ")[2]
        asked = await driver.ask(name)
        (document,) = (
            one for one in asked["competencies"] if one["competency"] == row["competency"]
        )
        kept = orjson.loads(row["document"])
        for member in ("as_of", "known_at", "next_change"):
            document.pop(member)
            kept.pop(member)
        assert kept == document


async def test_a_decision_kept_equals_its_recomputation_at_its_own_times(
    postgres: Database,
) -> None:
    async with driver_of(postgres) as driver:
        await prepare(driver)
        for index, record in enumerate(some_log(3)):
            await driver.apply(record)
            if index % 3 == 0:
                await driver.decide()
        await driver.decide()
        for partition in range(3):
            await driver.tick(day(200), partition=partition)
        rows = await driver.pool.fetch(
            "select l.agent_key, d.competency, d.ordinal, d.as_of_ms, d.known_at_ms, d.document "
            "from aggregator.decision as d join aggregator.identity_link as l "
            "on l.tenant = d.tenant and l.person = d.person"
        )
        kept = {
            (row["agent_key"], row["competency"]): row
            for row in sorted(rows, key=lambda row: row["ordinal"])
        }
        assert len(rows) > len(kept) > 2
        for row in kept.values():
            name = row["agent_key"].rpartition(" ")[2]
            asked = await driver.ask(
                name, as_of=instant(row["as_of_ms"]), known_at=instant(row["known_at_ms"])
            )
            (document,) = (
                one for one in asked["competencies"] if one["competency"] == row["competency"]
            )
            assert orjson.loads(row["document"]) == document
