"""When the store lags, is away, meets poison or was replaced: what the front says, what is kept."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from assay_cli.stack import StackInfo
from assay_schemas.envelope import open_envelope
from assay_testing import (
    Database,
    KafkaSpace,
    RunningStack,
    ensure_principals,
    ensure_template,
    new_database,
)
from ingest_samples import sealed, statement, void
from ingest_service import Service, service_on


@pytest.fixture
async def service(postgres: Database, kafka: KafkaSpace) -> AsyncIterator[Service]:
    async with service_on(postgres, kafka) as made:
        yield made


async def started(service: Service, **settings: str) -> None:
    """Start both processes, and stop the store again: from here on everything lags."""
    await service.start_store()
    await service.start_ingest(**settings)
    await service.ready()
    await service.stop("store")


async def test_by_id_reads_conflicts_and_voids_do_not_wait_for_the_store(service: Service) -> None:
    await started(service)
    client = await service.new_client()
    one, two = uuid4(), uuid4()
    assert (await client.post([statement(one), statement(two)])).status_code == 200
    assert (await client.get(statementId=one)).json()["id"] == str(one)
    assert (await client.post(statement(one))).json() == [str(one)]
    assert (await client.post(statement(one, verb="http://e.org/v"))).status_code == 409
    assert (await client.post(void(two))).status_code == 200
    assert (await client.get(statementId=two)).status_code == 404
    assert (await client.get(voidedStatementId=two)).status_code == 200
    other = await service.new_client(tenant=client.tenant, source="s2")
    assert (await other.post(void(one))).status_code == 403
    assert len(await service.log()) == 2


async def test_a_void_that_came_before_its_target_counts_at_once(service: Service) -> None:
    await service.start_store()
    await service.start_ingest()
    await service.ready()
    client = await service.new_client()
    other = await service.new_client(tenant=client.tenant, source="s2")
    one, two, three, four = (uuid4() for _ in range(4))
    # The first void is in the store when its target comes, the second is in the window.
    for voiding, target in ((client, one), (other, three), (client, four)):
        assert (await voiding.post(void(target))).status_code == 200
    await service.applied()
    await service.stop("store")
    assert (await client.post(void(two))).status_code == 200
    assert (
        await client.post([statement(one), statement(two), statement(three)])
    ).status_code == 200
    # A void is never void, and one of another source needs a right that it does not have.
    assert (await client.post(void(one, four))).status_code == 200

    async def check() -> None:
        for target, is_voided in ((one, True), (two, True), (three, False), (four, False)):
            plain, voided = ("voidedStatementId", "statementId")[:: -1 if not is_voided else 1]
            assert (await client.get(**{plain: target})).status_code == 200
            assert (await client.get(**{voided: target})).status_code == 404

    await check()
    await service.start_store()
    await service.applied()
    await check()


async def test_a_list_waits_a_bounded_time_and_says_how_far_it_goes(service: Service) -> None:
    await started(service, list_wait_seconds="0.1")
    client = await service.new_client()
    (statement_id,) = (await client.post(statement())).json()
    stored = (await client.get(statementId=statement_id)).json()["stored"]
    answer = await client.get()
    assert answer.json()["statements"] == []
    assert answer.headers["x-experience-api-consistent-through"] < stored
    await service.start_store()
    await service.applied()
    assert await client.ids() == [statement_id]


async def test_the_window_is_bounded_and_says_so(service: Service) -> None:
    await started(service, window_statements_max="3")
    client = await service.new_client()
    assert (await client.post([statement(), statement()])).status_code == 200
    refused = await client.post([statement(), statement()])
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert (await client.post(statement())).status_code == 200
    await service.start_store()
    await service.applied()
    await service.stop("ingest")
    assert await service.owner.fetchval("select count(*) from ingest.statement") == 3


async def test_a_front_is_ready_only_when_the_store_has_applied_what_was_in_the_log(
    service: Service,
) -> None:
    await started(service)
    client = await service.new_client()
    await client.post(statement())
    await service.stop("ingest")
    await service.start_ingest()
    answer = await service.http.get(f"{service.url()}/readyz")
    assert answer.status_code == 503
    assert "store" in answer.json()["missing"]
    await service.start_store()
    await service.ready()


async def test_a_poison_record_is_set_aside_with_an_alarm_and_the_rest_goes_on(
    service: Service, kafka: KafkaSpace
) -> None:
    await started(service)
    client = await service.new_client()
    before = (await client.post([statement(), statement()])).json()
    producer = AIOKafkaProducer(**kafka.access("admin").aiokafka())
    await producer.start()
    try:
        _, headers = sealed([statement()])
        for partition in range(3):
            await producer.send_and_wait(
                service.topic, value=b"[poison", headers=headers, partition=partition
            )
    finally:
        await producer.stop()
    after = (await client.post([statement(), statement()])).json()
    await service.start_store_unready()
    await service.applied()
    assert sorted(await client.ids()) == sorted(before + after)
    rows = await service.owner.fetch("select partition, value, reason from ingest.quarantine")
    assert {row["partition"] for row in rows} == {0, 1, 2}
    assert {row["value"] for row in rows} == {b"[poison"}
    answer = await service.http.get(f"{service.url('store')}/readyz")
    assert answer.status_code == 503
    assert "3 records" in answer.json()["missing"]["quarantine"]


async def test_a_store_that_was_replaced_without_knowing_changes_nothing(service: Service) -> None:
    # Without ticks, so that only statements are on their way.
    await service.start_store(tick_seconds="1000", nudge_seconds="1000")
    await service.start_ingest()
    await service.ready()
    client = await service.new_client()
    await client.post(statement())
    await service.applied()
    # Another consumer has applied one more record of this partition: the next one is not ours.
    await service.owner.execute(
        "update ingest.applied set next_offset = next_offset + 1 where partition = 0"
    )
    before = await service.owner.fetchval(
        "select next_offset - 1 from ingest.applied where partition = 0"
    )
    in_partition: list[Any] = []
    while len(in_partition) < 2:
        await client.post(statement())
        log = await service.log()
        in_partition = [one for one in log if one.partition == 0 and one.offset >= before]
    await service.applied()
    rows = await service.owner.fetch("select id from ingest.statement")
    found = {row["id"] for row in rows}
    assert in_partition[0].offset == before
    assert found.isdisjoint(open_envelope(in_partition[0].headers).ids)
    assert found >= set(open_envelope(in_partition[1].headers).ids)
    assert len(found) == len(log) - 1
    assert await service.owner.fetchval("select count(*) from ingest.quarantine") == 0


async def test_without_acknowledgement_the_answer_is_503_with_the_ids_and_a_repeat_is_safe(
    new_stack: Callable[..., RunningStack],
) -> None:
    # A stack of its own, since its broker is stopped.
    running = new_stack(only="postgres,kafka")
    await asyncio.to_thread(running.start)
    info: StackInfo = running.info
    ensure_principals(info)
    database = await new_database(info, await ensure_template(info))
    async with service_on(database, KafkaSpace.of(info)) as service:
        await service.start_store()
        await service.start_ingest(acknowledge_seconds="1")
        await service.ready()
        client = await service.new_client()
        await client.post(statement())
        given = uuid4()
        batch = [statement(given), statement(uuid4())]
        running.send("kafka", signal.SIGSTOP)
        try:
            refused = await client.post(batch)
        finally:
            running.send("kafka", signal.SIGCONT)
        assert refused.status_code == 503
        assert refused.json()["ids"] == [one["id"] for one in batch]
        assert int(refused.headers["retry-after"]) >= 1
        assert (await client.post(statement(given, verb="http://e.org/v"))).status_code in (
            409,
            503,
        )
        async with asyncio.timeout(30):
            while (await client.post(batch)).status_code == 503:
                pass
        await service.applied()
        found = await client.ids()
        assert len(found) == 3
        assert {one["id"] for one in batch} <= set(found)
        assert await service.owner.fetchval("select count(*) from ingest.conflict") == 0
