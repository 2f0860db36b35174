"""Two ingest processes race over one id: one copy is *first* everywhere, the other is named.

Neither process knows what the other accepts until the store has applied it, so both may answer 200
to different contents (law 1 names this exception). What must hold then: every projection has the
same first, the loser stands in the rejected table with its reason, and both processes agree.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from assay_cli import launch
from assay_cli.processes import BY_NAME
from assay_testing import RunningStack
from ingest_service import free_port

VERSION = {"X-Experience-API-Version": "2.0.0"}
CONSISTENT = "X-Experience-API-Consistent-Through"
TENANT = "demo"
COURSE = "https://assay.example/demo/activities/course/gmp-foundations"
READY_SECONDS = 60.0
AGREE_SECONDS = 30.0
# A round may end with one 200 and one 409, when one process saw the other's copy in time.
RACES_WANTED = 5
ROUNDS_MAX = 60

# Answers are JSON of any shape, hence Any.
Json = dict[str, Any]


@dataclass
class Front:
    """One of the two processes, as a client of it sees it."""

    http: httpx.AsyncClient
    url: str
    auth: tuple[str, str]

    async def post(self, statement: Json) -> httpx.Response:
        return await self.http.post(f"{self.url}/xapi/statements", json=statement, auth=self.auth)

    async def by_id(self, statement_id: UUID) -> httpx.Response:
        return await self.http.get(
            f"{self.url}/xapi/statements",
            params={"statementId": str(statement_id)},
            auth=self.auth,
        )

    async def watermark(self) -> datetime:
        answer = await self.http.get(
            f"{self.url}/xapi/statements", params={"limit": "1"}, auth=self.auth
        )
        assert answer.status_code == 200, answer.text
        return datetime.fromisoformat(answer.headers[CONSISTENT])


@pytest.fixture(scope="module")
def second_port(stack: RunningStack) -> Iterator[int]:
    """A second `assay ingest` of the same stack: the same settings, but for the port."""
    port = free_port()
    environment = {
        **os.environ,
        **stack.info.environment(BY_NAME["ingest"]),
        "ASSAY_HTTP_PORT": str(port),
    }
    launcher = [sys.executable, "-I", "-S", str(launch.__file__), str(os.getpid()), "15", "", "0"]
    log = stack.info.log_file("ingest-2")
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*launcher, sys.executable, "-m", "assay_cli", "ingest"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield port
        assert process.poll() is None, log.read_text(encoding="utf-8")[-4000:]
    finally:
        process.terminate()
        process.wait(30)


async def _ready(http: httpx.AsyncClient, url: str) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            try:
                if (await http.get(f"{url}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


def _statement(statement_id: UUID, name: str, scaled: float) -> Json:
    return {
        "id": str(statement_id),
        "actor": {"account": {"homePage": "https://people.example.org", "name": name}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/passed"},
        "object": {"id": COURSE},
        "result": {"success": True, "score": {"scaled": scaled}},
        "timestamp": datetime.now(UTC).isoformat(),
    }


async def _race(one: Front, other: Front) -> dict[UUID, tuple[Json, Json]]:
    """Ids that both processes accepted with different contents."""
    raced: dict[UUID, tuple[Json, Json]] = {}
    for _ in range(ROUNDS_MAX):
        statement_id, name = uuid4(), f"race-{uuid4()}"
        left = _statement(statement_id, name, 0.91)
        right = _statement(statement_id, name, 0.97)
        answers = await asyncio.gather(one.post(left), other.post(right))
        codes = sorted(answer.status_code for answer in answers)
        # Whatever the order: nobody is refused but for the conflict, and somebody is first.
        assert codes in ([200, 200], [200, 409]), [answer.text for answer in answers]
        if codes == [200, 200]:
            raced[statement_id] = (left, right)
        if len(raced) == RACES_WANTED:
            return raced
    raise AssertionError(f"{len(raced)} races in {ROUNDS_MAX} rounds: they never met")


async def _until_both_have_passed(fronts: tuple[Front, Front], moment: datetime) -> None:
    async with asyncio.timeout(AGREE_SECONDS):
        # No event crosses processes, hence the pauses.
        while min([await one.watermark() for one in fronts]) < moment:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.05)


async def test_a_race_of_two_processes_over_one_id_is_settled_by_first_everywhere(
    stack: RunningStack, second_port: int
) -> None:
    user, password = stack.info.keys()["online"].values()
    async with httpx.AsyncClient(headers=VERSION, timeout=15.0) as http:
        one = Front(http, stack.info.url("ingest"), (user, password))
        other = Front(http, f"http://127.0.0.1:{second_port}", (user, password))
        await _ready(http, other.url)
        raced = await _race(one, other)
        now = await _database_time(stack)
        await _until_both_have_passed((one, other), now)

        # 1. The two processes answer the same bytes, those of one of the two contents.
        answered: dict[UUID, Json] = {}
        for statement_id, contents in raced.items():
            first, second = await one.by_id(statement_id), await other.by_id(statement_id)
            assert (first.status_code, second.status_code) == (200, 200)
            assert first.content == second.content
            answered[statement_id] = first.json()
            assert answered[statement_id]["result"] in [each["result"] for each in contents]

        # 2. A repeat of the first is a repeat for both, and the loser's content a conflict.
        for statement_id, contents in raced.items():
            for content in contents:
                won = content["result"] == answered[statement_id]["result"]
                for front in (one, other):
                    assert (await front.post(content)).status_code == (200 if won else 409)

    # 3. Store and aggregator have the same first, and each has the loser once, as a conflict.
    await _projections_agree(stack, answered)

    # 4. The loser is in the rejected table, with its reason.
    listed = stack.assay("rejected", "list", "--limit", "1000")
    assert listed.returncode == 0, listed.stderr
    for statement_id in raced:
        lines = [line for line in listed.stdout.splitlines() if str(statement_id) in line]
        assert [line.split()[-1] for line in lines] == ["id_conflict"], listed.stdout
    coordinates = next(
        line.split()[1] for line in listed.stdout.splitlines() if str(statement_id) in line
    )
    shown = stack.assay("rejected", "show", coordinates)
    assert shown.returncode == 0, shown.stderr
    loser = json.loads(shown.stdout.split("bytes", 1)[1])
    assert loser["result"] != answered[statement_id]["result"]

    # 5. And all laws hold.
    checked = stack.assay("check", seconds=300.0)
    assert checked.returncode == 0, checked.stdout + checked.stderr


async def _database_time(stack: RunningStack) -> datetime:
    connection = await asyncpg.connect(stack.info.dsn_with_password())
    try:
        now: datetime = await connection.fetchval("select clock_timestamp()")
        return now
    finally:
        await connection.close()


async def _projections_agree(stack: RunningStack, answered: dict[UUID, Json]) -> None:
    ids = list(answered)
    copies = (
        "select id, body_hash, append_ms, partition, record_offset, record_index, stored_ms "
        "from {} where tenant = $1 and id = any($2::uuid[]) order by id"
    )
    connection = await asyncpg.connect(stack.info.dsn_with_password())
    try:
        async with asyncio.timeout(AGREE_SECONDS):
            # The watermark is the store's; the aggregator may be a moment behind it.
            while True:
                kept = await connection.fetch(copies.format("ingest.statement_key"), TENANT, ids)
                facts = await connection.fetch(
                    copies.format("aggregator.statement_fact"), TENANT, ids
                )
                lost = await connection.fetch(copies.format("ingest.conflict"), TENANT, ids)
                conflicts = await connection.fetch(
                    copies.format("aggregator.fact_conflict"), TENANT, ids
                )
                if len(facts) == len(conflicts) == len(ids):
                    break
                await asyncio.sleep(0.05)
        raws = await connection.fetch(
            "select s.id, s.raw from ingest.statement as s "
            "where s.tenant = $1 and s.id = any($2::uuid[])",
            TENANT,
            ids,
        )
    finally:
        await connection.close()
    assert len(kept) == len(lost) == len(ids)
    assert [tuple(row) for row in kept] == [tuple(row) for row in facts]
    assert [tuple(row) for row in lost] == [tuple(row) for row in conflicts]
    for first, loser in zip(kept, lost, strict=True):
        # (append time, partition, offset, index) decides, and nothing else.
        assert tuple(first)[2:6] < tuple(loser)[2:6]
        assert first["body_hash"] != loser["body_hash"]
    for statement_id, raw in raws:
        assert json.loads(raw)["result"] == answered[statement_id]["result"]
