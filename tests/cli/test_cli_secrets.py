"""Passwords: random, mode 600, never changed by a repeat; verifiers as Postgres makes them."""

import stat
from pathlib import Path

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_cli import scram
from assay_cli.errors import StackError
from assay_cli.processes import accounts
from assay_cli.secret_files import ensure_all, password_path, read_password
from assay_cli.stack import StackInfo
from assay_testing import Database


def test_every_account_gets_a_password_of_its_own_that_only_its_owner_reads(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "secrets"
    ensure_all(folder, accounts())
    passwords = {read_password(folder, kind, account) for kind, account in accounts()}
    assert len(passwords) == len(accounts())
    assert all(len(password) >= 32 for password in passwords)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for kind, account in accounts():
        assert stat.S_IMODE(password_path(folder, kind, account).stat().st_mode) == 0o600


def test_a_repeat_changes_no_password(tmp_path: Path) -> None:
    ensure_all(tmp_path, accounts())
    before = {account: read_password(tmp_path, *account) for account in accounts()}
    ensure_all(tmp_path, accounts())
    assert before == {account: read_password(tmp_path, *account) for account in accounts()}


def test_a_password_that_others_can_read_is_refused(tmp_path: Path) -> None:
    ensure_all(tmp_path, accounts())
    path = password_path(tmp_path, "kafka", "admin")
    path.chmod(0o644)
    with pytest.raises(StackError, match=r"mode 644.*chmod 600"):
        read_password(tmp_path, "kafka", "admin")


def test_a_missing_password_says_how_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="assay secrets"):
        read_password(tmp_path, "kafka", "admin")


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64))
def test_a_verifier_belongs_to_its_password_only(password: str) -> None:
    stored = scram.verifier(password, salt=b"0123456789abcdef", iterations=2)
    assert scram.matches(password, stored)
    assert not scram.matches(password + "x", stored)


def test_the_verifier_of_the_rfc() -> None:
    # Password "pencil" and the salt of RFC 7677, section 3.
    salt = b"[m\x99h\x9d\x125\x8e\xec\xa0K\x14\x126\xfa\x81"
    assert scram.verifier("pencil", salt).startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    assert scram.verifier("pencil", salt).endswith(
        "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )


async def test_postgres_takes_our_verifier_and_nothing_else(
    postgres: Database, servers: StackInfo
) -> None:
    connection = await postgres.connect("assay_ingest")
    try:
        assert await connection.fetchval("SELECT current_user") == "assay_ingest"
    finally:
        await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(servers.dsn("assay_ingest", postgres.name), password="wrong")
