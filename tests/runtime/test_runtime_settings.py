"""Settings, named queries, log lines: what a process reads and writes before it does anything."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from assay_runtime.settings import ServiceSettings, SettingsError
from assay_runtime.sql import Queries, UnknownQuery, load_queries

GIVEN = {
    "ASSAY_POSTGRES_DSN": "postgresql://assay_store@localhost/assay",
    "ASSAY_KAFKA_BOOTSTRAP": "localhost:9092",
    "ASSAY_KAFKA_USER": "store",
    "ASSAY_KAFKA_PASSWORD_FILE": "store.password",
    "ASSAY_HTTP_PORT": "8403",
    "PATH": "not ours",
    "ASSAY_DATA": "of the local stack, not of a service",
}


def test_settings_come_from_the_environment_with_their_types() -> None:
    settings = ServiceSettings.from_environment(GIVEN | {"ASSAY_CONSUME_BATCH_RECORDS": "7"})
    assert settings.http_port == 8403
    assert settings.consume_batch_records == 7
    assert settings.kafka_password_file == Path("store.password")
    assert settings.http_host == "127.0.0.1"


def test_a_missing_and_a_wrong_setting_are_both_named() -> None:
    environment = GIVEN | {"ASSAY_HTTP_PORT": "70000"}
    del environment["ASSAY_KAFKA_USER"]
    with pytest.raises(SettingsError) as caught:
        ServiceSettings.from_environment(environment)
    assert "ASSAY_KAFKA_USER" in str(caught.value)
    assert "ASSAY_HTTP_PORT" in str(caught.value)
    assert "65535" in str(caught.value)


def test_a_wrong_value_is_not_repeated_as_it_may_be_a_secret() -> None:
    with pytest.raises(SettingsError) as caught:
        ServiceSettings.from_environment(GIVEN | {"ASSAY_HTTP_PORT": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_settings_cannot_be_changed_after_the_start() -> None:
    settings = ServiceSettings.from_environment(GIVEN)
    with pytest.raises(ValidationError, match="frozen"):
        settings.http_port = 1  # type: ignore[misc]  # this is what must fail


def test_passwords_are_read_from_files_without_the_line_end(tmp_path: Path) -> None:
    kafka, postgres = tmp_path / "kafka", tmp_path / "postgres"
    kafka.write_text("one\n", encoding="utf-8")
    postgres.write_text("two\n", encoding="utf-8")
    settings = ServiceSettings.from_environment(
        GIVEN
        | {"ASSAY_KAFKA_PASSWORD_FILE": str(kafka), "ASSAY_POSTGRES_PASSWORD_FILE": str(postgres)}
    )
    assert (settings.kafka_password(), settings.postgres_password()) == ("one", "two")
    assert ServiceSettings.from_environment(GIVEN).postgres_password() is None


def test_a_query_ends_where_the_next_begins() -> None:
    queries = Queries("-- about\n-- name: one\nselect 1\n-- why\n\n-- name: two\nselect 2\n")
    assert queries.names() == ("one", "two")
    assert queries["one"] == "select 1\n-- why"
    assert queries["two"] == "select 2"


def test_an_unknown_query_is_named() -> None:
    with pytest.raises(UnknownQuery, match="three"):
        Queries("-- name: one\nselect 1\n")["three"]


def test_two_queries_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        Queries("-- name: one\nselect 1\n-- name: one\nselect 2\n")


def test_the_schema_is_put_in_and_nothing_else_can_be() -> None:
    assert "from ingest.applied" in load_queries("assay_runtime", schema="ingest")["find_applied"]
    for name in ("x; drop table y", "X", "", "1a", 'a"b'):
        with pytest.raises(ValueError, match="not the name of a schema"):
            load_queries("assay_runtime", schema=name)


def test_a_log_line_is_one_json_object_with_its_fields() -> None:
    code = (
        "import logging\n"
        "from assay_runtime.logs import configure_logging, fields\n"
        "configure_logging('store', 'info')\n"
        "logging.getLogger('x').debug('Not shown')\n"
        "logging.getLogger('x').info('A sentence', extra=fields(count=3))\n"
        "try:\n    1 / 0\n"
        "except ZeroDivisionError:\n    logging.getLogger('x').exception('It failed')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    first, second = [json.loads(line) for line in done.stderr.splitlines()]
    assert first["message"] == "A sentence"
    assert (first["count"], first["process"], first["level"]) == (3, "store", "info")
    assert "ZeroDivisionError" in second["exception"]
    assert logging.getLogger("x").handlers == []
