"""The Agents resource: a Person of the agent that is asked for and the names it was seen under."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from assay_cli.stack import StackInfo
from assay_ingest.agents_api import person_of
from ingest_samples import statement
from ingest_service import Service, XapiClient, front_and_store

PATH = "/xapi/agents"
MBOX = "mailto:person@example.org"
IDENTIFIERS: list[dict[str, Any]] = [
    {"mbox": MBOX},
    {"mbox_sha1sum": "ebd31e95054c018b10727ccffd2ef2ec3a016ee9"},
    {"openid": "http://openid.example.org/person"},
    {"account": {"homePage": "http://example.org", "name": "person"}},
]


@pytest.fixture(scope="module")
async def service(servers: StackInfo, postgres_template: str) -> AsyncIterator[Service]:
    """Front and store; each test has its own tenant."""
    async with front_and_store(
        servers, postgres_template, directory_wait_seconds="8", person_names_max="5"
    ) as made:
        yield made


@pytest.fixture
async def client(service: Service) -> XapiClient:
    return await service.new_client()


async def ask(
    client: XapiClient, agent: object, version: str = "2.0.0", method: str = "GET"
) -> httpx.Response:
    return await client.request(
        method,
        PATH,
        params={"agent": agent if isinstance(agent, str) else json.dumps(agent)},
        headers={"X-Experience-API-Version": version},
    )


@pytest.mark.parametrize("identifier", IDENTIFIERS, ids=lambda one: next(iter(one)))
def test_a_person_has_arrays(identifier: dict[str, Any]) -> None:
    """XAPI-00237 to 00242."""
    ((name, value),) = identifier.items()
    assert person_of(identifier, []) == {"objectType": "Person", name: [value]}
    named = person_of({"objectType": "Agent", "name": "A", **identifier}, ["B", "A", "C"])
    assert named == {"objectType": "Person", "name": ["A", "B", "C"], name: [value]}


@pytest.mark.parametrize("version", ["1.0.3", "2.0.0"])
async def test_an_agent_that_nobody_has_seen_is_a_person_too(
    client: XapiClient, version: str
) -> None:
    """XAPI-00236, XAPI-00247."""
    answer = await ask(client, {"name": "Asked", "mbox": MBOX}, version)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-experience-api-version"] == version
    assert answer.json() == {"objectType": "Person", "name": ["Asked"], "mbox": [MBOX]}
    head = await ask(client, {"mbox": MBOX}, version, "HEAD")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize("identifier", IDENTIFIERS, ids=lambda one: next(iter(one)))
async def test_names_of_statements_just_sent_are_known(
    client: XapiClient, identifier: dict[str, Any]
) -> None:
    """XAPI-00248; what this process acknowledged is waited for, bounded."""
    for name in ("One", "Two", "One"):
        sent = statement() | {"actor": {"name": name, **identifier}}
        assert (await client.post(sent)).status_code == 200
        person = (await ask(client, identifier)).json()
        assert name in person["name"]
    assert sorted(person["name"]) == ["One", "Two"]
    asked = (await ask(client, {"name": "Three", **identifier})).json()
    assert sorted(asked["name"]) == ["One", "Three", "Two"]


async def test_names_of_other_agents_and_tenants_are_not_shown(
    service: Service, client: XapiClient
) -> None:
    other = await service.new_client()
    for who, mbox in ((other, MBOX), (client, "mailto:somebody.else@example.org")):
        sent = statement() | {"actor": {"name": "Stranger", "mbox": mbox}}
        assert (await who.post(sent)).status_code == 200
    assert (await ask(client, {"mbox": MBOX})).json() == {"objectType": "Person", "mbox": [MBOX]}


async def test_no_more_names_than_the_limit_are_answered(client: XapiClient) -> None:
    sent = [statement() | {"actor": {"name": f"N{number}", "mbox": MBOX}} for number in range(8)]
    assert (await client.post(sent)).status_code == 200
    assert len((await ask(client, {"mbox": MBOX})).json()["name"]) == 5


@pytest.mark.parametrize(
    "agent",
    [
        "true",
        "not JSON",
        "",
        {},
        {"objectType": "Agent"},
        {"objectType": "Person", "mbox": MBOX},
        {"mbox": "person@example.org"},
        {"mbox": MBOX, "name": 1.5},
        {"mbox": MBOX, "openid": "http://openid.example.org/person"},
        {"account": {"homePage": "http://example.org"}},
        {"objectType": "Group", "mbox": MBOX},
        {"objectType": "Group", "member": [{"mbox": MBOX}]},
        '{"mbox":"mailto:a@b.org","mbox":"mailto:c@d.org"}',
    ],
    ids=str,
)
async def test_what_is_no_agent_is_refused(client: XapiClient, agent: object) -> None:
    """XAPI-00249."""
    answer = await ask(client, agent)
    assert answer.status_code == 400, answer.text
    assert answer.json()["parameter"] == "agent"


async def test_other_parameters_and_scopes_are_refused(
    service: Service, client: XapiClient
) -> None:
    """XAPI-00243."""
    agent = json.dumps({"mbox": MBOX})
    for parameters, named in (({}, "agent"), ({"agent": agent, "Agent": agent}, "Agent")):
        answer = await client.request("GET", PATH, params=parameters)
        assert (answer.status_code, answer.json()["parameter"]) == (400, named)
    assert (await client.request("POST", PATH)).status_code == 405
    for scopes, status in ((["all/read"], 200), (["statements/read/mine"], 403), (["state"], 403)):
        assert (await ask(await service.new_client(scopes), {"mbox": MBOX})).status_code == status
