"""`assay trust …` as people type it."""

import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from assay_cli.app import app
from assay_cli.processes import BY_NAME
from assay_testing import Database

Assay = Callable[..., Result]
DID = "did:web:college.example"
ADD = ("trust", "add", DID, "--name", "Example College", "--reason", "joined")


@pytest.fixture
def assay(postgres: Database) -> Assay:
    """Runs `assay <arguments>` on the test's own database."""
    environment = {
        **postgres.stack.environment(BY_NAME["migrate"]),
        "ASSAY_POSTGRES_DSN": postgres.stack.dsn("postgres", postgres.name),
    }

    def run(*arguments: str, exit_code: int = 0) -> Result:
        answer = CliRunner().invoke(app, arguments, env=environment)
        assert answer.exit_code == exit_code, answer.output
        return answer

    return run


def listed(assay: Assay, *more: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(assay("trust", "list", "--json", *more).stdout)
    return found


def test_an_issuer_is_added_listed_and_removed(assay: Assay) -> None:
    more = ("--register", "Register", "--register-url", "https://register.example/1")
    bounds = ("--achievement", "https://example.org/a", "--until", "2040-01-01")
    assert "would trust Example College" in assay(*ADD, *more, *bounds, "--dry-run").stdout
    assert listed(assay) == []
    assert "for 1 achievements" in assay(*ADD, *more, *bounds).stdout
    (entry,) = listed(assay)
    assert (entry["did"], entry["registry"], entry["achievements"]) == (
        DID,
        "Register",
        ["https://example.org/a"],
    )
    assert "already" in assay(*ADD, exit_code=1).output
    assert "Example College" in assay("trust", "list").stdout
    assert "no more" in assay("trust", "remove", DID, "--reason", "left").stdout
    assert listed(assay) == []
    (kept,) = listed(assay, "--all")
    assert (kept["reason"], kept["removed_reason"]) == ("joined", "left")
    assert kept["removed_by"]
    assert "not on the list" in assay("trust", "remove", DID, "--reason", "x", exit_code=1).output
    # Removed, it can be added anew, and both entries stay.
    assay(*ADD)
    assert len(listed(assay, "--all")) == 2


def test_what_breaks_a_rule_is_named(assay: Assay) -> None:
    ip = ("trust", "add", "did:web:127.0.0.1", "--name", "x", "--reason", "y")
    assert "did: " in assay(*ip, exit_code=1).output
    assert "register-url" in assay(*ADD, "--register-url", "http://x", exit_code=1).output
    assert "until" in assay(*ADD, "--until", "2001-01-01", exit_code=1).output
