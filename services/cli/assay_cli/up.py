"""`assay up` and `assay down`.

The life of `assay up`:

1. take the lock of the data folder (`_locked`); another supervisor there is an error;
2. stop what a killed supervisor has left (`_take_over`), and say so;
3. check that the ports are free (`ports.check_free`);
4. prepare: passwords, the Postgres cluster, Kafka's jars and log folder (`_prepare`);
5. run the table of processes until a signal (`supervise.Supervisor`).
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console

from assay_cli import local_kafka, local_postgres, secret_files, units
from assay_cli.errors import AlreadyRunning, ProcessDied, StackError
from assay_cli.leftovers import leftovers, stop_leftovers
from assay_cli.log_files import last_lines
from assay_cli.parts import is_here
from assay_cli.ports import check_free
from assay_cli.processes import BY_NAME, PROCESSES, SEED, Process, accounts, with_what_they_need
from assay_cli.progress import Progress
from assay_cli.stack import StackInfo
from assay_cli.state import Phase, StackState, ourselves
from assay_cli.supervise import Supervisor, Unit

DETACHED_VARIABLE = "ASSAY_UP_DETACHED"
DOWN_SECONDS = 120.0


def installed() -> tuple[Process, ...]:
    """The processes of the table whose code is here."""
    return tuple(one for one in PROCESSES if one.name != SEED or is_here("assay_cli.seed"))


def chosen(only: str | None) -> tuple[Process, ...]:
    """The processes to run; `only` is a comma-separated list of names, with what they need."""
    if only is None:
        return installed()
    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in names if name not in BY_NAME]
    if unknown or not names:
        raise StackError(
            f"--only {only!r}: no process {', '.join(unknown)}; there are {', '.join(BY_NAME)}"
        )
    return with_what_they_need(names)


def run(
    stack: StackInfo,
    processes: Sequence[Process],
    console: Console,
    on_ready: Callable[[], None],
) -> None:
    """Run the stack until a signal. Raises StackError, with everything stopped."""

    def prepare(doing: Callable[[str], None], say: Callable[[str], None]) -> list[Unit]:
        _prepare(stack, processes, doing, say)
        return [units.unit(stack, process) for process in processes]

    run_units(stack, units.ports(stack, processes), prepare, console, on_ready)


# Gets what to call with "doing this now" and with a line to print; returns what shall run.
Prepare = Callable[[Callable[[str], None], Callable[[str], None]], Sequence[Unit]]


def run_units(
    stack: StackInfo,
    ports: dict[str, int],
    prepare: Prepare,
    console: Console,
    on_ready: Callable[[], None],
) -> None:
    """The five steps above, for any units; `ports` are checked before `prepare` is called."""
    _make_folders(stack)
    with _ended_by_signals(), _locked(stack), Progress(console) as progress:
        before = StackState.read(stack.state_file)
        state = StackState(supervisor=ourselves(), port_base=stack.port_base)

        def doing(note: str) -> None:
            state.note = note
            state.write(stack.state_file)
            progress.show(state)

        _take_over(stack, before, progress.say)
        try:
            doing("checking the ports")
            check_free(ports)
            chosen_units = prepare(doing, progress.say)
        except BaseException:
            stack.state_file.unlink(missing_ok=True)
            raise
        state.note = ""

        def ready() -> None:
            progress.done()
            on_ready()

        Supervisor(
            chosen_units,
            state,
            data=stack.data,
            state_file=stack.state_file,
            logs=stack.logs,
            tell=progress.show,
        ).run(ready)


def _make_folders(stack: StackInfo) -> None:
    for folder in (stack.data, stack.logs, stack.lock_file.parent, stack.secrets):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """While preparing, SIGTERM and SIGHUP end us like Ctrl-C does: by an exception."""

    def end(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _locked(stack: StackInfo) -> Iterator[None]:
    descriptor = os.open(stack.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            state = StackState.read(stack.state_file)
            who = f"pid {state.supervisor.pid}" if state is not None else "another process"
            raise AlreadyRunning(
                f"the stack in {stack.data} is already run by {who}: "
                f"`assay status` shows it, `assay down` stops it"
            ) from None
        yield
    finally:
        os.close(descriptor)


def _take_over(stack: StackInfo, before: StackState | None, say: Callable[[str], None]) -> None:
    found = leftovers(before, stack.data)
    if not found:
        return
    names = ", ".join(f"{name} (pid {identity.pid})" for identity, name in found.items())
    say(f"the last supervisor of {stack.data} was killed; stopping what it left: {names}")
    stop_leftovers(found)


def _prepare(
    stack: StackInfo,
    processes: Sequence[Process],
    doing: Callable[[str], None],
    say: Callable[[str], None],
) -> None:
    names = {process.name for process in processes}
    secret_files.ensure_all(stack.secrets, accounts())
    if "postgres" in names:
        doing("preparing PostgreSQL")
        for line in local_postgres.prepare(stack):
            say(line)
    if "kafka" in names:
        first = local_kafka.needs_download(stack)
        doing(
            "preparing Kafka (the first time on a machine, 43 MB come from Maven Central)"
            if first
            else "preparing Kafka"
        )
        local_kafka.prepare(stack)


# --- detached


def start_detached(stack: StackInfo, only: str | None, console: Console) -> None:
    """Start a supervisor in a session of its own and wait until the stack is ready.

    Raises StackError with the supervisor's own words when it ends before that.
    """
    _make_folders(stack)
    running = supervisor_of(stack)
    if running is not None:
        raise AlreadyRunning(
            f"the stack in {stack.data} is already run by pid {running.supervisor.pid}"
        )
    log = stack.log_file("supervisor")
    arguments = [sys.executable, "-m", "assay_cli", "up"]
    if only is not None:
        arguments += ["--only", only]
    environment = {
        **os.environ,
        "ASSAY_DATA": str(stack.data),
        "ASSAY_PORT_BASE": str(stack.port_base),
        DETACHED_VARIABLE: "1",
    }
    with log.open("ab") as file:
        offset = file.tell()
        child = subprocess.Popen(  # noqa: S603 - ourselves
            arguments,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with _ended_by_signals(), Progress(console) as progress:
            while child.poll() is None:
                state = StackState.read(stack.state_file)
                if state is not None and state.supervisor.pid == child.pid:
                    progress.show(state)
                    if state.phase is Phase.READY:
                        progress.done()
                        return
                time.sleep(0.1)
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        raise
    raise ProcessDied(f"the stack did not start (log: {log})", last_lines(log, offset, lines=80))


def supervisor_of(stack: StackInfo) -> StackState | None:
    """The state of the running stack; None when no supervisor lives."""
    state = StackState.read(stack.state_file)
    if state is None or state.supervisor.process() is None:
        return None
    return state


def down(stack: StackInfo, say: Callable[[str], None]) -> None:
    """Stop the stack and whatever a killed supervisor has left. Raises StackError if it stays."""
    state = StackState.read(stack.state_file)
    running = supervisor_of(stack)
    if running is not None:
        process = running.supervisor.process()
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
            _await(lambda: running.supervisor.process() is None, f"pid {process.pid}")
        say(f"stopped the stack in {stack.data}")
    found = leftovers(state, stack.data)
    if found:
        names = ", ".join(f"{name} (pid {identity.pid})" for identity, name in found.items())
        say(f"stopping what a killed supervisor has left: {names}")
        stop_leftovers(found)
    stack.state_file.unlink(missing_ok=True)
    if running is None and not found:
        say(f"nothing runs in {stack.data}")


def _await(ended: Callable[[], bool], who: str) -> None:
    deadline = time.monotonic() + DOWN_SECONDS
    while not ended():
        if time.monotonic() > deadline:
            raise StackError(f"{who} has not stopped within {DOWN_SECONDS:g} s")
        time.sleep(0.05)


def is_detached() -> bool:
    """Whether this process was started by `assay up --detach`."""
    return DETACHED_VARIABLE in os.environ
