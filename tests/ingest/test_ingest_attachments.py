"""Attachments through the front: in as multipart, kept once, out again; limits and refusals."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from email import message_from_bytes
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from assay_cli.stack import StackInfo
from assay_testing import Database, KafkaSpace
from ingest_samples import statement
from ingest_service import VERSION, Service, XapiClient, front_and_store, service_on
from xapi_signing import BOUNDARY, MIXED, described, mixed, new_key, part, sign, signature_of

LIMITS = {
    "body_bytes_max": "20000",
    "attachment_bytes_max": "300000",
    "multipart_bytes_max": "700000",
    "attachments_per_request_max": "3",
    "attachment_types": "text/*, image/png",
    "signature_bytes_max": "4000",
    "upload_idle_seconds": "0.3",
    "uploads_max": "4",
}
HEADERS = {**VERSION, "Content-Type": MIXED}


@pytest.fixture(scope="module")
async def service(servers: StackInfo, postgres_template: str) -> AsyncIterator[Service]:
    """Front and store for all tests of this file; each test has its own tenant."""
    async with front_and_store(servers, postgres_template, **LIMITS) as made:
        yield made


@pytest.fixture
async def client(service: Service) -> XapiClient:
    return await service.new_client()


async def post(
    client: XapiClient, statements: Any, contents: Sequence[bytes] = (), **arguments: Any
) -> httpx.Response:
    return await client.request(
        "POST", content=mixed(statements, contents, **arguments), headers=HEADERS
    )


def parts_of(answer: httpx.Response) -> list[tuple[dict[str, str], bytes]]:
    """The parts of a multipart answer, by the standard library."""
    assert answer.status_code == 200, answer.text
    kind = answer.headers["content-type"]
    assert kind.startswith("multipart/mixed; boundary=")
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + answer.content)
    assert not message.defects
    found = []
    for one in message.get_payload():
        assert not isinstance(one, str)
        content = one.get_payload(decode=True)
        assert isinstance(content, bytes)
        found.append(({name.lower(): value for name, value in one.items()}, content))
    return found


def refusal(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:assay:problem:{slug}"
    assert "x-experience-api-consistent-through" in answer.headers
    return body


def kept(service: Service, client: XapiClient) -> dict[str, int]:
    """The client's contents as they stand in the store, with their sizes."""
    folder = service.attachments / client.tenant
    return {one.name: one.stat().st_size for one in folder.iterdir()} if folder.exists() else {}


def uploads(service: Service) -> list[Path]:
    folder = service.attachments / ".uploads"
    return list(folder.iterdir()) if folder.exists() else []


# In and out


async def test_contents_come_back_as_they_were_each_once_by_id_and_in_lists(
    service: Service, client: XapiClient
) -> None:
    one, two = b"\r\n--" + BOUNDARY.encode() + b"x\x00\xff" * 50_000, b""
    activity = "http://example.org/activities/with-attachments"
    first = statement(activity=activity, attachments=[described(one), described(two)])
    second = statement(activity=activity, attachments=[described(one, contentType="image/png")])
    answer = await post(client, [first, second], [one, two])
    assert answer.status_code == 200, answer.text
    ids = answer.json()
    head, *rest = parts_of(await client.get(statementId=ids[0], attachments="true"))
    assert head[0]["content-type"] == "application/json"
    assert json.loads(head[1])["id"] == ids[0]
    assert [content for _, content in rest] == [one, two]
    for headers, content in rest:
        assert headers == {
            "content-type": "text/plain",
            "content-length": str(len(content)),
            "content-transfer-encoding": "binary",
            "x-experience-api-hash": hashlib.sha256(content).hexdigest(),
        }
    await service.applied()
    answer = await client.get(activity=activity, attachments="true", ascending="true")
    head, *rest = parts_of(answer)
    assert [one["id"] for one in json.loads(head[1])["statements"]] == sorted(ids)
    assert [content for _, content in rest] == [one, two]
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert (await client.get(statementId=ids[0])).headers["content-type"] == "application/json"


