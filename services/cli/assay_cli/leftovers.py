"""What a supervisor that was killed has left behind: find it, name it, stop it."""

import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import psutil

from assay_cli.state import Identity, StackState

# A child carries this variable, by which the next supervisor knows what a killed one has left.
MARK = "ASSAY_SUPERVISED_BY"
# The kernel has asked them already when their supervisor died (launch.py).
LEFTOVER_SECONDS = 5.0


def leftovers(state: StackState | None, data: Path) -> dict[Identity, str]:
    """Living processes of a stack whose supervisor is gone, with their names, in starting order.

    By the state file (pid and start time), by the mark in the environment, and, because Postgres
    overwrites its environment, by the working folder of a `postgres`.
    """
    found: dict[Identity, str] = {}
    if state is not None:
        for name, one in state.processes.items():
            if one.identity is not None and one.identity.process() is not None:
                found[one.identity] = name
    known = {identity.pid for identity in found}
    for process in psutil.process_iter():
        if process.pid in known or process.pid == os.getpid():
            continue
        try:
            ours = process.environ().get(MARK) == str(data) or (
                process.name() == "postgres" and process.cwd() == str(data / "postgres")
            )
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found[Identity(process.pid, process.create_time())] = process.name()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def stop_leftovers(found: Mapping[Identity, str], seconds: float = LEFTOVER_SECONDS) -> None:
    """Stops them: asked first, in reverse order of their start, then killed."""
    waiting = []
    for identity in reversed(list(found)):
        process = identity.process()
        if process is None:
            continue
        with contextlib.suppress(psutil.NoSuchProcess):
            # For Postgres SIGTERM waits for clients to leave; SIGINT ends their sessions.
            is_postgres = found[identity] == "postgres"
            process.send_signal(signal.SIGINT if is_postgres else signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
            waiting.append(process)
    _, alive = psutil.wait_procs(waiting, timeout=seconds)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=5.0)
