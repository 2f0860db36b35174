"""Forwarding between real processes: durable, filtered, tried again, without loops."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from assay_ingest.forward_rules import Kind
from assay_runtime.sql import load_queries
from assay_testing import Database, KafkaSpace, drop_database, new_database
from ingest_samples import statement, void
from ingest_service import READY_SECONDS, Service, XapiClient, service_on

SECRET = "a secret of a webhook, long enough"
SQL = load_queries("assay_ingest")
Answer = tuple[int, bytes]


@dataclass
class Request:
    """One request that the receiver got."""

    headers: dict[str, str]
    body: bytes

    @property
    def ids(self) -> list[str]:
        return [one["id"] for one in json.loads(self.body)["statements"]]


@dataclass
class Receiver:
    """An HTTP server in this process; `answer` decides by the request, and is 200 by default."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    answer: Callable[[Request], Answer] = lambda _: (200, b"")
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def taken(self) -> list[str]:
        """Ids of what was answered 200, in order."""
        good = [one for one in self.requests if self.answer(one)[0] == 200]
        return [one for request in good for one in request.ids]

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(READY_SECONDS), self.came:
            await self.came.wait_for(reached)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")[1:-2]
                pairs = (line.partition(": ") for line in lines)
                headers = {name.lower(): value for name, _, value in pairs}
                body = await reader.readexactly(int(headers["content-length"]))
                request = Request(headers, body)
                status, told = self.answer(request)
                writer.write(
                    b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nLocation: /elsewhere\r\n\r\n%b"
                    % (status, len(told), told)
                )
                await writer.drain()
                async with self.came:
                    self.requests.append(request)
                    self.came.notify_all()
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@pytest.fixture
async def service(postgres: Database, kafka: KafkaSpace) -> AsyncIterator[Service]:
    async with service_on(postgres, kafka) as made:
        await made.start_store()
        await made.start_ingest()
        await made.ready()
        yield made


@pytest.fixture
async def other(
    postgres: Database, kafka: KafkaSpace, postgres_template: str
) -> AsyncIterator[Service]:
    """A second stack: its own log and database."""
    database = await new_database(postgres.stack, postgres_template)
    try:
        async with service_on(database, kafka) as made:
            await made.start_store()
            await made.start_ingest()
            await made.ready()
            yield made
    finally:
        await drop_database(database)


async def put_target(
    service: Service,
    secrets: Path,
    tenant: str,
    url: str,
    *,
    name: str = "there",
    kind: Kind = Kind.WEBHOOK,
    user: str | None = None,
    secret: str = SECRET,
    own_source: str | None = None,
    sources: Sequence[str] = (),
    verbs: Sequence[str] = (),
    prefixes: Sequence[str] = (),
) -> None:
    (secrets / f"forward-{tenant}-{name}.password").write_text(secret + "\n")
    await service.owner.execute(
        SQL["put_forward_target"],
        tenant,
        name,
        kind.value,
        url,
        user,
        own_source,
        list(sources),
        list(verbs),
        list(prefixes),
    )


async def settled(service: Service) -> None:
    """Wait until forwarding has read the log's end of this moment, and nothing waits."""
    await service.applied()
    async with asyncio.timeout(READY_SECONDS):
        while True:
            row = await service.owner.fetchrow(
                "select (select count(*) from ingest.forward_waiting) as waiting, "
                "(select bool_and(f.next_offset >= s.next_offset) from ingest.applied as s "
                "join ingest.applied as f using (topic, partition) "
                "where s.projection = 'store' and f.projection = 'forward') as through"
            )
            if row is not None and row["waiting"] == 0 and row["through"]:
                return
            await service.owner.execute("select pg_sleep(0.02)")


async def dead(service: Service) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await service.owner.fetch(
        "select id, reason, tries from ingest.forward_dead order by at, id"
    )
    return rows


async def posted(client: XapiClient, *statements: dict[str, Any]) -> list[str]:
    answer = await client.post(list(statements))
    assert answer.status_code == 200, answer.text
    ids: list[str] = answer.json()
    return ids


