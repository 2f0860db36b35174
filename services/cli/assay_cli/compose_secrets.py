"""`assay secrets DIRECTORY`: what the containers of docker-compose.yml mount.

A random password file per account, and the settings of the Kafka container, which hold the
admin's password. Nothing that exists is changed, except those settings.
"""

from pathlib import Path

from assay_cli.errors import StackError
from assay_cli.local_kafka import Addresses, server_properties
from assay_cli.processes import (
    ADMIN_PRINCIPAL,
    BY_NAME,
    DEFAULT_PORT_BASE,
    KAFKA_CONTROLLER_PORT,
    accounts,
)
from assay_cli.secret_files import ensure_all, read_password, write_private

KAFKA_SETTINGS = "kafka-server.properties"
KAFKA_LOGS = "/var/lib/kafka/data/logs"


def make(directory: Path) -> None:
    """Raises StackError when the folder cannot be one, or a password file is open to others."""
    if directory.exists() and not directory.is_dir():
        raise StackError(f"{directory} is not a folder")
    ensure_all(directory, accounts())
    addresses = Addresses(
        bind="0.0.0.0",  # noqa: S104 - inside of a container's own network
        name="kafka",
        client_port=DEFAULT_PORT_BASE + (BY_NAME["kafka"].port or 0),
        controller_port=DEFAULT_PORT_BASE + KAFKA_CONTROLLER_PORT,
    )
    password = read_password(directory, "kafka", ADMIN_PRINCIPAL)
    write_private(directory / KAFKA_SETTINGS, server_properties(addresses, password, KAFKA_LOGS))
