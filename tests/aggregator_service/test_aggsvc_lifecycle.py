"""The life of a rule: only what was approved by somebody else decides, just as it was approved."""

import itertools
from collections.abc import AsyncIterator
from datetime import date
from typing import Any, get_args
from uuid import uuid4

import asyncpg
import pytest

from aggregator_lifecycle import (
    add_accounts,
    approve,
    draft,
    lifecycle,
    preview,
    publish,
    signed_by,
    submit,
)
from aggregator_service_driver import TENANT, Driver, day, driver_of, statement, theory_rule
from assay_aggregator.errors import (
    Forbidden,
    Refused,
    RuleConflict,
    SignatureRefused,
    Unknown,
)
from assay_aggregator.lifecycle.drafts import Policy
from assay_aggregator.lifecycle.show import rule_document
from assay_aggregator.lifecycle.steps import STEPS, Action, State, step
from assay_aggregator.lifecycle.store import QUERIES, VersionKey
from assay_aggregator.rule import RuleError, parse_rule
from assay_testing import Database

KEY = VersionKey(TENANT, "theory-0", 1)
COMPETENCY = theory_rule()["competency"]


@pytest.fixture
async def driver(postgres: Database) -> AsyncIterator[Driver]:
    async with driver_of(postgres) as made:
        await add_accounts(made)
        await made.post("online", statement("s1", at=day(1), scaled="0.75"), stored=day(2))
        yield made


async def shown(driver: Driver, key: VersionKey = KEY) -> dict[str, Any]:
    async with driver.pool.acquire() as connection:
        return await rule_document(connection, key)


def test_only_the_steps_of_the_table_can_be_taken() -> None:
    states: list[State | None] = [None, *get_args(State)]
    actions: tuple[Action, ...] = get_args(Action)
    for state, action in itertools.product(states, actions):
        if (state, action) in STEPS:
            assert step(state, action) == STEPS[(state, action)]
            continue
        with pytest.raises(Unknown if state is None else RuleConflict, match=action):
            step(state, action)
    # What is in force never becomes a draft again, and what is retired never anything.
    assert {action for state, action in STEPS if state == "effective"} == {"retire"}
    assert not [action for state, action in STEPS if state == "retired"]
    # Only a review ends in force.
    assert [key for key, after in STEPS.items() if after == "effective"] == [
        ("in_review", "publish")
    ]


async def test_only_an_approved_version_decides(driver: Driver) -> None:
    await draft(driver, theory_rule())
    standing = await submit(driver, KEY)
    await driver.tick(day(3))
    await driver.decide()
    assert (await driver.ask("ada"))["competencies"] == []
    assert await driver.status("ada", COMPETENCY) is None
    made, _, _ = await preview(driver, parse_rule(theory_rule()))
    standing = await approve(driver, KEY, standing, made)
    assert standing.state == "effective"
    await driver.tick(day(4))
    await driver.decide()
    assert await driver.status("ada", COMPETENCY) == "achieved"
    (document,) = (await driver.ask("ada"))["competencies"]
    # What decides is, bit for bit, what was signed.
    assert document["rule"]["hash"] == standing.content_hash
    approvals = (await shown(driver))["approvals"]
    assert [one["signature"]["content_hash"] for one in approvals] == [standing.content_hash]
    assert [one["is_valid"] for one in approvals] == [True]


async def test_a_drafts_status_is_not_part_of_what_is_signed(driver: Driver) -> None:
    first = await draft(driver, theory_rule(status="draft"))
    same = await draft(driver, theory_rule(status="in_review"))
    assert same == first
    with pytest.raises(Refused, match="/status"):
        await draft(driver, theory_rule(status="retired"))


async def test_no_author_approves(driver: Driver) -> None:
    """Neither who wrote the last content, nor who wrote one before it."""
    await draft(driver, theory_rule(), "ben")
    await draft(driver, theory_rule(effective_from="2024-02-01"), "ada")
    standing = await submit(driver, KEY)
    made, _, _ = await preview(driver, parse_rule(theory_rule(effective_from="2024-02-01")))
    with pytest.raises(Forbidden, match="somebody else"):
        await approve(driver, KEY, standing, made, "ben")
    with pytest.raises(Forbidden, match="rule_approver"):
        await approve(driver, KEY, standing, made, "ada")
    assert (await approve(driver, KEY, standing, made, "cai")).state == "effective"


