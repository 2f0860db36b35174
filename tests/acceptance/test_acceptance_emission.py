"""A decision comes back to the record store as a statement, once, and decides nothing itself."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from assay_testing import RunningStack

COURSE = "https://assay.example/demo/activities/course/gmp-foundations"
COMPETENCY = "https://assay.example/demo/competencies/GMP1"
ACHIEVED = "https://w3id.org/xapi/tla/verbs/achieved"
VERSION = {"X-Experience-API-Version": "2.0.0"}
WAIT_SECONDS = 60.0

# Answers are JSON of any shape, hence Any.
Json = dict[str, Any]


@pytest.fixture
def told(stack: RunningStack) -> Iterator[Json]:
    """What scripts need of the stack, while its events are told as statements."""
    on = stack.assay("emission", "on", "--home-page", "https://records.example.org")
    assert on.returncode == 0, on.stdout + on.stderr
    # Access rules are made exact at every upgrade: ours must outlive that.
    again = stack.assay("migrate")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "taken back" not in again.stdout
    document: Json = json.loads(stack.assay("status", "--json").stdout)
    yield document
    off = stack.assay("emission", "off")
    assert off.returncode == 0, off.stdout + off.stderr


async def test_an_award_is_told_as_a_statement_of_the_learner(told: Json) -> None:
    xapi, aggregator = told["urls"]["xapi"], told["urls"]["aggregator"]
    keys = {name: (key["user"], key["password"]) for name, key in told["keys"].items()}
    learner = {"account": {"homePage": "https://people.example.org", "name": f"ann-{uuid4()}"}}
    passed = {
        "id": str(uuid4()),
        "actor": learner,
        "verb": {"id": "http://adlnet.gov/expapi/verbs/passed"},
        "object": {"id": COURSE},
        "result": {"success": True, "score": {"scaled": 0.93}},
        "timestamp": datetime.now(UTC).isoformat(),
    }
    asked = {"agent": json.dumps(learner), "verb": ACHIEVED}
    async with httpx.AsyncClient(headers=VERSION, timeout=10.0) as client:
        posted = await client.post(f"{xapi}/statements", json=passed, auth=keys["online"])
        assert posted.status_code == 200, posted.text
        found: list[Json] = []
        end = asyncio.get_running_loop().time() + WAIT_SECONDS
        while not found and asyncio.get_running_loop().time() < end:
            answer = await client.get(f"{xapi}/statements", params=asked, auth=keys["reader"])
            assert answer.status_code == 200, answer.text
            found = answer.json()["statements"]
            await asyncio.sleep(0.2)
        (statement,) = found
        assert statement["object"]["id"] == COMPETENCY
        assert statement["actor"]["account"] == learner["account"]
        people = await client.get(
            f"{aggregator}/people", params={"agent": json.dumps(learner)}, auth=keys["reader"]
        )
        (person,) = people.json()["people"]
        decided = await client.get(
            f"{aggregator}/people/{person['person']}/decisions",
            params={"competency": COMPETENCY},
            auth=keys["reader"],
        )
        sequences = [one["sequence"] for one in decided.json()["decisions"]]
        assert sequences == [1]
