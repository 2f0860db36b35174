"""Look-ups that come together are asked together, and each gets its own answer."""

import asyncio
from uuid import UUID, uuid4

import pytest

from assay_ingest.errors import StoreNotAvailable
from assay_ingest.first import Key, Known
from assay_ingest.lookup import IDS_PER_QUERY, QUERIES_AT_ONCE, Lookup


class Table:
    """Answers queries when it is let go, and remembers how many ids each one asked for."""

    def __init__(self, kept: set[Key]) -> None:
        self.kept = kept
        self.sizes: list[int] = []
        self.open = asyncio.Event()
        self.failure: Exception | None = None

    async def find(self, tenants: list[str], ids: list[UUID]) -> dict[Key, Known]:
        self.sizes.append(len(ids))
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        asked = {Key(tenant, one) for tenant, one in zip(tenants, ids, strict=True)}
        return {key: Known(key.id.bytes, "source", 1, None) for key in asked & self.kept}


async def test_what_is_asked_while_queries_run_is_one_query_more() -> None:
    ids = [uuid4() for _ in range(50)]
    table = Table({Key("a", one) for one in ids[::2]})
    lookup = Lookup(table.find)
    asking = []
    for one in ids:
        asking.append(asyncio.create_task(lookup.find("a", [one])))
        # Each of the first look-ups begins a query of its own; the others wait for those.
        for _ in range(5):
            await asyncio.sleep(0)
    assert len(table.sizes) == QUERIES_AT_ONCE
    table.open.set()
    answers = await asyncio.gather(*asking)
    assert [set(one) for one in answers] == [
        {one} if Key("a", one) in table.kept else set() for one in ids
    ]
    assert sum(table.sizes) == len(ids)
    assert len(table.sizes) == QUERIES_AT_ONCE + 1


async def test_a_tenant_is_never_answered_with_the_ids_of_another() -> None:
    one = uuid4()
    table = Table({Key("a", one)})
    table.open.set()
    lookup = Lookup(table.find)
    mine, theirs = await asyncio.gather(lookup.find("a", [one]), lookup.find("b", [one]))
    assert set(mine) == {one}
    assert theirs == {}


async def test_a_query_stays_within_its_limit_unless_one_request_alone_is_longer() -> None:
    table = Table(set())
    table.open.set()
    lookup = Lookup(table.find)
    long = [uuid4() for _ in range(IDS_PER_QUERY + 1)]
    some = [uuid4() for _ in range(IDS_PER_QUERY // 2 + 1)]
    await asyncio.gather(*(lookup.find("a", ids) for ids in (some, some, long)))
    assert sorted(table.sizes) == [len(some), len(some), len(long)]


async def test_a_failure_reaches_everybody_who_asked_and_the_next_query_works() -> None:
    table = Table(set())
    table.open.set()
    table.failure = StoreNotAvailable("away")
    lookup = Lookup(table.find)
    answers = await asyncio.gather(
        *(lookup.find("a", [uuid4()]) for _ in range(5)), return_exceptions=True
    )
    assert [type(one) for one in answers] == [StoreNotAvailable] * 5
    assert len({id(one) for one in answers}) == 5
    table.failure = KeyError("broken")
    with pytest.raises(RuntimeError, match="KeyError"):
        await lookup.find("a", [uuid4()])
    table.failure = None
    assert await lookup.find("a", [uuid4()]) == {}


async def test_who_asks_again_the_moment_an_answer_comes_is_answered_too() -> None:
    table = Table(set())
    lookup = Lookup(table.find)

    async def ask(times: int) -> None:
        for _ in range(times):
            await lookup.find("a", [uuid4()])

    asking = []
    for times in (2, *(1 for _ in range(QUERIES_AT_ONCE - 1))):
        asking.append(asyncio.create_task(ask(times)))
        for _ in range(5):
            await asyncio.sleep(0)
    # All queries end in one turn of the loop, and the first asks again in the next.
    table.open.set()
    async with asyncio.timeout(5):
        await asyncio.gather(*asking)
