"""How long it takes from a void that is posted until the status list is served with the bit set.

People earn a credential by one online pass each; then their passes are voided at a steady rate,
while the status lists are read as any verifier reads them, until every bit is seen.
"""

import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx
import orjson

from assay_cli.bench_product import TENANT, one_pass_awards
from assay_cli.demo_statements import voiding
from assay_cli.errors import StackError
from assay_cli.stack import StackInfo
from assay_credentials.status_list import decode_bits, status_at
from assay_schemas.agents import agent_key

PEOPLE: Final = 100
VOIDS_PER_SECOND: Final = 10
POLL_SECONDS: Final = 0.05
PATIENCE_SECONDS: Final = 60.0

_HOME: Final = "https://id.example.org"
_PLACES: Final = """
    select l.agent_key, c.suspension_list, c.suspension_index from aggregator.identity_link l
    join credentials.credential c using (tenant, person)
    where l.tenant = $1 and l.agent_key = any($2) and c.competency = $3 and c.state = 'issued'
"""


@dataclass(slots=True)
class _Pass:
    """One person's statement, and where the suspension of their credential is told."""

    key: str
    statement: str
    list: UUID | None = None
    index: int = 0
    voided_at: float = 0.0
    seconds: float | None = None


def run(stack: StackInfo) -> dict[str, float]:
    """p50, p95 and p99 in seconds. Raises StackError, httpx.HTTPError."""
    return asyncio.run(_measure(stack))


async def _measure(stack: StackInfo) -> dict[str, float]:
    key = stack.keys()["online"]
    async with httpx.AsyncClient(
        auth=(key["user"], key["password"]),
        headers={"X-Experience-API-Version": "2.0.0"},
        timeout=30,
    ) as http:
        passes = await _earn(stack, http)
        watching = asyncio.create_task(_watch(stack, http, passes))
        try:
            for one in passes:
                who = _account(key["user"])
                one.voided_at = time.perf_counter()
                await _post(stack, http, [voiding(str(uuid4()), one.statement, who)])
                await asyncio.sleep(1 / VOIDS_PER_SECOND)
            await asyncio.wait_for(watching, PATIENCE_SECONDS)
        finally:
            watching.cancel()
    times = [one.seconds for one in passes if one.seconds is not None]
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}


async def _earn(stack: StackInfo, http: httpx.AsyncClient) -> list[_Pass]:
    """People who earned a credential, once all are issued."""
    activity, competency = one_pass_awards()
    passes: list[_Pass] = []
    statements: list[dict[str, Any]] = []
    for _ in range(PEOPLE):
        actor, statement_id = _account(f"void-{uuid4()}"), str(uuid4())
        key = agent_key(actor)
        if key is None:
            raise StackError("a learner has an identifier")
        passes.append(_Pass(key, statement_id))
        statements.append(
            {
                "id": statement_id,
                "actor": actor,
                "verb": {"id": "http://adlnet.gov/expapi/verbs/passed"},
                "object": {"id": activity},
                "result": {"success": True, "score": {"scaled": 0.95}},
            }
        )
    await _post(stack, http, statements)
    by_key = {one.key: one for one in passes}
    connection = await asyncpg.connect(stack.dsn_with_password())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                rows = await connection.fetch(_PLACES, TENANT, list(by_key), competency)
                if len(rows) == PEOPLE:
                    break
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise StackError(f"{PEOPLE - len(rows)} of {PEOPLE} credentials were not issued") from None
    finally:
        await connection.close()
    for row in rows:
        one = by_key[row["agent_key"]]
        one.list, one.index = row["suspension_list"], row["suspension_index"]
    return passes


async def _watch(stack: StackInfo, http: httpx.AsyncClient, passes: list[_Pass]) -> None:
    """Read the lists until every bit is set, and write down when each was first seen."""
    waiting = list(passes)
    while waiting:
        for list_ in {one.list for one in waiting}:
            served = await http.get(f"{stack.url('credentials')}/status/{list_}")
            served.raise_for_status()
            at = time.perf_counter()
            bits = decode_bits(orjson.loads(served.content)["credentialSubject"]["encodedList"])
            for one in waiting:
                if one.list == list_ and one.voided_at and status_at(bits, one.index):
                    one.seconds = at - one.voided_at
        waiting = [one for one in waiting if one.seconds is None]
        await asyncio.sleep(POLL_SECONDS)


async def _post(
    stack: StackInfo, http: httpx.AsyncClient, statements: list[dict[str, Any]]
) -> None:
    answer = await http.post(f"{stack.url('ingest')}/xapi/statements", json=statements)
    if answer.status_code != 200:
        raise StackError(f"statements were answered {answer.status_code}: {answer.text[:200]}")


def _account(name: str) -> dict[str, Any]:
    return {"objectType": "Agent", "account": {"homePage": _HOME, "name": name}}
