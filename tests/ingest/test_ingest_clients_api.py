"""/admin/clients over HTTP: whose clients a manager reaches, what is given away, what is told."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from assay_cli.stack import StackInfo
from ingest_samples import statement
from ingest_service import Service, XapiClient, front_and_store

PATH = "/admin/clients"
MANAGER = ("clients/manage", "statements/write", "statements/read", "state")


@pytest.fixture(scope="module")
async def service(servers: StackInfo, postgres_template: str) -> AsyncIterator[Service]:
    """Front and store for all tests of this file; each test has its own tenant."""
    async with front_and_store(
        servers, postgres_template, auth_cache_seconds="0", client_burst_seconds="1"
    ) as made:
        yield made


@pytest.fixture
async def manager(service: Service) -> XapiClient:
    return await service.new_client(MANAGER)


async def ask(who: XapiClient, method: str, path: str = PATH, **more: Any) -> httpx.Response:
    return await who.request(method, path, headers={}, **more)


def wanted(who: XapiClient, name: str = "lms", **more: Any) -> dict[str, Any]:
    return {
        "name": f"{who.tenant}.{name}",
        "source": "s1",
        "scopes": ["statements/write"],
        **more,
    }


async def added(who: XapiClient, **more: Any) -> XapiClient:
    answer = await ask(who, "POST", json=wanted(who, **more))
    assert answer.status_code == 201, answer.text
    told = answer.json()
    return XapiClient(who.http, who.url, who.tenant, told["name"], told["secret"])


async def test_a_client_is_added_rotated_and_revoked(service: Service, manager: XapiClient) -> None:
    answer = await ask(manager, "POST", json=wanted(manager, requests_per_second_max=50))
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json()
    assert (told["scopes"], told["source"]) == (["statements/write"], "s1")
    assert told["requests_per_second_max"] == 50
    client = XapiClient(manager.http, manager.url, manager.tenant, told["name"], told["secret"])
    assert (await client.post(statement())).status_code == 200
    # Two secrets for a time.
    path = f"{PATH}/{client.name}/rotate"
    rotated = await ask(manager, "POST", path, json={"overlap_seconds": 600})
    assert rotated.status_code == 200
    again = XapiClient(
        manager.http, manager.url, manager.tenant, client.name, rotated.json()["secret"]
    )
    for one in (client, again):
        assert (await one.post(statement())).status_code == 200
    # The default overlap is a day; none ends the old one at once.
    assert (await ask(manager, "POST", path)).status_code == 200
    assert (await client.post(statement())).status_code == 401
    revoked = await ask(manager, "DELETE", f"{PATH}/{client.name}")
    assert revoked.json() == {
        "name": client.name,
        "revoked_in": ["ingest"],
        "still_known_to": [],
    }
    assert (await again.post(statement())).status_code == 401
    assert (await ask(manager, "DELETE", f"{PATH}/{client.name}")).status_code == 404
    listed = (await ask(manager, "GET")).json()["clients"]
    (row,) = [one for one in listed if one["name"] == client.name]
    assert row["revoked_at"] is not None
    assert row["last_used_at"] is not None
    assert "secret" not in row
    # Who did it stands in the audit.
    rows = await service.owner.fetch(
        "select actor, action from ingest.client_audit where client = $1 order by entry",
        client.name,
    )
    assert [tuple(one) for one in rows] == [
        (f"client:{manager.name}", action) for action in ("add", "rotate", "rotate", "revoke")
    ]


async def test_tenants_do_not_see_or_reach_each_other(
    service: Service, manager: XapiClient
) -> None:
    client = await added(manager)
    other = await service.new_client(MANAGER)
    listed = (await ask(other, "GET")).json()["clients"]
    assert [one["name"] for one in listed] == [other.name]
    paged = (await ask(other, "GET", params={"after": "", "limit": 500})).json()["clients"]
    assert [one["name"] for one in paged] == [other.name]
    missing = await ask(other, "DELETE", f"{PATH}/{other.tenant}.nobody")
    for method, path in (
        ("DELETE", f"{PATH}/{client.name}"),
        ("POST", f"{PATH}/{client.name}/rotate"),
        ("DELETE", f"{PATH}/{manager.name}"),
    ):
        answer = await ask(other, method, path)
        assert (answer.status_code, answer.json()) == (404, missing.json())
    # Neither by a name, nor by a source, can one find what another tenant has.
    for name in (client.name, f"{manager.tenant}.free", manager.name, "free"):
        answer = await ask(other, "POST", json={**wanted(other), "name": name})
        assert answer.status_code == 400
        assert answer.json()["parameter"] == "name"
        assert answer.json()["detail"] == f"the name must begin with {other.tenant}."
    assert (await client.post(statement())).status_code == 200


async def test_nobody_gives_away_what_they_do_not_hold(
    service: Service, manager: XapiClient
) -> None:
    for scope in ("statements/void", "all", "all/read", "profile", "define"):
        answer = await ask(manager, "POST", json=wanted(manager, scopes=[scope]))
        assert answer.status_code == 403, scope
        assert answer.json()["type"].endswith(":grant-too-wide")
    for scopes in (["statements/read/mine"], ["state/read"], ["clients/manage", "state"]):
        name = scopes[0].replace("/", "-")
        assert (await added(manager, name=name, scopes=scopes)).secret
    # A rotation would hand over the key of who may do more.
    strong = await service.new_client(["statements/void"], tenant=manager.tenant)
    answer = await ask(manager, "POST", f"{PATH}/{strong.name}/rotate")
    assert answer.status_code == 403
    # Another service's scopes, and a key that other services know, are for an operator.
    answer = await ask(manager, "POST", json=wanted(manager, scopes=["competencies/read"]))
    assert (answer.status_code, answer.json()["parameter"]) == (400, "scopes")
    wide = await service.new_client(["state", "credentials/read"], tenant=manager.tenant)
    answer = await ask(manager, "POST", f"{PATH}/{wide.name}/rotate")
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (
        409,
        "client-elsewhere",
    )
    # Revoked it is here at once; where else it is known, the answer says.
    answer = await ask(manager, "DELETE", f"{PATH}/{wide.name}")
    assert answer.json()["still_known_to"] == ["credentials"]


async def test_it_needs_a_key_with_the_scope(service: Service, manager: XapiClient) -> None:
    plain = await service.new_client(["all"], tenant=manager.tenant)
    for method, path in (
        ("GET", PATH),
        ("POST", PATH),
        ("DELETE", f"{PATH}/{plain.name}"),
        ("POST", f"{PATH}/{plain.name}/rotate"),
    ):
        answer = await ask(plain, method, path)
        assert (answer.status_code, answer.json()["scope"]) == (403, "clients/manage")
        without = await service.http.request(method, service.url() + path)
        assert without.status_code == 401
        assert without.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"scopes": ["statement/write"]}, "is no scope"),
        ({"scopes": []}, "a scope at the least"),
        ({"scopes": "state"}, "$.scopes"),
        ({"source": "nowhere"}, "no such source"),
        ({"source": None}, "belongs to a source"),
        ({"unknown": 1}, "unknown"),
        ({"requests_per_second_max": 0}, "requests_per_second_max"),
        ({"statements_per_day_max": 1.5}, "statements_per_day_max"),
        ({"sub": "a", "azp": "b"}, "not both"),
        ({"sub": "a"}, "issuer"),
        ({"issuer": "https://id.example"}, "sub or azp"),
        ({"sub": "a", "issuer": "http://id.example"}, "https"),
    ],
    ids=lambda one: json.dumps(one) if isinstance(one, dict) else "",
)
async def test_what_is_wrong_is_a_400_that_names_it(
    service: Service, manager: XapiClient, change: dict[str, Any], named: str
) -> None:
    answer = await ask(manager, "POST", json=wanted(manager, **change))
    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert named in answer.json()["detail"]
    noted = "select count(*) from ingest.client_audit where tenant = $1"
    assert await service.owner.fetchval(noted, manager.tenant) == 0


async def test_bodies_and_parameters_have_limits(manager: XapiClient) -> None:
    assert (await ask(manager, "POST", content=b"[" * 60_000)).status_code == 400
    assert (await ask(manager, "POST", content=b" " * 70_000)).status_code == 413
    assert (await ask(manager, "POST", content=b"\xff")).status_code == 400
    assert (await ask(manager, "POST", json={**wanted(manager), "name": 7})).status_code == 400
    for query in ("limit=0", "limit=501", "limit=x", "limit=%C2%B2", "more=1", "after=%00"):
        assert (await ask(manager, "GET", f"{PATH}?{query}")).status_code == 400, query
    assert (await ask(manager, "PUT")).status_code == 405
    path = f"{PATH}/{manager.name}/rotate"
    answer = await ask(manager, "POST", path, json={"overlap_seconds": -1})
    assert answer.status_code == 400
    assert (await ask(manager, "DELETE", f"{PATH}/%00")).status_code == 404


async def test_a_list_is_paged_by_name(manager: XapiClient) -> None:
    for number in range(5):
        await added(manager, name=f"n{number}")
    found: list[str] = []
    after = ""
    while True:
        page = (await ask(manager, "GET", params={"after": after, "limit": "2"})).json()
        found += [one["name"] for one in page["clients"]]
        if page["after"] is None:
            break
        after = page["after"]
    assert found == sorted([manager.name, *(f"{manager.tenant}.n{number}" for number in range(5))])


async def test_the_rate_of_requests_holds_for_xapi_too(manager: XapiClient) -> None:
    client = await added(manager, requests_per_second_max=0.01)
    answers = [await client.post(statement()) for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 429, 429]
    refusal = answers[1]
    assert refusal.json()["type"].endswith(":rate-limited")
    assert int(refusal.headers["Retry-After"]) > 60
    assert refusal.headers["X-Experience-API-Version"]


async def test_the_rate_of_statements_and_the_quota_of_the_day_are_429s(
    manager: XapiClient,
) -> None:
    fast = await added(manager, name="fast", statements_per_second_max=0.1)
    assert (await fast.post([statement() for _ in range(5)])).status_code == 200
    answer = await fast.post(statement())
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (429, "rate-limited")
    much = await added(manager, name="much", statements_per_day_max=6)
    sent = [statement(uuid4()) for _ in range(4)]
    assert (await much.post(sent)).status_code == 200
    # Sent again, it is nothing new.
    assert (await much.post(sent)).status_code == 200
    answer = await much.post([statement() for _ in range(3)])
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (429, "quota-reached")
    assert int(answer.headers["Retry-After"]) <= 86_400
    assert (await much.post([statement() for _ in range(2)])).status_code == 200
    assert (await much.post(statement())).status_code == 429


async def test_nothing_that_is_logged_holds_a_secret(
    manager: XapiClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    client = await added(manager)
    for who in (manager, client):
        header = base64.b64encode(f"{who.name}:{who.secret}".encode()).decode()
        await ask(who, "GET")
        await who.post(statement())
        assert who.secret not in caplog.text
        assert header not in caplog.text
