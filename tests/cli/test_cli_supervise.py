"""The supervisor: order, restart, and that nothing stays behind, however it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

import supervised_probe
from assay_cli.leftovers import MARK
from assay_cli.state import Identity, Phase, StackState, Status

WAIT_SECONDS = 20.0
RUN_FOR_EVER = "import time\nwhile True: time.sleep(0.05)"
# Ends only by SIGKILL.
DEAF = (
    "import signal, time\n"
    "for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, signal.SIG_IGN)\n"
    "print('deaf', flush=True)\n"
    "while True: time.sleep(0.05)"
)


def until(fulfilled: Callable[[], bool], what: str) -> None:
    """Look again and again, for a bounded time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not fulfilled():
        assert time.monotonic() < deadline, f"not within {WAIT_SECONDS} s: {what}"
        time.sleep(0.02)


@dataclass
class Supervised:
    """A supervisor in a process of its own, over a table of small commands."""

    folder: Path
    runs: list["subprocess.Popen[str]"] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self, table: Sequence[Mapping[str, object]]) -> "subprocess.Popen[str]":
        units = self.folder / "units.json"
        units.write_text(json.dumps(table), encoding="utf-8")
        run = subprocess.Popen(
            [sys.executable, str(supervised_probe.__file__), str(units)],
            env={**os.environ, "ASSAY_DATA": str(self.data), "ASSAY_PORT_BASE": "18000"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.runs.append(run)
        return run

    def state(self) -> StackState | None:
        return StackState.read(self.data / "run" / "state.json")

    def ready(self, run: "subprocess.Popen[str]") -> StackState:
        def is_ready() -> bool:
            assert run.poll() is None, run.communicate()
            state = self.state()
            return (
                state is not None and state.supervisor.pid == run.pid and state.phase is Phase.READY
            )

        until(is_ready, "the stack is ready")
        state = self.state()
        assert state is not None
        return state

    def identity(self, name: str) -> Identity:
        state = self.state()
        assert state is not None
        identity = state.processes[name].identity
        assert identity is not None
        return identity

    def living(self) -> list[psutil.Process]:
        """Every process that carries this stack's mark."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == str(self.data):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    tested = Supervised(tmp_path)
    try:
        yield tested
    finally:
        for run in tested.runs:
            run.kill()
            run.communicate()
        for process in tested.living():
            process.kill()


def finish(run: "subprocess.Popen[str]", number: signal.Signals) -> tuple[int, str, str]:
    run.send_signal(number)
    out, err = run.communicate(timeout=WAIT_SECONDS)
    return run.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_and_leaves_no_process(
    supervised: Supervised, number: signal.Signals
) -> None:
    # One of them has started a child in another session, one of whose parents is gone.
    forker = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork(): os._exit(0)\n"
        "while True: time.sleep(0.05)"
    )
    run = supervised.start(
        [{"name": "first", "command": RUN_FOR_EVER}, {"name": "second", "command": forker}]
    )
    supervised.ready(run)
    until(lambda: len(supervised.living()) == 3, "the grandchild lives")
    code, out, _ = finish(run, number)
    assert code == 0
    assert "ALL READY" in out
    assert supervised.living() == []
    assert supervised.state() is None


def test_order_of_start_and_reverse_order_of_stop(supervised: Supervised) -> None:
    trace = supervised.folder / "trace"

    def told(name: str) -> str:
        return (
            "import signal, sys, time\n"
            f"def tell(what): open({str(trace)!r}, 'a').write(what + ' {name}\\n')\n"
            "def end(*_):\n"
            "    tell('stop')\n"
            "    sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, end)\n"
            "tell('start')\n"
            f"open({str(supervised.folder / name)!r}, 'w').close()\n"
            "while True: time.sleep(0.05)"
        )

    run = supervised.start(
        [
            {"name": "a", "command": told("a"), "file": str(supervised.folder / "a")},
            {"name": "b", "command": "import sys; sys.exit(0)", "once": True, "after": ["a"]},
            {
                "name": "c",
                "command": told("c"),
                "after": ["b"],
                "file": str(supervised.folder / "c"),
            },
        ]
    )
    supervised.ready(run)
    finish(run, signal.SIGTERM)
    assert trace.read_text().splitlines() == ["start a", "start c", "stop c", "stop a"]


def test_a_process_that_dies_at_start_stops_all_and_its_error_is_shown(
    supervised: Supervised,
) -> None:
    run = supervised.start(
        [
            {"name": "good", "command": RUN_FOR_EVER},
            {
                "name": "bad",
                "command": "raise SystemExit('the setting X is missing')",
                "file": "/never",
                "after": ["good"],
            },
        ]
    )
    _, err = run.communicate(timeout=WAIT_SECONDS)
    assert run.returncode == 1
    assert "bad ended with exit code 1" in err
    assert "the setting X is missing" in err
    assert supervised.living() == []


def test_a_step_that_hangs_is_named(supervised: Supervised) -> None:
    run = supervised.start(
        [{"name": "slow", "command": RUN_FOR_EVER, "file": "/never", "ready_seconds": 0.5}]
    )
    _, err = run.communicate(timeout=WAIT_SECONDS)
    assert run.returncode == 1
    assert "slow was not ready within 0.5 s: /never is not there" in err
    assert supervised.living() == []


def test_a_killed_process_is_started_again(supervised: Supervised) -> None:
    run = supervised.start([{"name": "one", "command": RUN_FOR_EVER}])
    supervised.ready(run)
    for restarts in (1, 2, 3):
        before = supervised.identity("one")
        os.kill(before.pid, signal.SIGKILL)

        def is_back(count: int = restarts) -> bool:
            state = supervised.state()
            assert state is not None
            one = state.processes["one"]
            return one.restarts == count and one.status is Status.READY

        until(is_back, "it is ready again")
        assert before.process() is None
        assert supervised.identity("one") != before


def test_a_process_that_cannot_come_back_ends_the_stack_with_its_error(
    supervised: Supervised,
) -> None:
    marker = supervised.folder / "ready"
    command = (
        "import pathlib, sys, time\n"
        f"ready = pathlib.Path({str(marker)!r})\n"
        f"again = pathlib.Path({str(supervised.folder / 'again')!r})\n"
        "if again.exists(): sys.exit('the disk is gone')\n"
        "again.touch(); ready.touch()\n"
        "while True: time.sleep(0.05)"
    )
    run = supervised.start([{"name": "one", "command": command, "file": str(marker)}])
    supervised.ready(run)
    marker.unlink()
    os.kill(supervised.identity("one").pid, signal.SIGKILL)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "the disk is gone" in err
    assert supervised.living() == []


def test_a_stopped_process_does_not_hold_up_the_end(supervised: Supervised) -> None:
    run = supervised.start(
        [
            {"name": "one", "command": RUN_FOR_EVER},
            {"name": "deaf", "command": DEAF, "stop_seconds": 0.5},
        ]
    )
    supervised.ready(run)
    until(
        lambda: "deaf" in (supervised.data / "logs" / "deaf.log").read_text(), "it does not listen"
    )
    os.kill(supervised.identity("one").pid, signal.SIGSTOP)
    assert finish(run, signal.SIGINT)[0] == 0
    assert supervised.living() == []


def test_what_a_killed_supervisor_leaves_is_taken_over_and_named(supervised: Supervised) -> None:
    table: list[dict[str, object]] = [
        {"name": "deaf", "command": DEAF, "stop_seconds": 0.5},
        {"name": "other", "command": RUN_FOR_EVER},
    ]
    first = supervised.start(table)
    supervised.ready(first)
    until(
        lambda: "deaf" in (supervised.data / "logs" / "deaf.log").read_text(), "it does not listen"
    )
    orphan, asked = supervised.identity("deaf"), supervised.identity("other")
    first.kill()
    first.communicate()
    # The kernel asks every child to end when its supervisor dies; this one does not listen.
    until(lambda: asked.process() is None, "the other one has ended by itself")
    assert orphan.process() is not None, "the orphan lives, so that the next run has work to do"

    second = supervised.start(table)
    supervised.ready(second)
    assert orphan.process() is None
    _, out, _ = finish(second, signal.SIGTERM)
    assert re.search(rf"was killed; stopping what it left: .*deaf \(pid {orphan.pid}\)", out)
    assert supervised.living() == []


def test_a_pid_that_was_given_to_somebody_else_is_left_alone(supervised: Supervised) -> None:
    with subprocess.Popen([sys.executable, "-c", RUN_FOR_EVER]) as stranger:
        try:
            first = supervised.start([{"name": "one", "command": RUN_FOR_EVER}])
            state = supervised.ready(first)
            first.kill()
            first.communicate()
            # As if the machine had given the pid to another process since.
            state.processes["one"].identity = Identity(stranger.pid, 1.0)
            state.write(supervised.data / "run" / "state.json")
            second = supervised.start([{"name": "one", "command": RUN_FOR_EVER}])
            supervised.ready(second)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_second_supervisor_of_the_same_folder_is_refused(supervised: Supervised) -> None:
    table: list[dict[str, object]] = [{"name": "one", "command": RUN_FOR_EVER}]
    first = supervised.start(table)
    supervised.ready(first)
    _, err = supervised.start(table).communicate(timeout=WAIT_SECONDS)
    assert f"is already run by pid {first.pid}" in err
    assert supervised.identity("one").process() is not None


def test_a_port_in_use_is_named_with_who_wants_and_who_holds_it(supervised: Supervised) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        run = supervised.start([{"name": "broker", "command": RUN_FOR_EVER, "port": port}])
        _, err = run.communicate(timeout=WAIT_SECONDS)
    assert run.returncode == 1
    assert f"port {port}, wanted by broker" in err
    assert f"(pid {os.getpid()}" in err
    assert "ASSAY_PORT_BASE" in err
    assert supervised.state() is None
