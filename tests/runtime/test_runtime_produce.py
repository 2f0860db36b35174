"""Producing: nothing is called sent before it is acknowledged, and an error is not the end."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from assay_runtime.produce import Producer, RecordTooLarge, Unacknowledged
from assay_testing import RunningStack
from runtime_probe import Probe, until


@asynccontextmanager
async def _producer(probe: Probe, seconds: float = 10.0) -> AsyncIterator[Producer]:
    producer = Producer(probe.settings, acknowledge_seconds=seconds)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def test_an_acknowledgement_says_where_and_when(probe: Probe) -> None:
    await probe.create_topic(partitions=2)
    async with _producer(probe) as producer:
        first = await producer.send(probe.topic, value=b"1", partition=1)
        second = await producer.send(probe.topic, value=b"2", key=b"k", partition=1)
    assert (first.partition, first.offset) == (1, 0)
    assert (second.partition, second.offset) == (1, 1)
    assert abs(second.append_ms - time.time() * 1000) < 60_000
    assert first.append_ms <= second.append_ms


async def test_what_the_topic_does_not_take_is_refused_and_the_next_record_goes_on(
    probe: Probe,
) -> None:
    await probe.create_topic(max_message_bytes="2000")
    async with _producer(probe) as producer:
        with pytest.raises(RecordTooLarge):
            await producer.send(probe.topic, value=b"x" * 10_000)
        await producer.send(probe.topic, value=b"1")
    assert await probe.read_all() == [(None, b"1")]


async def test_what_the_client_does_not_take_is_refused(probe: Probe) -> None:
    await probe.create_topic()
    producer = Producer(probe.settings, acknowledge_seconds=10, max_request_bytes=2000)
    await producer.start()
    try:
        with pytest.raises(RecordTooLarge):
            await producer.send(probe.topic, value=b"x" * 10_000)
    finally:
        await producer.stop()
    assert await probe.read_all() == []


async def test_without_acknowledgement_nothing_is_called_sent_and_later_it_works_again(
    stoppable: Probe, own_servers: RunningStack
) -> None:
    probe = stoppable
    await probe.create_topic()
    async with _producer(probe, seconds=1.0) as producer:
        await producer.send(probe.topic, value=b"1")
        own_servers.send("kafka", signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(Unacknowledged):
                await producer.send(probe.topic, value=b"2")
            assert time.monotonic() - began < 5
        finally:
            own_servers.send("kafka", signal.SIGCONT)

        async def accepted() -> bool:
            try:
                await producer.send(probe.topic, value=b"3")
            except Unacknowledged:
                return False
            return True

        await until(accepted, "the producer works again")
    values = [value for _, value in await probe.read_all()]
    # Of the second nothing is known: it is there whole, or not at all.
    assert values[0] == b"1"
    assert b"3" in values
    assert values.count(b"2") <= 1


async def test_an_unreachable_broker_is_unacknowledged_and_not_waited_for(probe: Probe) -> None:
    settings = probe.settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:9"})
    producer = Producer(settings, acknowledge_seconds=1)
    assert not producer.ready
    starting = asyncio.create_task(producer.start())
    with pytest.raises(Unacknowledged):
        await producer.send(probe.topic, value=b"1")
    assert not starting.done()
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
