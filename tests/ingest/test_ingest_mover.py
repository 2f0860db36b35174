"""The mover on a real Kafka and Postgres: nothing is lost, twice is once, refusals are named."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from assay_ingest import admin
from assay_ingest.intake import Origin, derived_id, take_in
from assay_schemas.envelope import open_envelope
from assay_schemas.statement import Limits
from assay_testing import Database, KafkaSpace
from ingest_samples import statement, void
from ingest_service import READY_SECONDS, Service, service_on

ORIGIN = Origin("cluster", "topic-id", "assay.in.t.s.v1", 0, 7)

# What `assay mover` does, with the topics of one test.
PROGRAM = """
import sys
from assay_ingest.__main__ import mover
from assay_ingest.settings import MoverSettings
from assay_runtime.serve import run_process
settings = MoverSettings.from_environment()
run_process("mover", settings, lambda: mover(settings, sys.argv[1], sys.argv[2]))
"""


@dataclass
class Input:
    """One input topic and who writes it."""

    service: Service
    kafka: KafkaSpace
    tenant: str
    source: str
    topic: str
    password: str

    @property
    def pattern(self) -> str:
        return rf"^assay\.in\.{self.tenant}\..*\.v1$"

    async def send(
        self, *values: bytes | None, headers: list[tuple[str, bytes]] | None = None
    ) -> None:
        """Produce records as the source's own principal."""
        access = self.kafka.access("admin").aiokafka() | {
            "sasl_plain_username": f"in-{self.tenant}-{self.source}",
            "sasl_plain_password": self.password,
        }
        producer = AIOKafkaProducer(**access, acks="all")
        await producer.start()
        try:
            for sent in [
                await producer.send(self.topic, key=b"any", value=value, headers=headers)
                for value in values
            ]:
                await sent
        finally:
            await producer.stop()

    async def rejected(self) -> list[admin.Rejected]:
        found = await admin.list_rejected(self.service.owner, self.tenant)
        return sorted(found, key=lambda one: (one.record_offset, one.record_index))


@pytest.fixture
async def service(postgres: Database, kafka: KafkaSpace) -> AsyncIterator[Service]:
    async with service_on(postgres, kafka) as made:
        yield made


@pytest.fixture
async def source(service: Service, kafka: KafkaSpace) -> Input:
    """A source with an input topic; its statements are vouched for."""
    tenant, name, password = f"t{uuid4().hex[:10]}", "vr", uuid4().hex
    topic = kafka.broker.ensure_input_topic(tenant, name, password)
    kafka.made.append(topic.name)
    await admin.put_tenant(service.owner, tenant)
    await admin.put_source(service.owner, tenant, name, modality="vr", vouches_for_assessors=True)
    return Input(service, kafka, tenant, name, topic.name, password)


async def moved(source: Input, count: int) -> list[Any]:
    """Wait until the log holds `count` statements, then its records."""
    async with asyncio.timeout(READY_SECONDS):
        while True:
            records = await source.service.log()
            if sum(len(open_envelope(one.headers).ids) for one in records) >= count:
                return records


async def drained(source: Input) -> None:
    """Wait until the group has committed everything that the input topic holds."""
    broker = source.kafka.broker
    async with asyncio.timeout(READY_SECONDS):
        while True:
            ends = await asyncio.to_thread(broker.offsets_at, source.topic, 2**52)
            committed = await asyncio.to_thread(broker.committed_offsets, "assay-mover")
            if all(committed.get((source.topic, number), 0) >= end for number, end in ends.items()):
                return


async def test_statements_are_moved_in_the_name_of_their_source(source: Input) -> None:
    given = uuid4()
    await source.send(
        orjson.dumps(statement(given, authority={"mbox": "mailto:forged@example.org"})),
        orjson.dumps([statement(), statement()]),
    )
    await source.service.start_mover(source.pattern)
    first, second = await moved(source, 3)
    if len(orjson.loads(first.value)) == 2:
        first, second = second, first
    envelope = open_envelope(first.headers).envelope
    assert (envelope.tenant, envelope.source) == (source.tenant, "vr")
    assert (envelope.modality, envelope.vouches_for_assessors) == ("vr", True)
    assert envelope.may_void is False
    (one,) = orjson.loads(first.value)
    assert one["id"] == str(given)
    assert one["authority"]["account"]["name"] == f"in-{source.tenant}-vr"
    assert [UUID(each["id"]).version for each in orjson.loads(second.value)] == [4, 4]


