"""The HTTP front with the store behind it, on a real Kafka and Postgres."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest

from assay_cli.stack import StackInfo
from assay_schemas.envelope import open_envelope
from ingest_samples import statement, void
from ingest_service import VERSION, Service, XapiClient, front_and_store


@pytest.fixture(scope="module")
async def service(servers: StackInfo, postgres_template: str) -> AsyncIterator[Service]:
    """Front and store for all tests of this file; each test has its own tenant."""
    async with front_and_store(
        servers, postgres_template, body_bytes_max="20000", statements_per_request_max="50"
    ) as made:
        yield made


@pytest.fixture
async def client(service: Service) -> XapiClient:
    """A client of a new tenant that may write and read."""
    return await service.new_client()


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The problem of a refusal, which carries xAPI's headers too."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "x-experience-api-consistent-through" in answer.headers
    assert "x-experience-api-version" in answer.headers
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:assay:problem:{slug}"
    assert body["status"] == status
    return body


# Accepting


async def test_a_posted_statement_is_read_back_at_once_with_id_authority_and_times(
    client: XapiClient,
) -> None:
    answer = await client.post(statement(result={"score": {"scaled": 0.5}}))
    assert answer.status_code == 200
    (statement_id,) = answer.json()
    assert UUID(statement_id).version == 4
    found = (await client.get(statementId=statement_id)).json()
    assert found["id"] == statement_id
    assert found["authority"]["account"]["name"] == client.name
    assert found["timestamp"] == found["stored"]
    assert found["result"] == {"score": {"scaled": 0.5}}


async def test_a_batch_is_one_record_with_its_envelope_and_the_ids_come_in_order(
    service: Service,
) -> None:
    client = await service.new_client(
        modality="vr", vouches_for_assessors=True, learner_controlled=True
    )
    given = uuid4()
    answer = await client.post([statement(), statement(given), statement()])
    ids = [UUID(one) for one in answer.json()]
    assert ids[1] == given
    mine = [one for one in await service.log() if client.tenant.encode() in one.headers[0][1]]
    assert len(mine) == 1
    opened = open_envelope(mine[0].headers)
    assert list(opened.ids) == ids
    assert [UUID(one["id"]) for one in orjson.loads(mine[0].value)] == ids
    envelope = opened.envelope
    assert (envelope.tenant, envelope.source, envelope.client) == (
        client.tenant,
        "s1",
        client.name,
    )
    assert (envelope.modality, envelope.vouches_for_assessors) == ("vr", True)
    assert (envelope.learner_controlled, envelope.may_void) == (True, False)


async def test_authority_is_that_of_the_source_whatever_the_body_says(service: Service) -> None:
    agent = {"objectType": "Agent", "mbox": "mailto:centre@example.org"}
    client = await service.new_client(authority=agent)
    sent = statement(authority={"mbox": "mailto:forged@example.org"}, stored="2001-01-01T00:00:00Z")
    (statement_id,) = (await client.post(sent)).json()
    found = (await client.get(statementId=statement_id)).json()
    assert found["authority"] == agent
    assert not found["stored"].startswith("2001")


async def test_numbers_come_back_as_they_were_sent(client: XapiClient) -> None:
    body = orjson.dumps(statement()).decode()[:-1] + (
        ',"result":{"extensions":{"http://e.org/x":[9007199254740993,0.10,1e400]}}}'
    ).replace("1e400", "1.50")
    answer = await client.request(
        "POST", content=body, headers={**VERSION, "content-type": "application/json"}
    )
    (statement_id,) = answer.json()
    found = await client.get(statementId=statement_id)
    assert "[9007199254740993,0.10,1.50]" in found.text


async def test_put_keeps_one_statement_under_its_id(client: XapiClient) -> None:
    one, two = uuid4(), uuid4()
    assert (await client.put(one, statement())).status_code == 204
    assert (await client.put(two, statement(two))).status_code == 204
    for statement_id in (one, two):
        assert (await client.get(statementId=statement_id)).json()["id"] == str(statement_id)


async def test_put_refuses_what_is_not_one_statement_of_that_id(client: XapiClient) -> None:
    one = uuid4()
    problem(await client.put(one, statement(uuid4())), 400, "bad-request")
    problem(await client.put(one, [statement(one)]), 400, "bad-request")
    problem(await client.put("no-uuid", statement()), 400, "bad-request")
    problem(await client.request("PUT", json=statement(one)), 400, "bad-request")
    assert (await client.get(statementId=one)).status_code == 404


async def test_a_batch_with_one_bad_statement_is_refused_whole_and_the_fault_is_named(
    client: XapiClient,
) -> None:
    good, bad = uuid4(), uuid4()
    answer = await client.post([statement(good), statement(bad, result={"score": {"scaled": 2}})])
    (error,) = problem(answer, 400, "statement-invalid")["errors"]
    assert error["index"] == 1
    assert error["statement_id"] == str(bad)
    assert error["pointer"] == "/1/result/score/scaled"
    assert error["rule"] == "score-scaled-range"
    assert (await client.get(statementId=good)).status_code == 404


# Sending again


async def test_the_same_request_again_succeeds_and_adds_nothing(
    service: Service, client: XapiClient
) -> None:
    batch = [statement(uuid4()) for _ in range(3)]
    ids = (await client.post(batch)).json()
    assert (await client.post(batch)).json() == ids
    await service.applied()
    assert (await client.post(batch)).json() == ids
    mine = [one for one in await service.log() if client.tenant.encode() in one.headers[0][1]]
    assert len(mine) == 1
    assert sorted(await client.ids()) == sorted(ids)


async def test_a_batch_that_is_known_in_part_adds_the_rest(client: XapiClient) -> None:
    batch = [statement(uuid4()) for _ in range(4)]
    await client.post(batch[:2])
    assert (await client.post(batch)).json() == [one["id"] for one in batch]
    assert sorted(await client.ids()) == sorted(one["id"] for one in batch)


@pytest.mark.parametrize("applied", [False, True])
async def test_another_content_under_a_known_id_is_refused_and_named(
    service: Service, client: XapiClient, applied: bool
) -> None:
    known, fresh = uuid4(), uuid4()
    await client.post(statement(known))
    if applied:
        await service.applied()
    changed = statement(known, verb="http://example.org/verbs/other")
    body = problem(await client.post([statement(fresh), changed]), 409, "id-conflict")
    assert body["errors"] == [{"index": 1, "statement_id": str(known)}]
    assert (await client.get(statementId=fresh)).status_code == 404
    problem(await client.put(known, changed), 409, "id-conflict")


async def test_of_two_contents_for_one_id_at_the_same_time_one_is_refused(
    client: XapiClient,
) -> None:
    shared = uuid4()
    answers = await asyncio.gather(
        *(client.post(statement(shared, verb=f"http://e.org/{number}")) for number in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + 7 * [409]


async def test_the_same_content_many_times_at_once_is_one_record(
    service: Service, client: XapiClient
) -> None:
    sent = statement(uuid4())
    answers = await asyncio.gather(*(client.post(sent) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    mine = [one for one in await service.log() if client.tenant.encode() in one.headers[0][1]]
    assert len(mine) == 1


# Bad input


async def test_a_wrong_key_is_401(client: XapiClient) -> None:
    wrong = (client.name, "wrong")
    for arguments in ({"auth": wrong}, {"auth": None}):
        answer = await client.request("GET", **arguments)
        problem(answer, 401, "not-authenticated")
        assert answer.headers["www-authenticate"].startswith("Basic")


async def test_a_missing_scope_is_403(service: Service) -> None:
    reader = await service.new_client(["statements/read"])
    writer = await service.new_client(["statements/write"])
    assert problem(await reader.post(statement()), 403, "not-allowed")["scope"] == (
        "statements/write"
    )
    assert problem(await writer.get(), 403, "not-allowed")["scope"] == "statements/read"


async def test_a_key_without_a_source_cannot_write(service: Service) -> None:
    client = await service.new_client(source=None)
    problem(await client.post(statement()), 403, "no-source")


async def test_the_version_is_negotiated_and_echoed_and_missing_or_unknown_is_400(
    client: XapiClient,
) -> None:
    for sent, echoed in (("1.0.1", "1.0.3"), ("1.0", "1.0.3"), ("2.0.0", "2.0.0")):
        headers = {"X-Experience-API-Version": sent}
        answer = await client.post(statement(), headers=headers)
        assert answer.status_code == 200
        assert answer.headers["x-experience-api-version"] == echoed
    for headers in ({}, *({"X-Experience-API-Version": one} for one in ("0.95", "1.1", "x"))):
        problem(await client.post(statement(), headers=headers), 400, "version-not-known")


async def test_a_body_over_the_limit_is_413(client: XapiClient) -> None:
    large = statement(result={"response": "x" * 30_000})
    assert problem(await client.post(large), 413, "too-large")["limit_bytes"] == 20_000


async def test_a_wrong_content_type_is_400(client: XapiClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = await client.request(
            "POST", content=b"{}", headers={**VERSION, "content-type": kind}
        )
        problem(answer, 400, "wrong-content-type")
    packed = {**VERSION, "content-type": "application/json", "content-encoding": "gzip"}
    problem(await client.request("POST", content=b"x", headers=packed), 400, "wrong-content-type")


BAD_BODIES = {
    "no JSON": (b"{", "json-malformed"),
    "nothing": (b"", "json-malformed"),
    "no statement": (b"[]", "body-shape"),
    "a duplicate key": (orjson.dumps(statement())[:-1] + b',"verb":{}}', "duplicate-key"),
    "a bad statement": (b'{"actor":{"mbox":"mailto:a@e.org"}}', "missing-property"),
    "null": (orjson.dumps(statement(result=None)), "null-value"),
    "too deep": (b'{"a":' * 100 + b"1" + b"}" * 100, "limit-json-depth"),
    "a long IRI": (
        orjson.dumps(statement(activity="http://e.org/" + "x" * 3000)),
        "limit-iri-characters",
    ),
    "too many": (orjson.dumps([statement()] * 51), "limit-statements"),
    "an id twice": (
        orjson.dumps([statement(UUID(int=9, version=4))] * 2),
        "repeated-id",
    ),
}


@pytest.mark.parametrize("name", BAD_BODIES)
async def test_a_bad_body_is_400_and_names_the_rule(client: XapiClient, name: str) -> None:
    body, rule = BAD_BODIES[name]
    answer = await client.request(
        "POST", content=body, headers={**VERSION, "content-type": "application/json"}
    )
    errors = problem(answer, 400, "statement-invalid")["errors"]
    assert rule in [error["rule"] for error in errors]


@pytest.mark.parametrize(
    "query",
    [
        "unknown=1",
        "StatementId=5b5d3a5c-0a3c-4d54-8d4c-9f5f1b9b8f00",
        "statementId=x",
        "statementId=5b5d3a5c-0a3c-4d54-8d4c-9f5f1b9b8f00&limit=1",
        "statementId=5b5d3a5c-0a3c-4d54-8d4c-9f5f1b9b8f00"
        "&voidedStatementId=5b5d3a5c-0a3c-4d54-8d4c-9f5f1b9b8f00",
        "limit=-1",
        "limit=1&limit=2",
        "ascending=yes",
        "since=yesterday",
        "until=2026-01-01T00:00:00-00:00",
        "registration=1",
        "verb=no-iri",
        "activity=no-iri",
        "agent=x",
        'agent={"name":"x"}',
        'agent={"mbox":"mailto:a@e.org","openid":"http://e.org"}',
        "more=x",
        "more=x&limit=1",
        "limit",
    ],
)
async def test_a_bad_parameter_is_400(client: XapiClient, query: str) -> None:
    problem(await client.request("GET", f"/xapi/statements?{query}"), 400, "bad-request")


async def test_post_takes_no_parameters_and_other_methods_are_405(client: XapiClient) -> None:
    problem(await client.post(statement(), params={"method": "GET"}), 400, "bad-request")
    problem(await client.request("DELETE"), 405, "method-not-allowed")


# Voiding


async def test_a_void_by_the_own_source_is_seen_at_once_and_in_lists(client: XapiClient) -> None:
    (target,) = (await client.post(statement())).json()
    (voiding,) = (await client.post(void(target))).json()
    assert (await client.get(statementId=target)).status_code == 404
    assert (await client.get(voidedStatementId=target)).json()["id"] == target
    assert (await client.get(voidedStatementId=voiding)).status_code == 404
    assert await client.ids() == [voiding]
    assert (await client.get(statementId=target)).status_code == 404


@pytest.mark.parametrize("applied", [False, True])
async def test_a_void_of_another_source_is_403_without_the_scope(
    service: Service, applied: bool
) -> None:
    client = await service.new_client()
    other = await service.new_client(tenant=client.tenant, source="s2")
    may = await service.new_client(
        ["statements/write", "statements/void"], tenant=client.tenant, source="s3"
    )
    (target,) = (await client.post(statement())).json()
    if applied:
        await service.applied()
    body = problem(await other.post([statement(), void(target)]), 403, "void-not-authorised")
    assert body["errors"][0]["index"] == 1
    assert (await client.get(statementId=target)).status_code == 200
    assert (await may.post(void(target))).status_code == 200
    assert (await client.get(statementId=target)).status_code == 404


async def test_a_source_that_the_learner_controls_cannot_void(service: Service) -> None:
    client = await service.new_client(learner_controlled=True)
    (target,) = (await client.post(statement())).json()
    problem(await client.post(void(target)), 403, "void-not-authorised")


async def test_a_void_may_come_before_its_target(service: Service, client: XapiClient) -> None:
    target = uuid4()
    assert (await client.post(void(target))).status_code == 200
    assert (await client.post(statement(target))).status_code == 200
    await service.applied()
    assert (await client.get(voidedStatementId=target)).status_code == 200
    assert (await client.get(statementId=target)).status_code == 404


async def test_a_voiding_statement_cannot_be_voided(service: Service, client: XapiClient) -> None:
    (target,) = (await client.post(statement())).json()
    (voiding,) = (await client.post(void(target))).json()
    assert (await client.post(void(voiding))).status_code == 200
    for _ in range(2):
        assert (await client.get(statementId=voiding)).status_code == 200
        assert (await client.get(voidedStatementId=target)).status_code == 200
        await service.applied()


# Lists


async def test_filters_find_what_they_say(client: XapiClient) -> None:
    registration = str(uuid4())
    group = {"objectType": "Group", "member": [{"mbox": "mailto:m@e.org"}]}
    sent = {
        "plain": statement(actor="mailto:x@e.org"),
        "verb": statement(verb="http://e.org/special"),
        "activity": statement(activity="http://e.org/special"),
        "registration": statement(context={"registration": registration}),
        "object": statement(object={"objectType": "Agent", "mbox": "mailto:x@e.org"}),
        "member": statement(object=group),
    }
    ids = dict(zip(sent, (await client.post(list(sent.values()))).json(), strict=True))

    async def found(**parameters: Any) -> set[str]:
        wanted = await client.ids(**parameters)
        return {name for name, one in ids.items() if one in wanted}

    assert await found() == set(sent)
    assert await found(agent='{"mbox":"mailto:x@e.org"}') == {"plain", "object"}
    assert await found(agent='{"objectType":"Agent","mbox":"mailto:m@e.org"}') == {"member"}
    assert await found(verb="http://e.org/special") == {"verb"}
    assert await found(activity="http://e.org/special") == {"activity"}
    assert await found(registration=registration) == {"registration"}
    assert await found(registration=registration, verb="http://e.org/special") == set()
    assert await found(agent='{"mbox":"mailto:x@e.org"}', limit=1) == {"plain", "object"}


async def test_since_excludes_and_until_includes(client: XapiClient) -> None:
    for _ in range(3):
        await client.post(statement())
    everything = (await client.get(ascending="true")).json()["statements"]
    times = [one["stored"] for one in everything]
    since = [one["stored"] for one in (await client.get(since=times[1])).json()["statements"]]
    until = [one["stored"] for one in (await client.get(until=times[1])).json()["statements"]]
    assert since == [one for one in reversed(times) if one > times[1]]
    assert until == [one for one in reversed(times) if one <= times[1]]


async def test_tenants_do_not_see_each_other(service: Service) -> None:
    one, two = await service.new_client(), await service.new_client()
    (mine,) = (await one.post(statement())).json()
    assert (await two.get(statementId=mine)).status_code == 404
    assert await two.ids() == []
    assert (await two.post(statement(mine, verb="http://e.org/v"))).status_code == 200
    assert await one.ids() == [mine]


@pytest.mark.parametrize("ascending", ["true", "false"])
async def test_pages_lose_and_repeat_nothing_while_statements_arrive(
    client: XapiClient, ascending: str
) -> None:
    before = [one for _ in range(6) for one in (await client.post(5 * [statement()])).json()]
    answer = await client.get(limit=4, ascending=ascending)
    found, arrived, keys = [], [], []
    for number in range(1000):
        page = answer.json()
        found += [one["id"] for one in page["statements"]]
        keys += [(one["stored"], one["id"]) for one in page["statements"]]
        if not page["more"]:
            break
        assert page["more"].startswith("/xapi/statements?more=")
        if number < 5:
            arrived += (await client.post(3 * [statement()])).json()
        answer = await client.request("GET", page["more"])
    assert keys == sorted(keys, reverse=ascending == "false")
    assert len(found) == len(set(found))
    expected = set(before) | (set(arrived) if ascending == "true" else set())
    assert set(found) == expected


async def test_more_keeps_every_filter(client: XapiClient) -> None:
    verb = "http://e.org/wanted"
    for _ in range(3):
        await client.post([statement(verb=verb), statement()])
    assert len(await client.ids(verb=verb, limit=1, since="2020-01-01T00:00:00Z")) == 3


async def test_head_answers_like_get_without_a_body(client: XapiClient) -> None:
    (statement_id,) = (await client.post(statement())).json()
    for parameters in ({"statementId": statement_id}, {"limit": "1"}):
        got = await client.get(**parameters)
        head = await client.request("HEAD", params=parameters)
        assert head.status_code == 200
        assert head.content == b""
        assert head.headers["content-length"] == got.headers["content-length"]


async def test_about_needs_no_key_and_names_the_versions(client: XapiClient) -> None:
    for method in ("GET", "HEAD"):
        answer = await client.request(method, "/xapi/about", auth=None, headers={})
        assert answer.status_code == 200
    about = (await client.request("GET", "/xapi/about", auth=None)).json()
    assert about["version"] == ["1.0.3", "2.0.0"]
    assert about["extensions"]["urn:assay:product"]["name"] == "Assay"


async def test_lists_are_complete_up_to_the_time_they_state(client: XapiClient) -> None:
    (statement_id,) = (await client.post(statement())).json()
    answer = await client.get()
    (found,) = answer.json()["statements"]
    assert found["id"] == statement_id
    assert found["stored"] <= answer.headers["x-experience-api-consistent-through"]


async def test_metrics_tell_of_requests_and_statements(
    service: Service, client: XapiClient
) -> None:
    await client.post(statement())
    of_front = (await service.http.get(f"{service.url()}/metrics")).text
    of_store = (await service.http.get(f"{service.url('store')}/metrics")).text
    assert 'assay_xapi_requests_total{method="POST",status="200"}' in of_front
    assert "assay_statements_accepted_total" in of_front
    assert "assay_store_statements_total" in of_store
