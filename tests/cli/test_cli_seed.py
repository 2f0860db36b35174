"""The demo tenant: keys that stay, rows that do not double, and what each key may do."""

import stat
from pathlib import Path

import asyncpg
import pytest
from httpx import BasicAuth, Request

from assay_cli.demo_catalogue import Catalogue, catalogue, rule_documents
from assay_cli.seed import criteria, ensure_keys, load_tenant
from assay_cli.seed_rules import APPROVER, AUTHOR, DEMO_ACCOUNTS, ensure_accounts
from assay_cli.stack import DEMO_KEYS, StackInfo
from assay_runtime.auth import Authenticator
from assay_runtime.problem import Problem
from assay_testing import Database

TABLES = (
    "ingest.tenant",
    "ingest.source",
    "ingest.api_client",
    "aggregator.api_client",
    "credentials.api_client",
    "aggregator.rule_version",
    "aggregator.framework",
    "aggregator.framework_object",
    "aggregator.competency",
    "aggregator.role",
    "aggregator.role_requirement",
    "aggregator.rule_approval",
    "aggregator.signature",
    "aggregator.account",
    "credentials.issuer",
    "credentials.achievement",
)


def _header(user: str, password: str) -> str:
    request = next(BasicAuth(user, password).auth_flow(Request("GET", "http://127.0.0.1")))
    return request.headers["Authorization"]


async def _counts(database: Database) -> dict[str, int]:
    connection = await database.connect()
    try:
        return {
            table: await connection.fetchval(f"select count(*) from {table}")  # noqa: S608 - ours
            for table in TABLES
        }
    finally:
        await connection.close()


async def _load(database: Database, stack: StackInfo, data: Catalogue) -> None:
    connection = await database.connect()
    try:
        async with connection.transaction():
            await load_tenant(
                connection,
                data,
                rule_documents(),
                ensure_keys(stack, data),
                ensure_accounts(stack),
            )
    finally:
        await connection.close()


def test_keys_are_random_private_and_kept(tmp_path: Path) -> None:
    stack = StackInfo(tmp_path / "one")
    first = ensure_keys(stack, catalogue())
    assert tuple(first) == DEMO_KEYS
    assert stat.S_IMODE(stack.keys_file.stat().st_mode) == 0o600
    assert ensure_keys(stack, catalogue()) == first == stack.keys()
    other = ensure_keys(StackInfo(tmp_path / "other"), catalogue())
    passwords = {key["password"] for keys in (first, other) for key in keys.values()}
    assert len(passwords) == 10
    assert all(len(password) >= 40 for password in passwords)


def test_a_missing_key_is_made_and_the_others_stay(tmp_path: Path) -> None:
    stack = StackInfo(tmp_path)
    keys = dict(ensure_keys(stack, catalogue()))
    fewer = catalogue().model_copy(
        update={"clients": tuple(one for one in catalogue().clients if one.key != "vr")}
    )
    ensure_keys(stack, fewer)
    again = dict(ensure_keys(stack, catalogue()))
    assert again.pop("vr") != keys.pop("vr")
    assert again == keys


async def test_loading_twice_doubles_nothing(postgres: Database, tmp_path: Path) -> None:
    stack, data = StackInfo(tmp_path), catalogue()
    await _load(postgres, stack, data)
    first = await _counts(postgres)
    assert first == {
        "ingest.tenant": 1,
        "ingest.source": len(data.sources),
        "ingest.api_client": 5,
        "aggregator.api_client": 2,
        "credentials.api_client": 2,
        "aggregator.rule_version": len(rule_documents()),
        "aggregator.framework": 2,
        # 60 competencies, each below the document, 3 kinds, a rubric; 14 roles that ask 220 times.
        "aggregator.framework_object": 2 * 60 + 3 + 1 + 14 + 220,
        "aggregator.competency": 60,
        "aggregator.role": 14,
        "aggregator.role_requirement": 220,
        "aggregator.rule_approval": len(rule_documents()),
        "aggregator.signature": 2 * len(rule_documents()),
        "aggregator.account": len(DEMO_ACCOUNTS),
        "credentials.issuer": 1,
        "credentials.achievement": len(rule_documents()),
    }
    await _load(postgres, stack, data)
    assert await _counts(postgres) == first


async def test_each_key_opens_its_services_with_its_scopes_and_no_more(
    postgres: Database, tmp_path: Path
) -> None:
    stack, data = StackInfo(tmp_path), catalogue()
    await _load(postgres, stack, data)
    keys = stack.keys()
    for schema in ("ingest", "aggregator", "credentials"):
        role = f"assay_{schema}"
        async with asyncpg.create_pool(
            postgres.dsn(role), password=postgres.password(role), min_size=1, max_size=2
        ) as pool:
            authenticator = Authenticator(pool, schema)
            for plan in data.clients:
                header = _header(keys[plan.key]["user"], keys[plan.key]["password"])
                if schema not in plan.services:
                    with pytest.raises(Problem, match="Not authenticated"):
                        await authenticator.client(header)
                    continue
                client = await authenticator.client(header)
                assert (client.tenant, client.source) == (data.tenant, plan.source)
                assert client.scopes == frozenset(plan.scopes)
            with pytest.raises(Problem, match="Not authenticated"):
                await authenticator.client(_header(keys["reader"]["user"], "wrong"))


def test_criteria_say_what_the_rule_asks_for() -> None:
    assert criteria(rule_documents()["ASP2"], catalogue()) == (
        "Gowning for grade B: theory, passed once in an online course with at least 70 %; "
        "Gowning for grade B in VR, passed 2 times in virtual reality with at least 80 %; "
        "Gowning for grade B, observed, passed once observed in person by an authorised assessor "
        "with at least 90 %."
    )


def test_only_the_training_office_may_void_and_administer() -> None:
    strong = {"statements/void", "clients/manage", "competencies/admin", "credentials/admin"}
    for plan in catalogue().clients:
        assert bool(strong & set(plan.scopes)) is (plan.key == "admin")


async def test_a_source_keeps_its_modality_and_only_the_centres_vouch(
    postgres: Database, tmp_path: Path
) -> None:
    await _load(postgres, StackInfo(tmp_path), catalogue())
    connection = await postgres.connect()
    try:
        rows = await connection.fetch(
            "select source, modality, vouches_for_assessors from ingest.source order by source"
        )
    finally:
        await connection.close()
    assert [tuple(row) for row in rows] == [
        ("admin", None, False),
        ("college", "in_person", False),
        ("in-person", "in_person", True),
        ("online", "online", False),
        ("vr", "vr", False),
        ("workplace", "workplace", False),
    ]


async def test_the_rules_of_the_demo_were_approved_by_somebody_else(
    postgres: Database, tmp_path: Path
) -> None:
    stack = StackInfo(tmp_path)
    await _load(postgres, stack, catalogue())
    assert stat.S_IMODE((tmp_path / "demo-accounts.json").stat().st_mode) == 0o600
    connection = await postgres.connect()
    try:
        rows = await connection.fetch(
            "select v.hash = s.content_hash as is_signed, d.account as author, s.account "
            "from aggregator.rule_version as v "
            "join aggregator.rule_approval as a using (tenant, rule_id, version) "
            "join aggregator.rule_draft as d using (tenant, rule_id, version) "
            "join aggregator.signature as s on s.signature = a.signature"
        )
    finally:
        await connection.close()
    assert len(rows) == len(rule_documents())
    assert {tuple(row) for row in rows} == {(True, AUTHOR, APPROVER)}
