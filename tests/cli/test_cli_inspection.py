"""`assay inspect verify`: what it says, and the exit code that a script goes by."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assay_aggregator.inspection.archive import Archive
from assay_aggregator.inspection.manifest import MANIFEST, manifest_bytes
from assay_cli.app import app
from assay_schemas.xapi_types import parse_timestamp

QUESTION = {"as_of": "2026-03-04T00:00:00Z", "known_at": "2026-03-04T00:00:00Z"}


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """The smallest pack: one file, nobody in it."""
    archive = Archive(parse_timestamp(QUESTION["as_of"]))
    data = archive.add("index.html", b"nobody")
    data += archive.add(MANIFEST, manifest_bytes(QUESTION, [], {}, archive.entries))
    path = tmp_path / "pack.zip"
    path.write_bytes(data + archive.close())
    return path


def verify(path: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["inspect", "verify", str(path), *options])
    return result.exit_code, result.output


def test_a_whole_pack_is_good(pack: Path) -> None:
    code, said = verify(pack, "--recompute")
    assert code == 0
    assert "1 files are as they were made" in said
    assert "0 decisions were made again" in said
    code, said = verify(pack, "--json")
    assert (code, json.loads(said)["question"]) == (0, QUESTION)


def test_a_flipped_byte_is_told_by_the_exit_code(pack: Path) -> None:
    data = bytearray(pack.read_bytes())
    # Of the time in the first local header: no tool that unpacks looks there.
    data[10] ^= 1
    pack.write_bytes(data)
    code, said = verify(pack)
    assert code == 1
    assert "its seal does not fit" in said


def test_another_file_is_no_pack(tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    path.write_bytes(b"not a zip archive")
    code, said = verify(path)
    assert code == 2
    assert "no readable zip archive" in said
