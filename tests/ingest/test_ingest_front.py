"""The front of the xAPI resources over HTTP: requests in forms, pages of other origins, refusals,
and in which form statements are answered."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tincan import About  # type: ignore[import-untyped]  # it has no types

from assay_cli.stack import StackInfo
from ingest_samples import statement, void
from ingest_service import Service, XapiClient, front_and_store

OLD = {"X-Experience-API-Version": "1.0.3"}
NEW = {"X-Experience-API-Version": "2.0.0"}
PAGE = "https://content.example.org"
RESOURCES = (
    "/xapi/statements",
    "/xapi/activities",
    "/xapi/activities/state",
    "/xapi/activities/profile",
    "/xapi/agents",
    "/xapi/agents/profile",
)


@pytest.fixture(scope="module")
async def service(servers: StackInfo, postgres_template: str) -> AsyncIterator[Service]:
    """Front and store for all tests of this file; each test has its own tenant."""
    async with front_and_store(servers, postgres_template, form_bytes_max="5000") as made:
        yield made


@pytest.fixture
async def client(service: Service) -> XapiClient:
    return await service.new_client()


async def form(client: XapiClient, method: str, **arguments: Any) -> httpx.Response:
    """A request in the alternate syntax to the statements."""
    arguments.setdefault("headers", OLD)
    return await client.request("POST", f"/xapi/statements?method={method}", **arguments)


# The alternate request syntax


async def test_a_statement_is_put_and_read_by_forms_that_hold_key_and_version(
    client: XapiClient,
) -> None:
    basic = httpx.BasicAuth(client.name, client.secret)
    key = next(basic.auth_flow(httpx.Request("GET", client.url))).headers["Authorization"]
    given = uuid4()
    fields = {"Authorization": key, "X-Experience-API-Version": "1.0.3", "statementId": str(given)}
    sent = {**fields, "content": json.dumps(statement())}
    put = await form(client, "PUT", data=sent, headers={}, auth=None)
    assert put.status_code == 204, put.text
    assert put.headers["x-experience-api-version"] == "1.0.3"
    got = await form(client, "GET", data=fields, headers={}, auth=None)
    assert got.json()["id"] == str(given)
    # As a page in an old browser sends it, which can say nothing of its body.
    text = httpx.Request("POST", client.url, data=fields).content
    got = await form(client, "GET", content=text, headers={}, auth=None)
    assert got.json()["id"] == str(given)


async def test_a_form_lists_and_posts_and_is_head(client: XapiClient) -> None:
    posted = await form(client, "POST", data={"content": json.dumps([statement(), statement()])})
    assert len(posted.json()) == 2
    listed = await form(client, "GET", data={"limit": "1"})
    assert len(listed.json()["statements"]) == 1
    headed = await form(client, "HEAD", data={"limit": "1"})
    assert headed.status_code == 200


async def test_the_version_of_the_form_is_the_one_that_counts(client: XapiClient) -> None:
    for version in ("0.8", "2.0.0"):
        answer = await form(client, "GET", data={"X-Experience-API-Version": version})
        assert answer.status_code == 400
    assert answer.headers["x-experience-api-version"] == "2.0.0"
    assert "1.0.3 only" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("method=GET&limit=1", {}),
        ("method=GET", {"content": "{}"}),
        ("method=GET", {"Limit": "1"}),
        ("method=OPTIONS", {}),
        ("method=PUT", {"statementId": str(uuid4())}),
    ],
)
async def test_a_form_with_something_wrong_is_400(
    client: XapiClient, query: str, fields: dict[str, str]
) -> None:
    answer = await client.request("POST", f"/xapi/statements?{query}", data=fields, headers=OLD)
    assert answer.status_code == 400
    assert answer.json()["parameter"]


async def test_a_form_is_bounded_before_anybody_is_known(client: XapiClient) -> None:
    answer = await form(client, "GET", data={"verb": "x" * 6000}, headers={}, auth=None)
    assert answer.status_code == 413


# Pages of other origins


@pytest.mark.parametrize("path", [*RESOURCES, "/xapi/about"])
async def test_a_page_may_ask_before_it_sends_without_key_and_version(
    client: XapiClient, path: str
) -> None:
    asked = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization,x-experience-api-version",
    }
    answer = await client.request("OPTIONS", path, headers=asked, auth=None)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == asked["Access-Control-Request-Headers"]
    assert "GET" in answer.headers["access-control-allow-methods"]
    assert answer.headers["allow"] == answer.headers["access-control-allow-methods"]


async def test_a_page_may_read_refusals_too(client: XapiClient) -> None:
    refused = [
        await client.request("GET", headers={**NEW, "Origin": PAGE}, auth=None),
        await client.request("GET", headers={"Origin": PAGE}),
        await client.request("GET", "/xapi/nothing", headers={**NEW, "Origin": PAGE}),
        await client.request("PATCH", headers={**NEW, "Origin": PAGE}),
        await client.request("GET", headers={**NEW, "Origin": PAGE}, params={"Limit": "1"}),
    ]
    assert [one.status_code for one in refused] == [401, 400, 404, 405, 400]
    for answer in refused:
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "ETag" in answer.headers["access-control-expose-headers"]


async def test_with_listed_origins_only_their_pages_may(service: Service) -> None:
    await service.stop("ingest")
    await service.start_ingest(cors_origins=PAGE)
    try:
        client = await service.new_client()
        listed = await client.request("GET", headers={**NEW, "Origin": PAGE})
        assert listed.headers["access-control-allow-origin"] == PAGE
        other = await client.request("GET", headers={**NEW, "Origin": "https://evil.test"})
        assert "access-control-allow-origin" not in other.headers
        assert other.headers["vary"] == "Origin"
    finally:
        await service.stop("ingest")
        await service.start_ingest(form_bytes_max="5000")
        await service.ready()


# Every resource


@pytest.mark.parametrize("path", RESOURCES)
@pytest.mark.parametrize("version", [OLD, NEW])
async def test_every_resource_refuses_alike(
    service: Service, path: str, version: dict[str, str]
) -> None:
    client = await service.new_client(("all",))
    spoken = version["X-Experience-API-Version"]
    nobody = await client.request("GET", path, headers=version, auth=None)
    assert (nobody.status_code, nobody.headers["x-experience-api-version"]) == (401, spoken)
    for sent in ({}, {"X-Experience-API-Version": "0.95"}, {"X-Experience-API-Version": "1.0.x"}):
        unknown = await client.request("GET", path, headers=sent)
        assert unknown.status_code == 400
        assert unknown.headers["x-experience-api-version"] == "2.0.0"
    method = await client.request("PATCH", path, headers=version)
    assert method.status_code == 405
    assert "HEAD" in method.headers["allow"]
    for name in ("unknown", "StatementID", "method"):
        wrong = await client.request("GET", path, params={name: "1"}, headers=version)
        assert (wrong.status_code, wrong.headers["x-experience-api-version"]) == (400, spoken)
    twice = await client.request("GET", path + "?since=1&since=1", headers=version)
    assert twice.status_code == 400


async def test_one_date_and_no_guessing_caches(client: XapiClient) -> None:
    (statement_id,) = (await client.post(statement())).json()
    for method in ("GET", "HEAD"):
        answer = await client.request(method, params={"statementId": statement_id})
        assert len(answer.headers.get_list("date")) == 1
        assert answer.headers["cache-control"] == "private, no-cache"


async def test_what_is_below_the_base_and_unknown_is_404_with_the_version(
    client: XapiClient,
) -> None:
    for path in ("/xapi/", "/xapi/statements/", "/xapi/Statements"):
        answer = await client.request("GET", path, headers=OLD)
        assert answer.status_code == 404
        assert answer.headers["x-experience-api-version"] == "1.0.3"


async def test_who_leaves_in_the_middle_of_a_body_is_no_error_of_ours(
    service: Service, client: XapiClient, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.ports["ingest"])
    request = httpx.Request(
        "POST", client.url, headers={**NEW, "Content-Length": "1000"}, content=b"{"
    )
    basic = httpx.BasicAuth(client.name, client.secret)
    headers = next(basic.auth_flow(request)).headers
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"POST /xapi/statements HTTP/1.1\r\n{lines}\r\n{{".encode())
    await writer.drain()
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    # The next request is answered after that one was given up.
    assert (await client.get()).status_code == 200
    assert [one for one in caplog.records if one.name == "assay_ingest.api"] == []


async def test_about_takes_no_parameters_and_is_only_read(client: XapiClient) -> None:
    assert (await client.request("GET", "/xapi/about?a=1", auth=None)).status_code == 400
    answer = await client.request("POST", "/xapi/about", auth=None)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_about_tells_a_1_0_client_of_nothing_that_it_cannot_read(client: XapiClient) -> None:
    for sent, versions in (
        ({}, ["1.0.3", "2.0.0"]),
        (NEW, ["1.0.3", "2.0.0"]),
        ({"X-Experience-API-Version": "0.95"}, ["1.0.3", "2.0.0"]),
        ({"X-Experience-API-Version": "1.0.1"}, ["1.0.3"]),
    ):
        answer = await client.request("GET", "/xapi/about", headers=sent)
        assert answer.json()["version"] == versions
    # What a client library of that time makes of it.
    known = About.from_json(answer.text)
    assert known.version == ["1.0.3"]


# Forms of answers


RICH = statement(
    actor="mailto:rich@example.org",
    verb="http://example.org/verbs/rich",
    context={
        "contextActivities": {
            "parent": {
                "id": "http://example.org/activities/parent",
                "definition": {"name": {"en-US": "parent", "de": "Elter"}},
            }
        }
    },
    result={"score": {"raw": 1.5}},
)


def rich(**more: Any) -> dict[str, Any]:
    """A statement with names, languages and a context activity that is no list."""
    made: dict[str, Any] = json.loads(json.dumps(RICH)) | more
    made["actor"]["name"] = "Rich"
    made["verb"]["display"] = {"en-US": "did", "de": "tat"}
    made["object"]["definition"] = {
        "name": {"de": "Übung", "en-US": "exercise"},
        "interactionType": "likert",
        "scale": [{"id": "1", "description": {"de": "wenig", "en-US": "little"}}],
    }
    return made


async def shown(client: XapiClient, language: str | None = None, **asked: str) -> Any:
    """The one statement of the client, by its id or as a list."""
    headers = NEW if language is None else {**NEW, "Accept-Language": language}
    answer = await client.request("GET", params=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return found["statements"][0] if "statements" in found else found


async def test_formats_hold_for_lists_and_single_statements_and_before_the_store_has_it(
    client: XapiClient,
) -> None:
    (statement_id,) = (await client.post(rich())).json()
    for asked in ({"statementId": statement_id}, {"limit": "1"}):
        exact = await shown(client, **asked)
        (parent,) = exact["context"]["contextActivities"]["parent"]
        assert parent["definition"]["name"] == {"en-US": "parent", "de": "Elter"}
        ids = await shown(client, format="ids", **asked)
        assert ids["actor"] == {"mbox": "mailto:rich@example.org"}
        assert ids["verb"] == {"id": "http://example.org/verbs/rich"}
        assert ids["object"] == {"id": "http://example.org/activities/1"}
        assert ids["context"]["contextActivities"]["parent"] == [{"id": parent["id"]}]
        assert ids["result"] == {"score": {"raw": 1.5}}
        for language, name in (("de-CH", "Übung"), ("en", "exercise"), ("fr", "Übung")):
            canonical = await shown(client, language, format="canonical", **asked)
            assert list(canonical["object"]["definition"]["name"].values()) == [name]
            assert canonical["actor"] == exact["actor"]
        (scale,) = canonical["object"]["definition"]["scale"]
        assert len(scale["description"]) == 1
        # No format, no choice of a language.
        plain = await shown(client, "de", **asked)
        assert plain["verb"]["display"] == {"en-US": "did", "de": "tat"}


async def test_canonical_is_what_the_store_knows_of_an_activity(client: XapiClient) -> None:
    await client.post(rich())
    (bare,) = (await client.post(statement())).json()
    # A list waits for what was acknowledged before it.
    await client.get(limit=1)
    found = await shown(client, "en-US", format="canonical", statementId=bare)
    assert found["object"]["definition"]["name"] == {"en-US": "exercise"}
    assert "definition" not in (await shown(client, statementId=bare))["object"]


async def test_the_next_page_has_the_format_of_the_first(client: XapiClient) -> None:
    await client.post([rich(), rich(), rich()])
    page = (await client.get(format="ids", limit=1)).json()
    for _ in range(2):
        page = (await client.request("GET", page["more"])).json()
        assert page["statements"][0]["verb"].keys() == {"id"}
    assert page["more"] == ""


async def test_last_modified_is_stored_to_the_second(client: XapiClient) -> None:
    (statement_id,) = (await client.post(statement())).json()
    for version in (OLD, NEW):
        answer = await client.request("GET", params={"statementId": statement_id}, headers=version)
        stored = datetime.fromisoformat(answer.json()["stored"])
        modified = parsedate_to_datetime(answer.headers["last-modified"])
        assert modified == stored.astimezone(UTC).replace(microsecond=0)
    assert "last-modified" not in (await client.get()).headers


@pytest.mark.parametrize(
    "asked", [{"format": "Exact"}, {"format": ""}, {"attachments": "yes"}, {"attachments": "1"}]
)
async def test_a_wrong_form_is_400_and_named(client: XapiClient, asked: dict[str, str]) -> None:
    for beside in ({}, {"statementId": str(uuid4())}):
        answer = await client.get(**asked, **beside)
        assert answer.status_code == 400
        assert answer.json()["parameter"] in asked


# Reading one's own


async def test_mine_is_what_stands_in_the_readers_own_name(service: Service) -> None:
    tenant = f"t{uuid4().hex[:12]}"
    scopes = ("statements/write", "statements/read/mine")
    one = await service.new_client(scopes, tenant=tenant)
    other = await service.new_client(scopes, tenant=tenant)
    everything = await service.new_client(tenant=tenant)
    mine, theirs = uuid4(), uuid4()
    await asyncio.gather(one.post(statement(mine)), other.post(statement(theirs)))
    await one.post(void(mine))
    for reader, own, foreign in ((one, mine, theirs), (other, theirs, mine)):
        for name in ("statementId", "voidedStatementId"):
            assert (await reader.get(**{name: str(foreign)})).status_code == 404
        assert str(foreign) not in await reader.ids()
        assert str(foreign) not in await reader.ids(agent='{"mbox":"mailto:a@example.org"}')
        name = "voidedStatementId" if own == mine else "statementId"
        assert (await reader.get(**{name: str(own)})).status_code == 200
    assert len(await everything.ids()) == 2
    assert len(await one.ids()) == len(await other.ids()) == 1


async def test_who_may_read_nothing_is_403_and_the_scope_named(service: Service) -> None:
    client = await service.new_client(("statements/write",))
    answer = await client.get()
    assert (answer.status_code, answer.json()["scope"]) == (403, "statements/read")
