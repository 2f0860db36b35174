"""Real PostgreSQL and Kafka for tests, and whole stacks under test.

The fixtures in tests/conftest.py hand out these objects. Everything stands in temporary folders,
on ports of its own, and ends with the test process, however that ends.
"""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg

from assay_cli import launch
from assay_cli.errors import PortInUse
from assay_cli.log_files import last_lines
from assay_cli.migration import (
    all_migrations,
    bring_up_to_date,
    ensure_broker,
    ensure_database,
    ensure_roles,
)
from assay_cli.ports import check_free
from assay_cli.processes import ADMIN_PRINCIPAL, OWNER_ROLE, PORT_SPAN, SUPERUSER, accounts
from assay_cli.secret_files import ensure_all, read_password
from assay_cli.stack import KafkaAccess, StackInfo
from assay_cli.state import Identity, Phase, StackState
from assay_runtime.broker import Broker, Grant, may_read, may_write
from assay_schemas.topics import Topic

# Below the ports that the system gives to outgoing connections (from 32768 on).
PORTS = range(18_000, 32_000)
START_SECONDS = 240.0
STOP_SECONDS = 60.0


def free_port_base() -> int:
    """The first of 13 ports that nobody holds at this moment."""
    while True:
        base = random.SystemRandom().randrange(PORTS.start, PORTS.stop - PORT_SPAN)
        try:
            check_free({str(port): port for port in range(base, base + PORT_SPAN)})
        except PortInUse:
            continue
        return base


class StackFailed(AssertionError):
    """A stack under test did not start or stop; the text is what its supervisor said."""