async def test_an_approval_needs_the_right_password(driver: Driver) -> None:
    await draft(driver, theory_rule())
    standing = await submit(driver, KEY)
    made, _, _ = await preview(driver, parse_rule(theory_rule()))
    wrong = signed_by("cai", password="guess")
    with pytest.raises(SignatureRefused):
        async with lifecycle(driver, None) as life:
            await life.approve(KEY, standing.content_hash, made, wrong)
    assert (await shown(driver))["state"] == "in_review"


async def test_what_is_approved_is_what_was_read_and_previewed(driver: Driver) -> None:
    first = await draft(driver, theory_rule())
    made, _, _ = await preview(driver, parse_rule(theory_rule()))
    other = theory_rule(effective_from="2024-03-01")
    await draft(driver, other)
    standing = await submit(driver, KEY)
    with pytest.raises(RuleConflict, match="read it again"):
        await approve(driver, KEY, first, made)
    with pytest.raises(Refused, match="another content"):
        await approve(driver, KEY, standing, made)
    with pytest.raises(Unknown, match="preview"):
        await approve(driver, KEY, standing, uuid4())
    made, _, _ = await preview(driver, parse_rule(other))
    # Two days later on the log the evidence may be another.
    await driver.tick(day(4))
    with pytest.raises(Refused, match="too old"):
        await approve(driver, KEY, standing, made)
    made, _, _ = await preview(driver, parse_rule(other))
    assert (await approve(driver, KEY, standing, made)).state == "effective"


async def test_changing_the_content_voids_what_was_signed(driver: Driver) -> None:
    two = Policy(approvals_min=2)
    await draft(driver, theory_rule())
    standing = await submit(driver, KEY)
    made, _, _ = await preview(driver, parse_rule(theory_rule()))
    assert (await approve(driver, KEY, standing, made, "cai", two)).state == "in_review"
    with pytest.raises(Forbidden, match="already"):
        await approve(driver, KEY, standing, made, "cai", two)
    # Another content: back to a draft, and the approval of before counts no more.
    other = theory_rule(effective_from="2024-03-01")
    assert (await draft(driver, other)).state == "draft"
    (approval,) = (await shown(driver))["approvals"]
    assert approval["is_valid"] is False
    with pytest.raises(RuleConflict, match="is draft"):
        await approve(driver, KEY, standing, made, "dee", two)
    standing = await submit(driver, KEY)
    made, _, _ = await preview(driver, parse_rule(other))
    assert (await approve(driver, KEY, standing, made, "cai", two)).state == "in_review"
    assert (await approve(driver, KEY, standing, made, "dee", two)).state == "effective"
    valid = [one["is_valid"] for one in (await shown(driver))["approvals"]]
    assert sorted(valid) == [False, True, True]


async def test_going_back_to_an_old_content_does_not_revive_its_approval(driver: Driver) -> None:
    two = Policy(approvals_min=2)
    await draft(driver, theory_rule())
    standing = await submit(driver, KEY)
    made, _, _ = await preview(driver, parse_rule(theory_rule()))
    await approve(driver, KEY, standing, made, "cai", two)
    async with lifecycle(driver) as life:
        assert (await life.give_back(KEY)).state == "draft"
    await submit(driver, KEY)
    assert (await approve(driver, KEY, standing, made, "dee", two)).state == "in_review"
    assert (await approve(driver, KEY, standing, made, "cai", two)).state == "effective"


async def test_a_version_in_force_is_never_changed(driver: Driver) -> None:
    await publish(driver, theory_rule())
    with pytest.raises(RuleConflict, match="new version"):
        await draft(driver, theory_rule(effective_from="2024-03-01"))
    with pytest.raises(RuleConflict, match="is effective"):
        await draft(driver, theory_rule())
    other = theory_rule() | {"id": "other"}
    with pytest.raises(RuleConflict, match="decides about this competency"):
        await draft(driver, other)


async def test_what_is_no_rule_is_not_drafted(driver: Driver) -> None:
    with pytest.raises(RuleError):
        await draft(driver, theory_rule() | {"requires": {"all": ["nothing"]}})
    with pytest.raises(Unknown):
        await submit(driver, KEY)


async def test_reasons_are_asked_for(driver: Driver) -> None:
    with pytest.raises(Refused, match="reason"):
        async with lifecycle(driver, None) as life:
            await life.draft(theory_rule(), signed_by("ada"))
    await draft(driver, theory_rule())
    await submit(driver, KEY)
    for take in ("give_back", "withdraw"):
        with pytest.raises(Refused, match="reason"):
            async with lifecycle(driver, " ") as life:
                await getattr(life, take)(KEY)


