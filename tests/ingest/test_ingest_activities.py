"""The Activities resource: definitions merged over statements, and activities nobody defined."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from assay_cli.stack import StackInfo
from assay_ingest.activities_api import activity_of
from ingest_samples import statement
from ingest_service import Service, XapiClient, front_and_store

PATH = "/xapi/activities"
ACTIVITY = "http://example.org/activities/meeting"


@pytest.fixture(scope="module")
async def service(servers: StackInfo, postgres_template: str) -> AsyncIterator[Service]:
    """Front and store; each test has its own tenant."""
    async with front_and_store(servers, postgres_template, directory_wait_seconds="8") as made:
        yield made


@pytest.fixture
async def client(service: Service) -> XapiClient:
    return await service.new_client()


async def ask(
    client: XapiClient, activity: str, version: str = "2.0.0", method: str = "GET"
) -> httpx.Response:
    return await client.request(
        method,
        PATH,
        params={"activityId": activity},
        headers={"X-Experience-API-Version": version},
    )


def about(definition: dict[str, Any] | None) -> dict[str, Any]:
    """A statement about the activity."""
    target = {"objectType": "Activity", "id": ACTIVITY}
    return statement() | {"object": target | ({"definition": definition} if definition else {})}


def test_a_definition_keeps_its_bytes() -> None:
    made = activity_of('http://e.org/"x', b'{"extensions":{"http://e.org/n":1.10}}')
    assert made == (
        b'{"objectType":"Activity","id":"http://e.org/\\"x",'
        b'"definition":{"extensions":{"http://e.org/n":1.10}}}'
    )


@pytest.mark.parametrize("version", ["1.0.3", "2.0.0"])
async def test_an_activity_that_nobody_has_defined_is_an_activity_too(
    client: XapiClient, version: str
) -> None:
    """IEEE 9274.1.1 4.1.6.4 (shall), 1.0.3 Communication 2.5 (should)."""
    bare = {"objectType": "Activity", "id": ACTIVITY}
    answer = await ask(client, ACTIVITY, version)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-experience-api-version"] == version
    assert answer.json() == bare
    assert (await client.post(about(None))).status_code == 200
    assert (await ask(client, ACTIVITY, version)).json() == bare
    head = await ask(client, ACTIVITY, version, "HEAD")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize("version", ["1.0.3", "2.0.0"])
async def test_what_was_just_stated_is_answered_whole(client: XapiClient, version: str) -> None:
    """XAPI-00251; what this process acknowledged is waited for, bounded."""
    definition = {
        "type": "http://adlnet.gov/expapi/activities/meeting",
        "name": {"en-GB": "A meeting"},
        "description": {"en-GB": "Where people meet"},
        "moreInfo": "http://example.org/more",
        "extensions": {"http://example.org/n": [9007199254740993, None]},
    }
    sent = about(definition)
    assert (await client.post(sent)).status_code == 200
    answer = await ask(client, ACTIVITY, version)
    assert answer.json() == sent["object"]
    assert "9007199254740993" in answer.text


async def test_an_answer_waits_for_the_store_to_apply_what_was_acknowledged(
    service: Service, client: XapiClient
) -> None:
    async with service.owner.transaction():
        # Readers pass, but the store cannot write before this transaction ends.
        await service.owner.execute("lock table ingest.activity in share row exclusive mode")
        assert (await client.post(about({"name": {"en": "meeting"}}))).status_code == 200
        asking = asyncio.create_task(ask(client, ACTIVITY))
        done, _ = await asyncio.wait({asking}, timeout=0.5)
        assert not done
    assert (await asking).json()["definition"] == {"name": {"en": "meeting"}}


async def test_languages_of_all_statements_are_kept(client: XapiClient) -> None:
    """XAPI-00254."""
    sent = [about({"name": {"en": "meeting"}}), about({"name": {"fr": "r\u00e9union"}})]
    assert (await client.post(sent)).status_code == 200
    found = (await ask(client, ACTIVITY)).json()
    assert found["definition"]["name"] == {"en": "meeting", "fr": "r\u00e9union"}


async def test_who_may_not_define_changes_no_definition(
    service: Service, client: XapiClient
) -> None:
    """1.0.3 Communication 4.2, scope `define`: the statement is kept as it was sent."""
    writer = await service.new_client(
        ("statements/write", "statements/read"), tenant=client.tenant, source="s2"
    )
    assert (await client.post(about({"name": {"en": "Meeting"}}))).status_code == 200
    (sent,) = (await writer.post(about({"name": {"en": "Mine now"}}))).json()
    assert (await ask(client, ACTIVITY)).json()["definition"]["name"] == {"en": "Meeting"}
    kept = await writer.get(statementId=sent)
    assert kept.json()["object"]["definition"]["name"] == {"en": "Mine now"}


async def test_another_tenant_has_its_own_definitions(service: Service, client: XapiClient) -> None:
    other = await service.new_client()
    assert (await other.post(about({"name": {"en": "theirs"}}))).status_code == 200
    assert "definition" not in (await ask(client, ACTIVITY)).json()


@pytest.mark.parametrize("activity", ["", "true", "no-scheme", "http://e.org/a b", "x" * 3000])
async def test_what_is_no_iri_is_refused(client: XapiClient, activity: str) -> None:
    answer = await ask(client, activity)
    assert (answer.status_code, answer.json()["parameter"]) == (400, "activityId")


async def test_other_parameters_and_scopes_are_refused(
    service: Service, client: XapiClient
) -> None:
    """XAPI-00250."""
    for parameters, named in (
        ({}, "activityId"),
        ({"activityId": ACTIVITY, "activityid": ACTIVITY}, "activityid"),
    ):
        answer = await client.request("GET", PATH, params=parameters)
        assert (answer.status_code, answer.json()["parameter"]) == (400, named)
    assert (await client.request("DELETE", PATH)).status_code == 405
    for scopes, status in ((["all/read"], 200), (["statements/read/mine"], 403), (["state"], 403)):
        assert (await ask(await service.new_client(scopes), ACTIVITY)).status_code == status
