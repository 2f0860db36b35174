"""State, Agent Profile and Activity Profile over HTTP, on a real Postgres, in both versions."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha1
from typing import Any
from uuid import uuid4

import httpx
import pytest

from assay_cli.stack import StackInfo
from assay_ingest.documents import (
    ACTIVITY_PROFILE,
    RESOURCES,
    STATE,
    Resource,
)
from ingest_service import Service, XapiClient, own_service

SCOPES = ("state", "profile")
LIMIT = 4096
PLACE_MAX = 30
AGENT = json.dumps({"objectType": "Agent", "mbox": "mailto:a@example.org"})
JSON = "application/json"
NO_TAG = '"1111111111111111111111111111111111111111"'


@pytest.fixture(scope="module")
async def service(servers: StackInfo, postgres_template: str) -> AsyncIterator[Service]:
    """The front alone: documents need no store process. Each test has its own tenant."""
    async with own_service(servers, postgres_template) as made:
        await made.start_ingest(
            document_bytes_max=str(LIMIT), documents_per_place_max=str(PLACE_MAX)
        )
        yield made


@dataclass(frozen=True)
class Documents:
    """One resource as a client uses it in one version."""

    client: XapiClient
    resource: Resource
    version: str

    def parameters(self, name: str | None = "n", **more: str) -> dict[str, str]:
        values = {} if name is None else {self.resource.name: name}
        if self.resource.has_activity:
            values["activityId"] = "http://example.org/a"
        if self.resource.has_agent:
            values["agent"] = AGENT
        return values | more

    async def call(
        self,
        method: str,
        body: object = None,
        *,
        name: str | None = "n",
        parameters: dict[str, str] | None = None,
        content_type: str | None = JSON,
        **headers: str,
    ) -> httpx.Response:
        """`body` is JSON unless it is bytes; `if_match="x"` is the header If-Match."""
        sent = {"X-Experience-API-Version": self.version}
        sent |= {key.replace("_", "-"): value for key, value in headers.items()}
        content = None
        if body is not None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            if content_type is not None:
                sent["Content-Type"] = content_type
        return await self.client.request(
            method,
            self.resource.path,
            params=parameters or self.parameters(name),
            content=content,
            headers=sent,
        )

    async def stored(self, name: str = "n") -> Any:
        answer = await self.call("GET", name=name)
        assert answer.status_code == 200, answer.text
        return answer.json()


EVERY = [(one, version) for one in RESOURCES for version in ("1.0.3", "2.0.0")]


def _id(value: object) -> str:
    return value.kind if isinstance(value, Resource) else str(value)


@pytest.fixture(params=EVERY, ids=lambda one: f"{one[0].kind}-{one[1]}")
async def documents(service: Service, request: pytest.FixtureRequest) -> Documents:
    resource, version = request.param
    return Documents(await service.new_client(SCOPES), resource, version)


async def made(service: Service, resource: Resource, version: str) -> Documents:
    return Documents(await service.new_client(SCOPES), resource, version)


def refused(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert "x-experience-api-version" in answer.headers
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:assay:problem:{slug}"
    return body


# Keeping and reading


async def test_bytes_type_etag_and_time_come_back(documents: Documents) -> None:
    body = b'{ "n" : 9007199254740993, "f": 1.10 }\n'
    began = datetime.now(UTC).replace(microsecond=0)
    kept = await documents.call(
        "PUT", body, content_type="application/json; charset=utf-8", if_none_match="*"
    )
    assert kept.status_code == 204
    answer = await documents.call("GET")
    assert (answer.status_code, answer.content) == (200, body)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    digest = sha1(body, usedforsecurity=False).hexdigest()
    assert answer.headers["etag"] == f'"{digest}"' == kept.headers["etag"]
    assert answer.headers["last-modified"].endswith(" GMT")
    assert began <= parsedate_to_datetime(answer.headers["last-modified"]) <= datetime.now(UTC)
    assert answer.headers["x-experience-api-version"] == documents.version
    head = await documents.call("HEAD")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "last-modified", "content-type", "content-length"):
        assert head.headers[name] == answer.headers[name]


async def test_any_bytes_of_any_type_are_kept(documents: Documents) -> None:
    body = bytes(range(256))
    answer = await documents.call("POST", body, content_type=None)
    assert answer.status_code == 204, answer.text
    found = await documents.call("GET")
    assert found.content == body
    assert found.headers["content-type"] == "application/octet-stream"
    # Nothing that a client keeps here runs as a page of ours.
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["content-security-policy"] == "sandbox"
    empty = await documents.call("PUT", b"", if_match=found.headers["etag"], content_type="a/b")
    assert empty.status_code == 204
    assert (await documents.call("GET")).content == b""


async def test_what_is_not_there_is_404_for_readers_and_204_for_delete(
    documents: Documents,
) -> None:
    refused(await documents.call("GET"), 404, "not-found")
    assert (await documents.call("HEAD")).status_code == 404
    assert (await documents.call("DELETE")).status_code == 204
    assert (await documents.call("GET", name=None)).json() == []


async def test_names_are_listed_in_order_and_since_a_time(documents: Documents) -> None:
    for name in ("b", "a", "\u00e9 /?&"):
        assert (await documents.call("POST", {}, name=name)).status_code == 204
    answer = await documents.call("GET", name=None)
    assert answer.json() == ["a", "b", "\u00e9 /?&"]
    assert "last-modified" in answer.headers
    middle = datetime.now(UTC).isoformat()
    assert (await documents.call("POST", {"x": 1}, name="a")).status_code == 204
    since = await documents.call("GET", parameters=documents.parameters(None, since=middle))
    assert since.json() == ["a"]
    # Beside a name it chooses nothing.
    one = await documents.call("GET", parameters=documents.parameters("b", since=middle))
    assert one.json() == {}
    assert (await documents.call("HEAD", name=None)).status_code == 200


async def test_a_reader_that_has_the_content_already_is_told_so(documents: Documents) -> None:
    await documents.call("POST", {"a": 1})
    etag = (await documents.call("GET")).headers["etag"]
    same = await documents.call("GET", if_none_match=f'"x", W/{etag}')
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    assert (await documents.call("GET", if_none_match=NO_TAG)).status_code == 200
    refused(await documents.call("GET", if_match=NO_TAG), 412, "precondition-failed")


# Merging


async def test_post_merges_top_level_keys_and_keeps_the_text_of_values(
    documents: Documents,
) -> None:
    """XAPI-00184, 00183; 00234, 00279, 00308."""
    first = b'{"car": {"make": "Ford", "big": 9007199254740993}, "f": 1.10}'
    assert (await documents.call("POST", first)).status_code == 204
    assert (await documents.call("GET")).content == first
    second = await documents.call("POST", b'{"car":{"model":"Ram"},"n":1E400}')
    assert second.status_code == 204
    assert (await documents.call("GET")).content == b'{"car":{"model":"Ram"},"f":1.10,"n":1E400}'


@pytest.mark.parametrize(
    ("kept", "kept_as", "sent", "sent_as"),
    [
        (b'{"a":1}', JSON, b"abc", "not/json"),
        (b'{"a":1}', JSON, b'{"b":1}', "text/plain"),
        (b'{"a":1}', "application/octet-stream", b'{"b":1}', JSON),
        (b"[1]", JSON, b'{"b":1}', JSON),
        (b'{"a":1}', JSON, b"[1]", JSON),
        (b'{"a":1}', JSON, b'{"b":1}{', JSON),
        (b'{"a":1,"a":2}', JSON, b'{"b":1}', JSON),
        (b'{"a":"\\u0000"}', JSON, b'{"b":1}', JSON),
        (b'{"a":1}', JSON, b'{"b":"\\u0000"}', JSON),
    ],
)
async def test_only_two_json_objects_merge_and_nothing_changes_else(
    documents: Documents, kept: bytes, kept_as: str, sent: bytes, sent_as: str
) -> None:
    """XAPI-00229, 00232, 00278, 00281, 00309, 00313."""
    first = await documents.call("PUT", kept, content_type=kept_as, if_none_match="*")
    assert first.status_code == 204
    refused(await documents.call("POST", sent, content_type=sent_as), 400, "document-invalid")
    etag = first.headers["etag"]
    again = await documents.call("POST", sent, content_type=sent_as, if_match=etag)
    refused(again, 400, "document-invalid")
    found = await documents.call("GET")
    assert (found.content, found.headers["content-type"]) == (kept, kept_as)


async def test_json_that_is_none_is_refused_by_post_even_when_it_is_new(
    documents: Documents,
) -> None:
    """XAPI-00235, 00284, 00314."""
    refused(await documents.call("POST", b'{"a":1}['), 400, "document-invalid")
    refused(await documents.call("GET"), 404, "not-found")


# Preconditions


async def test_a_put_without_preconditions_does_what_its_version_says(
    documents: Documents,
) -> None:
    """1.0.3 Communication 3.1, IEEE 9274.1.1 4.1.4: State is unguarded in 1.0.3 alone."""
    first = await documents.call("PUT", {"v": 1})
    if documents.version == "1.0.3" and documents.resource is not STATE:
        refused(first, 400, "bad-request")
        assert (await documents.call("PUT", {"v": 1}, if_none_match="*")).status_code == 204
    else:
        assert first.status_code == 204
    second = await documents.call("PUT", {"v": 2})
    if documents.version == "1.0.3" and documents.resource is STATE:
        assert second.status_code == 204
        assert await documents.stored() == {"v": 2}
    else:
        assert "If-Match" in refused(second, 409, "document-exists")["detail"]
        assert await documents.stored() == {"v": 1}


async def test_if_none_match_any_creates_only(documents: Documents) -> None:
    for method in ("PUT", "POST"):
        name = method.lower()
        first = await documents.call(method, {"v": 1}, name=name, if_none_match="*")
        assert first.status_code == 204
        second = await documents.call(method, {"v": 2}, name=name, if_none_match="*")
        refused(second, 412, "precondition-failed")
        assert await documents.stored(name) == {"v": 1}
    delete = await documents.call("DELETE", name="put", if_none_match="*")
    refused(delete, 412, "precondition-failed")
    assert (await documents.call("DELETE", name="none", if_none_match="*")).status_code == 204


async def test_if_match_any_changes_only_what_is_there(documents: Documents) -> None:
    for method, body in (("PUT", {"a": 1}), ("POST", {"a": 1}), ("DELETE", None)):
        refused(await documents.call(method, body, if_match="*"), 412, "precondition-failed")
    refused(await documents.call("GET"), 404, "not-found")
    await documents.call("POST", {"a": 1})
    assert (await documents.call("POST", {"b": 2}, if_match="*")).status_code == 204
    assert await documents.stored() == {"a": 1, "b": 2}
    assert (await documents.call("PUT", {"c": 3}, if_match="*")).status_code == 204
    assert await documents.stored() == {"c": 3}
    assert (await documents.call("DELETE", if_match="*")).status_code == 204
    refused(await documents.call("GET"), 404, "not-found")


async def test_an_etag_guards_put_post_and_delete(documents: Documents) -> None:
    await documents.call("POST", {"a": 1})
    for method, body, after in (
        ("PUT", {"b": 2}, {"b": 2}),
        ("POST", {"c": 3}, {"b": 2, "c": 3}),
        ("DELETE", None, None),
    ):
        etag = (await documents.call("GET")).headers["etag"]
        before = await documents.stored()
        refused(await documents.call(method, body, if_match=NO_TAG), 412, "precondition-failed")
        refused(await documents.call(method, body, if_none_match=etag), 412, "precondition-failed")
        refused(
            await documents.call(method, body, if_match=f"W/{etag}"), 412, "precondition-failed"
        )
        assert await documents.stored() == before
        good = await documents.call(method, body, if_match=f"{NO_TAG}, {etag}")
        assert good.status_code == 204, good.text
        if after is not None:
            assert await documents.stored() == after
    refused(await documents.call("GET"), 404, "not-found")


async def test_an_if_none_match_that_names_other_contents_lets_a_change_through(
    documents: Documents,
) -> None:
    for body in ({"v": 1}, {"v": 2}):
        assert (await documents.call("PUT", body, if_none_match=NO_TAG)).status_code == 204
        assert await documents.stored() == body
    assert (await documents.call("POST", {"w": 1}, if_none_match=NO_TAG)).status_code == 204
    assert await documents.stored() == {"v": 2, "w": 1}
    assert (await documents.call("DELETE", if_none_match=NO_TAG)).status_code == 204
    assert (await documents.call("DELETE", if_none_match=NO_TAG)).status_code == 204


async def test_a_header_that_is_no_etag_is_named(documents: Documents) -> None:
    answer = await documents.call("PUT", {}, if_match="what I saw")
    assert refused(answer, 400, "bad-request")["parameter"] == "If-Match"


# State alone


@pytest.mark.parametrize("version", ["1.0.3", "2.0.0"])
async def test_a_registration_is_a_part_of_the_name(service: Service, version: str) -> None:
    state = await made(service, STATE, version)
    one, two = str(uuid4()), str(uuid4())

    async def call(method: str, body: object = None, **parameters: str) -> httpx.Response:
        name = parameters.pop("name", None)
        return await state.call(method, body, parameters=state.parameters(name, **parameters))

    for value, place in ((0, {}), (1, {"registration": one}), (2, {"registration": two})):
        assert (await call("POST", {"v": value}, name="n", **place)).status_code == 204
    assert (await call("POST", {}, name="m", registration=one)).status_code == 204
    assert (await call("GET", name="n")).json() == {"v": 0}
    assert (await call("GET", name="n", registration=one)).json() == {"v": 1}
    assert (await call("GET", name="m")).status_code == 404
    assert (await call("GET")).json() == ["m", "n"]
    assert (await call("GET", registration=two)).json() == ["n"]
    assert (await call("GET", registration=two.upper())).json() == ["n"]
    # Clearing takes what the list shows.
    assert (await call("DELETE", registration=one)).status_code == 204
    assert (await call("GET")).json() == ["n"]
    assert (await call("GET", name="n", registration=two)).json() == {"v": 2}
    assert (await call("DELETE")).status_code == 204
    assert (await call("GET")).json() == []


async def test_clearing_a_state_leaves_other_agents_activities_and_tenants(
    service: Service,
) -> None:
    state = await made(service, STATE, "2.0.0")
    other = await made(service, STATE, "2.0.0")
    elsewhere = [
        state.parameters("n", activityId="http://example.org/b"),
        state.parameters("n", agent='{"mbox":"mailto:b@example.org"}'),
    ]
    for parameters in (*elsewhere, state.parameters("n")):
        assert (await state.call("POST", {}, parameters=parameters)).status_code == 204
    assert (await other.call("POST", {})).status_code == 204
    refused(await state.call("DELETE", name=None, if_match="*"), 400, "bad-request")
    assert (await state.call("DELETE", name=None)).status_code == 204
    assert (await state.call("GET")).status_code == 404
    for parameters in elsewhere:
        assert (await state.call("GET", parameters=parameters)).status_code == 200
    assert (await other.call("GET")).status_code == 200


# Limits, scopes and refusals


async def test_a_document_over_the_limit_is_refused_also_when_merging_makes_it_so(
    documents: Documents,
) -> None:
    refused(await documents.call("POST", b"x" * (LIMIT + 1)), 413, "too-large")
    half = "x" * (LIMIT // 2)
    assert (await documents.call("POST", {"a": half})).status_code == 204
    refused(await documents.call("POST", {"b": half}), 413, "too-large")
    refused(await documents.call("POST", {"b": half}, if_match="*"), 413, "too-large")
    assert (await documents.call("POST", {"a": half})).status_code == 204


async def test_a_place_has_a_largest_number_of_documents(documents: Documents) -> None:
    for number in range(PLACE_MAX):
        assert (await documents.call("POST", {}, name=str(number))).status_code == 204
    for method in ("POST", "PUT"):
        answer = await documents.call(method, {}, name="over", if_none_match="*")
        assert str(PLACE_MAX) in refused(answer, 403, "too-many-documents")["detail"]
    refused(await documents.call("POST", {}, name="over"), 403, "too-many-documents")
    assert (await documents.call("POST", {"a": 1}, name="0")).status_code == 204
    assert (await documents.call("DELETE", name="0")).status_code == 204
    assert (await documents.call("POST", {}, name="over")).status_code == 204


async def test_other_names_methods_and_repeated_parameters_are_refused(
    documents: Documents,
) -> None:
    wrong = documents.parameters("n", StateId="x")
    assert (
        refused(await documents.call("GET", parameters=wrong), 400, "bad-request")["parameter"]
        == "StateId"
    )
    answer = await documents.client.request(
        "GET",
        documents.resource.path,
        params=[*documents.parameters("n").items(), (documents.resource.name, "m")],
    )
    assert refused(answer, 400, "bad-request")["parameter"] == documents.resource.name
    answer = await documents.call("PATCH", {})
    refused(answer, 405, "method-not-allowed")
    answer = await documents.call("PUT", {}, content_encoding="gzip")
    refused(answer, 400, "wrong-content-type")


@pytest.mark.parametrize(("resource", "version"), EVERY, ids=_id)
async def test_each_resource_has_its_scope(
    service: Service, resource: Resource, version: str
) -> None:
    good, wrong = ("state", "profile") if resource is STATE else ("profile", "state")
    for scopes, reads, writes in (
        ([good], 404, 204),
        (["all"], 404, 204),
        (["all/read"], 404, 403),
        ([wrong], 403, 403),
        (["statements/read", "statements/write"], 403, 403),
    ):
        client = Documents(await service.new_client(scopes), resource, version)
        assert (await client.call("GET")).status_code == reads
        assert (await client.call("POST", {})).status_code == writes
        assert (await client.call("PUT", {}, if_match="*")).status_code == writes
        assert (await client.call("DELETE")).status_code == writes


# Many at once. What is shared by the three resources is tried on one of them in each version; the
# store alone is tried in test_ingest_documents_races.

WRITERS = 200


async def at_once(
    documents: Documents, write: Callable[[Documents, int], Awaitable[httpx.Response]]
) -> tuple[list[int], set[int]]:
    """What 200 writers send at once: the numbers of those that wrote, and all statuses.

    On connections of their own, without the usual patience: the machine may have other work.
    """
    async with httpx.AsyncClient(timeout=120) as http:
        client = replace(documents.client, http=http)
        own = replace(documents, client=client)
        answers = await asyncio.gather(*(write(own, number) for number in range(WRITERS)))
    statuses = [one.status_code for one in answers]
    return [number for number, status in enumerate(statuses) if status == 204], set(statuses)


@pytest.mark.parametrize("version", ["1.0.3", "2.0.0"])
async def test_two_hundred_merges_at_once_lose_no_key(service: Service, version: str) -> None:
    state = await made(service, STATE, version)
    wrote, statuses = await at_once(state, lambda own, n: own.call("POST", {f"k{n}": n}))
    assert (wrote, statuses) == (list(range(WRITERS)), {204})
    assert await state.stored() == {f"k{number}": number for number in range(WRITERS)}


@pytest.mark.parametrize("version", ["1.0.3", "2.0.0"])
async def test_of_two_hundred_conditional_puts_at_once_one_wins(
    service: Service, version: str
) -> None:
    profile = await made(service, ACTIVITY_PROFILE, version)
    wrote, statuses = await at_once(
        profile, lambda own, n: own.call("PUT", {"v": n}, if_none_match="*")
    )
    assert (len(wrote), statuses) == (1, {204, 412})
    assert await profile.stored() == {"v": wrote[0]}
    etag = (await profile.call("GET")).headers["etag"]
    wrote, statuses = await at_once(
        profile, lambda own, n: own.call("PUT", {"w": n}, if_match=etag)
    )
    assert (len(wrote), statuses) == (1, {204, 412})
    assert await profile.stored() == {"w": wrote[0]}
