"""Start processes in order, keep them running, stop them in reverse order, leave none behind.

It knows nothing of Assay: it is given units (a command and how to see that it is ready). One
thread, one loop; signals only set a flag. The life of a stack:

1. `Supervisor.run` starts every unit whose predecessors are ready (`_start_what_may`).
2. It asks the starting ones whether they are ready (`_look_for_readiness`).
3. A unit that dies before it was ever ready ends the stack, with its own last words.
4. When all are ready, `on_ready` is called, once.
5. A unit that dies later is started again after a growing pause (`_after_death`); one that
   cannot stay up ends the stack.
6. On SIGINT, SIGTERM or SIGHUP, or an error, all are stopped in reverse order (`_stop_all`).
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psutil

from assay_cli.errors import ProcessDied
from assay_cli.leftovers import MARK
from assay_cli.log_files import keep_small, last_lines
from assay_cli.state import Identity, Phase, ProcessState, StackState, Status

TICK_SECONDS = 0.1
LOG_LOOK_SECONDS = 5.0
BACKOFF_SECONDS_FIRST = 0.2
BACKOFF_SECONDS_MAX = 5.0
# A unit that dies so often before being ready, or so often within the window, will not recover.
DEATHS_BEFORE_READY_MAX = 5
DEATHS_WITHIN_WINDOW_MAX = 20
DEATH_WINDOW_SECONDS = 60.0
SAME_WISH_SECONDS = 1.0

_LAUNCHER = str(Path(__file__).with_name("launch.py"))
_PR_SET_CHILD_SUBREAPER = 36


def nothing_missing() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Unit:
    """One process to run. `missing` says what it still lacks, "" when ready.

    A `once` unit is ready when it has ended with exit code 0. `degraded` says, when
    `ready_seconds` have passed, whether the unit may stay up although it is not ready.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    once: bool = False
    missing: Callable[[], str] = nothing_missing
    degraded: Callable[[], bool] = lambda: False
    user: str = ""
    niceness: int = 0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15.0
    ready_seconds: float = 60.0


@dataclass(slots=True)
class _Running:
    """What the loop knows of a unit beside what it writes down."""

    unit: Unit
    child: "subprocess.Popen[bytes] | None" = None
    spawned: float = 0.0
    log_offset: int = 0
    was_ready: bool = False
    deaths_before_ready: int = 0
    deaths: "deque[float]" = field(default_factory=lambda: deque(maxlen=DEATHS_WITHIN_WINDOW_MAX))
    start_not_before: float = 0.0