async def test_a_webhook_gets_what_is_stored_from_now_on_signed_in_order_and_with_its_bytes(
    service: Service, receiver: Receiver, tmp_path: Path
) -> None:
    client = await service.new_client()
    await posted(client, statement())
    await service.applied()
    await put_target(service, tmp_path, client.tenant, receiver.url)
    await service.start_forward(tmp_path)
    ids = await posted(client, *(statement(result={"score": {"raw": 1.5}}) for _ in range(120)))
    await receiver.until(lambda: len(receiver.taken) == 120)
    assert receiver.taken == ids
    request = receiver.requests[0]
    signed = b"%b.%b.%b" % (
        request.headers["webhook-id"].encode(),
        request.headers["webhook-timestamp"].encode(),
        request.body,
    )
    digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    sent = json.loads(request.body)["statements"][0]
    read = (await client.get(statementId=sent["id"])).json()
    assert sent == read
    await settled(service)
    assert await dead(service) == []


async def test_only_what_the_filters_want_is_sent_and_nothing_of_another_tenant(
    service: Service, receiver: Receiver, tmp_path: Path
) -> None:
    client = await service.new_client(source="s1")
    stranger = await service.new_client()
    await put_target(
        service,
        tmp_path,
        client.tenant,
        receiver.url,
        sources=["s1"],
        verbs=["http://e.org/passed"],
        prefixes=["http://e.org/gmp/"],
    )
    await service.start_forward(tmp_path)

    def wanted(activity: str = "http://e.org/gmp/1") -> dict[str, Any]:
        return statement(verb="http://e.org/passed", activity=activity)

    await posted(stranger, wanted())
    (first,) = await posted(client, wanted())
    await posted(client, statement(), wanted("http://e.org/x"))
    (last,) = await posted(client, wanted())
    await receiver.until(lambda: last in receiver.taken)
    await settled(service)
    assert receiver.taken == [first, last]


async def test_a_target_that_is_away_gets_everything_in_order_when_it_is_back(
    service: Service, receiver: Receiver, tmp_path: Path
) -> None:
    client = await service.new_client()
    await put_target(service, tmp_path, client.tenant, receiver.url)
    receiver.answer = lambda _: (503, b"not now")
    await service.start_forward(tmp_path, forward_pause_seconds_max="1")
    ids = await posted(client, *(statement() for _ in range(60)))
    await receiver.until(lambda: len(receiver.requests) >= 2)
    # Killed in between, nothing is lost: what waits stands in the database.
    await service.stop("forward")
    ids += await posted(client, statement())
    receiver.answer = lambda _: (200, b"")
    receiver.requests.clear()
    await service.start_forward(tmp_path, forward_pause_seconds_max="1")
    await receiver.until(lambda: len(receiver.taken) >= 61)
    assert receiver.taken == ids
    await settled(service)
    assert await dead(service) == []


async def test_what_is_refused_is_dead_with_the_reason_and_the_rest_goes_on(
    service: Service, receiver: Receiver, tmp_path: Path
) -> None:
    client = await service.new_client()
    await put_target(service, tmp_path, client.tenant, receiver.url)
    statements = [statement(uuid4()) for _ in range(20)]
    bad = {statements[3]["id"], statements[11]["id"]}
    receiver.answer = lambda one: (400, b"no \0 good") if bad & set(one.ids) else (200, b"")
    await service.start_forward(tmp_path)
    await posted(client, *statements)
    await settled(service)
    assert {str(row["id"]) for row in await dead(service)} == bad
    assert {row["reason"] for row in await dead(service)} == {"400 no \ufffd good"}
    assert receiver.taken == [one["id"] for one in statements if one["id"] not in bad]
    # Mended over there, they are queued again by hand.
    receiver.answer = lambda _: (200, b"")
    receiver.requests.clear()
    await service.owner.execute(SQL["retry_forward_dead"], client.tenant, "there")
    await receiver.until(lambda: set(receiver.taken) == bad)
    await settled(service)
    assert await dead(service) == []


async def test_after_all_tries_a_statement_is_dead_and_a_redirect_is_not_followed(
    service: Service, receiver: Receiver, tmp_path: Path
) -> None:
    client = await service.new_client()
    await put_target(service, tmp_path, client.tenant, receiver.url)
    receiver.answer = lambda _: (302, b"over there")
    await service.start_forward(tmp_path, forward_tries_max="3", forward_pause_seconds_max="0.2")
    (sent,) = await posted(client, statement())
    await settled(service)
    ((dead_id, reason, tries),) = await dead(service)
    assert (str(dead_id), reason, tries) == (sent, "302 over there", 3)
    assert len(receiver.requests) == 3


