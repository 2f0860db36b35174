"""`assay clients …` as people type it: what it writes where, what it prints, what it refuses."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from httpx import BasicAuth, Request
from typer.testing import CliRunner, Result

from assay_cli.app import app
from assay_cli.clients import operator
from assay_cli.processes import BY_NAME
from assay_runtime.auth import Authenticator, Client
from assay_runtime.postgres import Pool
from assay_runtime.problem import Problem
from assay_testing import Database

Assay = Callable[..., Result]


@pytest.fixture
def assay(postgres: Database) -> Assay:
    """Runs `assay clients <arguments>` on the test's own database."""
    environment = {
        **postgres.stack.environment(BY_NAME["migrate"]),
        "ASSAY_POSTGRES_DSN": postgres.stack.dsn("postgres", postgres.name),
    }

    def run(*arguments: str, exit_code: int = 0, **more: str) -> Result:
        answer = CliRunner().invoke(app, ["clients", *arguments], env={**environment, **more})
        assert answer.exit_code == exit_code, answer.output
        return answer

    return run


def told(answer: Result) -> Any:
    return json.loads(answer.stdout)


ADD = ("add", "lms", "--tenant", "acme", "--source", "moodle", "--create", "--json")


def comes_in(database: Database, service: str, name: str, secret: str) -> Client:
    """The client as that service finds it. Raises Problem."""

    async def ask() -> Client:
        role = f"assay_{service}"
        opened: Pool
        async with asyncpg.create_pool(
            database.dsn(role), password=database.password(role), min_size=1, max_size=2
        ) as opened:
            request = next(BasicAuth(name, secret).auth_flow(Request("GET", "http://here")))
            return await Authenticator(opened, service).client(request.headers["Authorization"])

    return asyncio.run(ask())


def test_a_client_comes_in_where_its_scopes_ask_for_it(postgres: Database, assay: Assay) -> None:
    issued = told(assay(*ADD, "--scope", "statements/write", "--scope", "credentials/read"))
    assert issued["services"] == ["ingest", "credentials"]
    for service in issued["services"]:
        client = comes_in(postgres, service, "lms", issued["secret"])
        assert (client.tenant, client.source) == ("acme", "moodle")
        assert client.scopes == {"statements/write", "credentials/read"}
    with pytest.raises(Problem):
        comes_in(postgres, "aggregator", "lms", issued["secret"])
    (listed,) = told(assay("list", "--tenant", "acme", "--json"))
    assert listed["last_used_at"] is not None
    assert "secret" not in listed


def test_a_rotation_and_a_revocation_reach_every_service(postgres: Database, assay: Assay) -> None:
    first = told(assay(*ADD, "--scope", "all", "--scope", "competencies/read"))
    second = told(assay("rotate", "lms", "--tenant", "acme", "--json"))
    for service in ("ingest", "aggregator"):
        for one in (first, second):
            comes_in(postgres, service, "lms", one["secret"])
    third = told(assay("rotate", "lms", "--tenant", "acme", "--overlap-hours", "0", "--json"))
    for service in ("ingest", "aggregator"):
        comes_in(postgres, service, "lms", third["secret"])
        with pytest.raises(Problem):
            comes_in(postgres, service, "lms", second["secret"])
    assert told(assay("revoke", "lms", "--tenant", "acme", "--json"))["revoked_in"] == [
        "ingest",
        "aggregator",
    ]
    for service in ("ingest", "aggregator"):
        with pytest.raises(Problem):
            comes_in(postgres, service, "lms", third["secret"])
    assert "no such client" in assay("revoke", "lms", "--tenant", "acme", exit_code=1).stderr
    entries = told(assay("audit", "--tenant", "acme", "--json"))
    assert [one["action"] for one in entries] == ["revoke", "rotate", "rotate", "add"]
    assert {one["actor"] for one in entries} == {operator()}
    shown = assay("audit", "--tenant", "acme", "--client", "lms", "--limit", "2").stdout
    assert len(shown.splitlines()) == 2
    for one in (first, second, third):
        assert one["secret"] not in json.dumps(entries) + shown


