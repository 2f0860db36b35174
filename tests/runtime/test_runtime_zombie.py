"""A consumer that was stopped, lost its partition and wakes in the middle of its transaction."""

import asyncio
import signal
import sys
from pathlib import Path

import zombie_consumer
from runtime_probe import Probe


async def test_a_woken_zombie_changes_nothing_and_then_works_on(probe: Probe) -> None:
    await probe.create_topic()
    await probe.send(b"0", b"1", b"2")
    # 1. It writes its first batch and is stopped before the commit.
    zombie = await asyncio.create_subprocess_exec(
        sys.executable,
        zombie_consumer.__file__,
        probe.settings.model_dump_json(),
        probe.topic,
        probe.projection,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PYTHONPATH": str(Path(zombie_consumer.__file__).parent)},
    )
    assert zombie.stdin is not None
    assert zombie.stdout is not None
    try:
        assert await asyncio.wait_for(zombie.stdout.readline(), 30) == b"inside\n"
        zombie.send_signal(signal.SIGSTOP)
        # 2. The group gives its partition to another, who applies what is there and more.
        other = probe.consume()
        await probe.send(b"3")
        await probe.until_applied({0: 4})
        # 3. It wakes and would commit.
        zombie.stdin.write(b"go on\n")
        zombie.send_signal(signal.SIGCONT)
        await probe.send(b"4")
        await probe.until_applied({0: 5})
        # 4. Left alone, it takes the partition again and goes on after the others.
        other.task.cancel()
        await asyncio.gather(other.task, return_exceptions=True)
        await probe.send(b"5")
        await probe.until_applied({0: 6})
    finally:
        zombie.kill()
        await zombie.wait()
    rows = await probe.pool.fetch("select record_offset, writes, number from probe.effect")
    found = {row["record_offset"]: (row["number"], row["writes"]) for row in rows}
    assert found == {offset: (offset, 1) for offset in range(6)}
    assert other.handler.committed_offsets[:4] == [0, 1, 2, 3]
    assert await probe.pool.fetchval("select count(*) from probe.quarantine") == 0
