"""Clients as they are kept: what may be added, one transaction for all, and who did what."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_ingest import admin
from assay_ingest.clients import Clients, Issued, Wanted, check, check_name
from assay_ingest.errors import ClientInvalid, ClientNotFound, ClientTaken
from assay_runtime.auth_clients import Allowance, Bound
from assay_testing import Database

SERVICES = ("ingest", "aggregator", "credentials")


def wanted(name: str = "lms", *scopes: str, **more: Any) -> Wanted:
    more.setdefault("source", "s1")
    return Wanted("t1", name, scopes=scopes or ("statements/write",), **more)


@pytest.fixture
async def owner(postgres: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await postgres.connect()
    try:
        for tenant in ("t1", "t2"):
            await admin.put_tenant(connection, tenant)
            await admin.put_source(connection, tenant, "s1")
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("bad", "member"),
    [
        (wanted(""), "name"),
        (wanted("A"), "name"),
        (wanted("a:b"), "name"),
        (wanted("a\0"), "name"),
        (wanted("a" * 41), "name"),
        (wanted("t1."), "name"),
        (wanted(".a"), "name"),
        (wanted("t1.a.b"), "name"),
        (wanted("t2.a"), "name"),
        (wanted("a", "statements/wrote"), "scopes"),
        (Wanted("t1", "a", "s1", ()), "scopes"),
        (wanted("a", "all", source=None), "source"),
        (wanted("a", "state", bound=Bound("http://id.example", "sub", "x")), "issuer"),
        (wanted("a", "state", bound=Bound("https://" + "x" * 2000, "sub", "x")), "issuer"),
        (wanted("a", "state", bound=Bound("https://id.example", "aud", "x")), "claim"),
        (wanted("a", "state", bound=Bound("https://id.example", "sub", "")), "sub"),
        (wanted("a", "state", bound=Bound("https://id.example", "azp", "x\0")), "azp"),
        (wanted("a", "state", bound=Bound("https://id.example", "azp", "x" * 256)), "azp"),
        (wanted("a", allowance=Allowance(requests_per_second_max=0.0)), "requests_per_second_max"),
        (
            wanted("a", allowance=Allowance(statements_per_second_max=float("nan"))),
            "statements_per_second_max",
        ),
        (
            wanted("a", allowance=Allowance(requests_per_second_max=float("inf"))),
            "requests_per_second_max",
        ),
        (wanted("a", allowance=Allowance(statements_per_day_max=-1)), "statements_per_day_max"),
        (wanted("a", allowance=Allowance(statements_per_day_max=2**63)), "statements_per_day_max"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_breaks_a_rule_is_refused_by_its_member(bad: Wanted, member: str) -> None:
    with pytest.raises(ClientInvalid) as caught:
        check(bad)
    assert caught.value.parameter == member


@given(st.text(max_size=50))
def test_no_name_can_stand_for_that_of_another_tenant(name: str) -> None:
    try:
        check_name("t1", name)
    except ClientInvalid:
        return
    assert ":" not in name, "Basic ends the user there"
    assert "." not in name or name.startswith("t1.")
    assert name.isascii()
    assert name.isprintable()


async def test_a_client_stands_in_each_service_that_its_scopes_ask_for(
    owner: asyncpg.Connection,
) -> None:
    clients = Clients(owner, "operator:op")
    issued = await clients.add(wanted("one", "all", "credentials/read"))
    assert issued.services == ("ingest", "credentials")
    for service in SERVICES:
        row = await owner.fetchrow(
            f"select tenant, source, scopes, secret_hash from {service}.api_client "  # noqa: S608
            "where name = 'one'"
        )
        if service == "aggregator":
            assert row is None
        else:
            assert row is not None
            assert (row["tenant"], row["source"]) == ("t1", "s1")
            assert row["scopes"] == ["all", "credentials/read"]
            assert row["secret_hash"].startswith("$argon2id$")


async def test_a_name_is_given_once_and_nothing_is_left_of_who_came_second(
    owner: asyncpg.Connection,
) -> None:
    clients = Clients(owner, "operator:op")
    # Somebody's row that stands in one service alone.
    await owner.execute(
        "insert into credentials.api_client (name, tenant, secret_hash, scopes) "
        "values ('old', 't2', 'x', '{}')"
    )
    with pytest.raises(ClientTaken):
        await clients.add(wanted("old", "state", "credentials/read"))
    assert await owner.fetchval("select count(*) from ingest.api_client") == 0
    assert await owner.fetchval("select count(*) from ingest.client_audit") == 0
    await clients.add(wanted("old", "state"))
    await clients.revoke("t1", "old")
    with pytest.raises(ClientTaken):
        await clients.add(wanted("old", "state"))


async def test_of_many_who_ask_for_one_name_one_gets_it(postgres: Database) -> None:
    connections = [await postgres.connect() for _ in range(8)]
    try:
        await admin.put_tenant(connections[0], "t1")
        await admin.put_source(connections[0], "t1", "s1")
        answers = await asyncio.gather(
            *(
                Clients(one, f"operator:{number}").add(wanted("lms", "all", "competencies/read"))
                for number, one in enumerate(connections)
            ),
            return_exceptions=True,
        )
        won = [number for number, one in enumerate(answers) if isinstance(one, Issued)]
        assert len(won) == 1
        assert sum(isinstance(one, ClientTaken) for one in answers) == 7
        (entry,) = await Clients(connections[0], "").audit("t1")
        assert entry.actor == f"operator:{won[0]}"
    finally:
        for one in connections:
            await one.close()


async def test_tokens_have_one_client_until_it_is_revoked(owner: asyncpg.Connection) -> None:
    clients = Clients(owner, "operator:op")
    bound = Bound("https://id.example", "sub", "svc-1")
    assert (await clients.add(wanted("one", "state", bound=bound))).secret is None
    with pytest.raises(ClientTaken):
        await clients.add(wanted("two", "state", bound=bound))
    with pytest.raises(ClientInvalid, match="by tokens only"):
        await clients.rotate("t1", "one", 0)
    await clients.add(wanted("party", "state", bound=Bound("https://id.example", "azp", "svc-1")))
    await clients.revoke("t1", "one")
    await clients.add(wanted("three", "state", bound=bound))


async def test_a_source_that_is_not_the_tenants_is_refused(owner: asyncpg.Connection) -> None:
    await admin.put_source(owner, "t2", "s2")
    with pytest.raises(ClientInvalid) as caught:
        await Clients(owner, "operator:op").add(wanted("one", source="s2"))
    assert caught.value.parameter == "source"


async def test_a_rotation_reaches_every_service_and_a_revocation_too(
    owner: asyncpg.Connection,
) -> None:
    clients = Clients(owner, "operator:op")
    scopes = ("all", "competencies/read", "credentials/read")
    first = await clients.add(wanted("one", *scopes))
    second = await clients.rotate("t1", "one", 3600)
    assert second.services == SERVICES == first.services
    assert first.secret != second.secret
    rows = [
        row
        for service in SERVICES
        for row in await owner.fetch(
            "select secret_hash, previous_secret_hash, previous_secret_until, revoked_at "  # noqa: S608
            f"from {service}.api_client where name = 'one'"
        )
    ]
    assert rows[0] == rows[1] == rows[2]
    left = rows[0]["previous_secret_until"] - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    assert await clients.revoke("t1", "one") == SERVICES
    for service in SERVICES:
        row = await owner.fetchrow(
            f"select revoked_at, previous_secret_hash from {service}.api_client"  # noqa: S608
        )
        assert row is not None
        assert row["revoked_at"] is not None
        assert row["previous_secret_hash"] is None
    for again in (clients.revoke("t1", "one"), clients.rotate("t1", "one", 0)):
        with pytest.raises(ClientNotFound):
            await again


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), 90 * 86400 + 1.0])
async def test_an_overlap_has_an_end(owner: asyncpg.Connection, seconds: float) -> None:
    clients = Clients(owner, "operator:op")
    await clients.add(wanted("one"))
    with pytest.raises(ClientInvalid) as caught:
        await clients.rotate("t1", "one", seconds)
    assert caught.value.parameter == "overlap_seconds"


async def test_another_tenants_client_is_as_if_it_were_not_there(
    owner: asyncpg.Connection,
) -> None:
    clients = Clients(owner, "operator:op")
    await clients.add(wanted("one"))
    for work in (clients.rotate("t2", "one", 0), clients.revoke("t2", "one")):
        with pytest.raises(ClientNotFound):
            await work
    assert await clients.listed("t2") == []
    assert await clients.audit("t2") == []
    assert [one.name for one in await clients.listed("t1")] == ["one"]
    assert [one.name for one in await clients.listed(None)] == ["one"]


async def test_pages_of_clients_and_entries_join_without_loss(owner: asyncpg.Connection) -> None:
    clients = Clients(owner, "operator:op")
    names = [f"c-{number}" for number in range(7)]
    for name in names:
        await clients.add(wanted(name))
    found: list[str] = []
    after = ("t1", "")
    while page := await clients.listed("t1", after=after, limit=3):
        found += [one.name for one in page]
        after = ("t1", page[-1].name)
    assert found == names
    entries: list[str] = []
    before = None
    while page_of_audit := await clients.audit("t1", before=before, limit=2):
        entries += [one.client for one in page_of_audit]
        before = page_of_audit[-1].entry
    assert entries == names[::-1]


async def test_the_audit_says_who_did_what_to_which_client_and_holds_no_secret(
    owner: asyncpg.Connection,
) -> None:
    clients = Clients(owner, "operator:op")
    first = await clients.add(wanted("one", "state", "define"))
    second = await clients.rotate("t1", "one", 60)
    await Clients(owner, "client:t1.boss").revoke("t1", "one")
    entries = await clients.audit("t1", client="one")
    assert [(one.actor, one.action) for one in entries] == [
        ("client:t1.boss", "revoke"),
        ("operator:op", "rotate"),
        ("operator:op", "add"),
    ]
    assert entries[2].detail["scopes"] == ["define", "state"]
    assert entries[1].detail == {"services": ["ingest"], "overlap_seconds": 60}
    assert entries[0].at >= entries[1].at >= entries[2].at
    kept = json.dumps([one.detail for one in entries])
    rows = await owner.fetch("select row_to_json(c)::text as row from ingest.api_client as c")
    for secret in (first.secret, second.secret):
        assert secret is not None
        assert secret not in kept + rows[0]["row"] + repr(first) + repr(second)


@pytest.mark.parametrize(
    "forbidden",
    [
        "update ingest.client_audit set actor = 'nobody'",
        "delete from ingest.client_audit",
        "truncate ingest.client_audit",
        "select actor from ingest.client_audit",
        "delete from ingest.api_client",
        "update ingest.api_client set scopes = '{all}'",
        "update ingest.api_client set tenant = 't2'",
        "update ingest.api_client set source = 's2'",
        "delete from ingest.client_usage",
        "select name from aggregator.api_client",
        "select name from credentials.api_client",
    ],
)
@pytest.mark.parametrize("role", ["assay_ingest", "assay_store", "assay_mover"])
async def test_no_service_may_do_more_than_it_needs(
    postgres: Database, role: str, forbidden: str
) -> None:
    connection = await postgres.connect(role)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(forbidden)
    finally:
        await connection.close()


async def test_the_service_itself_can_keep_clients(postgres: Database) -> None:
    owner, service = await postgres.connect(), await postgres.connect("assay_ingest")
    try:
        await admin.put_tenant(owner, "t1")
        await admin.put_source(owner, "t1", "s1")
        clients = Clients(service, "client:boss")
        await clients.add(wanted("t1.a"))
        await clients.rotate("t1", "t1.a", 5)
        await clients.revoke("t1", "t1.a")
        # What other services keep is out of its reach, and nothing of the attempt stays.
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await clients.add(wanted("t1.b", "state", "competencies/read"))
        assert await owner.fetchval("select count(*) from ingest.api_client") == 1
    finally:
        await owner.close()
        await service.close()
