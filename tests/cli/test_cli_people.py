"""`assay people|organisations|cohorts|authorisations|sources …` as people type them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from assay_cli.app import app
from assay_cli.processes import BY_NAME
from assay_testing import Database

Assay = Callable[..., Result]
WHY = ("--tenant", "acme", "--reason", "a test of ours")


@pytest.fixture
def assay(postgres: Database) -> Assay:
    """Runs `assay <arguments>` on the test's own database."""
    environment = {
        **postgres.stack.environment(BY_NAME["migrate"]),
        "ASSAY_POSTGRES_DSN": postgres.stack.dsn("postgres", postgres.name),
    }

    def run(*arguments: str, exit_code: int = 0) -> Result:
        answer = CliRunner().invoke(app, list(arguments), env=environment)
        assert answer.exit_code == exit_code, answer.output
        return answer

    run(
        *("clients", "add", "lms", "--tenant", "acme", "--source", "moodle", "--create"),
        *("--scope", "statements/write"),
    )
    return run


def told(answer: Result) -> Any:
    return json.loads(answer.stdout)


def test_a_roster_and_what_it_makes(assay: Assay, tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text(
        "identifiers,organisation,role,from,cohort\n"
        "mailto:ada@example.org https://lms.example|ada,acme,technician,2026-01-05,intake\n"
        "ben,acme,,,\n"
    )
    out = tmp_path / "faults.csv"
    arguments = ("people", "import", str(roster), *WHY, "--create")
    tried = assay(*arguments, "--dry-run", "--json", exit_code=1)
    assert told(tried)["people"] == 1
    assert told(assay("organisations", "list", "--tenant", "acme", "--json")) == []
    done = assay(*arguments, "--faults", str(out), exit_code=1)
    assert "roster.csv:3 identifiers: an identifier is" in done.stderr
    assert out.read_text().splitlines()[1].startswith("roster.csv,3,identifiers,")
    assert told(assay(*arguments, "--json", exit_code=1))["unchanged"] == 1
    shown = told(assay("organisations", "show", "acme", "--tenant", "acme"))
    (employment,) = shown["employments"]
    assert employment["role"] == "technician"
    person = told(assay("people", "show", employment["person"], "--tenant", "acme"))
    assert len(person["links"]) == 2
    members = told(assay("cohorts", "show", "intake", "--tenant", "acme", "--as-of", "2026-02-01"))
    assert [one["person"] for one in members["memberships"]] == [employment["person"]]
    ended = assay(
        "people", "end", "employment", employment["employment"], "--on", "2026-03-01", *WHY
    )
    shown = told(assay("organisations", "show", "acme", "--tenant", "acme"))
    assert [one["to"] for one in shown["employments"]] == ["2026-03-01"]
    assay("people", "take-back", "employment", ended.stdout.strip(), *WHY)
    assay("people", "take-back", "employment", ended.stdout.strip(), *WHY, exit_code=1)


def test_merge_and_unmerge(assay: Assay, tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("identifiers\nmailto:a@b.c\nmailto:d@e.f\n")
    assay("people", "import", str(roster), *WHY)
    assay("organisations", "add", "acme", "Acme Therapies", *WHY)
    assay(
        "cohorts",
        "add",
        "c1",
        "Cohort 1",
        "--standard",
        "ST0250",
        "--starts-on",
        "2026-01-01",
        *WHY,
    )
    assert "ST0250" in assay("cohorts", "list", "--tenant", "acme").stdout
    people = told(assay("people", "import", str(roster), *WHY, "--json"))
    assert people["unchanged"] == 2
    both = tmp_path / "both.csv"
    both.write_text("identifiers\nmailto:a@b.c mailto:d@e.f\n")
    assay("people", "import", str(both), *WHY, exit_code=1)
    (collision,) = told(assay("people", "collisions", "--tenant", "acme", exit_code=1))
    one, two = collision["people"]
    assay("people", "employ", two, "acme", "--role", "technician", *WHY)
    assay("people", "enrol", two, "c1", "--from", "2026-01-05", *WHY)
    merge = assay("people", "merge", one, two, *WHY).stdout.strip()
    assert told(assay("people", "collisions", "--tenant", "acme")) == []
    refused = assay("people", "enrol", two, "c1", *WHY, exit_code=1)
    assert "was merged into" in refused.stderr
    assert len(told(assay("people", "show", one, "--tenant", "acme"))["employments"]) == 1
    assay("people", "unmerge", merge, *WHY)
    assert len(told(assay("people", "show", two, "--tenant", "acme"))["employments"]) == 1
    (held,) = told(assay("people", "merges", "--tenant", "acme"))
    assert held["retracted"] is not None
    assay("people", "set-aside", collision["contradiction"], *WHY)
    assert told(assay("people", "collisions", "--tenant", "acme")) == []


def test_what_is_not_there_is_said(assay: Assay, tmp_path: Path) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    assert "no person" in assay("people", "show", nobody, "--tenant", "acme", exit_code=1).stderr
    assert (
        "no organisation"
        in assay("organisations", "show", "x", "--tenant", "acme", exit_code=1).stderr
    )
    missing = assay("organisations", "add", "x", "X", "--parent", "y", *WHY, exit_code=1)
    assert "no organisation y" in missing.stderr
    elsewhere = ("--tenant", "acmee", "--reason", "a slip")
    assert "no tenant" in assay("cohorts", "add", "c", "C", *elsewhere, exit_code=1).stderr
    empty = tmp_path / "roster.csv"
    empty.write_text("identifiers\nmailto:a@b.c\n")
    slip = assay("people", "import", str(empty), *elsewhere, exit_code=2)
    assert "no tenant" in slip.stderr
    wrong = tmp_path / "roster.zip"
    wrong.write_bytes(b"no zip")
    assay("people", "import", str(wrong), "--format", "oneroster", *WHY, exit_code=2)
    latin = tmp_path / "latin.csv"
    latin.write_bytes("identifiers\nmailto:é@b.c\n".encode("latin-1"))
    refused = assay("people", "import", str(latin), *WHY, exit_code=2)
    assert "not UTF-8" in refused.stderr
    assert "there is none" in assay("authorisations", "list", "--tenant", "acme").stdout


def test_sources_are_listed_and_put(assay: Assay) -> None:
    put = ("sources", "put", "tablets", "--tenant", "acme", "--modality", "in_person")
    assay(*put, "--vouches-for-assessors")
    listed = told(assay("sources", "list", "--tenant", "acme", "--json"))
    assert [(one["source"], one["modality"], one["vouches_for_assessors"]) for one in listed] == [
        ("moodle", None, False),
        ("tablets", "in_person", True),
    ]
    assert "tablets" in assay("sources", "list").stdout
    own = assay("sources", "put", "assay", "--tenant", "acme", "--modality", "vr", exit_code=1)
    assert "never evidence" in own.stderr
    nowhere = assay("sources", "put", "x", "--tenant", "nobody", "--modality", "vr", exit_code=1)
    assert "no tenant" in nowhere.stderr
