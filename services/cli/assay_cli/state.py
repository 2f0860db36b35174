"""What a supervisor writes down about its processes, so that others can see and stop them."""

import json
import os
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

import psutil

# The kernel counts start times in ticks of 10 ms; psutil adds the boot time, which may be read
# a little differently after a clock step.
START_TIME_TOLERANCE_SECONDS = 1.0


class Phase(StrEnum):
    PREPARING = "preparing"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


class Status(StrEnum):
    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    DONE = "done"
    BACKOFF = "backoff"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Identity:
    """A process beyond doubt: a pid alone may have been given to somebody else since."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "Identity":
        """Raises psutil.NoSuchProcess when there is none."""
        return cls(pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """The living process, or None when it has ended (a zombie has)."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) <= START_TIME_TOLERANCE_SECONDS
            alive = process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if same and alive else None


@dataclass(slots=True)
class ProcessState:
    """One process of the stack. `missing` says why it is not ready."""

    status: Status = Status.WAITING
    identity: Identity | None = None
    restarts: int = 0
    missing: str = ""


@dataclass(slots=True)
class StackState:
    """The stack as its supervisor sees it."""

    supervisor: Identity
    port_base: int
    phase: Phase = Phase.PREPARING
    note: str = ""
    processes: dict[str, ProcessState] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """At once or not at all: a reader sees the old state or the new one."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        temporary.replace(path)

    @classmethod
    def read(cls, path: Path) -> "StackState | None":
        """The last written state; None when there is none."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return cls(
            supervisor=Identity(**found["supervisor"]),
            port_base=found["port_base"],
            phase=Phase(found["phase"]),
            note=found["note"],
            processes={
                name: ProcessState(
                    status=Status(one["status"]),
                    identity=Identity(**one["identity"]) if one["identity"] else None,
                    restarts=one["restarts"],
                    missing=one["missing"],
                )
                for name, one in found["processes"].items()
            },
        )


def ourselves() -> Identity:
    return Identity.of(os.getpid())
