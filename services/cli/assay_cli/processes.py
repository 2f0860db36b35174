"""The one table of the processes of Assay.

`assay up` starts the local stack from it, docker-compose.yml says the same for those who have
Docker (a test compares the two), and `assay migrate` makes roles and principals from it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

DEFAULT_PORT_BASE = 8400
PORT_SPAN = 13

DATABASE = "assay"
SUPERUSER = "postgres"
OWNER_ROLE = "assay_owner"
ADMIN_PRINCIPAL = "admin"
IMAGE_OF_POSTGRES = "postgres:18"
IMAGE_OF_KAFKA = "apache/kafka:4.1.1"

# The services' own files (keys, demo keys) stand below this folder in the image.
CONTAINER_DATA = "/var/lib/assay"
CONTAINER_SECRETS = "/run/assay-secrets"
# A bucket takes its place by setting; see ASSAY_ATTACHMENTS_URL.
ATTACHMENTS_URL = "file://{data}/attachments"


class Ready(StrEnum):
    """How it is known that a process does its work."""

    POSTGRES = "answers SELECT 1"
    KAFKA = "answers a metadata request"
    HTTP = "answers 200 on /readyz"
    DONE = "has ended with exit code 0"


@dataclass(frozen=True, slots=True)
class Process:
    """One process. `command` is the words after `assay`, empty for Postgres and Kafka.

    `after` names what must be ready first. `port` counts from the stack's port base. `extra`
    is environment beside what every service gets; in it {data} and {secrets} are folders and
    {ingest_url}, {aggregator_url}, {credentials_url} the addresses that people use.
    """

    name: str
    about: str
    ready: Ready
    command: tuple[str, ...] = ()
    port: int | None = None
    after: tuple[str, ...] = ()
    kafka_principal: str | None = None
    postgres_role: str | None = None
    stop_seconds: float = 15.0
    ready_seconds: float = 60.0
    niceness: int = 0
    extra: dict[str, str] = field(default_factory=dict)
    only_local: bool = False

    @property
    def is_service(self) -> bool:
        return self.ready is Ready.HTTP

    @property
    def is_once(self) -> bool:
        return self.ready is Ready.DONE


def _service(name: str, port: int, about: str, *, niceness: int = 0, **extra: str) -> Process:
    return Process(
        name=name,
        about=about,
        ready=Ready.HTTP,
        command=(name,),
        port=port,
        after=("migrate",),
        kafka_principal=name,
        postgres_role=f"assay_{name}",
        niceness=niceness,
        extra=extra,
    )


KAFKA_CONTROLLER_PORT = 12
SEED = "seed"

PROCESSES: tuple[Process, ...] = (
    Process(
        name="postgres",
        about="PostgreSQL 18",
        ready=Ready.POSTGRES,
        port=10,
        postgres_role=SUPERUSER,
        stop_seconds=30.0,
    ),
    Process(
        name="kafka",
        about="Apache Kafka, broker and controller in one",
        ready=Ready.KAFKA,
        port=11,
        kafka_principal=ADMIN_PRINCIPAL,
        stop_seconds=30.0,
    ),
    Process(
        name="migrate",
        about="roles, migrations, topics and access rules",
        ready=Ready.DONE,
        command=("migrate",),
        after=("postgres", "kafka"),
        kafka_principal=ADMIN_PRINCIPAL,
        postgres_role=SUPERUSER,
        ready_seconds=300.0,
        # `assay maintain` comes in by these settings, too.
        extra={"ASSAY_SECRETS": "{secrets}", "ASSAY_ATTACHMENTS_URL": ATTACHMENTS_URL},
    ),
    _service("store", 3, "statements from the log into Postgres"),
    # On one machine the front yields to the projections behind it: overload shows as slower
    # answers, and not as decisions that fall behind.
    _service(
        "ingest",
        0,
        "xAPI over HTTP",
        niceness=5,
        ASSAY_PUBLIC_URL="{ingest_url}",
        ASSAY_ATTACHMENTS_URL=ATTACHMENTS_URL,
    ),
    # The authority that it gives to a statement is that of ingest, hence the same address.
    _service("mover", 4, "input topics into the log", ASSAY_PUBLIC_URL="{ingest_url}"),
    _service(
        "forward",
        6,
        "statements to other record stores and webhooks",
        # Nobody waits for it, and where nothing is to be forwarded it does nothing.
        niceness=10,
        ASSAY_FORWARD_SECRETS="{secrets}",
    ),
    _service("aggregator", 1, "evidence, decisions and competencies"),
    _service("relay", 5, "competency events from the outbox to Kafka"),
    _service(
        "credentials",
        2,
        "issues, publishes and verifies credentials",
        # Signing yields to all that decides: a credential may come a moment later.
        niceness=10,
        ASSAY_PUBLIC_URL="{credentials_url}",
        ASSAY_SIGNING_KEY_DIR="{data}/credentials/keys",
    ),
    Process(
        name=SEED,
        about="the demo tenant, its framework, rules, sources and keys",
        ready=Ready.DONE,
        command=(SEED,),
        after=("ingest", "store", "mover", "aggregator", "relay", "credentials"),
        kafka_principal=ADMIN_PRINCIPAL,
        postgres_role=SUPERUSER,
        ready_seconds=300.0,
        extra={"ASSAY_SECRETS": "{secrets}"},
        # A demo tenant with printed keys has no place in a deployment.
        only_local=True,
    ),
)

BY_NAME: dict[str, Process] = {process.name: process for process in PROCESSES}
SERVICES: tuple[Process, ...] = tuple(one for one in PROCESSES if one.is_service)


def service_roles() -> tuple[str, ...]:
    """The Postgres roles with least rights, one per service."""
    return tuple(one.postgres_role for one in SERVICES if one.postgres_role is not None)


def service_principals() -> tuple[str, ...]:
    """The Kafka principals with least rights, one per service."""
    return tuple(one.kafka_principal for one in SERVICES if one.kafka_principal is not None)


def accounts() -> tuple[tuple[str, str], ...]:
    """Every account that needs a password file, as (kind, account)."""
    roles = (SUPERUSER, OWNER_ROLE, *service_roles())
    principals = (ADMIN_PRINCIPAL, *service_principals())
    return tuple(("postgres", role) for role in roles) + tuple(
        ("kafka", principal) for principal in principals
    )


def with_what_they_need(names: Iterable[str]) -> tuple[Process, ...]:
    """The named processes and all that they stand on, in the order of the table.

    KeyError names a process that the table does not hold.
    """
    wanted: set[str] = set()
    waiting = list(names)
    while waiting:
        process = BY_NAME[waiting.pop()]
        if process.name not in wanted:
            wanted.add(process.name)
            waiting.extend(process.after)
    return tuple(process for process in PROCESSES if process.name in wanted)
