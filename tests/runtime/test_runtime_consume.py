"""The consume loop on a real Kafka and Postgres: nothing lost, nothing twice, nothing swallowed."""

import asyncio

import pytest

from assay_runtime.consume import Broken
from assay_runtime.postgres import Connection
from runtime_probe import Handler, Probe, stop, until


async def test_a_new_projection_reads_the_log_from_its_begin(probe: Probe) -> None:
    await probe.create_topic(partitions=2)
    await probe.send(b"1", b"2", partition=0)
    await probe.send(b"3", partition=1)
    running = probe.consume()
    await probe.until_applied({0: 2, 1: 1})
    assert await probe.effects() == {(0, 0): 1, (0, 1): 2, (1, 0): 3}
    assert set(running.consumer.positions()) == {0, 1}


async def test_two_projections_of_one_topic_keep_their_own_positions(probe: Probe) -> None:
    await probe.create_topic()
    await probe.send(b"1", b"2")
    probe.consume(f"{probe.topic}-one")
    await probe.until_applied({0: 2}, f"{probe.topic}-one")
    assert await probe.positions(f"{probe.topic}-two") == {}
    probe.consume(f"{probe.topic}-two")
    await probe.until_applied({0: 2}, f"{probe.topic}-two")


async def test_after_a_restart_only_what_is_new_is_applied(probe: Probe) -> None:
    await probe.create_topic()
    await probe.send(b"1", b"2")
    first = probe.consume()
    await probe.until_applied({0: 2})
    await stop(first.task)
    await probe.send(b"3")
    second = probe.consume()
    await probe.until_applied({0: 3})
    assert second.handler.batches == [[2]]


async def test_stored_is_the_running_maximum_of_append_times_also_after_a_restart(
    probe: Probe,
) -> None:
    await probe.create_topic(message_timestamp_type="CreateTime")
    await probe.send(b"1", b"2", b"3", times_ms=[1000, 5000, 2000])
    first = probe.consume()
    await probe.until_applied({0: 3})
    await stop(first.task)
    await probe.send(b"4", b"5", times_ms=[3000, 6000])
    probe.consume()
    await probe.until_applied({0: 5})
    rows = await probe.pool.fetch("select stored_ms from probe.effect order by record_offset")
    assert [row["stored_ms"] for row in rows] == [1000, 5000, 5000, 5000, 6000]


@pytest.mark.parametrize("bad", [{3}, {0, 7}, set(range(8))])
async def test_bad_records_are_set_aside_with_their_bytes_and_the_rest_goes_on(
    probe: Probe, bad: set[int]
) -> None:
    await probe.create_topic()
    values = [b"bad" if offset in bad else str(offset).encode() for offset in range(8)]
    await probe.send(*values)
    running = probe.consume()
    await probe.until_applied({0: 8})
    assert await probe.effects() == {(0, at): at for at in range(8) if at not in bad}
    rows = await probe.pool.fetch(
        "select record_offset, reason, headers, key, value, append_ms from probe.quarantine"
    )
    assert {row["record_offset"] for row in rows} == bad
    for row in rows:
        assert (row["reason"], row["headers"]) == ("ValueError", [b"h=1"])
        assert (row["key"], row["value"]) == (b"key", b"bad")
        assert row["append_ms"] > 0
    assert running.metrics.quarantined._value.get() == len(bad)
    # What was undone in a failed batch was not told as committed.
    assert sorted(running.handler.committed_offsets) == sorted(set(range(8)) - bad)


async def test_a_cut_connection_is_tried_again_and_nothing_is_written_twice(probe: Probe) -> None:
    await probe.create_topic()
    await probe.send(b"1", b"2", b"3")
    handler = Handler()
    cuts = 0

    async def cut(connection: Connection) -> None:
        nonlocal cuts
        if cuts < 2:
            cuts += 1
            pid = connection.get_server_pid()
            await probe.pool.fetchval("select pg_terminate_backend($1, 1000)", pid)
            await connection.fetchval("select 1")

    handler.inside = cut
    running = probe.consume(handler=handler)
    await probe.until_applied({0: 3})
    assert cuts == 2
    assert running.metrics.retries._value.get() == 2
    assert set(await _writes(probe)) == {1}
    assert await probe.pool.fetchval("select count(*) from probe.quarantine") == 0


async def test_a_missing_table_is_waited_for_and_sets_no_record_aside(probe: Probe) -> None:
    await probe.create_topic()
    await probe.send(b"1", b"2")
    await probe.pool.execute("alter table probe.effect rename to effect_later")
    running = probe.consume()

    async def tried_again() -> bool:
        return bool(running.metrics.retries._value.get() >= 2)

    await until(tried_again, "the batch is tried again")
    assert await probe.positions() == {0: 0}
    await probe.pool.execute("alter table probe.effect_later rename to effect")
    await probe.until_applied({0: 2})
    assert await probe.pool.fetchval("select count(*) from probe.quarantine") == 0


