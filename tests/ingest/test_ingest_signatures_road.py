"""Signed statements from the front to the decision, and the keys that an operator registers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from aggregator_service_driver import (
    OBSERVED,
    TENANT,
    Driver,
    agent,
    day,
    driver_of,
    statement,
    with_records,
)
from assay_cli.stack import StackInfo
from assay_ingest.attachments_store import (
    list_signing_keys,
    put_signing_key,
    revoke_signing_key,
)
from assay_ingest.signatures import SigningKey, read_public_key
from assay_runtime.consume import Record
from assay_schemas.agents import agent_key
from assay_schemas.envelope import open_envelope
from assay_schemas.topics import STATEMENTS
from assay_testing import Database, KafkaSpace
from ingest_service import VERSION, Service, XapiClient, service_on
from xapi_signing import MIXED, mixed, new_key, public_pem, sign, signature_of, signed

BEN = agent_key(agent("ben")) or ""
KEY = new_key()


@pytest.fixture
async def service(servers: StackInfo, postgres: Database) -> AsyncIterator[Service]:
    kafka = KafkaSpace.of(servers)
    try:
        async with service_on(postgres, kafka) as made:
            await made.start_store()
            await made.start_ingest()
            await made.ready()
            yield made
    finally:
        kafka.close()


async def register(
    service: Service, client: XapiClient, key: RSAPrivateKey, owner: str, **more: Any
) -> str:
    """Register a key for an agent, for all of 2026; returns its id."""
    thumbprint, pem = read_public_key(public_pem(key))
    fields: dict[str, Any] = {
        "key_id": thumbprint,
        "thumbprint": thumbprint,
        "public_key": pem,
        "agent": owner,
        "valid_from": datetime(2026, 1, 1, tzinfo=UTC),
        "valid_to": datetime(2027, 1, 1, tzinfo=UTC),
        **more,
    }
    assert await put_signing_key(service.owner, client.tenant, SigningKey(**fields), by="test")
    return thumbprint


async def send(client: XapiClient, body: bytes) -> httpx.Response:
    return await client.request("POST", content=body, headers={**VERSION, "Content-Type": MIXED})


def observation(name: str, **more: Any) -> dict[str, Any]:
    """Ada is observed, and Ben is named as the assessor."""
    return statement(name, activity=OBSERVED, at=day(60), assessor="ben", **more)


async def signers(service: Service) -> dict[str, str | None]:
    """By id of the statement, what the log says of its signature."""
    found: dict[str, str | None] = {}
    for record in await service.log():
        opened = open_envelope(record.headers)
        said = opened.envelope.signed_by or (None,) * len(opened.ids)
        found |= {str(one): signer for one, signer in zip(opened.ids, said, strict=True)}
    return found


async def decided(service: Service, driver: Driver, seen: set[tuple[int, int]]) -> dict[str, Any]:
    """Apply what is new in the log to the aggregator, and decide.

    By statement why it does not count, and how many passes there are.
    """
    records = [
        Record(
            topic=STATEMENTS,
            partition=one.partition,
            offset=one.offset,
            append_ms=one.timestamp,
            stored_ms=one.timestamp,
            key=None,
            value=one.value,
            headers=tuple(one.headers),
        )
        for one in await service.log()
        if (one.partition, one.offset) not in seen
    ]
    seen.update((one.partition, one.offset) for one in records)
    await driver.apply(*records)
    await driver.decide()
    (document,) = (await driver.ask("ada", as_of=day(61)))["competencies"]
    reasons = {one["statement"]: one["reason"] for one in document["excluded"]}
    return {**reasons, "passes": document["clauses"]["obs"]["passes"]}


async def test_an_assessor_counts_under_the_signature_of_a_registered_key_only(
    service: Service, postgres: Database
) -> None:
    """design.md, "Assessor": from a source that does not vouch, nobody is believed unsigned."""
    client = await service.new_client(tenant=TENANT, source="in_person", modality="in_person")
    await register(service, client, KEY, BEN)
    stranger, learner = new_key(), new_key()
    await register(service, client, learner, agent_key(agent("ada")) or "")
    unsigned, foreign, own, good = (observation(f"o{number}") for number in range(4))
    assert (await client.post(unsigned)).status_code == 200
    assert (await send(client, signed(foreign, stranger))).status_code == 200
    assert (await send(client, signed(own, learner))).status_code == 200
    seen: set[tuple[int, int]] = set()
    async with driver_of(postgres) as driver:
        await with_records(driver)
        assert await decided(service, driver, seen) == {
            **{one["id"]: "assessor_unverified" for one in (unsigned, foreign, own)},
            "passes": 0,
        }
        assert (await send(client, signed(good, KEY))).status_code == 200
        found = await decided(service, driver, seen)
    assert found["passes"] == 1
    assert good["id"] not in found
    assert found[unsigned["id"]] == "assessor_unverified"
    assert await signers(service) == {
        unsigned["id"]: None,
        foreign["id"]: None,
        own["id"]: agent_key(agent("ada")),
        good["id"]: BEN,
    }


async def test_in_a_batch_each_statement_has_its_own_signer(service: Service) -> None:
    client = await service.new_client()
    await register(service, client, KEY, BEN)
    one, two, three = (observation(str(uuid4())) for _ in range(3))
    signatures = [sign(one, KEY), sign(three, KEY)]
    batch = [
        {**one, "attachments": [signature_of(signatures[0])]},
        two,
        {**three, "attachments": [signature_of(signatures[1])]},
    ]
    assert (await send(client, mixed(batch, signatures))).status_code == 200
    assert await signers(service) == {one["id"]: BEN, two["id"]: None, three["id"]: BEN}


async def test_keys_of_one_tenant_are_nobody_s_in_another(service: Service) -> None:
    client, other = await service.new_client(), await service.new_client()
    await register(service, client, KEY, BEN)
    sent = observation(str(uuid4()))
    assert (await send(other, signed(sent, KEY, kid="any"))).status_code == 200
    assert await signers(service) == {sent["id"]: None}


async def test_a_revoked_or_ended_key_counts_for_nobody_from_then_on(service: Service) -> None:
    client = await service.new_client()
    key_id = await register(service, client, KEY, BEN)
    early, late, after = (observation(str(uuid4())) for _ in range(3))
    late["timestamp"] = "2027-01-01T00:00:00Z"
    for sent in (early, late):
        assert (await send(client, signed(sent, KEY))).status_code == 200
    assert await revoke_signing_key(service.owner, client.tenant, key_id, by="test")
    assert (await send(client, signed(after, KEY, kid=key_id))).status_code == 200
    assert await signers(service) == {early["id"]: BEN, late["id"]: None, after["id"]: None}


async def test_a_signature_that_is_not_of_the_key_it_names_is_refused(service: Service) -> None:
    client = await service.new_client()
    await register(service, client, KEY, BEN, key_id="ben-2026")
    sent = observation(str(uuid4()))
    answer = await send(client, signed(sent, new_key(), kid="ben-2026"))
    assert answer.status_code == 400
    (fault,) = answer.json()["errors"]
    assert (fault["rule"], fault["pointer"]) == ("signature-invalid", "/attachments/0")
    assert await signers(service) == {}


async def test_a_wrong_signature_refuses_the_whole_request(service: Service) -> None:
    client = await service.new_client()
    good, changed = observation(str(uuid4())), observation(str(uuid4()))
    signature = sign(changed, KEY)
    changed["result"]["score"]["scaled"] = 1
    changed["attachments"] = [signature_of(signature)]
    answer = await send(client, mixed([good, changed], [signature]))
    assert answer.status_code == 400
    (fault,) = answer.json()["errors"]
    assert (fault["index"], fault["pointer"]) == (1, "/1/attachments/0")
    assert await service.log() == []
    assert not (service.attachments / client.tenant).exists()


async def test_a_retry_of_a_signed_statement_is_the_same_statement(service: Service) -> None:
    client = await service.new_client()
    await register(service, client, KEY, BEN)
    sent = observation(str(uuid4()))
    body = signed(sent, KEY)
    for _ in range(2):
        assert (await send(client, body)).json() == [sent["id"]]
    assert len(await service.log()) == 1


async def test_keys_are_registered_once_listed_and_revoked_once(service: Service) -> None:
    client = await service.new_client()
    key_id = await register(service, client, KEY, BEN)
    (known,) = await list_signing_keys(service.owner, client.tenant)
    assert (known.key_id, known.agent, known.revoked_at) == (key_id, BEN, None)
    # Neither the id nor the key may be somebody else's, too.
    assert not await put_signing_key(service.owner, client.tenant, known, by="test")
    first = await revoke_signing_key(service.owner, client.tenant, key_id, by="test")
    again = await revoke_signing_key(service.owner, client.tenant, key_id, by="test")
    assert first == again
    assert first is not None
    assert datetime.now(UTC) - first < timedelta(minutes=5)
    assert await revoke_signing_key(service.owner, client.tenant, "unknown", by="test") is None
    (known,) = await list_signing_keys(service.owner, client.tenant)
    assert known.revoked_at == first
