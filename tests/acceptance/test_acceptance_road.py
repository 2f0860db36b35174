"""The road of README, on the running product: a statement becomes a credential, and a void ends it.

Everything goes through the front doors, with what `assay status --json` prints.
"""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from assay_testing import RunningStack

COURSE = "https://assay.example/demo/activities/course/gmp-foundations"
COMPETENCY = "https://assay.example/demo/competencies/GMP1"
VERBS = "http://adlnet.gov/expapi/verbs/"
VERSION = {"X-Experience-API-Version": "2.0.0"}
WAIT_SECONDS = 30.0

# Answers are JSON of any shape, hence Any.
Json = dict[str, Any]


@pytest.fixture(scope="session")
def printed(stack: RunningStack) -> Json:
    """What `assay status --json` prints of a healthy stack."""
    done = stack.assay("status", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    document: Json = json.loads(done.stdout)
    return document


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(headers=VERSION, timeout=10.0) as opened:
        yield opened


def _key(printed: Json, name: str) -> tuple[str, str]:
    return printed["keys"][name]["user"], printed["keys"][name]["password"]


def _passed(name: str) -> Json:
    return {
        "id": str(uuid4()),
        "actor": {"account": {"homePage": "https://people.example.org", "name": name}},
        "verb": {"id": VERBS + "passed"},
        "object": {"id": COURSE},
        "result": {"success": True, "score": {"scaled": 0.93}},
        "timestamp": datetime.now(UTC).isoformat(),
    }


async def _eventually(look: Callable[[], Awaitable[Json | None]], what: str) -> Json:
    end = asyncio.get_running_loop().time() + WAIT_SECONDS
    while asyncio.get_running_loop().time() < end:
        found = await look()
        if found is not None:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within {WAIT_SECONDS} s: {what}")


def test_status_prints_what_scripts_need(printed: Json) -> None:
    assert printed["healthy"] is True
    assert set(printed["urls"]) == {"xapi", "aggregator", "credentials"}
    assert {"online", "vr", "in_person", "reader", "admin"} <= set(printed["keys"])
    for key in printed["keys"].values():
        assert set(key) == {"user", "password"}
        assert len(key["password"]) >= 32
    assert {"assay", "postgres", "kafka"} <= set(printed["versions"])


def test_curl_posts_a_statement_with_the_printed_key_and_reads_it_back(printed: Json) -> None:
    statement = _passed(f"curl-{uuid4()}")
    del statement["id"]
    user, password = _key(printed, "online")
    words = ["curl", "-sS", "--fail-with-body", "-u", f"{user}:{password}"]
    words += ["-H", "X-Experience-API-Version: 2.0.0"]
    url = f"{printed['urls']['xapi']}/statements"
    posted = subprocess.run(
        [*words, "-H", "Content-Type: application/json", url, "-d", json.dumps(statement)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert posted.returncode == 0, posted.stdout + posted.stderr
    (statement_id,) = json.loads(posted.stdout)
    read = subprocess.run(
        [*words, f"{url}?statementId={statement_id}"], capture_output=True, text=True, check=False
    )
    assert read.returncode == 0, read.stdout + read.stderr
    kept = json.loads(read.stdout)
    assert kept["id"] == statement_id
    assert kept["verb"] == statement["verb"]
    assert kept["actor"]["account"] == statement["actor"]["account"]
    assert "stored" in kept
    assert "authority" in kept


async def test_a_wrong_key_is_refused_everywhere(client: httpx.AsyncClient, printed: Json) -> None:
    for url in (
        f"{printed['urls']['xapi']}/statements",
        f"{printed['urls']['aggregator']}/people",
        f"{printed['urls']['credentials']}/credentials?person={uuid4()}",
    ):
        answer = await client.get(url, auth=("demo-online", "wrong"))
        assert answer.status_code == 401, url
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_statement_becomes_a_decision_and_a_credential_and_a_void_ends_both(
    client: httpx.AsyncClient, printed: Json
) -> None:
    urls = printed["urls"]
    reader, online = _key(printed, "reader"), _key(printed, "online")
    statement = _passed(f"road-{uuid4()}")

    # 1. Posted.
    posted = await client.post(f"{urls['xapi']}/statements", json=statement, auth=online)
    assert posted.status_code == 200, posted.text

    # 2. Decided, and explained.
    async def person() -> Json | None:
        answer = await client.get(
            f"{urls['aggregator']}/people",
            params={"agent": json.dumps(statement["actor"])},
            auth=reader,
        )
        return answer.json() if answer.status_code == 200 else None

    found = await _eventually(person, "the learner is known")
    people = found.get("people", [found])
    person_id = people[0]["person"]

    async def decision(status: str) -> Json | None:
        answer = await client.get(
            f"{urls['aggregator']}/people/{person_id}/competencies", auth=reader
        )
        assert answer.status_code == 200, answer.text
        one = {each["competency"]: each for each in answer.json()["competencies"]}[COMPETENCY]
        return one if one["status"] == status else None

    achieved = await _eventually(lambda: decision("achieved"), "the competency is achieved")
    assert achieved["used"] == [statement["id"]]
    assert achieved["rule"]["hash"]
    assert achieved["engine"]

    # 3. A credential, which a stranger's check finds valid.
    async def credential(status: str) -> Json | None:
        answer = await client.get(
            f"{urls['credentials']}/credentials", params={"person": person_id}, auth=reader
        )
        assert answer.status_code == 200, answer.text
        held = [one for one in answer.json()["credentials"] if one["competency"] == COMPETENCY]
        return held[0] if len(held) == 1 and held[0]["status"] == status else None

    issued = await _eventually(lambda: credential("issued"), "the credential is issued")
    document = (
        await client.get(f"{urls['credentials']}/credentials/{issued['id']}", auth=reader)
    ).content
    assert await _outcome(client, urls, document) == "valid"

    # 4. The evidence is voided by its own source; nobody does anything else.
    void = {
        "actor": {"mbox": "mailto:office@example.org"},
        "verb": {"id": VERBS + "voided"},
        "object": {"objectType": "StatementRef", "id": statement["id"]},
    }
    voided = await client.post(f"{urls['xapi']}/statements", json=void, auth=online)
    assert voided.status_code == 200, voided.text
    withdrawn = await _eventually(lambda: decision("not_started"), "the competency is withdrawn")
    assert {one["reason"] for one in withdrawn["excluded"]} == {"voided"}
    await _eventually(lambda: credential("suspended"), "the credential is suspended")

    async def seen_as_suspended() -> Json | None:
        outcome = await _outcome(client, urls, document)
        return {} if outcome == "suspended" else None

    await _eventually(seen_as_suspended, "a verifier sees the suspension")


async def _outcome(client: httpx.AsyncClient, urls: Json, document: bytes) -> str:
    answer = await client.post(
        f"{urls['credentials']}/verify",
        content=document,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["outcome"])
