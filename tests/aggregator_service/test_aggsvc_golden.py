"""The same question gives the same bytes: answers as they are checked in.

A changed file means that a decision of one engine version is another, or is explained otherwise:
then it is a new engine version. `ASSAY_GOLDEN_WRITE=1` writes the files anew.
"""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from aggregator_service_driver import (
    OBSERVED,
    TENANT,
    THEORY,
    VR,
    Driver,
    agent,
    day,
    driver_of,
    post_award,
    statement,
    theory_rule,
    void,
)
from aggregator_streams import LEVELLED, both_rule, gated_rule, levelled_rule, strict_rule
from assay_aggregator.admin import Days
from assay_aggregator.reviews.marks import mark_decision
from assay_aggregator.reviews.store import ReviewStore
from assay_testing import Database

FOLDER = Path(__file__).parent / "data" / "answers"
# Name of the file: as_of and known_at, as days after the start of 2026; None is "live".
QUESTIONS = {
    "before-the-award": (59.0, 59.0),
    "award": (61.0, 61.0),
    "as-of-then-known-now": (61.0, 160.0),
    "suspended": (82.0, 82.0),
    "override-and-review": (96.0, 96.0),
    "expired": (150.0, 160.0),
    "later": (200.0, 160.0),
}


@pytest.fixture
async def driver(postgres: Database) -> AsyncIterator[Driver]:
    async with driver_of(postgres) as made:
        await live(made)
        yield made


async def live(driver: Driver) -> None:
    """One life: award, renewal, disqualification, its void, another account, people's words."""
    async with driver.records() as records:
        for document in (theory_rule(0), theory_rule(1), strict_rule(), levelled_rule()):
            await records.put_rule(document)
        await records.put_rule(both_rule())
        await records.put_rule(gated_rule())
        ben = await records.put_person([agent("ben")])
        ada = await records.put_person([agent("ada")])
        await records.add_authorisation(ben, "gowning-b", Days(None, day(120).date()))
    await post_award(driver)
    await driver.decide()
    aps = "https://example.org/a/aps"
    await driver.post(
        "online", statement("x", verb="failed", activity=aps, at=day(80)), stored=day(80)
    )
    await driver.decide()
    await driver.post("office", void("v", "x", at=day(84)), stored=day(84))
    await driver.post("vr", statement("f", verb="failed", activity=VR, at=day(85)), stored=day(85))
    await driver.post("online", statement("late", activity=THEORY, at=day(15)), stored=day(86))
    await driver.post(
        "in_person",
        statement("other", actor="ada.l", activity=OBSERVED, at=day(88), assessor="cai"),
        stored=day(88),
    )
    await driver.decide()
    async with driver.records() as records:
        await records.add_link(agent("ada.l"), ada)
        store = ReviewStore(records.store.connection)
        override, first = uuid4(), day(92).date()
        await store.insert_override(
            TENANT, override, ada, LEVELLED, 3, first, first + timedelta(days=9), "approval",
            "needed", "ann", uuid4(), records.recorded_ms, None,
        )  # fmt: skip
        await store.approve_override(TENANT, override, "bob", uuid4(), records.recorded_ms)
        review = theory_rule(1)["competency"]
        await store.insert_review(
            TENANT, uuid4(), ada, review, "contest", "no", "person", None, records.recorded_ms
        )
        for competency in (LEVELLED, review):
            await mark_decision(records, ada, competency)
    for moment in (92, 96, 110, 161):
        for partition in range(3):
            await driver.tick(day(moment), partition=partition)
        await driver.decide()


async def named(driver: Driver, answer: dict[str, Any]) -> bytes:
    """The answer with the random ids by name, as canonical JSON that people can read."""
    names = {str(await driver.person(name)): name for name in ("ada", "ben", "cai")}
    for row in await driver.pool.fetch("select override as id from aggregator.override"):
        names[str(row["id"])] = "the override"
    for row in await driver.pool.fetch("select review as id from aggregator.review"):
        names[str(row["id"])] = "the review"
    text = orjson.dumps(answer, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2).decode()
    for identity, name in names.items():
        text = text.replace(identity, name)
    return f"{text}\n".encode()


async def test_answers_are_the_bytes_that_are_checked_in(driver: Driver) -> None:
    made = {
        f"{name}.json": await named(
            driver, await driver.ask("ada", as_of=day(as_of), known_at=day(known_at))
        )
        for name, (as_of, known_at) in QUESTIONS.items()
    }
    if os.environ.get("ASSAY_GOLDEN_WRITE"):
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (FOLDER / name).write_bytes(text)
    assert {file.name: file.read_bytes() for file in FOLDER.iterdir()} == made


def test_the_answers_show_what_they_are_for() -> None:
    """The files hold every status that an award has; else they would guard little."""
    seen = {
        one["status"]
        for file in FOLDER.iterdir()
        for one in orjson.loads(file.read_bytes())["competencies"]
    }
    assert seen >= {"in_progress", "achieved", "suspended", "expired", "under_review"}


async def test_what_was_known_then_does_not_move_with_what_is_known_later(driver: Driver) -> None:
    before = await driver.ask("ada", as_of=day(61), known_at=day(61))
    for number in range(3):
        await driver.post(
            "online",
            statement(f"flood {number}", activity=THEORY, at=day(10 + number)),
            stored=day(170 + number),
        )
        # Another copy of a statement that was known then.
        await driver.post(
            "vr", statement(f"s{number + 1}", activity=VR, at=day(300)), stored=day(175 + number)
        )
    await driver.decide()
    assert await driver.ask("ada", as_of=day(61), known_at=day(61)) == before