async def test_refused_statements_are_kept_with_their_place_and_bytes_and_the_others_go_on(
    source: Input,
) -> None:
    good, bad, twice = uuid4(), uuid4(), uuid4()
    broken = orjson.dumps(statement(bad, result={"score": {"scaled": 2}}))
    again = orjson.dumps(statement(twice, verb="http://e.org/other"))
    batch = b"[%b,%b,%b,%b,[]]" % (
        orjson.dumps(statement(good)),
        broken,
        orjson.dumps(statement(twice)),
        again,
    )
    await source.send(batch, b"no json", None, b'{"actor":1,"actor":2}')
    await source.service.start_mover(source.pattern)
    (record,) = await moved(source, 2)
    assert list(open_envelope(record.headers).ids) == [good, twice]
    await drained(source)
    found = await source.rejected()
    assert [
        (one.record_offset, one.record_index, one.statement_id, one.reason) for one in found
    ] == [
        (0, 1, bad, "statement_invalid"),
        (0, 3, twice, "id_conflict"),
        (0, 4, None, "statement_invalid"),
        (1, -1, None, "record_unreadable"),
        (2, -1, None, "record_empty"),
        (3, 0, None, "statement_invalid"),
    ]
    (shown,) = await admin.show_rejected(source.service.owner, source.tenant, found[0].coordinates)
    assert shown.body == broken
    assert shown.detail[0]["rule"] == "score-scaled-range"
    (unreadable,) = await admin.show_rejected(
        source.service.owner, source.tenant, found[3].coordinates
    )
    assert unreadable.body == b"no json"


async def test_the_version_of_a_record_is_a_header(source: Input) -> None:
    agents = [{"objectType": "contextAgent", "agent": {"mbox": "mailto:a@e.org"}}]
    only_2_0 = orjson.dumps(statement(context={"contextAgents": agents}))
    await source.send(only_2_0, headers=[("xapi-version", b"1.0.3")])
    await source.send(only_2_0, headers=[("xapi-version", b"3.0")])
    await source.send(only_2_0)
    await source.service.start_mover(source.pattern)
    (record,) = await moved(source, 1)
    assert open_envelope(record.headers).envelope.xapi_version == "2.0.0"
    await drained(source)
    assert [one.reason for one in await source.rejected()] == [
        "statement_invalid",
        "version_not_known",
    ]


async def test_a_source_that_is_not_known_is_refused(source: Input) -> None:
    password = uuid4().hex
    topic = source.kafka.broker.ensure_input_topic(source.tenant, "new", password)
    source.kafka.made.append(topic.name)
    unknown = Input(source.service, source.kafka, source.tenant, "new", topic.name, password)
    await unknown.send(orjson.dumps(statement()))
    await source.service.start_mover(source.pattern)
    await drained(unknown)
    assert [one.reason for one in await source.rejected()] == ["unknown_source"]


async def test_what_does_not_fit_into_a_record_is_refused(source: Input) -> None:
    # The input topic takes what the log does not: id, authority and version are added.
    large = orjson.dumps(statement(result={"response": "x" * (8 * 1024 * 1024 - 600)}))
    await _send(source, large)
    await source.send(orjson.dumps(statement()))
    await source.service.start_mover(source.pattern)
    await moved(source, 1)
    await drained(source)
    (refused,) = await source.rejected()
    assert refused.reason == "too_large"


async def _send(source: Input, value: bytes) -> None:
    producer = AIOKafkaProducer(
        **source.kafka.access("admin").aiokafka(), max_request_size=16 * 1024 * 1024
    )
    await producer.start()
    try:
        await producer.send_and_wait(source.topic, value=value)
    finally:
        await producer.stop()


async def test_an_input_topic_that_is_made_later_is_found(source: Input) -> None:
    await source.service.start_mover(source.pattern, new_topics_seconds="0.2")
    password = uuid4().hex
    topic = source.kafka.broker.ensure_input_topic(source.tenant, "late", password)
    source.kafka.made.append(topic.name)
    await admin.put_source(source.service.owner, source.tenant, "late")
    late = Input(source.service, source.kafka, source.tenant, "late", topic.name, password)
    await late.send(orjson.dumps(statement()))
    (record,) = await moved(late, 1)
    assert open_envelope(record.headers).envelope.source == "late"


async def test_moved_twice_is_stored_once(source: Input) -> None:
    service = source.service
    await source.send(*(orjson.dumps([statement(), statement(uuid4())]) for _ in range(5)))
    await service.start_store()
    await service.start_mover(source.pattern)
    await moved(source, 10)
    await drained(source)
    await service.stop("mover")
    # As if the mover had been killed before it committed anything.
    await asyncio.to_thread(_commit, source, 0)
    await service.start_mover(source.pattern)
    await moved(source, 20)
    await service.applied()
    assert await service.owner.fetchval("select count(*) from ingest.statement") == 10
    assert await service.owner.fetchval("select count(*) from ingest.conflict") == 0