async def test_a_withdrawn_version_can_be_taken_up_again(driver: Driver) -> None:
    await draft(driver, theory_rule())
    async with lifecycle(driver) as life:
        assert (await life.withdraw(KEY)).state == "withdrawn"
    with pytest.raises(RuleConflict, match="withdrawn"):
        await submit(driver, KEY)
    assert (await draft(driver, theory_rule())).state == "draft"
    assert (await submit(driver, KEY)).state == "in_review"


async def test_a_retired_version_decides_until_its_day_and_was_in_force_before(
    driver: Driver,
) -> None:
    await publish(driver, theory_rule())
    await driver.tick(day(5))
    await driver.decide()
    assert await driver.status("ada", COMPETENCY) == "achieved"
    for partition in (1, 2):
        await driver.tick(day(6), partition=partition)
    await driver.tick(day(6))
    before = await driver.ask("ada", as_of=day(20), known_at=day(5))
    end = date(2026, 1, 10)
    made, _, (change,) = await preview(driver, parse_rule(theory_rule()), end)
    assert change.kinds == ("loses",)
    with pytest.raises(Forbidden):
        async with lifecycle(driver) as life:
            await life.retire(KEY, end, made, signed_by("ada", "retirement"))
    with pytest.raises(Refused, match="another content"):
        async with lifecycle(driver) as life:
            await life.retire(KEY, date(2026, 1, 9), made, signed_by("cai", "retirement"))
    async with lifecycle(driver) as life:
        standing = await life.retire(KEY, end, made, signed_by("cai", "retirement"))
    assert standing.state == "retired"
    await driver.tick(day(7))
    await driver.decide()
    assert await driver.status("ada", COMPETENCY) == "achieved"
    for partition in range(3):
        await driver.tick(day(12), partition=partition)
    await driver.decide()
    assert await driver.status("ada", COMPETENCY) == "not_started"
    (last_day,) = (await driver.ask("ada", as_of=day(8.9)))["competencies"]
    assert last_day["status"] == "achieved"
    # Asked as it was known before, nothing has changed.
    assert await driver.ask("ada", as_of=day(20), known_at=day(5)) == before
    with pytest.raises(RuleConflict, match="is retired"):
        async with lifecycle(driver) as life:
            await life.retire(KEY, end, made, signed_by("cai", "retirement"))


async def test_every_step_is_in_the_audit_trail(driver: Driver) -> None:
    await publish(driver, theory_rule())
    made, _, _ = await preview(driver, parse_rule(theory_rule()), date(2026, 1, 10))
    async with lifecycle(driver, "replaced") as life:
        await life.retire(KEY, date(2026, 1, 10), made, signed_by("cai", "retirement"))
    rows = await driver.pool.fetch(
        "select action, actor, reason, after ->> 'account' as account "
        "from aggregator.audit_event where subject = 'rule:theory-0/1' order by event"
    )
    assert [(row["action"], row["account"]) for row in rows] == [
        ("rule.draft", "ada"),
        ("rule.submit", None),
        ("rule.approve", "cai"),
        ("rule.recorded", None),
        ("rule.publish", "cai"),
        ("rule.retire", "cai"),
    ]
    assert {row["actor"] for row in rows} == {"office"}
    assert rows[-1]["reason"] == "replaced"


async def test_every_query_prepares_and_the_past_cannot_be_written(postgres: Database) -> None:
    connection = await postgres.connect("assay_aggregator")
    for name in QUERIES.names():
        await connection.prepare(QUERIES[name])
    tables = ("rule_draft", "rule_step", "rule_approval", "rule_retirement", "rule_preview")
    for table in tables:
        for statement_text in (
            f"delete from aggregator.{table}",  # noqa: S608 - names above
            f"update aggregator.{table} set tenant = ''",  # noqa: S608 - names above
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement_text)
    await connection.close()


async def test_rules_in_a_circle_are_not_drafted(driver: Driver) -> None:
    first, second = theory_rule(0), theory_rule(1)
    await publish(driver, first | _looking_at(second))
    with pytest.raises(Refused, match="circle"):
        await draft(driver, second | _looking_at(first))
    await publish(driver, second)


async def test_a_level_that_another_rule_never_gives_is_not_drafted(driver: Driver) -> None:
    first, second = theory_rule(0), theory_rule(1)
    await publish(driver, first)
    wanted = {"competency": first["competency"], "at": "award", "level": 2}
    with pytest.raises(RuleError) as refused:
        await draft(driver, second | {"prerequisites": [wanted]})
    (problem,) = refused.value.problems
    assert problem.pointer == "/prerequisites/0/level"


def _looking_at(other: dict[str, Any]) -> dict[str, Any]:
    return {"prerequisites": [{"competency": other["competency"], "at": "award"}]}