@pytest.mark.parametrize("variant", ["sha224", "sha256", "sha384", "sha512"])
async def test_every_variant_of_sha2_names_a_content(
    service: Service, client: XapiClient, variant: str
) -> None:
    content = variant.encode()
    sha2 = hashlib.new(variant, content).hexdigest()
    sent = statement(attachments=[described(content, sha2=sha2.upper())])
    answer = await post(client, sent, parts=[part(content, X_Experience_API_Hash=sha2)])
    assert answer.status_code == 200, answer.text
    _, (headers, back) = parts_of(
        await client.get(statementId=answer.json()[0], attachments="true")
    )
    assert (headers["x-experience-api-hash"], back) == (sha2, content)
    assert kept(service, client) == {sha2: len(content)}


async def test_the_same_content_twice_is_one_object_and_tenants_have_their_own(
    service: Service, client: XapiClient
) -> None:
    content = b"the same" * 1000
    sent = statement(attachments=[described(content)])
    for _ in range(2):
        assert (await post(client, sent, [content])).status_code == 200
    # One part serves several statements, and a second one of the same content does no harm.
    assert (await post(client, [sent, sent], [content, content])).status_code == 200
    assert list(kept(service, client).values()) == [len(content)]
    assert uploads(service) == []
    other = await service.new_client()
    fault = await other.post(sent)
    assert refusal(fault, 400, "statement-invalid")["errors"][0]["pointer"] == "/attachments/0"
    assert kept(service, other) == {}


async def test_a_hundred_requests_with_one_content_at_once(
    service: Service, client: XapiClient
) -> None:
    content = b"at once" * 10_000
    sent = statement(attachments=[described(content)])
    answers = await asyncio.gather(*(post(client, sent, [content]) for _ in range(100)))
    accepted = [one for one in answers if one.status_code == 200]
    # Only so many at the same time; the others are told to come again.
    assert {one.status_code for one in answers} <= {200, 503}
    assert accepted
    assert all(one.headers["retry-after"] == "1" for one in answers if one not in accepted)
    assert list(kept(service, client).values()) == [len(content)]
    assert uploads(service) == []


async def test_attachments_of_a_sub_statement_and_a_put(client: XapiClient) -> None:
    content = b"inside"
    sub = {"objectType": "SubStatement", **statement(attachments=[described(content)])}
    wanted = uuid4()
    answer = await client.request(
        "PUT",
        params={"statementId": str(wanted)},
        content=mixed(statement(object=sub), [content]),
        headers=HEADERS,
    )
    assert answer.status_code == 204, answer.text
    _, (_, back) = parts_of(await client.get(statementId=str(wanted), attachments="true"))
    assert back == content


async def test_what_has_a_file_url_needs_no_part_and_brings_none(client: XapiClient) -> None:
    sent = statement(attachments=[described(b"far away", fileUrl="http://example.org/far")])
    for answer in (await client.post(sent), await post(client, sent)):
        assert answer.status_code == 200, answer.text
        (only,) = parts_of(await client.get(statementId=answer.json()[0], attachments="true"))
        assert json.loads(only[1])["attachments"] == sent["attachments"]


async def test_head_tells_the_length_and_reads_nothing(client: XapiClient) -> None:
    content = b"x" * 100_000
    (kept_id,) = (await post(client, statement(attachments=[described(content)]), [content])).json()
    whole = await client.get(statementId=kept_id, attachments="true")
    head = await client.request("HEAD", params={"statementId": kept_id, "attachments": "true"})
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert head.headers["content-type"].startswith("multipart/mixed; boundary=")
    assert head.content == b""


# What is refused, and that nothing stays of it