class Supervisor:
    """Runs the units of one stack. `tell` gets the state whenever it has changed."""

    def __init__(
        self,
        units: Sequence[Unit],
        state: StackState,
        *,
        data: Path,
        state_file: Path,
        logs: Path,
        tell: Callable[[StackState], None],
    ) -> None:
        self._data = data
        self._state_file = state_file
        self._logs = logs
        self._tell = tell
        self._state = state
        self._running = [_Running(unit) for unit in units]
        self._by_name = {one.unit.name: one for one in self._running}
        self._signals = 0
        self._logs_looked_at = 0.0
        state.processes = {unit.name: ProcessState() for unit in units}

    def run(self, on_ready: Callable[[], None]) -> None:
        """Until a signal. Raises ProcessDied when a unit cannot be kept up; all is stopped then."""
        _become_subreaper()
        with self._signals_counted():
            try:
                self._enter(Phase.STARTING)
                while not self._signals:
                    self._watch()
                    self._start_what_may()
                    self._look_for_readiness()
                    if self._state.phase is Phase.STARTING and self._all_ready():
                        self._enter(Phase.READY)
                        on_ready()
                    self._keep_logs_small()
                    time.sleep(TICK_SECONDS)
            finally:
                self._enter(Phase.STOPPING)
                self._stop_all()
                self._state_file.unlink(missing_ok=True)

    # --- the steps of the loop

    def _watch(self) -> None:
        for one in self._running:
            if one.child is None or one.child.poll() is None:
                continue
            code = one.child.returncode
            self._end_group(one.child.pid)
            one.child = None
            if one.unit.once and code == 0:
                one.was_ready = True
                self._note(one, Status.DONE, identity=None)
            else:
                self._after_death(one, code)
        _reap_adopted({one.child.pid for one in self._running if one.child is not None})

    def _after_death(self, one: _Running, code: int) -> None:
        now = time.monotonic()
        status = self._status(one)
        before_ready = status not in (Status.READY, Status.DEGRADED)
        one.deaths_before_ready = one.deaths_before_ready + 1 if before_ready else 0
        one.deaths.append(now)
        often = (
            len(one.deaths) == DEATHS_WITHIN_WINDOW_MAX
            and now - one.deaths[0] < DEATH_WINDOW_SECONDS
        )
        if not one.was_ready or one.deaths_before_ready >= DEATHS_BEFORE_READY_MAX or often:
            raise self._died(one, f"{one.unit.name} {_how_ended(code)}")
        pause = min(BACKOFF_SECONDS_FIRST * 2**one.deaths_before_ready, BACKOFF_SECONDS_MAX)
        one.start_not_before = now + pause
        self._state.processes[one.unit.name].restarts += 1
        self._note(one, Status.BACKOFF, identity=None, missing=_how_ended(code))

    def _start_what_may(self) -> None:
        for one in self._running:
            status = self._status(one)
            if status is Status.BACKOFF:
                if time.monotonic() >= one.start_not_before:
                    self._spawn(one)
            elif status is Status.WAITING and all(
                self._by_name[name].was_ready for name in one.unit.after if name in self._by_name
            ):
                self._spawn(one)

    def _spawn(self, one: _Running) -> None:
        unit = one.unit
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._logs / f"{unit.name}.log"
        environment = {**os.environ, **unit.environment, MARK: str(self._data)}
        with path.open("ab") as log:
            one.log_offset = log.tell()
            one.child = subprocess.Popen(  # noqa: S603 - a command of our table
                [
                    sys.executable,
                    "-I",
                    "-S",
                    _LAUNCHER,
                    str(os.getpid()),
                    str(int(unit.stop_signal)),
                    unit.user,
                    str(unit.niceness),
                    *unit.command,
                ],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
            )
        one.spawned = time.monotonic()
        # The child is not reaped before `poll`, so its entry is there even if it has ended.
        self._note(one, Status.STARTING, identity=Identity.of(one.child.pid))

    def _look_for_readiness(self) -> None:
        for one in self._running:
            if self._status(one) is not Status.STARTING:
                continue
            missing = "it has not ended" if one.unit.once else one.unit.missing()
            if not missing:
                one.was_ready = True
                self._note(one, Status.READY, missing="")
            elif time.monotonic() - one.spawned > one.unit.ready_seconds:
                if not one.unit.degraded():
                    if one.was_ready and one.child is not None:
                        # It has worked before: `_after_death` gives it another start.
                        self._end_group(one.child.pid)
                        continue
                    raise self._died(
                        one,
                        f"{one.unit.name} was not ready within {one.unit.ready_seconds:g} s: "
                        f"{missing}",
                    )
                one.was_ready = True
                self._note(one, Status.DEGRADED, missing=missing)
            elif missing != self._state.processes[one.unit.name].missing:
                self._note(one, Status.STARTING, missing=missing)

    def _all_ready(self) -> bool:
        return all(one.was_ready for one in self._running)

    def _keep_logs_small(self) -> None:
        now = time.monotonic()
        if now - self._logs_looked_at >= LOG_LOOK_SECONDS:
            self._logs_looked_at = now
            keep_small(self._logs)

    # --- stopping

    def _stop_all(self) -> None:
        for level in reversed(self._levels()):
            for one in reversed(level):
                if one.child is not None:
                    _send(one.child.pid, one.unit.stop_signal)
                    # A stopped process takes its signal only when it goes on.
                    _send(one.child.pid, signal.SIGCONT)
            for one in reversed(level):
                self._await_end(one)
        _end_all_descendants()

    def _await_end(self, one: _Running) -> None:
        if one.child is None:
            return
        seen = self._signals
        deadline = time.monotonic() + one.unit.stop_seconds
        while one.child.poll() is None:
            # Asked again while stopping: whoever asks does not want to wait.
            if time.monotonic() > deadline or self._signals > max(seen, 1):
                self._end_group(one.child.pid)
                one.child.wait()
                break
            time.sleep(0.02)
        self._end_group(one.child.pid)
        one.child = None
        self._note(one, Status.STOPPED, identity=None)

    def _levels(self) -> list[list[_Running]]:
        """The units by how much must be ready before them."""
        depth: dict[str, int] = {}
        for one in self._running:
            depth[one.unit.name] = 1 + max(
                (depth[name] for name in one.unit.after if name in depth), default=-1
            )
        levels: list[list[_Running]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
        for one in self._running:
            levels[depth[one.unit.name]].append(one)
        return levels

    @staticmethod
    def _end_group(leader: int) -> None:
        """Ends what a unit started: each unit leads a process group of its own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)

    # --- what is written down

    def _status(self, one: _Running) -> Status:
        return self._state.processes[one.unit.name].status

    def _note(
        self,
        one: _Running,
        status: Status,
        *,
        identity: "Identity | str | None" = "unchanged",
        missing: str = "",
    ) -> None:
        entry = self._state.processes[one.unit.name]
        entry.status = status
        entry.missing = missing
        if not isinstance(identity, str):
            entry.identity = identity
        self._write()

    def _enter(self, phase: Phase) -> None:
        self._state.phase = phase
        self._write()

    def _write(self) -> None:
        self._state.write(self._state_file)
        self._tell(self._state)

    def _died(self, one: _Running, message: str) -> ProcessDied:
        path = self._logs / f"{one.unit.name}.log"
        return ProcessDied(f"{message} (log: {path})", last_lines(path, one.log_offset))

    @contextlib.contextmanager
    def _signals_counted(self) -> Iterator[None]:
        last = 0.0

        def count(_number: int, _frame: FrameType | None) -> None:
            # A terminal and a `make` in it may both pass on one wish to end.
            nonlocal last
            now = time.monotonic()
            if now - last > SAME_WISH_SECONDS:
                self._signals += 1
            last = now

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, count) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _how_ended(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _become_subreaper() -> None:
    """Grandchildren whose parent dies come to us, so that none can be lost (Linux only)."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None, use_errno=True)
        if library.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def _reap_adopted(own: set[int]) -> None:
    """Take the exit codes of ended grandchildren, so that they do not stay as zombies."""
    if sys.platform != "linux":
        return
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in own:
            return
        with contextlib.suppress(ChildProcessError):
            os.waitpid(ended.si_pid, 0)


def _end_all_descendants() -> None:
    left = psutil.Process().children(recursive=True)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=5.0)
