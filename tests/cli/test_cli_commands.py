"""The commands that people and scripts type: `assay …` and `make …`."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assay_cli.app import app
from assay_cli.log_files import keep_small, last_lines

COMMANDS = [
    "up",
    "down",
    "status",
    "migrate",
    "maintain",
    "ingest",
    "store",
    "mover",
    "forward",
    "aggregator",
    "relay",
    "credentials",
    "check",
    "bench",
    "demo",
    "rules",
    "rejected",
    "export",
    "import",
    "forwarding",
]
TARGETS = ("run", "test", "demo", "bench", "check", "clean", "help")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_help_that_says_something(command: str) -> None:
    answer = CliRunner().invoke(app, [command, "--help"])
    assert answer.exit_code == 0
    about = answer.output.split("Usage:", 1)[1].splitlines()[1:]
    assert any(len(line.split()) >= 4 for line in about)


def test_an_unknown_process_is_named(tmp_path: Path) -> None:
    answer = CliRunner().invoke(
        app, ["up", "--only", "postgre"], env={"ASSAY_DATA": str(tmp_path / "data")}
    )
    assert answer.exit_code == 1
    assert "no process postgre" in answer.stderr


def test_a_command_that_needs_a_stack_says_so(tmp_path: Path) -> None:
    answer = CliRunner().invoke(
        app, ["rejected", "list"], env={"ASSAY_DATA": str(tmp_path / "data")}
    )
    assert answer.exit_code == 1
    assert "assay up" in answer.stderr
    assert not isinstance(answer.exception, FileNotFoundError)


def test_make_alone_says_what_there_is(project: Path) -> None:
    said = subprocess.run(
        ["make"],  # noqa: S607 - any make will do
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    named = re.findall(r"^  make (\w+) +\S.*\w", said.stdout, re.MULTILINE)
    assert set(TARGETS) <= set(named)


def test_the_gate_runs_what_people_run(project: Path) -> None:
    path = project / ".ci" / "run"
    lines = path.read_text(encoding="utf-8").splitlines()
    assert "set -euo pipefail" in lines
    assert [line for line in lines if line.startswith("make ")] == [
        "make tools",
        "make check",
        "make test",
    ]
    assert os.access(path, os.X_OK)


def test_a_log_is_kept_under_its_limit_and_its_end_survives(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    with log.open("ab") as writer:
        writer.write(b"old\n" * 1000)
        writer.flush()
        keep_small(tmp_path, limit_bytes=100)
        writer.write(b"new\n")
    # The writer appends, so what it writes afterwards stands at the start, without a hole.
    assert log.read_bytes() == b"new\n"
    assert (tmp_path / "one.log.1").read_bytes().endswith(b"old\n")
    assert last_lines(log, offset=4000) == "new"
