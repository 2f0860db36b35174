"""Where a stack is: its data, ports, addresses and accounts.

`StackInfo` is what tests, `assay demo`, `assay bench` and `assay check` are given.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from assay_cli.errors import StackError
from assay_cli.processes import (
    BY_NAME,
    DATABASE,
    DEFAULT_PORT_BASE,
    KAFKA_CONTROLLER_PORT,
    OWNER_ROLE,
    PORT_SPAN,
    Process,
)
from assay_cli.secret_files import password_path, read_password

HOST = "127.0.0.1"
DEFAULT_DATA = ".assay"
DEMO_KEYS = ("online", "vr", "in_person", "reader", "admin")


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """What a Kafka client needs to come in as one principal."""

    bootstrap: str
    user: str
    password: str

    def aiokafka(self) -> dict[str, str]:
        """Keyword arguments of an aiokafka producer, consumer or admin client."""
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": self.user,
            "sasl_plain_password": self.password,
        }

    def confluent(self) -> dict[str, str]:
        """The configuration of a confluent-kafka client."""
        return {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.user,
            "sasl.password": self.password,
        }


@dataclass(frozen=True, slots=True)
class StackInfo:
    """One stack on this machine: `data` is its folder, `port_base` its first port."""

    data: Path
    port_base: int = DEFAULT_PORT_BASE

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "StackInfo":
        """By ASSAY_DATA and ASSAY_PORT_BASE.

        Without a port base, that of the running stack in the data folder is taken, or 8400.
        StackError names a wrong value.
        """
        given = os.environ if environment is None else environment
        data = Path(given.get("ASSAY_DATA") or DEFAULT_DATA).absolute()
        text = given.get("ASSAY_PORT_BASE")
        if not text:
            return cls(data, _port_base_of_running(data) or DEFAULT_PORT_BASE)
        if not text.isdigit() or not 1024 <= int(text) <= 65535 - PORT_SPAN:
            raise StackError(f"ASSAY_PORT_BASE is {text!r}: it must be 1024 to {65535 - PORT_SPAN}")
        return cls(data, int(text))

    @property
    def secrets(self) -> Path:
        return self.data / "secrets"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def state_file(self) -> Path:
        return self.data / "run" / "state.json"

    @property
    def lock_file(self) -> Path:
        return self.data / "run" / "lock"

    @property
    def keys_file(self) -> Path:
        return self.data / "demo-keys.json"

    def log_file(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def port(self, name: str) -> int:
        """The TCP port of a process of the table, or of "kafka-controller"."""
        if name == "kafka-controller":
            return self.port_base + KAFKA_CONTROLLER_PORT
        offset = BY_NAME[name].port
        if offset is None:
            raise KeyError(f"{name} listens on no port")
        return self.port_base + offset

    def url(self, service: str) -> str:
        """The base address of a service, without a slash at the end."""
        return f"http://{HOST}:{self.port(service)}"

    @property
    def urls(self) -> dict[str, str]:
        """The front doors, as `assay status --json` prints them."""
        return {
            "xapi": f"{self.url('ingest')}/xapi",
            "aggregator": self.url("aggregator"),
            "credentials": self.url("credentials"),
        }

    def dsn(self, role: str = OWNER_ROLE, database: str = DATABASE) -> str:
        """A Postgres address without a password, as the services' settings want it."""
        return f"postgresql://{role}@{HOST}:{self.port('postgres')}/{database}"

    def dsn_with_password(self, role: str = OWNER_ROLE, database: str = DATABASE) -> str:
        """A Postgres address that opens by itself: for tests and tools, never for a log."""
        password = quote(read_password(self.secrets, "postgres", role), safe="")
        return f"postgresql://{role}:{password}@{HOST}:{self.port('postgres')}/{database}"

    def postgres_password_file(self, role: str) -> Path:
        return password_path(self.secrets, "postgres", role)

    def kafka_password_file(self, principal: str) -> Path:
        return password_path(self.secrets, "kafka", principal)

    @property
    def kafka_bootstrap(self) -> str:
        return f"{HOST}:{self.port('kafka')}"

    def kafka(self, principal: str) -> KafkaAccess:
        """How to come in as `principal` ("admin", a service, or "in-<tenant>-<source>")."""
        password = read_password(self.secrets, "kafka", principal)
        return KafkaAccess(self.kafka_bootstrap, principal, password)

    def keys(self) -> dict[str, dict[str, str]]:
        """The demo keys that the seed wrote; empty before the first seed."""
        try:
            found: dict[str, dict[str, str]] = json.loads(
                self.keys_file.read_text(encoding="utf-8")
            )
        except FileNotFoundError:
            return {}
        return found

    def environment(self, process: Process, database: str = DATABASE) -> dict[str, str]:
        """The settings of one of our own processes in this stack, as environment variables."""
        settings = {
            "ASSAY_DATA": str(self.data),
            "ASSAY_PORT_BASE": str(self.port_base),
            "ASSAY_LOG_LEVEL": os.environ.get("ASSAY_LOG_LEVEL", "INFO"),
        }
        if process.postgres_role is not None:
            role = process.postgres_role
            settings["ASSAY_POSTGRES_DSN"] = self.dsn(role, database)
            settings["ASSAY_POSTGRES_PASSWORD_FILE"] = str(self.postgres_password_file(role))
        if process.kafka_principal is not None:
            principal = process.kafka_principal
            settings["ASSAY_KAFKA_BOOTSTRAP"] = self.kafka_bootstrap
            settings["ASSAY_KAFKA_USER"] = principal
            settings["ASSAY_KAFKA_PASSWORD_FILE"] = str(self.kafka_password_file(principal))
        if process.port is not None:
            settings["ASSAY_HTTP_HOST"] = HOST
            settings["ASSAY_HTTP_PORT"] = str(self.port(process.name))
        for name, value in process.extra.items():
            settings[name] = value.format(
                data=self.data,
                secrets=self.secrets,
                ingest_url=self.url("ingest"),
                aggregator_url=self.url("aggregator"),
                credentials_url=self.url("credentials"),
            )
        return settings


def _port_base_of_running(data: Path) -> int | None:
    try:
        state = json.loads((data / "run" / "state.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    base = state.get("port_base")
    return base if isinstance(base, int) else None