async def test_a_consumer_that_was_overtaken_reads_its_positions_anew(probe: Probe) -> None:
    await probe.create_topic()
    await probe.send(b"0", b"1", b"2")
    running = probe.consume()
    await probe.until_applied({0: 3})
    # Another one has applied 3 and 4, without this one having lost its partition.
    await probe.pool.execute("update probe.applied set next_offset = 5")
    await probe.send(b"3", b"4", b"5")
    await probe.until_applied({0: 6})
    assert [offset for batch in running.handler.batches for offset in batch] == [0, 1, 2, 5]


async def test_a_batch_that_waited_while_its_partition_moved_on_moves_nothing_back(
    probe: Probe,
) -> None:
    await probe.create_topic(partitions=2)
    await probe.send(b"0", partition=0)
    await probe.send(b"0", partition=1)
    gate = asyncio.Event()
    stuck = Handler()

    async def wait_then_fail(_: Connection) -> None:
        if not gate.is_set():
            await gate.wait()
            raise OSError("not now")

    stuck.inside = wait_then_fail
    slow = probe.consume(handler=stuck)

    async def holds_a_batch() -> bool:
        return bool(stuck.batches)

    await until(holds_a_batch, "the slow consumer holds a batch")
    other = probe.consume()

    async def other_has_some() -> bool:
        return len(other.consumer.positions()) == 1

    await until(other_has_some, "the second consumer got a partition")
    (taken,) = other.consumer.positions()
    await probe.send(b"1", b"2", b"3", partition=taken)

    async def moved_on() -> bool:
        return (await probe.positions())[taken] == 4

    await until(moved_on, "the second consumer moved on")
    await stop(other.task)

    async def has_both_again() -> bool:
        return len(slow.consumer.positions()) == 2

    await until(has_both_again, "the slow consumer has both partitions again")
    gate.set()
    await probe.send(b"4", partition=taken)
    await probe.until_applied({taken: 5, 1 - taken: 1})
    assert set(await _writes(probe)) == {1}


async def test_two_consumers_share_the_partitions_and_each_record_is_written_once(
    probe: Probe,
) -> None:
    await probe.create_topic(partitions=3)
    one = probe.consume()
    two = probe.consume()
    for _ in range(10):
        await asyncio.gather(*(probe.send(b"1", b"2", partition=number) for number in range(3)))
    await probe.until_applied({0: 20, 1: 20, 2: 20})

    async def both_have_some() -> bool:
        held = [set(each.consumer.positions()) for each in (one, two)]
        return all(held) and held[0] | held[1] == {0, 1, 2}

    await until(both_have_some, "both consumers have partitions")
    assert await _writes(probe) == [1] * 60


async def test_a_topic_made_anew_is_broken_and_nothing_is_reset(probe: Probe) -> None:
    await probe.create_topic()
    await probe.send(b"1", b"2")
    first = probe.consume()
    await probe.until_applied({0: 2})
    await stop(first.task)
    await probe.delete_topic()
    await probe.create_topic()
    await probe.send(b"1", b"2", b"3")
    second = probe.consume()
    with pytest.raises(Broken, match="was applied so far"):
        await asyncio.wait_for(second.task, 30)
    assert second.consumer.broken is not None
    assert await probe.positions() == {0: 2}


async def test_a_log_that_begins_after_what_was_applied_is_broken(probe: Probe) -> None:
    await probe.create_topic()
    await probe.send(b"1", b"2")
    first = probe.consume()
    await probe.until_applied({0: 2})
    await stop(first.task)
    await probe.send(b"3", b"4")
    await probe.delete_records(before=3)
    with pytest.raises(Broken, match="2 is the next to apply"):
        await asyncio.wait_for(probe.consume().task, 30)
    assert await probe.positions() == {0: 2}


async def test_a_position_beyond_the_end_of_the_log_is_broken(probe: Probe) -> None:
    await probe.create_topic()
    await probe.send(b"1", b"2")
    first = probe.consume()
    await probe.until_applied({0: 2})
    await stop(first.task)
    await probe.pool.execute("update probe.applied set next_offset = 9")
    with pytest.raises(Broken, match="9 is the next to apply"):
        await asyncio.wait_for(probe.consume().task, 30)


async def test_a_new_projection_of_a_log_that_has_lost_its_begin_is_broken(probe: Probe) -> None:
    await probe.create_topic()
    await probe.send(b"1", b"2")
    await probe.delete_records(before=1)
    with pytest.raises(Broken, match="begins at 1, not at 0"):
        await asyncio.wait_for(probe.consume().task, 30)
    assert await probe.positions() == {}


async def _writes(probe: Probe) -> list[int]:
    rows = await probe.pool.fetch("select writes from probe.effect")
    return [row["writes"] for row in rows]
