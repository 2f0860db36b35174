"""Accounts and signatures, on a real database: who may sign, and what a wrong password does."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CollectorRegistry

from aggregator_service_driver import TENANT, Driver, driver_of
from assay_aggregator import accounts, api
from assay_aggregator.accounts import NewAccount
from assay_aggregator.errors import Contradiction, Forbidden, Refused, SignatureRefused, Unknown
from assay_aggregator.settings import AggregatorSettings
from assay_aggregator.signing import QUERIES, Lockout, SignatureBody, count_refusal, sign
from assay_aggregator.web import Api, json_answer
from assay_runtime.auth import Client, hash_secret
from assay_runtime.serve import new_app
from assay_testing import Database

PASSWORD = "correct horse battery"
CONTENT = "a" * 64
LOCKOUT = Lockout(3, 600.0)


@pytest.fixture
async def driver(postgres: Database) -> AsyncIterator[Driver]:
    async with driver_of(postgres) as made:
        async with made.records() as records:
            ada = NewAccount("ada", "Ada Byron", ["rule_author"])
            await accounts.add(records, ada, PASSWORD, temporary=False)
        yield made


async def signing(driver: Driver, password: str = PASSWORD, **changes: str) -> str:
    """One signature in a transaction of its own; a refusal is counted as `Api` counts it."""
    account, role = changes.get("account", "ada"), changes.get("role")
    meaning = changes.get("meaning", "authorship")
    try:
        async with driver.records() as records:
            signature = await sign(
                records.store.connection,
                changes.get("tenant", TENANT),
                account,
                password,
                meaning,
                CONTENT,
                recorded_ms=records.recorded_ms,
                role=role,
            )
            return str(signature.signature)
    except SignatureRefused as refused:
        async with driver.pool.acquire() as connection, connection.transaction():
            await count_refusal(connection, refused, actor="test", recorded_ms=1, lockout=LOCKOUT)
        raise


async def rows(driver: Driver, query: str) -> list[asyncpg.Record]:
    found: list[asyncpg.Record] = await driver.pool.fetch(query)
    return found


async def test_a_signature_holds_name_time_meaning_and_hash(driver: Driver) -> None:
    before = datetime.now(UTC)
    await signing(driver)
    (row,) = await rows(
        driver,
        "select account, name, meaning, content_hash, recorded_ms, signed_at "
        "from aggregator.signature",
    )
    assert row["account"] == "ada"
    assert row["name"] == "Ada Byron"
    assert row["meaning"] == "authorship"
    assert row["content_hash"] == CONTENT
    assert before <= row["signed_at"] <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("password", "changes"),
    [
        ("wrong", {}),
        (PASSWORD, {"account": "nobody"}),
        (PASSWORD, {"tenant": "other"}),
        (PASSWORD.upper(), {}),
    ],
)
async def test_who_is_not_who_they_say_signs_nothing(
    driver: Driver, password: str, changes: dict[str, str]
) -> None:
    with pytest.raises(SignatureRefused, match="account or password is wrong"):
        await signing(driver, password, **changes)
    assert await rows(driver, "select 1 from aggregator.signature") == []


async def test_a_role_is_asked_for_after_the_password(driver: Driver) -> None:
    with pytest.raises(Forbidden, match="rule_approver"):
        await signing(driver, role="rule_approver")
    with pytest.raises(SignatureRefused):
        await signing(driver, "wrong", role="rule_approver")


async def test_a_signature_has_a_meaning(driver: Driver) -> None:
    with pytest.raises(Refused, match="meaning"):
        await signing(driver, meaning="  ")


async def test_wrong_passwords_lock_the_account_for_a_time_and_are_audited(
    driver: Driver,
) -> None:
    for _ in range(LOCKOUT.failures_max):
        with pytest.raises(SignatureRefused, match="wrong"):
            await signing(driver, "guess")
    with pytest.raises(SignatureRefused, match="locked"):
        await signing(driver)
    # A guess while it is locked says the same, whether it is right or not, and counts no more.
    with pytest.raises(SignatureRefused, match="locked"):
        await signing(driver, "guess")
    events = await rows(
        driver,
        "select action, subject, actor from aggregator.audit_event "
        "where action <> 'account.added' order by event",
    )
    assert [event["action"] for event in events] == [
        *["signature.refused"] * LOCKOUT.failures_max,
        "account.locked",
        *["signature.refused"] * 2,
    ]
    assert {event["subject"] for event in events} == {"account:ada"}
    # Its time is over.
    await driver.pool.execute("update aggregator.account set locked_until = now()")
    await signing(driver)


async def test_a_right_password_forgets_the_wrong_ones_before(driver: Driver) -> None:
    for _ in range(2):
        for _ in range(LOCKOUT.failures_max - 1):
            with pytest.raises(SignatureRefused, match="wrong"):
                await signing(driver, "guess")
        await signing(driver)


async def test_what_was_typed_as_an_account_is_not_kept(driver: Driver) -> None:
    with pytest.raises(SignatureRefused):
        await signing(driver, account="my secret typed in the wrong field")
    (event,) = await rows(
        driver,
        "select subject, reason from aggregator.audit_event where action = 'signature.refused'",
    )
    assert event["subject"] == "account:unknown"
    assert "secret" not in event["reason"]


async def test_a_temporary_password_signs_nothing_until_it_is_changed(driver: Driver) -> None:
    async with driver.records() as records:
        await accounts.add(records, NewAccount("ben", "Ben", ["rule_author"]), PASSWORD)
    with pytest.raises(SignatureRefused, match="temporary"):
        await signing(driver, account="ben")
    own = "one of my own choice"
    with pytest.raises(Refused, match="before"):
        async with driver.records() as records:
            await accounts.change_password(records, "ben", PASSWORD, PASSWORD)
    async with driver.records() as records:
        await accounts.change_password(records, "ben", PASSWORD, own)
    await signing(driver, own, account="ben")
    async with driver.records() as records:
        temporary = await accounts.reset_password(records, "ben")
    for password, match in ((own, "wrong"), (temporary, "temporary")):
        with pytest.raises(SignatureRefused, match=match):
            await signing(driver, password, account="ben")


async def test_a_disabled_account_signs_no_more_and_its_name_stays_taken(driver: Driver) -> None:
    await signing(driver)
    async with driver.records() as records:
        await accounts.disable(records, "ada")
    with pytest.raises(SignatureRefused, match="wrong"):
        await signing(driver)
    with pytest.raises(Contradiction, match="taken"):
        async with driver.records() as records:
            await accounts.add(records, NewAccount("ada", "Somebody else", []), PASSWORD)
    with pytest.raises(Unknown):
        async with driver.records() as records:
            await accounts.disable(records, "ada")
    assert len(await rows(driver, "select 1 from aggregator.signature")) == 1


async def test_signatures_cannot_be_changed_nor_accounts_renamed(driver: Driver) -> None:
    await signing(driver)
    for statement in (
        "update aggregator.signature set meaning = 'approval'",
        "delete from aggregator.signature",
        "delete from aggregator.account",
        "update aggregator.account set name = 'Somebody'",
        "update aggregator.account set roles = '{rule_approver}'",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await driver.pool.execute(statement)


async def test_every_query_prepares_as_the_service_role(postgres: Database) -> None:
    connection = await postgres.connect("assay_aggregator")
    for name in QUERIES.names():
        await connection.prepare(QUERIES[name])
    await connection.close()


def _routes(front: Api) -> APIRouter:
    """A route that signs, as the routes of every area do."""
    router = APIRouter()

    @router.post("/sign")
    async def signed(request: Request) -> Response:
        body = await front.parsed(request, SignatureBody)
        client = Client(TENANT, "office", None, frozenset())
        async with front.changing(client) as records:
            given = await sign(
                records.store.connection,
                TENANT,
                body.account,
                body.password,
                body.meaning,
                CONTENT,
                recorded_ms=records.recorded_ms,
            )
        return json_answer(given.document())

    return router


async def test_over_http_a_wrong_password_stays_counted_and_the_change_does_not(
    postgres: Database, driver: Driver
) -> None:
    settings = AggregatorSettings.from_environment(
        {
            **postgres.environment("assay_aggregator"),
            "ASSAY_KAFKA_BOOTSTRAP": "localhost:1",
            "ASSAY_KAFKA_USER": "aggregator",
            "ASSAY_KAFKA_PASSWORD_FILE": "unused",
            "ASSAY_HTTP_PORT": "8401",
            "ASSAY_SIGNATURE_FAILURES_MAX": "2",
        }
    )
    app: FastAPI = new_app("Assay aggregator", CollectorRegistry(), {})
    api.install(app, pool=driver.pool, shelf=driver.shelf, settings=settings)
    app.include_router(_routes(Api(driver.pool, driver.shelf, settings)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://assay"
    ) as http:
        good = {"account": "ada", "password": PASSWORD, "meaning": "approval"}
        answer = await http.post("/sign", json=good)
        assert answer.status_code == 200
        assert answer.json()["name"] == "Ada Byron"
        for detail in ("wrong", "wrong", "locked"):
            answer = await http.post("/sign", json={**good, "password": "guess"})
            assert answer.status_code == 403
            assert detail in answer.json()["detail"]
        assert (await http.post("/sign", json=good)).status_code == 403
    assert len(await rows(driver, "select 1 from aggregator.signature")) == 1
    (event,) = await rows(
        driver, "select actor from aggregator.audit_event where action = 'account.locked'"
    )
    assert event["actor"] == "office"


async def test_accounts_over_http(postgres: Database, driver: Driver) -> None:
    owner = await postgres.connect("assay_owner")
    await owner.executemany(
        "insert into aggregator.api_client (name, tenant, secret_hash, scopes) "
        "values ($1, $2, $3, $4)",
        [
            ("office", TENANT, hash_secret("secret"), ["accounts/manage"]),
            ("admin", TENANT, hash_secret("secret"), ["competencies/read", "competencies/admin"]),
        ],
    )
    await owner.close()
    settings = AggregatorSettings.from_environment(
        {
            **postgres.environment("assay_aggregator"),
            "ASSAY_KAFKA_BOOTSTRAP": "localhost:1",
            "ASSAY_KAFKA_USER": "aggregator",
            "ASSAY_KAFKA_PASSWORD_FILE": "unused",
            "ASSAY_HTTP_PORT": "8401",
        }
    )
    app = new_app("Assay aggregator", CollectorRegistry(), {})
    api.install(app, pool=driver.pool, shelf=driver.shelf, settings=settings)
    office, admin = ("office", "secret"), ("admin", "secret")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://assay"
    ) as http:
        new = {"account": "cai", "name": "Cai", "roles": ["rule_approver"], "reason": "new"}
        # Who keeps records does not make people who sign.
        assert (await http.post("/admin/accounts", json=new, auth=admin)).status_code == 403
        made = await http.post("/admin/accounts", json=new, auth=office)
        assert made.status_code == 201
        temporary = made.json()["temporary_password"]
        again = await http.post("/admin/accounts", json=new, auth=office)
        assert again.status_code == 409
        bad = {**new, "account": "dee", "roles": ["everything"]}
        assert (await http.post("/admin/accounts", json=bad, auth=office)).status_code == 400
        listed = (await http.get("/admin/accounts", auth=office)).json()["accounts"]
        assert [one["account"] for one in listed] == ["ada", "cai"]
        assert [one["temporary"] for one in listed] == [False, True]
        assert "secret_hash" not in listed[0]
        path = "/accounts/cai/password"
        short = {"old": temporary, "new": "short"}
        assert (await http.post(path, json=short, auth=admin)).status_code == 400
        wrong = {"old": "guess", "new": PASSWORD}
        assert (await http.post(path, json=wrong, auth=admin)).status_code == 403
        right = {"old": temporary, "new": PASSWORD}
        assert (await http.post(path, json=right, auth=admin)).status_code == 204
        why = {"reason": "has left"}
        disabled = await http.post("/admin/accounts/cai/disable", json=why, auth=office)
        assert disabled.status_code == 204
        gone = await http.post("/admin/accounts/cai/reset", json=why, auth=office)
        assert gone.status_code == 404