async def test_a_part_that_breaks_a_rule_is_named(service: Service, client: XapiClient) -> None:
    content = b"content"
    sent = statement(attachments=[described(content)])
    no_hash = part(content, X_Experience_API_Hash=None)
    short_hash = part(content, X_Experience_API_Hash="abc")
    encoded = part(content, Content_Transfer_Encoding="base64")
    wrong: list[tuple[str, list[bytes]]] = [
        ("part 2 is in excess", [part(b"another")]),
        ("part 3 is in excess", [part(content), part(b"another")]),
        ("part 2 must have the header X-Experience-API-Hash", [no_hash]),
        ("the X-Experience-API-Hash of part 2 must be a SHA-2", [short_hash]),
        ("part 2 must have the header Content-Transfer-Encoding: binary", [encoded]),
        ("the content of part 2 does not have the SHA-2", [part(content) + b"x"]),
    ]
    for words, parts in wrong:
        found = refusal(await post(client, sent, parts=parts), 400, "multipart-invalid")
        assert words in found["detail"]
    missing = refusal(await post(client, sent), 400, "statement-invalid")["errors"]
    assert [(one["pointer"], one["rule"]) for one in missing] == [
        ("/attachments/0", "attachment-part-missing")
    ]
    assert kept(service, client) == {}
    assert uploads(service) == []


