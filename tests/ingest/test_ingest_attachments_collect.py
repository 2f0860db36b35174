"""Collecting contents that no statement holds: what goes, what stays, and a race of both."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from assay_cli.stack import StackInfo
from assay_ingest.attachments_collect import collect
from assay_ingest.attachments_contents import Contents
from assay_ingest.attachments_store import applied_ms, locked_orphan
from ingest_samples import statement
from ingest_service import VERSION, Service, XapiClient, front_and_store
from xapi_signing import MIXED, described, mixed

HEADERS = {**VERSION, "Content-Type": MIXED}
PARTITIONS = 3
AT_ONCE = timedelta(0)


@pytest.fixture(scope="module")
async def service(servers: StackInfo, postgres_template: str) -> AsyncIterator[Service]:
    async with front_and_store(servers, postgres_template, tick_seconds="0.05") as made:
        yield made


@pytest.fixture
async def client(service: Service) -> XapiClient:
    return await service.new_client()


async def send(client: XapiClient, content: bytes, statement_id: object = None) -> int:
    sent = statement(
        None if statement_id is None else str(statement_id), attachments=[described(content)]
    )
    answer = await client.request("POST", content=mixed(sent, [content]), headers=HEADERS)
    return answer.status_code


async def orphan(client: XapiClient, content: bytes) -> None:
    """A content that is kept, but whose statement lost its id to another."""
    taken = uuid4()
    assert (await client.put(taken, statement())).status_code == 204
    assert await send(client, content, taken) == 409


def kept(service: Service, client: XapiClient) -> set[bytes]:
    folder = service.attachments / client.tenant
    return {one.read_bytes() for one in folder.iterdir()} if folder.exists() else set()


async def store_is_past(service: Service, moment: datetime) -> None:
    """Wait until the store has applied the log up to `moment`: ticks tell it the time."""
    async with asyncio.timeout(20):
        while True:
            found = await applied_ms(
                service.owner, projection="store", topic=service.topic, partitions=PARTITIONS
            )
            if found is not None and found > moment.timestamp() * 1000:
                return
            await service.owner.execute("select pg_sleep(0.02)")


async def collected(service: Service, grace: timedelta = AT_ONCE) -> list[str]:
    contents = Contents.open(service.attachments.as_uri())
    return await collect(
        service.owner,
        contents,
        now=datetime.now(UTC),
        grace=grace,
        topic=service.topic,
        partitions=PARTITIONS,
    )


async def test_what_a_statement_holds_stays_and_what_none_holds_goes(
    service: Service, client: XapiClient
) -> None:
    assert await send(client, b"held") == 200
    await orphan(client, b"orphan")
    assert kept(service, client) == {b"held", b"orphan"}
    await store_is_past(service, datetime.now(UTC))
    assert await collected(service, timedelta(hours=1)) == []
    assert kept(service, client) == {b"held", b"orphan"}
    assert await collected(service) == ["1 attachments that no statement holds taken away"]
    assert kept(service, client) == {b"held"}
    assert await collected(service) == []
    # It may come again.
    assert await send(client, b"orphan") == 200
    assert kept(service, client) == {b"held", b"orphan"}


async def test_a_voided_statement_still_holds_its_content(
    service: Service, client: XapiClient
) -> None:
    given = uuid4()
    assert await send(client, b"of a voided one", given) == 200
    voiding = statement(
        verb="http://adlnet.gov/expapi/verbs/voided",
        object={"objectType": "StatementRef", "id": str(given)},
    )
    assert (await client.post(voiding)).status_code == 200
    await store_is_past(service, datetime.now(UTC))
    await collected(service)
    assert kept(service, client) == {b"of a voided one"}


async def test_nothing_goes_while_the_store_is_behind(service: Service, client: XapiClient) -> None:
    await service.stop("store")
    try:
        # Acknowledged, but no row says yet that a statement holds it.
        assert await send(client, b"in flight") == 200
        await orphan(client, b"orphan in flight")
        assert await collected(service) == []
        assert kept(service, client) == {b"in flight", b"orphan in flight"}
    finally:
        await service.start_store(tick_seconds="0.05")
    await store_is_past(service, datetime.now(UTC))
    await collected(service)
    assert kept(service, client) == {b"in flight"}


async def test_nothing_goes_while_nobody_knows_how_far_the_store_is(
    service: Service, client: XapiClient
) -> None:
    await orphan(client, b"kept")
    lines = await collect(
        service.owner,
        Contents.open(service.attachments.as_uri()),
        now=datetime.now(UTC) + timedelta(days=1),
        grace=AT_ONCE,
        topic="assay.another",
        partitions=PARTITIONS,
    )
    assert lines == ["attachments: how far the store is, is not known; none were looked at"]
    assert kept(service, client) == {b"kept"}


async def test_whoever_sends_a_content_that_is_being_taken_away_waits_and_keeps_it_anew(
    service: Service, client: XapiClient
) -> None:
    content = b"again"
    await orphan(client, content)
    sha2 = described(content)["sha2"]
    contents = Contents.open(service.attachments.as_uri())
    async with locked_orphan(
        service.owner, client.tenant, sha2, datetime.now(UTC) + timedelta(seconds=1)
    ) as is_orphan:
        assert is_orphan
        sending = asyncio.create_task(send(client, content))
        # It is held up at the row.
        done, _ = await asyncio.wait({sending}, timeout=0.3)
        assert not done
        await contents.delete(client.tenant, sha2)
    assert await sending == 200
    assert kept(service, client) == {content}


async def test_a_race_of_senders_and_the_collection_loses_nothing(
    service: Service, client: XapiClient
) -> None:
    """Orphans come of age at the moment when statements arrive that hold the same contents."""
    grace = timedelta(seconds=0.5)
    gone = 0

    async def one_round(number: int) -> set[bytes]:
        contents = [b"%d of %d " % (each, number) * 2000 for each in range(8)]
        await asyncio.gather(*(orphan(client, one) for one in contents))
        born = datetime.now(UTC)
        # Each a little later than the one before, around the end of the time of grace.
        for step, one in enumerate(contents):
            await store_is_past(service, born + grace - timedelta(milliseconds=100 - 30 * step))
            assert await send(client, one) == 200
        return set(contents)

    async def collecting(work: "asyncio.Task[list[set[bytes]]]") -> None:
        nonlocal gone
        connection = await service.database.connect()
        try:
            while not work.done():
                lines = await collect(
                    connection,
                    Contents.open(service.attachments.as_uri()),
                    now=datetime.now(UTC),
                    grace=grace,
                    topic=service.topic,
                    partitions=PARTITIONS,
                )
                gone += sum(int(line.split()[0]) for line in lines)
        finally:
            await connection.close()

    async def rounds() -> list[set[bytes]]:
        return [await one_round(number) for number in range(4)]

    work = asyncio.create_task(rounds())
    await asyncio.gather(work, collecting(work), collecting(work))
    # Else nothing was tried: some were taken away, and sent anew or in that moment.
    assert gone > 0
    assert kept(service, client) == set().union(*work.result())


async def test_uploads_that_never_ended_go_and_young_ones_stay(service: Service) -> None:
    folder = service.attachments / ".uploads"
    folder.mkdir(exist_ok=True)
    old, unfinished, young = (folder / name for name in ("old", "unfinished#1", "young"))
    for one in (old, unfinished, young):
        one.write_bytes(b"x")
    before = (datetime.now(UTC) - timedelta(hours=30)).timestamp()
    for one in (old, unfinished):
        os.utime(one, (before, before))
    lines = await collected(service, timedelta(hours=24))
    assert lines == ["2 uploads that never ended taken away"]
    assert list(folder.iterdir()) == [young]
    young.unlink()
