"""Export, import, resend and forwarding as people type them, on the running product."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pyarrow.parquet as pq
import pytest

from assay_testing import RunningStack

VERSION = {"X-Experience-API-Version": "2.0.0"}
VERB = f"https://assay.example/verbs/{uuid4()}"


@pytest.fixture(scope="module")
def posted(stack: RunningStack) -> list[str]:
    """Ids of statements that only this module's verb matches, in the store by now."""
    statements = [_statement() for _ in range(40)]
    user, password = stack.info.keys()["online"].values()
    with httpx.Client(headers=VERSION, auth=(user, password), timeout=15) as http:
        url = f"{stack.info.urls['xapi']}/statements"
        answer = http.post(url, json=statements)
        assert answer.status_code == 200, answer.text
        ids: list[str] = answer.json()
        # A list waits for what this process had acknowledged.
        assert len(http.get(url, params={"verb": VERB}).json()["statements"]) == 40
        return ids


def _statement(**more: Any) -> dict[str, Any]:
    return {
        "actor": {"account": {"homePage": "https://people.example.org", "name": str(uuid4())}},
        "verb": {"id": VERB},
        "object": {"id": "https://assay.example/activities/transfer"},
        **more,
    }


def test_an_export_goes_to_a_file_or_a_pipe_in_every_format(
    stack: RunningStack, posted: list[str], tmp_path: Path
) -> None:
    piped = stack.assay("export", "--verb", VERB)
    assert piped.returncode == 0, piped.stderr
    assert [json.loads(line)["id"] for line in piped.stdout.splitlines()] != []
    assert {json.loads(line)["id"] for line in piped.stdout.splitlines()} == set(posted)
    assert "complete through 20" in piped.stderr

    table = stack.assay("export", "--verb", VERB, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(table.stdout, newline="")))
    assert {row["id"] for row in rows} == set(posted)

    file = tmp_path / "all.parquet"
    done = stack.assay("export", "--verb", VERB, "--format", "parquet", "--output", str(file))
    assert done.returncode == 0, done.stderr
    assert set(pq.read_table(file).column("id").to_pylist()) == set(posted)


def test_parquet_may_be_piped(stack: RunningStack, posted: list[str], tmp_path: Path) -> None:
    file = tmp_path / "piped.parquet"
    with file.open("wb") as output:
        reading = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=output)  # noqa: S607 - any cat will do
        done = subprocess.run(
            [sys.executable, "-m", "assay_cli", "export", "--format", "parquet", "--verb", VERB],
            env={
                **os.environ,
                "ASSAY_DATA": str(stack.info.data),
                "ASSAY_PORT_BASE": str(stack.info.port_base),
            },
            stdout=reading.stdin,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
        assert reading.stdin is not None
        reading.stdin.close()
        reading.wait(30)
    assert done.returncode == 0, done.stderr
    assert pq.read_table(file).num_rows == len(posted)


def test_a_refusal_by_the_server_is_told_without_a_trace(stack: RunningStack) -> None:
    refused = stack.assay("export", "--verb", "no iri")
    assert refused.returncode == 1
    assert "400" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_file_is_imported_once_with_its_bad_lines_named(
    stack: RunningStack, posted: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "in.jsonl"
    exported = stack.assay("export", "--verb", VERB, "--output", str(file))
    assert exported.returncode == 0, exported.stderr
    with file.open("a", encoding="utf-8") as more:
        more.write(json.dumps(_statement(verb={"id": "no iri"})) + "\n")
        more.write(json.dumps(_statement(verb={"id": VERB + "/2"})) + "\n")
    dry = stack.assay("import", str(file), "--dry-run")
    assert dry.returncode == 1
    assert "line 41: /verb/id" in dry.stderr
    done = stack.assay("import", str(file), "--rate", "1000")
    assert done.returncode == 1, done.stderr
    assert "41 of 42 lines are kept" in done.stdout
    (rejected,) = (tmp_path / "in.jsonl.rejected.jsonl").read_text().splitlines()
    assert json.loads(rejected)["line"] == 41
    again = stack.assay("import", str(file))
    assert "41 of 42 lines are kept" in again.stdout
    found = stack.assay("export", "--verb", VERB)
    assert len(found.stdout.splitlines()) == len(posted)


def test_resend_says_what_it_needs(stack: RunningStack) -> None:
    nothing_said = stack.assay("rejected", "resend")
    assert nothing_said.returncode == 1
    assert "--all" in nothing_said.stderr
    none = stack.assay("rejected", "resend", "--reason", "no such reason")
    assert (none.returncode, none.stdout.strip()) == (0, "nothing to send again"), none.stderr
    unknown = stack.assay("rejected", "resend", "assay.in.demo.vr.v1/0/999999/0")
    assert unknown.returncode == 1
    assert "nothing of tenant demo was refused" in unknown.stderr
    of_the_log = stack.assay("rejected", "resend", "assay.statements.v1/0/1/0")
    assert of_the_log.returncode == 1
    assert "input topic" in of_the_log.stderr


def test_a_target_of_forwarding_is_made_shown_and_taken_away(
    stack: RunningStack, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a signing secret, long enough\n")
    words = ["forwarding", "add", "hook", "--kind", "webhook", "--secret-file", str(secret)]
    plain = stack.assay(*words, "--url", "http://hooks.example.org/")
    assert plain.returncode == 1
    assert "https" in plain.stderr
    keyless = stack.assay(*words[:3], "--secret-file", str(secret), "--url", "https://lrs.example")
    assert keyless.returncode == 1
    assert "--user" in keyless.stderr
    # This machine is no address of the public internet, so it is never asked.
    made = stack.assay(*words, "--url", "https://localhost:1/")
    assert made.returncode == 0, made.stderr
    kept = stack.info.secrets / "forward-demo-hook.password"
    assert (kept.stat().st_mode & 0o777, kept.read_text()) == (0o600, secret.read_text())
    user, password = stack.info.keys()["online"].values()
    with httpx.Client(headers=VERSION, auth=(user, password), timeout=15) as http:
        sent = http.post(f"{stack.info.urls['xapi']}/statements", json=_statement())
        assert sent.status_code == 200, sent.text
    end = time.monotonic() + 30
    while "AddressRefused" not in (shown := stack.assay("forwarding", "list").stdout):
        assert time.monotonic() < end, shown
        time.sleep(0.2)
    assert "1 waiting  0 dead  failed" in shown
    assert stack.assay("forwarding", "dead", "hook").stdout.strip() == "hook has no dead letters"
    assert stack.assay("forwarding", "retry", "hook").stdout.strip() == "0 statements are queued"
    gone = stack.assay("forwarding", "remove", "hook")
    assert gone.returncode == 0, gone.stderr
    assert not kept.exists()
    assert "forwards nothing" in stack.assay("forwarding", "list").stdout
    assert stack.assay("forwarding", "remove", "hook").returncode == 1
    assert stack.assay("status").returncode == 0
