"""`assay issuer …` as people type it."""

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
WHY = ("--reason", "a test says so")


@pytest.fixture
async def assay(postgres: Database, tmp_path: Path) -> Assay:
    """Runs `assay <arguments>` on the test's own database and folder of keys."""
    connection = await postgres.connect()
    try:
        await connection.execute("insert into ingest.tenant (tenant) values ('demo')")
    finally:
        await connection.close()
    environment = {
        **postgres.stack.environment(BY_NAME["migrate"]),
        "ASSAY_POSTGRES_DSN": postgres.stack.dsn("postgres", postgres.name),
        "ASSAY_SIGNING_KEY_DIR": str(tmp_path / "keys"),
        "ASSAY_PUBLIC_URL": "https://credentials.example",
    }

    def run(*arguments: str, exit_code: int = 0) -> Result:
        answer = CliRunner().invoke(app, arguments, env=environment)
        assert answer.exit_code == exit_code, answer.output
        return answer

    return run


def keys(assay: Assay) -> list[dict[str, Any]]:
    (one,) = json.loads(assay("issuer", "list", "--json").stdout)
    found: list[dict[str, Any]] = one["keys"]
    return found


def test_an_issuer_is_described_rotated_and_rid_of_a_key(assay: Assay, tmp_path: Path) -> None:
    put = ("issuer", "put", "main", "--name", "Demo College", "--method", "web", *WHY)
    assert "nothing is changed" in assay(*put, "--dry-run").stdout
    assert "there is no issuer" in assay("issuer", "list").stdout
    assert not (tmp_path / "keys").exists()
    assert "did:web:credentials.example:issuers:demo:main" in assay(*put).stdout
    assert "already" in assay(*put).stdout
    (first,) = keys(assay)

    rotate = ("issuer", "rotate", "main", *WHY)
    assert "demo.main.1.pem" in assay(*rotate, "--dry-run").stdout
    assert keys(assay) == [first]
    report = json.loads(assay(*rotate, "--json").stdout)
    assert report["key"] == first["method"]
    assert [(key["method"], key["state"]) for key in keys(assay)] == [
        (report["new_key"], "active"),
        (first["method"], "verify_only"),
    ]

    # By what stands behind the #, as people copy it.
    remove = ("issuer", "remove-key", first["method"].partition("#")[2], *WHY)
    assert "dry run" in assay(*remove, "--dry-run").stdout
    assert first["method"] in assay(*remove).stdout
    stolen = ("issuer", "compromised", report["new_key"], *WHY)
    assert "new key" in assay(*stolen, "--dry-run").stdout
    told = assay(*stolen).stdout
    assert "demo.main.2.pem" in told
    assert [key["state"] for key in keys(assay)] == ["active", "compromised", "removed"]
    assert "verify_only" not in assay("issuer", "list", "--tenant", "demo").stdout
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == [
        "demo.main.1.pem",
        "demo.main.2.pem",
        "demo.pem",
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("rotate", "faculty"), "has no key yet"),
        (("remove-key", "z6Mk"), "has no key z6Mk"),
        (("compromised", "did:web:x#z6Mk"), "has no key"),
        (("put", "main", "--name", "x", "--tenant", "nobody"), "no tenant nobody"),
        (("put", "Main", "--name", "x"), "issuer: "),
        (("put", "main", "--name", "x", "--keys", "pkcs11"), "ASSAY_PKCS11_MODULE"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_changed(
    assay: Assay, arguments: tuple[str, ...], why: str
) -> None:
    assert why in assay("issuer", *arguments, *WHY, exit_code=1).output
    assert "there is no issuer" in assay("issuer", "list").stdout


def test_the_key_that_signs_is_not_removed(assay: Assay) -> None:
    assay("issuer", "put", "main", "--name", "Demo College", *WHY)
    (first,) = keys(assay)
    answer = assay("issuer", "remove-key", first["method"], *WHY, exit_code=1)
    assert "rotate it first" in answer.output
