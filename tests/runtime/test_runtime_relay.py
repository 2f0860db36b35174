"""The outbox road: in order, one relay at a time, none lost, forgotten only when acknowledged."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from assay_runtime.metrics import RelayMetrics
from assay_runtime.produce import Producer
from assay_runtime.relay import Relay
from assay_testing import RunningStack
from runtime_probe import Probe, stop, until

ROWS = 1200  # more than two batches of the relay


@asynccontextmanager
async def _relay(probe: Probe, seconds: float = 10.0) -> AsyncIterator[Relay]:
    producer = Producer(probe.settings, acknowledge_seconds=seconds)
    await producer.start()
    relay = Relay(
        settings=probe.settings,
        pool=probe.pool,
        producer=producer,
        schema="probe",
        metrics=RelayMetrics.register(CollectorRegistry()),
    )
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        await stop(task)
        await producer.stop()


async def _write(probe: Probe, numbers: range, keys: int = 7) -> None:
    async with probe.pool.acquire() as connection, connection.transaction():
        await connection.executemany(
            "insert into probe.outbox (topic, key, value) values ($1, $2, $3)",
            [(probe.topic, b"%d" % (n % keys), b"%d" % n) for n in numbers],
        )
        await connection.execute("select pg_notify('probe_outbox', '')")


async def _until_empty(probe: Probe) -> None:
    async def empty() -> bool:
        return bool(await probe.pool.fetchval("select count(*) = 0 from probe.outbox"))

    await until(empty, "the outbox is empty")


async def test_rows_leave_in_order_and_are_forgotten(probe: Probe) -> None:
    await probe.create_topic()
    await _write(probe, range(ROWS))
    async with _relay(probe):
        await _until_empty(probe)
        await _write(probe, range(ROWS, ROWS + 3))
        await _until_empty(probe)
    assert [int(value) for _, value in await probe.read_all()] == list(range(ROWS + 3))
    assert {(int(key or b""), int(value) % 7) for key, value in await probe.read_all()} == {
        (n, n) for n in range(7)
    }


async def test_a_row_of_a_transaction_that_is_undone_never_leaves(probe: Probe) -> None:
    await probe.create_topic()
    async with _relay(probe):
        connection = await probe.pool.acquire()
        try:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(
                "insert into probe.outbox (topic, key, value) values ($1, '', '1')", probe.topic
            )
            await transaction.rollback()
        finally:
            await probe.pool.release(connection)
        await _write(probe, range(2, 3))
        await _until_empty(probe)
    assert [value for _, value in await probe.read_all()] == [b"2"]


async def test_only_one_relay_sends_and_the_other_takes_over(probe: Probe) -> None:
    await probe.create_topic()
    async with _relay(probe) as first:

        async def leads() -> bool:
            return first.leading

        await until(leads, "the only relay leads")
        async with _relay(probe) as waiting:
            await _write(probe, range(100))
            await _until_empty(probe)
            assert not waiting.leading
    assert [int(value) for _, value in await probe.read_all()] == list(range(100))
    async with _relay(probe):
        await _write(probe, range(100, 110))
        await _until_empty(probe)
    assert [int(value) for _, value in await probe.read_all()] == list(range(110))


async def test_a_relay_that_is_cut_off_between_sending_and_forgetting_sends_again(
    probe: Probe,
) -> None:
    await probe.create_topic()
    await _write(probe, range(10))
    # The rows cannot be forgotten while somebody holds them: this is the moment after sending.
    holder = await probe.pool.acquire()
    try:
        holding = holder.transaction()
        await holding.start()
        await holder.fetch("select id from probe.outbox for update")
        async with _relay(probe) as relay:

            async def has_sent() -> bool:
                return len(await probe.read_all()) >= 10

            await until(has_sent, "the rows were sent")

            async def was_cut() -> bool:
                """End the session that waits to forget the rows, once it does wait."""
                cut: int = await probe.pool.fetchval(
                    "select count(pg_terminate_backend(pid, 1000)) from pg_stat_activity "
                    "where wait_event_type = 'Lock' and query ilike '%delete from probe.outbox%' "
                    "and datname = current_database() and pid <> pg_backend_pid()"
                )
                return cut == 1

            await until(was_cut, "the relay was cut off")
            await holding.rollback()
            await _until_empty(probe)
            assert relay.leading
    finally:
        await probe.pool.release(holder)
    sent = [int(value) for _, value in await probe.read_all()]
    # At least once, and a repeat comes whole and in order: consumers ignore what they have.
    assert sent == [*range(10), *range(10)]


async def test_what_is_not_acknowledged_stays_and_goes_out_later(
    stoppable: Probe, own_servers: RunningStack
) -> None:
    probe = stoppable
    await probe.create_topic()
    async with _relay(probe, seconds=1.0) as relay:

        async def leads() -> bool:
            return relay.leading

        await until(leads, "the relay leads")
        own_servers.send("kafka", signal.SIGSTOP)
        try:
            await _write(probe, range(20))

            async def interrupted() -> bool:
                return not relay.leading

            await until(interrupted, "the relay was interrupted")
            assert await probe.pool.fetchval("select count(*) from probe.outbox") == 20
        finally:
            own_servers.send("kafka", signal.SIGCONT)
        await _until_empty(probe)
    sent = [int(value) for _, value in await probe.read_all()]
    assert list(dict.fromkeys(sent)) == list(range(20))
