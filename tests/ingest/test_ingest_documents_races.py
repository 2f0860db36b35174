"""Two hundred writers of one document at once: nothing is lost, and exactly the right ones win."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from assay_cli.stack import StackInfo
from assay_ingest.__main__ import INDEXES_ONLY
from assay_ingest.documents import STATE, Address, Content
from assay_ingest.documents_store import DocumentStore
from assay_runtime.postgres import Pool
from assay_testing import drop_database, new_database

WRITERS = 200
CONNECTIONS = 20
TENANT = "t1"


@pytest.fixture(scope="module")
async def pool(servers: StackInfo, postgres_template: str) -> AsyncIterator[Pool]:
    """Many connections of the role and with the settings of the service."""
    database = await new_database(servers, postgres_template)
    async with asyncpg.create_pool(
        database.dsn("assay_ingest"),
        password=database.password("assay_ingest"),
        min_size=CONNECTIONS,
        max_size=CONNECTIONS,
        server_settings=INDEXES_ONLY,
    ) as opened:
        yield opened
    await drop_database(database)


@pytest.fixture
def store(pool: Pool) -> DocumentStore:
    return DocumentStore(pool, per_place_max=1_000, bytes_max=1_000_000)


@pytest.fixture
def address() -> Address:
    """A place of its own for each test."""
    return Address(STATE, f"http://example.org/{uuid4()}", "mbox:x", None, "n", None)


def json_of(value: object) -> Content:
    return Content("application/json", msgspec.json.encode(value), is_mergeable=True)


async def all_at_once(write: Callable[[int], Awaitable[bool]]) -> list[int]:
    """The numbers of the writers that say that they wrote."""
    done: Sequence[bool] = await asyncio.gather(*(write(number) for number in range(WRITERS)))
    return [number for number, wrote in enumerate(done) if wrote]


async def body(store: DocumentStore, address: Address) -> object:
    found = await store.find(TENANT, address)
    assert found is not None
    return msgspec.json.decode(found.content.body)


async def test_no_merge_of_many_at_once_is_lost(store: DocumentStore, address: Address) -> None:
    """The first of them creates the document, whichever that is."""
    wrote = await all_at_once(
        lambda number: store.merge(TENANT, address, json_of({f"k{number}": number, "all": number}))
    )
    assert wrote == list(range(WRITERS))
    found = await body(store, address)
    assert isinstance(found, dict)
    assert found.pop("all") in range(WRITERS)
    assert found == {f"k{number}": number for number in range(WRITERS)}


async def test_one_of_many_creates_a_document(store: DocumentStore, address: Address) -> None:
    winners = await all_at_once(lambda number: store.create(TENANT, address, json_of([number])))
    assert len(winners) == 1
    assert await body(store, address) == winners


@pytest.mark.parametrize("kind", ["replace", "merge_into"])
async def test_one_of_many_that_saw_the_same_content_changes_it(
    store: DocumentStore, address: Address, kind: str
) -> None:
    assert await store.create(TENANT, address, json_of({"n": "first"}))
    seen = await store.find(TENANT, address)
    assert seen is not None
    write = store.replace if kind == "replace" else store.merge_into
    winners = await all_at_once(
        lambda number: write(TENANT, address, json_of({"n": number}), seen.fingerprint)
    )
    assert len(winners) == 1
    assert await body(store, address) == {"n": winners[0]}


async def test_one_of_many_that_saw_the_same_content_deletes_it(
    store: DocumentStore, address: Address
) -> None:
    assert await store.create(TENANT, address, json_of({}))
    seen = await store.find(TENANT, address)
    assert seen is not None
    assert len(await all_at_once(lambda _: store.delete(TENANT, address, seen.fingerprint))) == 1
    assert await store.find(TENANT, address) is None


async def test_counting_by_read_and_conditional_write_loses_no_step(
    store: DocumentStore, address: Address
) -> None:
    """What ETags are for: each writer reads, adds one, and tries again where another was first."""
    assert await store.create(TENANT, address, json_of(0))

    async def add_one() -> None:
        while True:
            seen = await store.find(TENANT, address)
            assert seen is not None
            count = msgspec.json.decode(seen.content.body, type=int)
            if await store.replace(TENANT, address, json_of(count + 1), seen.fingerprint):
                return

    await asyncio.gather(*(add_one() for _ in range(40)))
    assert await body(store, address) == 40


async def test_merges_and_deletions_leave_only_what_was_merged_after_the_last_one(
    store: DocumentStore, address: Address
) -> None:
    """Each merge is whole, before or after a deletion: its two keys are both there or both not."""

    async def write(number: int) -> bool:
        if number % 10 == 0:
            return await store.delete(TENANT, address, None)
        both = {f"a{number}": number, f"b{number}": number}
        return await store.merge(TENANT, address, json_of(both))

    wrote = await all_at_once(write)
    assert {number for number in range(WRITERS) if number % 10} <= set(wrote)
    assert await store.merge(TENANT, address, json_of({"a": 1, "b": 1}))
    found = await body(store, address)
    assert isinstance(found, dict)
    assert {key[1:] for key in found if key[0] == "a"} == {
        key[1:] for key in found if key[0] == "b"
    }


async def test_put_replaces_what_it_finds_whole(store: DocumentStore, address: Address) -> None:
    """State in 1.0.3: the last write wins, and no write is a mixture of two."""
    wrote = await all_at_once(
        lambda number: store.put(TENANT, address, Content(f"t/{number}", b"%d" % number, False))
    )
    assert wrote == list(range(WRITERS))
    found = await store.find(TENANT, address)
    assert found is not None
    assert found.content.content_type == f"t/{found.content.body.decode()}"


async def test_a_place_takes_no_more_than_its_number_of_documents(
    pool: Pool, address: Address
) -> None:
    small = DocumentStore(pool, per_place_max=3, bytes_max=100)
    places = [
        Address(STATE, address.activity, address.agent, None, f"n{number}", None)
        for number in range(4)
    ]
    for place in places[:3]:
        assert not await small.is_full(TENANT, place)
        assert await small.create(TENANT, place, json_of({}))
    assert await small.is_full(TENANT, places[3])
    assert not await small.create(TENANT, places[3], json_of({}))
    assert not await small.put(TENANT, places[3], json_of({}))
    assert not await small.merge(TENANT, places[3], json_of({}))
    # Those that are there can still be changed, and another tenant has a place of its own.
    assert await small.put(TENANT, places[0], json_of({"a": 1}))
    assert await small.merge(TENANT, places[0], json_of({"b": 1}))
    assert await small.create("t2", places[3], json_of({}))
    assert (await small.names(TENANT, address)).names == ["n0", "n1", "n2"]


async def test_a_merge_may_not_grow_over_the_limit(pool: Pool, address: Address) -> None:
    small = DocumentStore(pool, per_place_max=3, bytes_max=30)
    assert await small.create(TENANT, address, json_of({"a": "x" * 15}))
    # Together over the limit, but what comes of it is not.
    assert await small.merge(TENANT, address, json_of({"a": "y" * 15}))
    assert not await small.merge(TENANT, address, json_of({"b": "z" * 15}))
    assert not await small.merge_into(TENANT, address, json_of({"b": "z" * 15}), None)
    assert await body(small, address) == {"a": "y" * 15}
