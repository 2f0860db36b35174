"""The matrix at full size: rows to read, and how long its pages take.

`fill` writes the tables of the aggregator directly, as the owner, for a tenant that has nothing
else; `measure` asks the questions over HTTP. No decision is made: what is measured is reading.
"""

import hashlib
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

TENANT: Final = "bench"
PEOPLE: Final = 30_000
COMPETENCIES: Final = 60
SITES: Final = 20
COHORT_PEOPLE: Final = 400
ROLE: Final = "bench-operator"
PAGES: Final = 40
# Awards of a year were made on the days since then: a quarter of them expire within 90 days.
FIRST_DAYS_AGO: Final = 350
AWARD_DAYS: Final = 300

# Every third person has nothing yet; the others are spread over what a decision can say.
_STATUSES: Final = ("achieved", "achieved", "achieved", "in_progress", "expired", "under_review")

Get = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Asks one question (path, parameters) of the aggregator; the JSON of the answer."""


def competency(number: int) -> str:
    """The IRI of a competency."""
    return f"https://example.org/bench/competencies/{number:03d}"


def _id(kind: str, number: int) -> UUID:
    return UUID(bytes=hashlib.sha256(f"{kind} {number}".encode()).digest()[:16], version=4)


async def fill(
    connection: asyncpg.Connection,
    *,
    people: int = PEOPLE,
    competencies: int = COMPETENCIES,
    tenant: str = TENANT,
    today: date | None = None,
) -> int:
    """Write people, a role that asks for every competency, sites, a cohort and decisions.

    Returns the rows of the matrix that were written; 0 when the tenant is filled already.
    """
    if await connection.fetchval(
        "select exists (select from aggregator.person where tenant = $1)", tenant
    ):
        return 0
    first_day = (today or date.today()) - timedelta(days=FIRST_DAYS_AGO)
    ids = [_id("person", number) for number in range(people)]
    await _copy(connection, "person", ("tenant", "person"), ((tenant, one) for one in ids))
    await _copy(
        connection,
        "organisation",
        ("tenant", "organisation", "name", "kind", "parent"),
        (
            (tenant, f"site-{number}", f"Site {number}", "site", None)
            for number in range(min(SITES, people))
        ),
    )
    await _copy(connection, "role", ("tenant", "role", "name"), [(tenant, ROLE, "Operator")])
    await _copy(
        connection,
        "role_requirement",
        ("tenant", "requirement", "role", "competency", "level", "recorded_ms"),
        (
            (tenant, _id("requirement", number), ROLE, competency(number), 2, 1)
            for number in range(competencies)
        ),
    )
    await _copy(
        connection,
        "employment",
        ("tenant", "employment", "person", "organisation", "role", "recorded_ms"),
        (
            (tenant, _id("employment", number), one, f"site-{number % SITES}", ROLE, 1)
            for number, one in enumerate(ids)
        ),
    )
    await _copy(
        connection,
        "cohort",
        ("tenant", "cohort", "name", "starts_on", "ends_on"),
        [(tenant, "bench-cohort", "Cohort", first_day, first_day + timedelta(days=700))],
    )
    await _copy(
        connection,
        "cohort_member",
        ("tenant", "membership", "cohort", "person", "recorded_ms"),
        (
            (tenant, _id("membership", number), "bench-cohort", one, 1)
            for number, one in enumerate(ids[:COHORT_PEOPLE])
        ),
    )
    # A competency at a time, as evidence comes in: the row of one person lies on many pages.
    for number in range(competencies):
        await _copy(
            connection,
            "decision_current",
            (
                "tenant", "person", "competency", "ordinal", "decision", "sequence", "status",
                "level", "achieved_on", "expires_on", "used", "reasons", "outcome_hash",
            ),
            _decisions(tenant, ids, number, first_day),
        )  # fmt: skip
    for table in ("person", "employment", "cohort_member", "role_requirement", "decision_current"):
        await connection.execute(f"vacuum analyze aggregator.{table}")
    found: int = await connection.fetchval(
        "select count(*) from aggregator.decision_current where tenant = $1", tenant
    )
    return found


def _decisions(
    tenant: str, ids: list[UUID], number: int, first_day: date
) -> Iterator[tuple[object, ...]]:
    used = [_id("statement", at) for at in range(4)]
    for at, person in enumerate(ids):
        status = _STATUSES[(at * 7 + number * 3) % len(_STATUSES)]
        award = status != "in_progress"
        achieved_on = first_day + timedelta(days=(at * 13 + number) % AWARD_DAYS)
        yield (
            tenant,
            person,
            competency(number),
            1,
            _id(f"decision {number}", at),
            1,
            status,
            2 + (at + number) % 3 if award else None,
            achieved_on if award else None,
            achieved_on + timedelta(days=365) if award else None,
            used if award else [],
            '{"score_below": 1}',
            used[0].bytes * 2,
        )


async def _copy(
    connection: asyncpg.Connection,
    table: str,
    columns: tuple[str, ...],
    records: Any,
) -> None:
    await connection.copy_records_to_table(
        table, schema_name="aggregator", columns=columns, records=records
    )


QUESTIONS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "matrix": ("/matrix", {"competency": [competency(one) for one in range(COMPETENCIES)]}),
    "matrix of a role": ("/matrix", {"role": ROLE}),
    "matrix of a site": ("/matrix", {"role": ROLE, "organisation": "site-3"}),
    "matrix of a cohort": ("/matrix", {"role": ROLE, "cohort": "bench-cohort"}),
    "matrix by status": (
        "/matrix",
        {"competency": [competency(one) for one in range(COMPETENCIES)], "status": "under_review"},
    ),
    "expiring": ("/expiring", {"role": ROLE}),
}


async def measure(get: Get, *, pages: int = PAGES) -> dict[str, dict[str, float]]:
    """Milliseconds of a page, for each question: p50, p95 and the largest, over `pages` pages.

    Pages follow each other; a question that has fewer begins again.
    """
    found = {}
    for name, (path, parameters) in QUESTIONS.items():
        times: list[float] = []
        after: Mapping[str, Any] = {}
        for _ in range(pages):
            began = time.perf_counter()
            document = await get(path, {**parameters, **after})
            times.append((time.perf_counter() - began) * 1_000)
            after = {} if document["next"] is None else {"after": document["next"]}
        cuts = statistics.quantiles(times, n=20, method="inclusive")
        found[name] = {
            "p50_ms": round(statistics.median(times), 1),
            "p95_ms": round(cuts[18], 1),
            "max_ms": round(max(times), 1),
        }
    return found
