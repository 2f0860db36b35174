"""`assay template …`, typed by people, against a service on a real port."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from assay_cli.app import app
from assay_testing import Database
from browser import free_port, listening
from credentials_service import COMPETENCY, Service
from template_samples import GOWNING, SVG
from template_service import APPROVER, AUTHOR, PASSWORD, Office

Typed = Callable[..., Awaitable[Result]]


@pytest.fixture
async def typed(service: Service, postgres: Database, tmp_path: Path) -> AsyncIterator[Typed]:
    """Types `assay template` and what follows; `by` is who signs."""
    office = await Office.open(service, postgres)
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    (tmp_path / "key").write_text(office.key[1])
    async with listening(service.app, free_port()) as url:

        async def type_(*words: str, by: str | None = None, input_: str | None = None) -> Result:
            door = ["--url", url, "--user", office.key[0], "--key-file", str(tmp_path / "key")]
            if by is not None:
                door += ["--account", by, "--reason", "agreed"]
                door += [] if input_ else ["--password-file", str(tmp_path / "password")]
            return await asyncio.to_thread(
                CliRunner().invoke, app, ["template", *words, *door], input=input_
            )

        yield type_


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gowning.yaml"
    _write(path, {**GOWNING, "competency": COMPETENCY})
    return path


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")


async def test_a_template_is_put_approved_listed_and_ended(
    typed: Typed, file: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "badge.svg"
    picture.write_bytes(SVG)
    put = await typed("put", "gowning", str(file), "--image", str(picture), by=AUTHOR)
    assert put.exit_code == 0, put.stderr
    assert "gowning  version 1  proposed  Gown aseptically for grade B (cy,en)" in put.stdout
    own = await typed("approve", "gowning", "1", by=AUTHOR)
    assert own.exit_code == 1
    assert "second person" in own.stderr
    asked = await typed("approve", "gowning", "1", by=APPROVER, input_=f"{PASSWORD}\n")
    assert asked.exit_code == 0, asked.stderr
    assert "proposed by ada, approved by bea" in asked.stdout
    assert PASSWORD not in asked.output
    listed = await typed("list", "--json")
    (one,) = json.loads(listed.stdout)
    assert (one["state"], one["document"]["image"][-4:]) == ("approved", ".svg")
    shown = await typed("show", "gowning", "1")
    assert json.loads(shown.stdout) == one
    ended = await typed("end", "gowning", "1", by=APPROVER)
    assert "retired" in ended.stdout


async def test_a_file_can_be_looked_at_before_it_is_proposed(
    typed: Typed, file: Path, tmp_path: Path
) -> None:
    sample = await typed("preview", "gowning", "--file", str(file), "--language", "cy")
    assert json.loads(sample.stdout)["name"] == GOWNING["texts"]["cy"]["name"]
    drawn = tmp_path / "badge.png"
    assert (
        await typed("preview", "gowning", "--file", str(file), "--image", str(drawn))
    ).exit_code == 0
    assert drawn.read_bytes().startswith(b"\x89PNG")
    neither = await typed("preview", "gowning")
    assert neither.exit_code == 1
    assert "a version, or a file" in neither.stderr
    assert (await typed("list")).stdout == "there is no template\n"


async def test_a_refusal_names_the_field(typed: Typed, file: Path) -> None:
    _write(file, {**GOWNING, "competency": COMPETENCY, "language": "fr"})
    refused = await typed("put", "gowning", str(file), by=AUTHOR)
    assert refused.exit_code == 1
    assert "texts: lacks the main language fr" in refused.stderr
