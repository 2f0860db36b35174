"""The local stack with its real servers: `assay up`, `down`, `status`."""

import json
import os
import re
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import asyncpg
import pytest

from assay_cli.errors import StackError
from assay_cli.processes import BY_NAME, PROCESSES, with_what_they_need
from assay_cli.stack import DEMO_KEYS, StackInfo
from assay_cli.state import Identity, Status
from assay_testing import RunningStack

NewStack = Callable[..., RunningStack]
WAIT_SECONDS = 60.0


def _until(fulfilled: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not fulfilled():
        assert time.monotonic() < deadline, f"not within {WAIT_SECONDS} s: {what}"
        time.sleep(0.05)


def _identities(stack: RunningStack) -> list[Identity]:
    state = stack.state()
    assert state is not None
    return [one.identity for one in state.processes.values() if one.identity is not None]


async def _value(stack: StackInfo, query: str) -> object:
    connection = await asyncpg.connect(stack.dsn_with_password("postgres", "postgres"))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def postgres_only() -> Iterator[RunningStack]:
    """One stack for this module, of PostgreSQL alone: making a cluster is what takes time."""
    running = RunningStack.new(only="postgres")
    try:
        yield running
    finally:
        running.remove()


@pytest.fixture
def small(postgres_only: RunningStack) -> Iterator[RunningStack]:
    """It, stopped, before and after the test."""
    yield postgres_only
    postgres_only.stop()
    postgres_only.assay("down")


async def test_data_survives_a_restart_and_the_end_leaves_no_process(
    small: RunningStack,
) -> None:
    stack = small.start()
    await _value(stack.info, "CREATE TABLE kept AS SELECT 42 AS answer")
    first = _identities(stack)
    assert stack.stop() == 0
    assert [one.process() for one in first] == [None]
    stack.start()
    assert await _value(stack.info, "SELECT answer FROM kept") == 42


async def test_two_stacks_run_side_by_side(small: RunningStack, new_stack: NewStack) -> None:
    one, two = small.start(), new_stack(only="postgres").start()
    await _value(one.info, "CREATE TABLE mine (id int)")
    query = "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'"
    assert await _value(one.info, query) == 1
    assert await _value(two.info, query) == 0
    one.stop()
    assert await _value(two.info, "SELECT 1") == 1


async def test_a_killed_postgres_is_started_again_with_its_data(small: RunningStack) -> None:
    stack = small.start()
    await _value(stack.info, "CREATE TABLE written AS SELECT 42 AS answer")
    killed = stack.send("postgres", signal.SIGKILL)

    def is_back() -> bool:
        state = stack.state()
        assert state is not None
        one = state.processes["postgres"]
        return one.status is Status.READY and one.identity != killed

    _until(is_back, "Postgres is ready again")
    assert await _value(stack.info, "SELECT answer FROM written") == 42


async def test_a_killed_supervisor_leaves_nothing_that_the_next_cannot_use(
    new_stack: NewStack,
) -> None:
    stack = new_stack(only="postgres,kafka").start()
    await _value(stack.info, "CREATE TABLE kept AS SELECT 42 AS answer")
    left = _identities(stack)
    # A stopped broker cannot follow the kernel's wish that it end with its supervisor.
    kafka = stack.send("kafka", signal.SIGSTOP)
    assert stack.supervisor is not None
    stack.supervisor.kill()
    stack.supervisor.wait()
    assert kafka.process() is not None
    stack.start()
    assert re.search(rf"stopping what it left: .*kafka \(pid {kafka.pid}\)", _said(stack))
    assert [one.process() for one in left] == [None, None]
    assert await _value(stack.info, "SELECT answer FROM kept") == 42


def _said(stack: RunningStack) -> str:
    return stack.output.read_text(encoding="utf-8")


def test_down_stops_what_a_killed_supervisor_left(small: RunningStack) -> None:
    stack = small.start()
    postgres = stack.send("postgres", signal.SIGSTOP)
    assert stack.supervisor is not None
    stack.supervisor.kill()
    stack.supervisor.wait()
    down = stack.assay("down")
    assert down.returncode == 0
    assert f"postgres (pid {postgres.pid})" in down.stdout
    assert postgres.process() is None
    assert "nothing runs" in stack.assay("down").stdout


def test_a_port_in_use_is_a_clear_error(small: RunningStack) -> None:
    stack = small
    with socket.create_server(("127.0.0.1", stack.info.port("postgres"))) as held:
        port = held.getsockname()[1]
        failed = stack.assay("up", "--only", "postgres")
        detached = stack.assay("up", "--only", "postgres", "--detach")
    for one in (failed, detached):
        assert one.returncode == 1
        assert f"port {port}, wanted by postgres" in one.stdout + one.stderr
        assert f"(pid {os.getpid()}," in one.stdout + one.stderr
        assert "Traceback" not in one.stdout + one.stderr
    assert stack.state() is None


def test_detached_it_runs_on_and_down_stops_it(small: RunningStack) -> None:
    stack = small
    up = stack.assay("up", "--only", "postgres", "--detach")
    assert up.returncode == 0, up.stdout + up.stderr
    running = _identities(stack)
    assert running[0].process() is not None
    again = stack.assay("up", "--only", "postgres", "--detach")
    assert again.returncode == 1
    assert "already run by pid" in again.stderr
    assert stack.assay("down").returncode == 0
    assert running[0].process() is None


def test_a_server_that_dies_at_start_is_shown_with_its_own_error(small: RunningStack) -> None:
    stack = small.start()
    stack.stop()
    control = stack.info.data / "postgres" / "global" / "pg_control"
    away = control.with_name("pg_control.away")
    control.rename(away)
    failed = stack.assay("up", "--only", "postgres")
    away.rename(control)
    assert failed.returncode == 1
    assert "postgres ended with exit code" in failed.stderr
    assert "pg_control" in failed.stderr
    assert stack.state() is None


def test_status_of_a_part_is_unhealthy_and_says_what_is_missing(small: RunningStack) -> None:
    stack = small.start()
    status = stack.assay("status", "--json")
    assert status.returncode == 1
    found = json.loads(status.stdout)
    assert found["healthy"] is False
    assert found["missing"]["ingest"] == "not started"
    assert "postgres" not in found["missing"]
    assert set(found["urls"]) == {"xapi", "aggregator", "credentials"}
    assert found["versions"]["assay"] == version("assay-records")
    assert found["versions"]["postgres"].startswith("18.")
    assert found["versions"]["kafka"].startswith("4.")


def test_status_where_nothing_runs(new_stack: NewStack) -> None:
    status = new_stack().assay("status", "--json")
    assert status.returncode == 1
    assert json.loads(status.stdout)["healthy"] is False


def test_the_whole_stack_is_healthy_and_hands_out_random_keys(stack: RunningStack) -> None:
    status = stack.assay("status", "--json")
    assert status.returncode == 0, status.stdout
    found = json.loads(status.stdout)
    assert found["healthy"] is True
    assert found["urls"] == stack.info.urls
    assert set(DEMO_KEYS) <= set(found["keys"])
    passwords = {key["password"] for key in found["keys"].values()}
    assert len(passwords) == len(found["keys"])
    assert min(len(password) for password in passwords) >= 20
    assert stat.S_IMODE(stack.info.keys_file.stat().st_mode) == 0o600


def test_no_log_of_the_whole_stack_holds_a_secret(stack: RunningStack) -> None:
    secrets = [path.read_text().strip() for path in stack.info.secrets.glob("*.password")]
    secrets += [key["password"] for key in stack.info.keys().values()]
    for log in stack.info.logs.glob("*.log"):
        # Demo keys are printed once, by the supervisor, on purpose.
        text = log.read_text(encoding="utf-8", errors="replace")
        assert not [secret for secret in secrets if secret in text], log.name


def test_what_a_process_needs_is_started_too() -> None:
    names = [one.name for one in with_what_they_need(["ingest"])]
    assert names == ["postgres", "kafka", "migrate", "ingest"]
    with pytest.raises(KeyError):
        with_what_they_need(["nobody"])


def test_the_table_is_in_an_order_in_which_it_can_be_started() -> None:
    seen: set[str] = set()
    for process in PROCESSES:
        assert set(process.after) <= seen, process.name
        seen.add(process.name)
    ports = [one.port for one in PROCESSES if one.port is not None]
    assert len(ports) == len(set(ports))
    assert set(BY_NAME) == seen


@pytest.mark.parametrize("base", ["80", "65530", "eight", "-1"])
def test_a_wrong_port_base_is_named(base: str) -> None:
    with pytest.raises(StackError, match="ASSAY_PORT_BASE is"):
        StackInfo.from_environment({"ASSAY_PORT_BASE": base})


def test_the_port_base_of_the_running_stack_is_found_again(
    small: RunningStack, tmp_path: Path
) -> None:
    stack = small.start()
    found = StackInfo.from_environment({"ASSAY_DATA": str(stack.info.data)})
    assert found == stack.info
    assert StackInfo.from_environment({"ASSAY_DATA": str(tmp_path)}).port_base == 8400