async def test_a_body_that_is_no_multipart_is_refused(client: XapiClient) -> None:
    for kind, body in (
        ("multipart/mixed", mixed(statement())),
        (MIXED, b"{}"),
        (MIXED, b""),
        (MIXED, mixed(statement())[:-10]),
        (MIXED, mixed(statement()).replace(b"application/json", b"text/plain")),
    ):
        answer = await client.request(
            "POST", content=body, headers={**VERSION, "Content-Type": kind}
        )
        refusal(answer, 400, "multipart-invalid")
    form = {**VERSION, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = await client.request("POST", content=mixed(statement()), headers=form)
    refusal(answer, 400, "wrong-content-type")
    packed = {**HEADERS, "Content-Encoding": "gzip"}
    answer = await client.request("POST", content=mixed(statement()), headers=packed)
    refusal(answer, 400, "wrong-content-type")


async def test_every_limit_is_held(service: Service, client: XapiClient) -> None:
    big, half = b"x" * 300_001, [bytes([number]) * 290_000 for number in range(3)]
    small = [bytes([number]) for number in range(4)]

    def with_all(contents: Sequence[bytes]) -> dict[str, Any]:
        return statement(attachments=[described(one) for one in contents])

    assert (await post(client, with_all([big[:-1]]), [big[:-1]])).status_code == 200
    before = kept(service, client)
    for sent, contents, limit in (
        (with_all([big]), [big], 300_000),
        (with_all(half), half, 700_000),
        (with_all(small), small, 3),
        (statement(result={"response": "x" * 20_000}), [], 20_000),
    ):
        assert refusal(await post(client, sent, contents), 413, "too-large")["limit"] == limit
    signature = b"x" * 4001
    sent = statement(attachments=[signature_of(signature)])
    assert refusal(await post(client, sent, [signature]), 413, "too-large")["limit"] == 4000
    assert kept(service, client) == before
    assert uploads(service) == []


async def test_only_the_media_types_of_the_setting_are_taken(client: XapiClient) -> None:
    for kind, status in (
        ("text/plain; charset=utf-8", 200),
        ("Image/PNG", 200),
        ("image/jpeg", 400),
        ("application/octet-stream", 400),
    ):
        sent = statement(attachments=[described(b"x", contentType=kind)])
        answer = await post(client, sent, [b"x"])
        assert answer.status_code == status, answer.text
        if status == 400:
            (fault,) = answer.json()["errors"]
            assert fault["rule"] == "attachment-type-not-taken"


async def begin(
    service: Service, client: XapiClient, body: bytes, *, short: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request of which all but the last `short` bytes are sent."""
    address = httpx.URL(service.url())
    reader, writer = await asyncio.open_connection(address.host, address.port)
    key = base64.b64encode(f"{client.name}:{client.secret}".encode()).decode()
    head = {**HEADERS, "Host": address.host, "Authorization": f"Basic {key}"}
    lines = [f"{name}: {value}" for name, value in head.items()]
    first = "\r\n".join(
        ["POST /xapi/statements HTTP/1.1", f"Content-Length: {len(body)}", *lines, "\r\n"]
    )
    writer.write(first.encode() + body[:-short])
    await writer.drain()
    return reader, writer


async def answered(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    """Status and problem of an answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(
        int(line.partition(":")[2])
        for line in head.splitlines()
        if line.lower().startswith("content-length:")
    )
    return int(head.split()[1]), json.loads(await reader.readexactly(length))


async def test_a_statement_that_is_refused_is_refused_before_its_contents_are_read(
    service: Service, client: XapiClient
) -> None:
    content = b"x" * 1000
    sent = mixed(statement(actor="nobody", attachments=[described(content)]), [content])
    reader, writer = await begin(service, client, sent, short=500)
    async with asyncio.timeout(10):
        status, found = await answered(reader)
    assert (status, found["type"]) == (400, "urn:assay:problem:statement-invalid")
    assert uploads(service) == []
    writer.close()
    await writer.wait_closed()


async def test_a_body_that_stops_coming_is_given_up(service: Service, client: XapiClient) -> None:
    content = b"x" * 100_000
    sent = mixed(statement(attachments=[described(content)]), [content])
    reader, writer = await begin(service, client, sent, short=500)
    async with asyncio.timeout(10):
        status, found = await answered(reader)
    assert (status, found["type"]) == (408, "urn:assay:problem:too-slow")
    assert uploads(service) == []
    assert kept(service, client) == {}
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    service: Service, client: XapiClient
) -> None:
    content = b"x" * 200_000
    sent = statement(attachments=[described(content)])
    _, writer = await begin(service, client, mixed(sent, [content]), short=500)
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(10):
        while uploads(service):
            await service.owner.execute("select pg_sleep(0.01)")
    assert kept(service, client) == {}
    assert (await post(client, sent, [content])).status_code == 200


async def test_a_conflict_keeps_the_first_and_says_so(client: XapiClient) -> None:
    given = uuid4()
    one, two = b"one", b"two"
    first = statement(given, attachments=[described(one)])
    assert (await post(client, first, [one])).status_code == 200
    assert (await post(client, first, [one])).status_code == 200
    second = statement(given, attachments=[described(two)])
    refusal(await post(client, second, [two]), 409, "id-conflict")
    _, (_, back) = parts_of(await client.get(statementId=str(given), attachments="true"))
    assert back == one


# Signatures; what they must be stands in test_ingest_signatures


async def test_a_signature_must_come_with_its_statement(client: XapiClient) -> None:
    sent = statement(uuid4())
    signature = sign(sent, new_key())
    good = {**sent, "attachments": [signature_of(signature)]}
    assert (await post(client, good, [signature])).status_code == 200
    elsewhere = signature_of(signature, fileUrl="http://example.org/signature")
    answer = await client.post({**sent, "attachments": [elsewhere]})
    (fault,) = refusal(answer, 400, "statement-invalid")["errors"]
    assert fault["rule"] == "attachment-part-missing"
    text = signature_of(signature, contentType="text/plain")
    answer = await post(client, [{**sent, "attachments": [text]}], [signature])
    (fault,) = refusal(answer, 400, "statement-invalid")["errors"]
    assert (fault["rule"], fault["pointer"]) == (
        "signature-content-type",
        "/0/attachments/0/contentType",
    )
    assert UUID(fault["statement_id"]) == UUID(sent["id"])


# The store of contents


async def test_nothing_is_told_to_the_log_while_the_contents_cannot_be_kept(
    servers: StackInfo, postgres: Database
) -> None:
    kafka = KafkaSpace.of(servers)
    try:
        async with service_on(postgres, kafka) as service:
            await service.start_store()
            await service.start_ingest()
            await service.ready()
            client = await service.new_client()
            content = b"content"
            sent = statement(attachments=[described(content)])
            folder, aside = service.attachments, service.attachments.with_suffix(".aside")
            folder.rename(aside)
            folder.touch()
            try:
                refusal(await post(client, sent, [content]), 503, "not-available")
                assert await service.log() == []
            finally:
                folder.unlink()
                aside.rename(folder)
            assert (await post(client, sent, [content])).status_code == 200
            assert len(await service.log()) == 1
    finally:
        kafka.close()
