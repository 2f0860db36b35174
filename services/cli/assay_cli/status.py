"""`assay status`: is every process of the stack ready, and where are its doors?"""

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from assay_cli import local_kafka, local_postgres, units
from assay_cli.processes import PROCESSES
from assay_cli.stack import StackInfo
from assay_cli.up import supervisor_of


@dataclass(frozen=True, slots=True)
class Health:
    """What each process lacks ("" when it is ready), and whether all is well."""

    supervised: bool
    missing: dict[str, str]

    @property
    def healthy(self) -> bool:
        return self.supervised and not any(self.missing.values())


def look(stack: StackInfo) -> Health:
    """Ask every process of the stack now."""
    state = supervisor_of(stack)
    if state is None:
        return Health(False, {one.name: "no supervisor runs" for one in PROCESSES if one.port})
    missing: dict[str, str] = {}
    for process in PROCESSES:
        if process.is_once:
            continue
        if process.name not in state.processes:
            missing[process.name] = "not started"
        else:
            missing[process.name] = units.missing_of(stack, process)()
    return Health(True, missing)


def as_json(stack: StackInfo, health: Health) -> dict[str, object]:
    """The answer of `assay status --json`; scripts rely on its first four keys."""
    return {
        "healthy": health.healthy,
        "urls": stack.urls,
        "keys": stack.keys(),
        "versions": {
            "assay": version("assay-records"),
            "python": platform.python_version(),
            "postgres": local_postgres.version(),
            "kafka": local_kafka.VERSION,
        },
        "missing": {name: text for name, text in health.missing.items() if text},
    }


def wait_until_healthy(
    stack: StackInfo, seconds: float, pause: Callable[[float], None] = time.sleep
) -> Health:
    """Look again and again until all is ready or the time is over; the last look is returned."""
    deadline = time.monotonic() + seconds
    while True:
        health = look(stack)
        if health.healthy or time.monotonic() > deadline:
            return health
        pause(0.2)
