"""The whole process, on a real Kafka: from the topic of competencies to that of credentials."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from assay_credentials.__main__ import run_all
from assay_credentials.settings import CredentialsSettings
from assay_credentials.status_list import status_at
from assay_credentials.verify import open_status_list
from assay_runtime.broker import grants_of
from assay_schemas.topics import CREDENTIALS, TOPICS
from assay_testing import Database, KafkaSpace, free_port_base
from credentials_service import ROLE, add_client, event

SECONDS = 30.0


@pytest.fixture
def topic(kafka: KafkaSpace) -> str:
    """A topic of competency events; the one of credentials is the product's own."""
    kafka.broker.ensure_topic(next(one for one in TOPICS if one.name == CREDENTIALS))
    kafka.broker.ensure_grants(grants_of())
    return kafka.topic("assay.competencies", partitions=2, readers=("credentials",))


@pytest.fixture
async def producer(kafka: KafkaSpace) -> AsyncIterator[AIOKafkaProducer]:
    client = AIOKafkaProducer(**kafka.access().aiokafka())
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


def settings(postgres: Database, kafka: KafkaSpace, folder: Path) -> CredentialsSettings:
    port = free_port_base()
    return CredentialsSettings.from_environment(
        {
            **postgres.environment(ROLE),
            **kafka.environment("credentials"),
            "ASSAY_HTTP_PORT": str(port),
            "ASSAY_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "ASSAY_SIGNING_KEY_DIR": str(folder / "keys"),
        }
    )


async def _listed(
    http: httpx.AsyncClient, key: tuple[str, str], person: str, status: str
) -> dict[str, str]:
    """The person's one credential, once it has this status."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            response = await http.get("/credentials", params={"person": person}, auth=key)
        except httpx.TransportError:
            await asyncio.sleep(0.05)
            continue
        found = response.json().get("credentials", [])
        if len(found) == 1 and found[0]["status"] == status:
            one: dict[str, str] = found[0]
            return one
        await asyncio.sleep(0.02)
    raise AssertionError(f"no credential is {status} after {SECONDS} s")


async def _bit_is_served(http: httpx.AsyncClient, base: str, document: bytes) -> None:
    """Wait until the suspension list, as anybody can fetch it, has the credential's bit set."""
    (entry,) = [
        one
        for one in orjson.loads(document)["credentialStatus"]
        if one["statusPurpose"] == "suspension"
    ]
    url = entry["statusListCredential"]
    assert url.startswith(f"{base}/status/")
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        served = (await http.get(url)).content
        opened = open_status_list(served, url=url, now=datetime.now(UTC))
        if status_at(opened.bits, int(entry["statusListIndex"])):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"the bit is not served after {SECONDS} s")


async def test_from_event_to_credential_and_back_through_a_restart(
    postgres: Database,
    kafka: KafkaSpace,
    topic: str,
    producer: AIOKafkaProducer,
    tmp_path: Path,
) -> None:
    chosen = settings(postgres, kafka, tmp_path)
    key = await add_client(postgres, "north")
    person = uuid4()

    async def send(kind: str, sequence: int) -> None:
        value = event(kind, person, sequence).model_dump_json().encode()
        await producer.send_and_wait(topic, value, key=f"north:{person}".encode())

    reader = AIOKafkaConsumer(
        CREDENTIALS, **kafka.access().aiokafka(), group_id=None, auto_offset_reset="earliest"
    )
    await reader.start()
    running = asyncio.create_task(run_all(chosen, topic))
    base = f"http://{chosen.http_host}:{chosen.http_port}"
    try:
        async with httpx.AsyncClient(base_url=base) as http:
            await send("achieved", 1)
            await send("achieved", 1)
            one = await _listed(http, key, str(person), "issued")
            document = (await http.get(f"/credentials/{one['id']}", auth=key)).content
            await producer.send_and_wait(topic, b"{}", key=f"north:{person}".encode())
            await send("withdrawn", 2)
            await _listed(http, key, str(person), "suspended")
            await _bit_is_served(http, base, document)
            answer = await http.post(
                "/verify", content=document, headers={"Content-Type": "application/vc"}
            )
            assert answer.json()["outcome"] == "suspended"
            ready = await http.get("/readyz")
            assert (ready.status_code, list(ready.json()["missing"])) == (503, ["quarantine"])
            metrics = (await http.get("/metrics")).text
            assert 'assay_credential_changes_total{status="issued"} 1.0' in metrics
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        running = asyncio.create_task(run_all(chosen, topic))
        async with httpx.AsyncClient(base_url=base) as http:
            await send("achieved", 3)
            again = await _listed(http, key, str(person), "issued")
            assert again["id"] == one["id"]
        told: list[str] = []
        async with asyncio.timeout(SECONDS):
            while len(told) < 3:
                message = await reader.getone()
                if message.key == f"north:{one['id']}".encode():
                    told.append(orjson.loads(message.value)["status"])
        assert told == ["issued", "suspended", "reinstated"]
    finally:
        running.cancel()
        await asyncio.wait({running})
        await reader.stop()