async def test_what_finds_no_room_is_dead_and_said(
    service: Service, receiver: Receiver, tmp_path: Path
) -> None:
    client = await service.new_client()
    await put_target(service, tmp_path, client.tenant, receiver.url)
    receiver.answer = lambda _: (503, b"")
    await service.start_forward(tmp_path, forward_waiting_max="5")
    await posted(client, *(statement() for _ in range(5)))
    await receiver.until(lambda: len(receiver.requests) > 0)
    (late,) = await posted(client, statement())
    async with asyncio.timeout(READY_SECONDS):
        while not (rows := await dead(service)):
            await service.owner.execute("select pg_sleep(0.02)")
    assert [(str(row["id"]), row["reason"][:7]) for row in rows] == [(late, "no room")]


async def test_two_stacks_that_forward_to_each_other_have_the_same_and_do_not_loop(
    service: Service, other: Service, tmp_path: Path
) -> None:
    here = await service.new_client()
    # Each side comes in at the other as a source of its own.
    to_there = await other.new_client(source="from-here")
    there = XapiClient(to_there.http, to_there.url, to_there.tenant, to_there.name, to_there.secret)
    to_here = await service.new_client(tenant=here.tenant, source="from-there")
    own = await other.new_client(tenant=to_there.tenant, source="own")
    for one, tenant, door, back in (
        (service, here.tenant, to_there, "from-there"),
        (other, to_there.tenant, to_here, "from-here"),
    ):
        await put_target(
            one,
            tmp_path,
            tenant,
            f"{door.url}/xapi",
            kind=Kind.LRS,
            user=door.name,
            secret=door.secret,
            own_source=back,
        )
        await one.start_forward(tmp_path)
    old = {**statement(), "version": "1.0.0"}
    ids = await posted(here, statement(), old, statement())
    ids += await posted(own, statement())
    (voided,) = await posted(here, statement())
    ids += await posted(here, void(UUID(voided)))
    for _ in range(2):
        await settled(service)
        await settled(other)
    assert sorted(await here.ids()) == sorted(ids)
    assert sorted(await there.ids()) == sorted(ids)
    assert (await there.get(statementId=voided)).status_code == 404
    mine, theirs = await here.get(statementId=ids[0]), await there.get(statementId=ids[0])
    # Stored is each store's own; when it happened is the same.
    assert mine.json()["timestamp"] == theirs.json()["timestamp"]
    assert mine.json()["stored"] < theirs.json()["stored"]
    for one in (service, other):
        assert await dead(one) == []
        assert len(await one.log()) <= 8
        assert await one.owner.fetchval("select count(*) from ingest.statement") == 6


async def test_even_without_a_named_source_a_statement_comes_home_once(
    service: Service, other: Service, tmp_path: Path
) -> None:
    here, there = await service.new_client(), await other.new_client()
    for one, tenant, door in ((service, here.tenant, there), (other, there.tenant, here)):
        await put_target(
            one,
            tmp_path,
            tenant,
            f"{door.url}/xapi",
            kind=Kind.LRS,
            user=door.name,
            secret=door.secret,
        )
        await one.start_forward(tmp_path)
    await posted(here, *({**statement(), "timestamp": "2026-03-01T09:30:00Z"} for _ in range(5)))
    await settled(service)
    await settled(other)
    await settled(service)
    for one in (service, other):
        assert [len(orjson.loads(record.value)) for record in await one.log()] == [5]
        assert await dead(one) == []


async def test_where_nothing_is_forwarded_no_position_is_held(
    service: Service, receiver: Receiver, tmp_path: Path
) -> None:
    client = await service.new_client()
    await service.start_forward(tmp_path)
    await posted(client, statement())
    await put_target(service, tmp_path, client.tenant, receiver.url)
    (second,) = await posted(client, statement())
    await receiver.until(lambda: second in receiver.taken)
    assert receiver.taken == [second]
    await service.owner.execute(SQL["delete_forward_target"], client.tenant, "there")
    async with asyncio.timeout(READY_SECONDS):
        while await service.owner.fetchval(
            "select count(*) from ingest.applied where projection = 'forward'"
        ):
            await service.owner.execute("select pg_sleep(0.02)")
    await service.ready("forward")
