"""`assay keys …` and `assay maintain attachments` as people type them."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from assay_cli.app import app
from assay_cli.processes import BY_NAME
from assay_ingest.admin import put_tenant
from assay_testing import Database
from xapi_signing import new_key, public_pem

Assay = Callable[..., Result]
BEN = '{"mbox": "mailto:ben@example.org"}'


@pytest.fixture
def assay(postgres: Database, tmp_path: Path) -> Assay:
    """Runs `assay <arguments>` on the test's own database, which has the tenant acme."""
    environment = {
        **postgres.stack.environment(BY_NAME["migrate"]),
        "ASSAY_POSTGRES_DSN": postgres.stack.dsn("postgres", postgres.name),
        "ASSAY_ATTACHMENTS_URL": tmp_path.as_uri(),
    }

    async def prepare() -> None:
        owner = await postgres.connect()
        try:
            await put_tenant(owner, "acme")
        finally:
            await owner.close()

    asyncio.run(prepare())

    def run(*arguments: str, exit_code: int = 0, **more: str) -> Result:
        answer = CliRunner().invoke(app, arguments, env={**environment, **more})
        assert answer.exit_code == exit_code, answer.output
        return answer

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "ben.pem"
    made.write_text(public_pem(new_key()), encoding="ascii")
    return made


def test_a_key_is_added_listed_and_revoked(assay: Assay, file: Path) -> None:
    add = ("keys", "add", str(file), "--tenant", "acme", "--agent", BEN, "--key-id", "ben-1")
    times = ("--valid-from", "2026-01-01", "--valid-to", "2027-01-01")
    assert assay(*add, *times).stdout == "key ben-1 counts for mbox:mailto:ben@example.org\n"
    known = json.loads(assay("keys", "list", "--tenant", "acme", "--json").stdout)
    assert (known["key_id"], known["agent"], known["valid_from"], known["valid_to"]) == (
        "ben-1",
        "mbox:mailto:ben@example.org",
        "2026-01-01T00:00:00Z",
        "2027-01-01T00:00:00Z",
    )
    assert "already" in assay(*add, exit_code=1).output
    told = assay("keys", "revoke", "ben-1", "--tenant", "acme").stdout
    assert told.startswith("key ben-1 is revoked since ")
    assert assay("keys", "revoke", "ben-1", "--tenant", "acme").stdout == told
    assert "revoked at" in assay("keys", "list", "--tenant", "acme").stdout
    assert assay("keys", "list", "--tenant", "other").stdout == ""


def test_without_an_id_a_key_is_named_by_its_thumbprint(assay: Assay, file: Path) -> None:
    assay("keys", "add", str(file), "--tenant", "acme", "--agent", BEN)
    known = json.loads(assay("keys", "list", "--tenant", "acme", "--json").stdout)
    assert known["key_id"] == known["thumbprint"]
    assert known["valid_to"] is None


@pytest.mark.parametrize(
    ("tenant", "agent", "more", "words"),
    [
        ("nobody", BEN, (), "no such tenant"),
        ("acme", "{", (), "--agent must be an agent as JSON"),
        ("acme", '{"mbox": "ben"}', (), "--agent:"),
        ("acme", '{"objectType": "Group", "mbox": "mailto:b@e.org"}', (), "must be one agent"),
        ("acme", '{"objectType": "Group", "member": []}', (), "--agent:"),
        ("acme", "5", (), "--agent:"),
        ("acme", BEN, ("--valid-from", "2027-01-01", "--valid-to", "2026-01-01"), "--valid-to"),
        ("acme", BEN, ("--key-id", "x" * 300), "--key-id"),
    ],
)
def test_what_is_wrong_is_said(
    assay: Assay, file: Path, tenant: str, agent: str, more: tuple[str, ...], words: str
) -> None:
    arguments = ("keys", "add", str(file), "--tenant", tenant, "--agent", agent, *more)
    assert words in assay(*arguments, exit_code=1).output


def test_only_rsa_public_keys_are_taken(assay: Assay, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    for text in ("", "-----BEGIN PUBLIC KEY-----", public_pem(new_key(1024))):
        other.write_text(text, encoding="ascii")
        assay("keys", "add", str(other), "--tenant", "acme", "--agent", BEN, exit_code=1)
    assert "no key" in assay("keys", "revoke", "x", "--tenant", "acme", exit_code=1).output


def test_maintain_attachments_collects_and_says_what_it_cannot_know(
    assay: Assay, tmp_path: Path
) -> None:
    uploads = tmp_path / ".uploads"
    uploads.mkdir()
    (uploads / "young").write_bytes(b"x")
    told = assay("maintain", "attachments").stdout
    assert told == "attachments: how far the store is, is not known; none were looked at\n"
    assert (uploads / "young").exists()
    short = assay("maintain", "attachments", exit_code=1, ASSAY_ATTACHMENT_ORPHAN_SECONDS="60")
    assert "ASSAY_ATTACHMENT_ORPHAN_SECONDS" in short.output
    wrong = assay("maintain", "attachments", exit_code=1, ASSAY_ATTACHMENTS_URL="ftp://x/y")
    assert "must be a file:// or an s3:// address" in wrong.output
