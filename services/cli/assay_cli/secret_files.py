"""Passwords as files with mode 600, one file per account, made when they are first needed."""

import os
import secrets
from pathlib import Path

from assay_cli.errors import StackError

PASSWORD_BYTES = 24


def password_path(directory: Path, kind: str, account: str) -> Path:
    """Where the password of `account` stands; `kind` is "postgres" or "kafka"."""
    return directory / f"{kind}-{account}.password"


def write_private(path: Path, text: str) -> None:
    """Write `text` at once or not at all, readable by nobody else at any moment."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def ensure_password(directory: Path, kind: str, account: str) -> str:
    """The account's password; a random one is written when there is none yet."""
    path = password_path(directory, kind, account)
    if not path.exists():
        write_private(path, secrets.token_urlsafe(PASSWORD_BYTES) + "\n")
    return read_password(directory, kind, account)


def read_password(directory: Path, kind: str, account: str) -> str:
    """The account's password. StackError when there is none or others could read it."""
    path = password_path(directory, kind, account)
    try:
        mode = path.stat().st_mode & 0o777
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise StackError(
            f"{path} does not exist: `assay up` makes the passwords of a local stack, "
            f"`assay secrets DIRECTORY` those of another"
        ) from None
    if mode & 0o077:
        raise StackError(f"{path} has mode {mode:o}, others can read it: chmod 600 {path}")
    if not text:
        raise StackError(f"{path} is empty")
    return text


def ensure_all(directory: Path, accounts: tuple[tuple[str, str], ...]) -> None:
    """Make every missing password file; `accounts` are (kind, account)."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    for kind, account in accounts:
        ensure_password(directory, kind, account)