@dataclass
class RunningStack:
    """A stack run by a supervisor that is our child: it ends when the test process does."""

    info: StackInfo
    environment: Mapping[str, str] = field(default_factory=dict)
    only: str | None = None
    supervisor: "subprocess.Popen[bytes] | None" = None

    @classmethod
    def new(cls, only: str | None = None, **environment: str) -> "RunningStack":
        """A stack that has not been started, in a folder of its own."""
        # Not pytest's tmp_path: Postgres runs as another user when root runs the tests, and must
        # be able to pass through every folder above.
        data = Path(tempfile.mkdtemp(prefix="assay-test-"))
        data.chmod(0o711)
        return cls(StackInfo(data / "data", free_port_base()), environment, only)

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "ASSAY_DATA": str(self.info.data),
            "ASSAY_PORT_BASE": str(self.info.port_base),
            **self.environment,
        }

    @property
    def output(self) -> Path:
        """What the supervisor prints."""
        return self.info.data.with_name("up.log")

    def assay(self, *arguments: str, seconds: float = 120.0) -> "subprocess.CompletedProcess[str]":
        """Run an `assay` command against this stack."""
        return subprocess.run(
            [sys.executable, "-m", "assay_cli", *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def spawn(self) -> "subprocess.Popen[bytes]":
        """Start the supervisor and return at once."""
        command = [sys.executable, "-m", "assay_cli", "up"]
        if self.only is not None:
            command += ["--only", self.only]
        launcher = [
            sys.executable,
            "-I",
            "-S",
            str(launch.__file__),
            str(os.getpid()),
            "15",
            "",
            "0",
        ]
        with self.output.open("ab") as output:
            self.supervisor = subprocess.Popen(
                [*launcher, *command],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.supervisor

    def start(self, seconds: float = START_SECONDS) -> "RunningStack":
        """Start and wait until all is ready. Raises StackFailed with what the stack said."""
        offset = self.output.stat().st_size if self.output.exists() else 0
        supervisor = self.spawn()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if supervisor.poll() is not None:
                raise StackFailed(last_lines(self.output, offset, lines=80))
            state = self.state()
            if (
                state is not None
                and state.supervisor.pid == supervisor.pid
                and state.phase is Phase.READY
            ):
                return self
            time.sleep(0.05)
        self.stop()
        raise StackFailed(f"not ready within {seconds} s\n{last_lines(self.output, offset)}")

    def stop(self) -> int:
        """Stop the supervisor like Ctrl-C does; returns its exit code."""
        if self.supervisor is None:
            return 0
        if self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGINT)
        try:
            return self.supervisor.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.supervisor.kill()
            raise StackFailed(f"did not stop\n{last_lines(self.output)}") from None

    def remove(self) -> None:
        """Stop, stop also what a killed supervisor left, and delete the data."""
        try:
            self.stop()
        finally:
            self.assay("down")
            shutil.rmtree(self.info.data.parent)

    def state(self) -> StackState | None:
        return StackState.read(self.info.state_file)

    def identity(self, name: str) -> Identity:
        """Which process runs `name` now. KeyError when none does."""
        state = self.state()
        found = None if state is None else state.processes[name].identity
        if found is None:
            raise KeyError(f"{name} does not run")
        return found

    def send(self, name: str, number: signal.Signals) -> Identity:
        """Send a signal to a process of the stack; returns which process got it."""
        identity = self.identity(name)
        os.kill(identity.pid, number)
        return identity


@dataclass(frozen=True)
class Database:
    """A fresh database with all migrations applied."""

    stack: StackInfo
    name: str

    def dsn(self, role: str = OWNER_ROLE) -> str:
        """Without a password, as the services' settings want it."""
        return self.stack.dsn(role, self.name)

    def password_file(self, role: str = OWNER_ROLE) -> Path:
        return self.stack.postgres_password_file(role)

    def password(self, role: str = OWNER_ROLE) -> str:
        return read_password(self.stack.secrets, "postgres", role)

    async def connect(self, role: str = OWNER_ROLE) -> asyncpg.Connection:
        """A connection as a role: "assay_owner", "postgres" or that of a service."""
        return await asyncpg.connect(self.dsn(role), password=self.password(role))

    def environment(self, role: str) -> dict[str, str]:
        """The Postgres settings of a service that comes in as `role`."""
        return {
            "ASSAY_POSTGRES_DSN": self.dsn(role),
            "ASSAY_POSTGRES_PASSWORD_FILE": str(self.password_file(role)),
        }


async def hurry(stack: StackInfo) -> None:
    """Let the servers of a test session not wait for the disk: their data ends with the session.

    Killed processes lose nothing by it, only a killed machine would. Whole stacks under test
    (`stack`, `new_stack`) run as they are delivered.
    """
    superuser = await asyncpg.connect(stack.dsn_with_password(SUPERUSER, "postgres"))
    try:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            await superuser.execute(f"ALTER SYSTEM SET {setting} = off")
        await superuser.execute("SELECT pg_reload_conf()")
    finally:
        await superuser.close()


async def ensure_template(stack: StackInfo) -> str:
    """The name of the template database with all migrations; made when there is none.

    Its name holds the hash of what went into it, so that a kept stack never serves an old one.
    """
    text = "".join(one.title + one.sha256 for one in all_migrations())
    text += datetime.now(UTC).date().isoformat()
    name = "assay_template_" + hashlib.sha256(text.encode()).hexdigest()[:12]
    superuser = await asyncpg.connect(stack.dsn_with_password(SUPERUSER, "postgres"))
    try:
        await superuser.execute("SELECT pg_advisory_lock(hashtext('assay-test-template'))")
        if await superuser.fetchval("SELECT datistemplate FROM pg_database WHERE datname=$1", name):
            return name
        await ensure_roles(superuser, stack.secrets, print)
        await superuser.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await ensure_database(superuser, name, print)
        owner = await asyncpg.connect(stack.dsn_with_password(OWNER_ROLE, name))
        try:
            await bring_up_to_date(owner, ("pre", "post"), print)
        finally:
            await owner.close()
        await superuser.execute(f'ALTER DATABASE "{name}" IS_TEMPLATE true')
    finally:
        await superuser.close()
    return name


async def new_database(stack: StackInfo, template: str) -> Database:
    """A database for one test."""
    name = f"assay_test_{uuid4().hex[:16]}"
    superuser = await asyncpg.connect(stack.dsn_with_password(SUPERUSER, "postgres"))
    try:
        await superuser.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        # Access rights of a database are not copied with it.
        await ensure_database(superuser, name, print)
        await superuser.execute(f'ALTER DATABASE "{name}" OWNER TO {OWNER_ROLE}')
    finally:
        await superuser.close()
    return Database(stack, name)


async def drop_database(database: Database) -> None:
    """End every session of the database and drop it."""
    superuser = await asyncpg.connect(database.stack.dsn_with_password(SUPERUSER, "postgres"))
    try:
        await superuser.execute(f'DROP DATABASE "{database.name}" WITH (FORCE)')
    finally:
        await superuser.close()


@dataclass
class KafkaSpace:
    """A part of a real broker for one test: topics of its own, deleted afterwards."""

    stack: StackInfo
    broker: Broker
    suffix: str = field(default_factory=lambda: uuid4().hex[:12])
    made: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, stack: StackInfo) -> "KafkaSpace":
        access = stack.kafka(ADMIN_PRINCIPAL)
        return cls(stack, Broker(access.bootstrap, access.user, access.password))

    def access(self, principal: str = ADMIN_PRINCIPAL) -> KafkaAccess:
        """How to come in; "admin" may do everything."""
        return self.stack.kafka(principal)

    def topic(
        self,
        name: str = "assay.test",
        *,
        partitions: int = 1,
        config: Mapping[str, str] | None = None,
        writers: tuple[str, ...] = (),
        readers: tuple[str, ...] = (),
    ) -> str:
        """Make a topic `<name>.<random>` with LogAppendTime; returns its whole name."""
        whole = f"{name}.{self.suffix}.{len(self.made)}"
        settings = {"message.timestamp.type": "LogAppendTime", **(config or {})}
        grants: list[Grant] = [may_write(one, whole) for one in writers]
        grants += [may_read(one, whole) for one in readers]
        self.broker.ensure_topic(
            Topic(whole, "none", partitions, writers, readers, "made by a test", settings)
        )
        self.broker.ensure_grants(grants)
        self.made.append(whole)
        return whole

    def principal(self, name: str) -> KafkaAccess:
        """A principal of this test only, `<name>-<random>`, with no rights."""
        whole = f"{name}-{self.suffix}"
        password = uuid4().hex
        self.broker.ensure_principal(whole, password)
        return KafkaAccess(self.stack.kafka_bootstrap, whole, password)

    def environment(self, principal: str) -> dict[str, str]:
        """The Kafka settings of a service that comes in as `principal`."""
        return {
            "ASSAY_KAFKA_BOOTSTRAP": self.stack.kafka_bootstrap,
            "ASSAY_KAFKA_USER": principal,
            "ASSAY_KAFKA_PASSWORD_FILE": str(self.stack.kafka_password_file(principal)),
        }

    def close(self) -> None:
        """Delete the topics of this test."""
        for name in self.made:
            self.broker.delete_topic(name)


def ensure_principals(stack: StackInfo) -> None:
    """Passwords, roles and principals of every service, with the rights that the tables state."""
    ensure_all(stack.secrets, accounts())
    access = stack.kafka(ADMIN_PRINCIPAL)
    ensure_broker(Broker(access.bootstrap, access.user, access.password), stack.secrets, print)
