"""docker-compose.yml describes the system that `assay up` starts from its table."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from assay_cli.compose_secrets import KAFKA_SETTINGS, make
from assay_cli.local_postgres import INITDB_ARGUMENTS, SERVER_SETTINGS
from assay_cli.processes import (
    BY_NAME,
    CONTAINER_SECRETS,
    DEFAULT_PORT_BASE,
    IMAGE_OF_KAFKA,
    IMAGE_OF_POSTGRES,
    PROCESSES,
    Process,
    accounts,
)
from assay_cli.secret_files import password_path
from assay_cli.stack import StackInfo

OURS = [one for one in PROCESSES if one.command and not one.only_local]
# Makes the passwords, which `assay up` does itself before it starts anything.
ONLY_IN_COMPOSE = {"secrets"}


# The file's values are of any shape.
@pytest.fixture(scope="module")
def compose(project: Path) -> dict[str, Any]:
    text = (project / "docker-compose.yml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_the_services_are_those_of_the_table(compose: dict[str, Any]) -> None:
    wanted = {one.name for one in PROCESSES if not one.only_local}
    assert set(compose["services"]) - ONLY_IN_COMPOSE == wanted


@pytest.mark.parametrize("process", OURS, ids=lambda one: one.name)
def test_each_process_has_the_command_and_the_settings_of_the_table(
    compose: dict[str, Any], process: Process
) -> None:
    service = compose["services"][process.name]
    assert tuple(service["command"]) == process.command
    local = StackInfo(Path("/data")).environment(process)
    # Where data and ports are is a matter of the local stack; the image says it for itself.
    wanted = set(local) - {"ASSAY_DATA", "ASSAY_PORT_BASE", "ASSAY_LOG_LEVEL"}
    environment: dict[str, str] = service["environment"]
    assert set(environment) == wanted
    for name in ("ASSAY_HTTP_PORT", "ASSAY_KAFKA_USER", "ASSAY_PUBLIC_URL"):
        assert environment.get(name) == local.get(name), name
    assert environment["ASSAY_POSTGRES_DSN"] == local["ASSAY_POSTGRES_DSN"].replace(
        "@127.0.0.1:", "@postgres:"
    )
    assert environment["ASSAY_KAFKA_BOOTSTRAP"] == local["ASSAY_KAFKA_BOOTSTRAP"].replace(
        "127.0.0.1:", "kafka:"
    )


@pytest.mark.parametrize("process", OURS, ids=lambda one: one.name)
def test_each_process_reads_passwords_that_are_made(
    compose: dict[str, Any], process: Process
) -> None:
    made = {str(password_path(Path(CONTAINER_SECRETS), *account)) for account in accounts()}
    environment: dict[str, str] = compose["services"][process.name]["environment"]
    read = {value for name, value in environment.items() if name.endswith("_PASSWORD_FILE")}
    assert len(read) == 2
    assert read <= made


@pytest.mark.parametrize("process", OURS, ids=lambda one: one.name)
def test_each_process_waits_for_what_it_stands_on(
    compose: dict[str, Any], process: Process
) -> None:
    waits: dict[str, dict[str, str]] = compose["services"][process.name]["depends_on"]
    assert set(waits) == set(process.after)
    for name, condition in waits.items():
        once = BY_NAME[name].is_once
        wanted = "service_completed_successfully" if once else "service_healthy"
        assert condition["condition"] == wanted


def test_only_front_doors_are_published_and_only_on_this_machine(compose: dict[str, Any]) -> None:
    published = {
        name: service["ports"]
        for name, service in compose["services"].items()
        if "ports" in service
    }
    assert published == {
        name: [f"127.0.0.1:{port}:{port}"]
        for name, port in (
            (name, DEFAULT_PORT_BASE + (BY_NAME[name].port or 0))
            for name in ("ingest", "aggregator", "credentials")
        )
    }


def test_postgres_is_made_and_started_as_here(compose: dict[str, Any]) -> None:
    service = compose["services"]["postgres"]
    assert service["image"] == IMAGE_OF_POSTGRES
    assert service["environment"]["POSTGRES_INITDB_ARGS"].split() == list(INITDB_ARGUMENTS)
    words = service["command"]
    given = dict(word.split("=", 1) for word in words if "=" in word)
    port = DEFAULT_PORT_BASE + (BY_NAME["postgres"].port or 0)
    assert given == SERVER_SETTINGS | {"listen_addresses": "*", "port": str(port)}


def test_kafka_is_of_the_version_and_the_settings_used_here(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    service = compose["services"]["kafka"]
    assert service["image"] == IMAGE_OF_KAFKA
    assert KAFKA_SETTINGS in service["command"][0]
    make(tmp_path / "secrets")
    settings = (tmp_path / "secrets" / KAFKA_SETTINGS).read_text(encoding="utf-8")
    assert "advertised.listeners=CLIENT://kafka:8411\n" in settings
    assert "auto.create.topics.enable=false\n" in settings
    assert "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer" in (
        settings
    )


def test_no_password_stands_in_the_file(project: Path) -> None:
    text = (project / "docker-compose.yml").read_text(encoding="utf-8")
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip().endswith("PASSWORD"):
            pytest.fail(f"a password by value: {line} ({value})")
