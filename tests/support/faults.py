"""Kills and stops the processes of a stack at moments drawn from a seed."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import psutil

from assay_cli.state import Identity, Phase, Status
from assay_testing import RunningStack

READY_SECONDS = 120.0
LOOK_SECONDS = 0.05


@dataclass(slots=True)
class Done:
    """What was done to whom."""

    killed: Counter[str] = field(default_factory=Counter)
    stopped: Counter[str] = field(default_factory=Counter)


async def until_ready(stack: RunningStack, name: str, not_this: Identity | None = None) -> Identity:
    """Wait until a process is ready (one started after `not_this`); which one it is."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        state = stack.state()
        if state is None or state.phase is not Phase.READY:
            raise AssertionError(f"the stack has ended: {stack.output.read_text()[-3000:]}")
        process = state.processes[name]
        identity = process.identity
        if (
            process.status in (Status.READY, Status.DEGRADED)
            and identity is not None
            and identity != not_this
        ):
            return identity
        await asyncio.sleep(LOOK_SECONDS)
    raise AssertionError(f"{name} was not ready again within {READY_SECONDS} s")


async def kill_again_and_again(
    stack: RunningStack, name: str, times: int, random: Random, done: Done
) -> None:
    """SIGKILL one process `times` times, each at a drawn moment after it was ready again."""
    killed: Identity | None = None
    for _ in range(times):
        killed_before = killed
        await until_ready(stack, name, killed_before)
        await asyncio.sleep(random.uniform(0.2, 6.0))
        # It may have been restarted meanwhile for another reason, for example Postgres away.
        killed = await until_ready(stack, name, killed_before)
        _signal(killed, signal.SIGKILL)
        done.killed[name] += 1
    await until_ready(stack, name, killed)


async def stop_for(stack: RunningStack, names: Sequence[str], seconds: float, done: Done) -> None:
    """SIGSTOP some processes for a while, then let them go on: zombies that know of nothing."""
    held = [await until_ready(stack, name) for name in names]
    for identity in held:
        _signal(identity, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    for name, identity in zip(names, held, strict=True):
        _signal(identity, signal.SIGCONT)
        done.stopped[name] += 1
    for name in names:
        await until_ready(stack, name)


def _signal(identity: Identity, number: signal.Signals) -> None:
    """To the process itself; a stop also to its children, or Postgres would go on working."""
    process = identity.process()
    if process is None:
        raise AssertionError(f"process {identity.pid} ended before {number.name} reached it")
    targets: list[psutil.Process] = [process]
    if number is not signal.SIGKILL:
        targets += process.children(recursive=True)
    for target in targets:
        try:
            os.kill(target.pid, number)
        except ProcessLookupError:
            if target is process:
                raise