def test_a_secret_is_told_once_and_never_again(assay: Assay) -> None:
    lines = assay(*ADD[:-1], "--scope", "state").stdout.splitlines()
    (secret,) = [one.split()[1] for one in lines if one.startswith("secret ")]
    assert len(secret) >= 40
    for arguments in (("list",), ("list", "--json"), ("audit", "--tenant", "acme")):
        assert secret not in assay(*arguments).output


def test_who_comes_in_by_tokens_has_no_secret(assay: Assay) -> None:
    bound = ("--authorized-party", "rig", "--issuer", "https://id.example")
    issued = told(assay(*ADD, "--scope", "state", *bound))
    assert issued["secret"] is None
    (listed,) = told(assay("list", "--json"))
    assert listed["bound"] == {"issuer": "https://id.example", "claim": "azp", "value": "rig"}
    assert not listed["has_secret"]
    assert "by token" in assay("list").stdout
    # The address of the provider is that of the services where none is said.
    told(
        assay(
            *("add", "two", "--tenant", "acme", "--scope", "state", "--subject", "s", "--json"),
            ASSAY_OIDC_ISSUER_URL="https://other.example",
        )
    )
    assert told(assay("list", "--json"))[1]["bound"]["issuer"] == "https://other.example"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "lms", "--tenant", "acme", "--scope", "state"), "--create makes it"),
        ((*ADD, "--scope", "statement/write"), "scopes: 'statement/write' is no scope; there are:"),
        (("add", "A", "--tenant", "acme", "--scope", "state", "--create"), "name: a name is 1 to"),
        (("add", "b", "--tenant", "A.c", "--scope", "state", "--create"), "'A.c' is not 1 to 40"),
        (("add", "b", "--tenant", "acme", "--scope", "all", "--create"), "source: who may write"),
        ((*ADD, "--scope", "state", "--subject", "a", "--authorized-party", "b"), "not both"),
        ((*ADD, "--scope", "state", "--subject", "a"), "say --issuer"),
        ((*ADD, "--scope", "state", "--subject", "a", "--issuer", "http://id.example"), "https"),
        (("rotate", "nobody", "--tenant", "acme"), "no such client"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_is_refused_leaves_nothing(
    assay: Assay, postgres: Database, arguments: tuple[str, ...], said: str
) -> None:
    assert said in assay(*arguments, exit_code=1).stderr

    async def counts() -> list[int]:
        connection = await postgres.connect()
        try:
            return [
                await connection.fetchval(f"select count(*) from ingest.{table}")  # noqa: S608
                for table in ("tenant", "source", "api_client", "client_audit")
            ]
        finally:
            await connection.close()

    assert asyncio.run(counts()) == [0, 0, 0, 0]


def test_limits_are_kept_and_shown(assay: Assay) -> None:
    limits = (
        *("--requests-per-second", "5", "--statements-per-second", "0.5"),
        *("--statements-per-day", "1000"),
    )
    assay(*ADD, "--scope", "state", *limits)
    (listed,) = told(assay("list", "--json"))
    assert listed["requests_per_second_max"] == 5
    assert listed["statements_per_second_max"] == 0.5
    assert listed["statements_per_day_max"] == 1000
    assert listed["statements_today"] == 0


def test_creating_a_source_that_is_there_changes_nothing_of_it(
    assay: Assay, postgres: Database
) -> None:
    assay(*ADD, "--scope", "state")

    async def run(sql: str) -> Any:
        connection = await postgres.connect()
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    asyncio.run(run("update ingest.source set modality = 'vr', vouches_for_assessors = true"))
    assay("add", "two", *ADD[2:], "--scope", "state")
    assert asyncio.run(run("select modality || vouches_for_assessors from ingest.source")) == (
        "vrtrue"
    )


@pytest.mark.parametrize("command", ["add", "list", "rotate", "revoke", "audit"])
def test_each_command_has_a_help(command: str) -> None:
    answer = CliRunner().invoke(app, ["clients", command, "--help"])
    assert answer.exit_code == 0
    assert "--tenant" in answer.output


def test_without_a_stack_it_says_what_to_do(tmp_path: Any) -> None:
    answer = CliRunner().invoke(
        app, ["clients", "list"], env={"ASSAY_DATA": str(tmp_path / "none")}
    )
    assert answer.exit_code == 1
    assert "assay up" in answer.stderr
