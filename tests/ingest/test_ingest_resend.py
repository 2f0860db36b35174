"""Refusals of input topics, sent again: same checks, same ids, never twice without being asked."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from assay_cli.resending import opened
from assay_ingest import admin
from assay_ingest.intake import Origin, derived_id
from assay_ingest.resend import Filters, Outcome, Place, Resender
from assay_ingest.settings import MoverSettings
from assay_runtime.kafka import identify_log
from assay_schemas.envelope import open_envelope
from assay_testing import Database, KafkaSpace
from ingest_samples import statement
from ingest_service import READY_SECONDS, Service, service_on

BAD = {"score": {"scaled": 2}}
GOOD = {"score": {"scaled": 1}}


@dataclass
class Input:
    """One input topic, who writes it, and what sends its refusals again."""

    service: Service
    kafka: KafkaSpace
    tenant: str
    source: str
    topic: str
    password: str
    resender: Resender
    settings: MoverSettings

    async def refused(
        self, value: bytes, count: int, headers: list[tuple[str, bytes]] | None = None
    ) -> list[Place]:
        """Produce a record and wait until the mover has refused `count` statements in all."""
        access = self.kafka.access("admin").aiokafka() | {
            "sasl_plain_username": f"in-{self.tenant}-{self.source}",
            "sasl_plain_password": self.password,
        }
        producer = AIOKafkaProducer(**access, acks="all")
        await producer.start()
        try:
            await producer.send_and_wait(self.topic, value=value, headers=headers)
        finally:
            await producer.stop()
        async with asyncio.timeout(READY_SECONDS):
            while len(await self.rows()) < count:
                await self.service.owner.execute("select pg_sleep(0.02)")
        return await self.resender.places(self.tenant, Filters(), after=None)

    async def rows(self) -> list[admin.Rejected]:
        return await admin.list_rejected(self.service.owner, self.tenant, limit=1000)

    async def resend(self, place: Place, **more: Any) -> Any:
        return await self.resender.resend(self.tenant, place, **more)

    async def kept(self) -> dict[UUID, Any]:
        """What the store has, once it has applied the log."""
        await self.service.applied()
        rows = await self.service.owner.fetch("select id, raw from ingest.statement")
        return {row["id"]: orjson.loads(row["raw"]) for row in rows}

    async def origin(self, offset: int) -> Origin:
        identity = await asyncio.to_thread(identify_log, self.settings, self.topic)
        return Origin(identity.cluster_id, identity.topic_id, self.topic, 0, offset)


@pytest.fixture
async def service(postgres: Database, kafka: KafkaSpace) -> AsyncIterator[Service]:
    async with service_on(postgres, kafka) as made:
        yield made


@pytest.fixture
async def source(service: Service, kafka: KafkaSpace) -> AsyncIterator[Input]:
    tenant, name, password = f"t{uuid4().hex[:10]}", "vr", uuid4().hex
    topic = kafka.broker.ensure_input_topic(tenant, name, password)
    kafka.made.append(topic.name)
    await admin.put_tenant(service.owner, tenant)
    await admin.put_source(service.owner, tenant, name, modality="vr")
    await service.start_store()
    await service.start_mover(rf"^assay\.in\.{tenant}\..*\.v1$")
    settings = MoverSettings.from_environment(service.environment("mover"))
    async with opened(settings, service.topic) as resender:
        yield Input(service, kafka, tenant, name, topic.name, password, resender, settings)


async def test_a_mended_statement_goes_in_under_the_id_of_its_place_and_is_marked(
    source: Input,
) -> None:
    batch = orjson.dumps([statement(), statement(result=BAD)])
    (place,) = await source.refused(batch, 1)
    assert (place.record_offset, place.record_index) == (0, 1)
    still = await source.resend(place)
    assert (still.outcome, still.reason) == (Outcome.REFUSED, "statement_invalid")
    assert [one.rule for one in still.errors] == ["score-scaled-range"]
    mended = orjson.dumps(statement(result=GOOD))
    would = await source.resend(place, mended=mended, dry_run=True)
    wanted = derived_id(await source.origin(0), 1)
    assert (would.outcome, would.ids) == (Outcome.WOULD_BE_SENT, (wanted,))
    assert (await source.rows())[0].resent_at is None
    done = await source.resend(place, mended=mended)
    assert (done.outcome, done.ids) == (Outcome.SENT, (wanted,))
    kept = await source.kept()
    assert len(kept) == 2
    assert kept[wanted]["result"] == GOOD
    assert kept[wanted]["authority"]["account"]["name"] == f"in-{source.tenant}-vr"
    (row,) = await source.rows()
    assert row.resent_at is not None
    # Not again without being asked; asked, it is the same statement.
    before = await source.resend(place, mended=mended)
    assert (before.outcome, before.at) == (Outcome.SENT_BEFORE, row.resent_at)
    assert await source.resender.places(source.tenant, Filters(), after=None) == []
    assert (await source.resend(place, mended=mended, again=True)).outcome is Outcome.SENT
    assert await source.kept() == kept
    assert await source.service.owner.fetchval("select count(*) from ingest.conflict") == 0


async def test_two_that_send_the_same_at_once_send_it_once(source: Input) -> None:
    (place,) = await source.refused(orjson.dumps(statement(uuid4(), result=BAD)), 1)
    mended = orjson.dumps(statement(uuid4()))
    async with opened(source.settings, source.service.topic) as other:
        outcomes = await asyncio.gather(
            *(
                each.resend(source.tenant, place, mended=mended)
                for each in (source.resender, other, source.resender)
            )
        )
    assert sorted(one.outcome for one in outcomes) == [
        Outcome.SENT,
        Outcome.SENT_BEFORE,
        Outcome.SENT_BEFORE,
    ]
    assert len(await source.service.log()) == 1


async def test_what_waited_for_its_source_goes_in_with_all_statements(
    source: Input, kafka: KafkaSpace
) -> None:
    password = uuid4().hex
    topic = kafka.broker.ensure_input_topic(source.tenant, "new", password)
    kafka.made.append(topic.name)
    late = Input(
        source.service,
        kafka,
        source.tenant,
        "new",
        topic.name,
        password,
        source.resender,
        source.settings,
    )
    batch = [statement(), statement(uuid4()), statement(result=BAD)]
    (place,) = await late.refused(orjson.dumps(batch), 1)
    assert (await late.resend(place)).reason == "unknown_source"
    await admin.put_source(source.service.owner, source.tenant, "new", learner_controlled=True)
    async with opened(source.settings, source.service.topic) as fresh:
        done = await fresh.resend(source.tenant, place)
    assert done.outcome is Outcome.SENT
    assert done.ids == (derived_id(await late.origin(0), 0), UUID(batch[1]["id"]))
    assert set(await late.kept()) == set(done.ids)
    (record,) = await source.service.log()
    envelope = open_envelope(record.headers).envelope
    assert (envelope.source, envelope.learner_controlled) == ("new", True)
    # The one that is still wrong has its own row now.
    (left,) = await source.resender.places(source.tenant, Filters(), after=None)
    assert left.record_index == 2
    reasons = {one.record_index: one.reason for one in await late.rows()}
    assert reasons == {-1: "unknown_source", 2: "statement_invalid"}


async def test_an_id_that_the_store_has_with_another_content_is_refused(source: Input) -> None:
    twice = uuid4()
    batch = [statement(twice), statement(twice, verb="http://e.org/other")]
    (place,) = await source.refused(orjson.dumps(batch), 1)
    await source.kept()
    refused = await source.resend(place)
    assert (refused.outcome, refused.reason, refused.ids) == (
        Outcome.REFUSED,
        "id_conflict",
        (twice,),
    )
    other = uuid4()
    done = await source.resend(place, mended=orjson.dumps({**batch[1], "id": str(other)}))
    assert (done.outcome, done.ids) == (Outcome.SENT, (other,))
    assert set(await source.kept()) == {twice, other}


async def test_a_record_keeps_its_version_and_another_may_be_said(source: Input) -> None:
    agents = [{"objectType": "contextAgent", "agent": {"mbox": "mailto:a@e.org"}}]
    only_2_0 = orjson.dumps(statement(context={"contextAgents": agents}))
    (first,) = await source.refused(only_2_0, 1, [("xapi-version", b"1.0.3")])
    assert (await source.resend(first)).reason == "statement_invalid"
    assert (await source.resend(first, version_of_old="2.0.0")).outcome is Outcome.SENT
    # A version that is no text at all is kept in a form that can be.
    (second,) = await source.refused(only_2_0, 2, [("xapi-version", b"3\x00\xff" * 50)])
    assert (await source.resend(second)).reason == "version_not_known"
    assert (await source.resend(second, version_of_old="2.0.0")).outcome is Outcome.SENT
    assert len(await source.kept()) == 2


async def test_a_record_that_was_unreadable_is_mended_whole(source: Input) -> None:
    (place,) = await source.refused(b"no json", 1)
    assert (await source.resend(place)).reason == "record_unreadable"
    mended = orjson.dumps([statement(), statement(result=BAD), statement()])
    done = await source.resend(place, mended=mended)
    origin = await source.origin(0)
    assert done.ids == (derived_id(origin, 0), derived_id(origin, 2))
    (left,) = await source.resender.places(source.tenant, Filters(), after=None)
    two = orjson.dumps([statement(), statement()])
    assert (await source.resend(left, mended=two)).reason == "more_than_one_statement"
    assert (await source.resend(left, mended=orjson.dumps(statement()))).ids == (
        derived_id(origin, 1),
    )


async def test_filters_choose_and_other_tenants_are_not_seen(source: Input) -> None:
    await source.refused(orjson.dumps([statement(result=BAD) for _ in range(120)]), 120)
    places = await source.refused(b"no json", 121)
    assert len(places) == 100
    rest = await source.resender.places(source.tenant, Filters(), after=places[-1])
    assert len({*places, *rest}) == 121

    async def found(filters: Filters, tenant: str = source.tenant) -> int:
        return len(await source.resender.places(tenant, filters, after=None))

    assert await found(Filters(reason="record_unreadable")) == 1
    assert await found(Filters(source="other")) == 0
    at = max(row.at for row in await source.rows())
    assert await found(Filters(since=at)) == 0
    assert await found(Filters(until=at)) == 100
    assert await found(Filters(), "other") == 0
    with pytest.raises(LookupError):
        await source.resender.resend("other", places[0])