def _commit(source: Input, offset: int) -> None:
    """Set what the group has committed for the input topic."""
    client = AdminClient({**source.kafka.access("admin").confluent(), "log_level": 0})
    place = TopicPartition(source.topic, 0, offset)
    wanted = ConsumerGroupTopicPartitions("assay-mover", [place])
    for future in client.alter_consumer_group_offsets([wanted]).values():
        future.result()


async def test_a_void_over_kafka_without_authority_is_kept_without_effect_and_listed(
    source: Input,
) -> None:
    service = source.service
    await service.start_store()
    await service.start_ingest()
    await service.ready()
    client = await service.new_client(tenant=source.tenant, source="online")
    (target,) = (await client.post(statement())).json()
    voiding = uuid4()
    await source.send(orjson.dumps(void(target, voiding)))
    await service.start_mover(source.pattern)
    await moved(source, 2)
    await service.applied()
    assert (await client.get(statementId=target)).status_code == 200
    assert (await client.get(statementId=voiding)).status_code == 200
    (listed,) = await source.rejected()
    assert (listed.statement_id, listed.reason) == (voiding, "void_not_authorised")
    (shown,) = await admin.show_rejected(service.owner, source.tenant, listed.coordinates)
    assert str(target).encode() in (shown.body or b"")


async def test_a_topic_that_was_made_anew_with_less_in_it_is_broken_and_named(
    source: Input,
) -> None:
    service = source.service
    await source.send(*(orjson.dumps(statement()) for _ in range(3)))
    await service.start_mover(source.pattern)
    await moved(source, 3)
    await drained(source)
    await service.stop("mover")
    broker = source.kafka.broker
    committed = (await asyncio.to_thread(broker.committed_offsets, "assay-mover"))[source.topic, 0]
    assert committed == 3
    await asyncio.to_thread(_commit, source, 9)
    task = asyncio.ensure_future(service.start_mover(source.pattern))
    async with asyncio.timeout(READY_SECONDS):
        while "is broken" not in await _readyz(service):
            await asyncio.wait({task}, timeout=0.05)
    task.cancel()
    await asyncio.wait({task})


async def _readyz(service: Service) -> str:
    if "mover" not in service.ports:
        return ""
    try:
        return (await service.http.get(f"{service.url('mover')}/readyz")).text
    except httpx.TransportError:
        return ""


async def test_killed_at_any_moment_the_mover_loses_nothing(source: Input) -> None:
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    service = source.service
    await service.start_store()
    given = [uuid4() for _ in range(600)]
    bad = b'{"actor":{}}'
    values = [orjson.dumps([statement(one), statement()]) for one in given]
    values[::50] = [b"[%b,%b]" % (value[1:-1], bad) for value in values[::50]]
    await source.send(*values)
    environment = os.environ | service.environment(
        "mover", move_batch_records="20", kafka_session_seconds="6"
    )
    for kills_left in range(3, -1, -1):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PROGRAM,
            service.topic,
            source.pattern,
            env=environment,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            if kills_left:
                before = len(await service.log())
                wanted = before + chance.randrange(1, 150)
                async with asyncio.timeout(READY_SECONDS):
                    while len(await service.log()) < wanted:
                        pass
            else:
                await drained(source)
        finally:
            process.kill()
            await process.wait()
    await service.applied()
    owner = service.owner
    found = {row["id"] for row in await owner.fetch("select id from ingest.statement")}
    assert set(given) <= found
    assert len(found) == 2 * len(given)
    assert await owner.fetchval("select count(*) from ingest.conflict") == 0
    assert await owner.fetchval("select count(*) from ingest.rejected") == 12


def test_a_derived_id_is_a_version_4_uuid_that_depends_on_every_coordinate() -> None:
    fields = {name: getattr(ORIGIN, name) for name in Origin.__dataclass_fields__}
    changed = [
        Origin(**{**fields, name: value + 1 if isinstance(value, int) else value + "x"})
        for name, value in fields.items()
    ]
    ids = [derived_id(one, 0) for one in (ORIGIN, *changed)] + [derived_id(ORIGIN, 1)]
    assert len(set(ids)) == len(ids)
    assert {one.version for one in ids} == {4}
    assert derived_id(ORIGIN, 0) == ids[0]


def test_the_same_record_is_always_taken_in_the_same_way() -> None:
    value = orjson.dumps([statement(), {"bad": 1}, statement(uuid4())])
    one, two = (take_in(value, ORIGIN, version="2.0.0", limits=Limits()) for _ in range(2))
    assert [taken.id for taken in one.taken] == [taken.id for taken in two.taken]
    assert [taken.index for taken in one.taken] == [0, 2]
    assert [refused.index for refused in one.refused] == [1]
