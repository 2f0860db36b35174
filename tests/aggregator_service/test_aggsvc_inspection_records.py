"""What people decide, in an inspection pack: approvals, awards by hand, reviews, and their signers.

With rules that look at other rules: a pack holds what it takes to decide those again, too.
"""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from aggregator_inspection import Office, awarded, files_of, office_of, rows_of, ticked
from aggregator_lifecycle import PASSWORD, publish
from aggregator_service_driver import COMPETENCY, agent, day, rule, theory_rule
from assay_aggregator import accounts
from assay_aggregator.accounts import NewAccount
from assay_aggregator.inspection.verify import verify
from assay_testing import Database

PARENT = "https://example.org/competencies/all-of-it"
SIGNERS: Mapping[str, list[str]] = {
    "ada": ["rule_author"],
    "cai": ["rule_approver"],
    "ann": ["override", "reviewer"],
    "bob": ["override", "reviewer"],
}
THEORY = theory_rule(
    overrides={"allow": True, "meaning": ["approval"], "max": "P90D", "two_person": True}
)


def whole_rule() -> dict[str, Any]:
    """A competency that follows from the one of `rule` and the one of `THEORY`."""
    document = rule(id="all-of-it", competency=PARENT)
    for key in ("evidence", "requires", "validity"):
        del document[key]
    children = [{"competency": COMPETENCY}, {"competency": THEORY["competency"]}]
    return {**document, "rollup": {"method": "all", "children": children}}


def signature(account: str) -> dict[str, str]:
    return {"account": account, "password": PASSWORD, "meaning": "approval"}


@pytest.fixture
async def office(postgres: Database) -> AsyncIterator[Office]:
    """`THEORY` is approved, cai is awarded it by hand; ada's own award is under review."""
    async with office_of(postgres) as made:
        driver = made.driver
        async with driver.records() as records:
            for name, roles in SIGNERS.items():
                new = NewAccount(name, f"{name.title()} of QA", roles)
                await accounts.add(records, new, PASSWORD, temporary=False)
            await records.put_person([agent("cai")])
        await awarded(made)
        await publish(driver, THEORY)
        async with driver.records() as records:
            await records.put_rule(whole_rule())
        await ticked(driver, 63)
        yield made


async def awarded_by_hand(office: Office) -> str:
    cai = str(await office.driver.person("cai"))
    proposed = await office.post(
        "/admin/overrides",
        {
            "person": cai,
            "competency": THEORY["competency"],
            "from": day(60).date().isoformat(),
            "to": day(90).date().isoformat(),
            "reason": "seen on paper",
            "signature": signature("ann"),
        },
    )
    assert proposed.status_code == 201, proposed.text
    approved = await office.post(
        f"/admin/overrides/{proposed.json()['override']}/approve",
        {"reason": "the paper is signed", "signature": signature("bob")},
    )
    assert approved.status_code == 200, approved.text
    await ticked(office.driver, 64)
    await ticked(office.driver, 65)
    return cai


async def test_an_award_by_hand_is_shown_with_both_signatures(office: Office) -> None:
    cai = await awarded_by_hand(office)
    files = files_of(await office.pack(person=cai))
    cells = {row["competency"]: row for row in rows_of(files, "matrix")}
    (given,) = rows_of(files, "overrides")
    assert cells[THEORY["competency"]]["status"] == "achieved"
    assert cells[THEORY["competency"]]["override"] == given["override"]
    assert cells[PARENT]["status"] != "achieved"
    signed = [given["proposed_signature"], given["approved_signature"]]
    assert [one["name"] for one in signed] == ["Ann of QA", "Bob of QA"]
    assert signed[0]["content_hash"] == signed[1]["content_hash"]
    assert given["reason"] == "seen on paper"
    page = files[f"people/{cai}.html"].decode()
    assert "Ann of QA" in page
    assert "Bob of QA" in page
    subjects = {row["subject"] for row in rows_of(files, "audit")}
    assert f"override:{given['override']}" in subjects


async def test_a_review_is_shown_as_it_was_known(office: Office) -> None:
    ada = str(await office.driver.person("ada"))
    body = {"person": ada, "competency": COMPETENCY, "reason": "a witness doubts it"}
    opened = await office.post("/admin/reviews", {**body, "signature": signature("ann")})
    assert opened.status_code == 201, opened.text
    await ticked(office.driver, 66)
    await ticked(office.driver, 67)
    question = {"person": ada, "as_of": day(66).isoformat(), "known_at": day(66).isoformat()}
    before = await office.pack(**question)
    (row,) = rows_of(files_of(before), "reviews")
    assert (row["opened_by"], row["outcome"], row["closed_by"]) == ("ann", None, None)
    cells = {one["competency"]: one for one in rows_of(files_of(before), "matrix")}
    assert cells[COMPETENCY]["status"] == "under_review"
    closed = await office.post(
        f"/admin/reviews/{opened.json()['review']}/close",
        {"outcome": "upheld", "reason": "the video shows it", "signature": signature("bob")},
    )
    assert closed.status_code == 200, closed.text
    await ticked(office.driver, 68)
    await ticked(office.driver, 69)
    assert await office.pack(**question) == before
    (row,) = rows_of(files_of(await office.pack(person=ada)), "reviews")
    assert (row["outcome"], row["closed_by"]) == ("upheld", "bob")
    assert row["closed_signature"]["name"] == "Bob of QA"


async def test_a_rule_is_shown_with_whoever_wrote_and_approved_it(office: Office) -> None:
    files = files_of(await office.pack(competency=THEORY["competency"]))
    document = orjson.loads(files["rules/theory-0.v1.json"])
    (wrote,) = document["drafts"]
    (approval,) = document["approvals"]
    assert wrote["signature"]["name"] == "Ada of QA"
    assert approval["signature"]["name"] == "Cai of QA"
    assert approval["signature"]["content_hash"] == document["hash"]
    states = [step["state"] for step in document["steps"]]
    assert (states[0], states[-1]) == ("draft", "effective")
    page = files["rules.html"].decode()
    assert "Cai of QA" in page
    # The other rules are not about it.
    assert [name for name in files if name.startswith("rules/")] == ["rules/theory-0.v1.json"]


async def test_rules_that_look_at_others_are_decided_again_from_the_pack(
    office: Office, tmp_path: Path
) -> None:
    cai = await awarded_by_hand(office)
    path = tmp_path / "pack.zip"
    for query in ({"person": cai}, {"competency": PARENT}):
        path.write_bytes(await office.pack(**query))
        verdict = verify(path, recompute=True)
        assert verdict.findings == []
        assert verdict.decisions
    files = files_of(path.read_bytes())
    # One competency is asked for, and its two children decide in it.
    assert {row["competency"] for row in rows_of(files, "matrix")} == {PARENT}
    assert {name for name in files if name.startswith("rules/")} == {
        "rules/all-of-it.v1.json",
        "rules/gowning-b.v1.json",
        "rules/theory-0.v1.json",
    }
