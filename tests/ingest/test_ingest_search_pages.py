"""Pages of a search: nothing lost or told twice while statements arrive; what is old is indexed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from assay_ingest.records import term
from assay_ingest.reindex import reindex
from assay_ingest.search import Cursor, Search
from assay_ingest.search_sql import Leaders
from assay_testing import Database
from ingest_samples import comment, record, statement
from ingest_world import BOUNDS, World, world_on

PAGES = 1_100
AGENT = term("mbox:mailto:a@example.org")


@pytest.fixture
async def world(postgres: Database) -> AsyncIterator[World]:
    async with world_on(postgres) as made:
        yield made


def sent(number: int) -> dict[str, Any]:
    return statement(UUID(int=number + 1, version=4))


async def test_a_thousand_pages_lose_and_repeat_nothing_while_statements_arrive(
    world: World,
) -> None:
    # Ten statements share each moment, so that most pages end within one.
    await world.apply(
        [
            record([sent(10 * n + m) for m in range(10)], append_ms=100 + n, offset=n)
            for n in range(PAGES // 10)
        ]
    )
    arriving = asyncio.ensure_future(
        world.apply(
            [record([sent(PAGES + n)], append_ms=1_000 + n, offset=PAGES + n) for n in range(300)]
        )
    )
    for ascending in (False, True):
        search, found, pages = Search(agent=AGENT, ascending=ascending), list[UUID](), 0
        while True:
            page = await world.reader.search(
                search, tenant="t1", watermark_ms=999, bounds=replace(BOUNDS, rows_max=1)
            )
            pages += 1
            found += [one for _, one, _ in page.rows]
            if page.next is None:
                break
            search = replace(search, cursor=page.next)
        assert pages >= PAGES
        assert len(found) == PAGES
        expected = {UUID(int=number + 1, version=4) for number in range(PAGES)}
        assert set(found) == expected
    await arriving
    everything = await world.ids(Search(agent=AGENT))
    assert len(everything) == len(set(everything)) == PAGES + 300


async def test_a_page_that_runs_out_of_time_goes_on_where_it_stopped(world: World) -> None:
    await world.apply([record([sent(n) for n in range(50)], append_ms=100)])
    rare = statement(UUID(int=1000, version=4), verb="http://example.org/verbs/rare")
    await world.apply([record([rare], append_ms=99, offset=1)])
    hurried = replace(BOUNDS, scan_rows_max=10, seconds_max=1e-9)
    search = Search(agent=AGENT, verb=term("http://example.org/verbs/rare"))
    page = await world.reader.search(search, tenant="t1", watermark_ms=999, bounds=hurried)
    assert page.rows == []
    assert page.next is not None
    assert await world.ids(search, hurried) == [UUID(int=1000, version=4)]


async def test_a_page_ends_with_the_statement_that_reaches_its_bytes(world: World) -> None:
    await world.apply([record([sent(n) for n in range(5)], append_ms=100)])
    small = replace(BOUNDS, bytes_max=1)
    page = await world.reader.search(Search(), tenant="t1", watermark_ms=999, bounds=small)
    assert len(page.rows) == 1
    assert len(await world.ids(Search(), small)) == 5


def test_the_filter_that_comes_farthest_leads() -> None:
    leaders = Leaders(Search(agent=AGENT, verb=AGENT))
    at = 1_000
    cursor: Cursor | None = None
    led = []
    for _ in range(5):
        leader = leaders.choose()
        led.append(leader)
        at -= 100 if leader == "verb" else 10
        reached = Cursor(at, AGENT)
        leaders.came(leader, cursor, reached)
        cursor = reached
    assert led == ["agent", "verb", "agent", "verb", "verb"]


async def test_statements_from_before_the_search_was_complete_are_indexed(world: World) -> None:
    target, referrer = UUID(int=1, version=4), UUID(int=2, version=4)
    context = {"contextActivities": {"parent": [{"id": "http://example.org/course"}]}}
    target_sent = statement(target, context=context)
    target_sent["object"]["definition"] = {"name": {"en": "One"}}
    log = [
        record([target_sent], append_ms=100),
        record([comment(target, referrer)], append_ms=101, offset=1),
    ]
    await world.apply(log)
    tables = {
        "ingest.statement_related": "kind, term, stored_ms, first, ids",
        "ingest.statement_ref": "referrer, target",
        "ingest.statement_via": "kind, term, stored_ms, id, via_stored_ms, via",
        "ingest.activity": "activity, iri, definition::text",
        "ingest.activity_definition": "activity, hash, stored_ms, id",
    }
    queries = [f"select {some} from {name} order by {some}" for name, some in tables.items()]  # noqa: S608 - names are above
    before = [await world.store.fetch(one) for one in queries]
    assert all(before)
    await world.store.execute("truncate " + ", ".join(tables))
    await world.store.execute("update ingest.statement set authority = null")
    assert await reindex(world.store) == 2
    assert [await world.store.fetch(one) for one in queries] == before
    assert await reindex(world.store) == 0
    course = Search(activity=term("http://example.org/course"), related_activities=True)
    assert await world.ids(course) == [referrer, target]
