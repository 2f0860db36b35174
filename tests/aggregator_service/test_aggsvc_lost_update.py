"""The lost update (design.md 2.4, 2.5): reproduced with a wrong order, impossible with ours.

New evidence is committed while an evaluator is between reading evidence and writing its decision.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aggregator_service_driver import Driver, day, driver_of, statement, theory_rule
from assay_aggregator.evaluator import evaluate_round
from assay_aggregator.store import Key, Row, Store
from assay_runtime.postgres import Connection
from assay_testing import Database

COMPETENCY = theory_rule()["competency"]

WAITING = (
    "select count(*) from pg_stat_activity "
    "where datname = current_database() and wait_event_type = 'Lock'"
)


class PausingStore(Store):
    """A store that stops once all evidence has been read, before anything is written."""

    def __init__(self, connection: Connection, pause: Callable[[], Awaitable[None]]) -> None:
        super().__init__(connection)
        self._connection = connection
        self._pause = pause

    async def current_decisions(self, keys: object) -> dict[Key, Row]:
        await self._pause()
        return await super().current_decisions(keys)  # type: ignore[arg-type]


class CarelessStore(PausingStore):
    """The wrong order: marks are read without their lock, and deleted whatever came meanwhile."""

    async def take_marks(self, limit: int) -> list[Row]:
        rows: list[Row] = await self._connection.fetch(
            "select tenant, person, competency, version, caused_ms from aggregator.mark "
            "order by marked_at limit $1",
            limit,
        )
        return rows

    async def delete_marks(self, versions: object) -> int:
        del versions
        await self._connection.execute("delete from aggregator.mark")
        return 0


async def somebody_waits_for_a_lock(driver: Driver) -> None:
    """Return once the server says so; asking it is the pause."""
    async with asyncio.timeout(10):
        while not await driver.pool.fetchval(WAITING):
            continue


async def half_of_the_evidence(driver: Driver) -> None:
    """A failed attempt is there and marked; the passed one comes while it is decided."""
    async with driver.records() as records:
        await records.put_rule(theory_rule())
    await driver.post(
        "online", statement("s1", verb="failed", scaled="0.2", at=day(1)), stored=day(1.1)
    )


async def rest_of_the_evidence(driver: Driver) -> None:
    await driver.post("online", statement("s2", at=day(1.2)), stored=day(1.3))


async def test_a_wrong_order_loses_the_update(postgres: Database) -> None:
    async with driver_of(postgres) as driver:
        await half_of_the_evidence(driver)
        async with driver.pool.acquire() as connection, connection.transaction():
            careless = CarelessStore(connection, lambda: rest_of_the_evidence(driver))
            done = await evaluate_round(careless, driver.shelf, 10)
        assert len(done.marks) == 1
        # Decided on a part of the evidence, and nobody will look again.
        assert await driver.decide() == []
        assert await driver.status("ada", COMPETENCY) == "in_progress"
        (document,) = (await driver.ask("ada"))["competencies"]
        assert document["status"] == "achieved"


async def test_the_real_order_does_not(postgres: Database) -> None:
    async with driver_of(postgres) as driver:
        await half_of_the_evidence(driver)
        consuming: list[asyncio.Task[None]] = []

        async def consumer_comes_and_waits() -> None:
            consuming.append(asyncio.create_task(rest_of_the_evidence(driver)))
            # The consumer has written its facts, and stands at the mark that we hold.
            await somebody_waits_for_a_lock(driver)
            assert not consuming[0].done()

        async with driver.pool.acquire() as connection, connection.transaction():
            store = PausingStore(connection, consumer_comes_and_waits)
            await evaluate_round(store, driver.shelf, 10)
        await consuming[0]
        assert await driver.status("ada", COMPETENCY) == "in_progress"
        # Its mark came after ours was deleted: the decision is made anew, on all of the evidence.
        (again,) = await driver.decide()
        assert list(again.marks.values()) == [1]
        assert await driver.status("ada", COMPETENCY) == "achieved"


async def test_another_evaluator_leaves_a_mark_that_is_held(postgres: Database) -> None:
    async with driver_of(postgres) as driver:
        await half_of_the_evidence(driver)

        async def second_evaluator_comes() -> None:
            assert await driver.decide() == []

        async with driver.pool.acquire() as connection, connection.transaction():
            await evaluate_round(PausingStore(connection, second_evaluator_comes), driver.shelf, 10)
        assert await driver.pool.fetchval("select count(*) from aggregator.decision") == 1


async def test_a_change_of_records_waits_for_the_facts_under_way(postgres: Database) -> None:
    """An authorisation cannot slip between a fact that is not committed and its mark."""
    async with driver_of(postgres) as driver:
        await half_of_the_evidence(driver)
        record = driver.log.append("online", [statement("s2", at=day(1.2))], day(1.3))
        changing: list[asyncio.Task[None]] = []

        async def put_another_rule() -> None:
            async with driver.records() as records:
                await records.put_rule(theory_rule(2))

        async with driver.pool.acquire() as connection, connection.transaction():
            await driver.handler.apply(connection, [record])
            changing.append(asyncio.create_task(put_another_rule()))
            await somebody_waits_for_a_lock(driver)
            assert not changing[0].done()
        await changing[0]
        marked = await driver.pool.fetchval(
            "select count(*) from aggregator.mark where competency = $1",
            theory_rule(2)["competency"],
        )
        assert marked == 1
