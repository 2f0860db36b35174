"""A supervisor over any commands: `python supervised_probe.py UNITS.json`.

UNITS is a list of {"name", "command", "after", "once", "port", "file"}; a unit with a "file" is
ready when that file exists. ASSAY_DATA says where. For the tests of the supervisor itself.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from assay_cli.errors import StackError
from assay_cli.stack import StackInfo
from assay_cli.supervise import Unit, nothing_missing
from assay_cli.up import run_units


def _missing(file: str | None) -> Callable[[], str]:
    if file is None:
        return nothing_missing
    return lambda: "" if Path(file).exists() else f"{file} is not there"


def main(path: str) -> int:
    """Exit code 0 after a signal, 1 with the error on standard error."""
    table = json.loads(Path(path).read_text(encoding="utf-8"))

    def prepare(_doing: Callable[[str], None], _say: Callable[[str], None]) -> Sequence[Unit]:
        return [
            Unit(
                name=one["name"],
                command=[sys.executable, "-u", "-c", one["command"]],
                after=tuple(one.get("after", ())),
                once=one.get("once", False),
                missing=_missing(one.get("file")),
                stop_seconds=one.get("stop_seconds", 5.0),
                ready_seconds=one.get("ready_seconds", 30.0),
            )
            for one in table
        ]

    ports = {one["name"]: one["port"] for one in table if "port" in one}
    try:
        run_units(
            StackInfo.from_environment(),
            ports,
            prepare,
            Console(soft_wrap=True),
            lambda: print("ALL READY", flush=True),
        )
    except StackError as error:
        print(f"{error}\n{error.detail}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
