"""`assay check` verifies every stored credential again: what is not what was signed is named."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from assay_cli.check_documents import LIMITS, Limits, check_documents
from assay_cli.check_report import LawReport, Report
from assay_cli.check_source import Database as Source
from assay_testing import Database
from credentials_service import Service, event

LAW = 8


@pytest.fixture
async def owner(postgres: Database) -> AsyncIterator[asyncpg.Connection]:
    opened = await postgres.connect("assay_owner")
    try:
        yield opened
    finally:
        await opened.close()


async def checked(
    service: Service, owner: asyncpg.Connection, limits: Limits = LIMITS
) -> LawReport:
    while await service.lists.sign_due():
        pass
    report = Report(watermark_ms=0, limits={}, seed=None)
    await check_documents(report, Source(owner), limits)
    return report.laws[LAW]


async def issued(service: Service) -> str:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (found,) = await service.credentials(person)
    return str(found["id"])


async def test_every_state_verifies_again(service: Service, owner: asyncpg.Connection) -> None:
    await issued(service)
    for kind in ("suspended", "revoked", "level_changed", "expired"):
        person = uuid4()
        level = {"level": 3} if kind == "level_changed" else {}
        await service.follow(event("achieved", person, 1))
        await service.follow(event(kind, person, 2, **level))
    law = await checked(service, owner)
    assert law.differences == []
    assert law.looked_at["documents"] == 6
    assert law.looked_at["VC-JWTs"] == 6
    assert law.looked_at["status lists"] >= 2
    assert law.result == "clean"


@pytest.mark.parametrize("processes", [False, True])
async def test_all_of_many_pages_are_looked_at(
    service: Service, owner: asyncpg.Connection, processes: bool
) -> None:
    people = [uuid4() for _ in range(18)]
    await service.follow(*(event("achieved", one, 1) for one in people))
    await owner.execute(
        "update credentials.credential set document = overlay(document placing 'X' from 200)"
        " where person = $1",
        people[11],
    )
    limits = Limits(page=4, few=0 if processes else 1_000, settle_seconds=0.1)
    law = await checked(service, owner, limits)
    assert law.looked_at["documents"] == len(people)
    assert law.differences_count == 1


TAMPERED = {
    "a byte of the document": (
        "update credentials.credential set document ="
        " convert_to(replace(convert_from(document, 'utf8'), 'Level', 'Lewel'), 'utf8')"
    ),
    "the twin of another credential": (
        "update credentials.credential as c set jwt = o.jwt from credentials.credential as o"
        " where o.credential <> c.credential"
    ),
    "a twin whose signature is cut": (
        "update credentials.credential set jwt = left(jwt, length(jwt) - 8) || 'AAAAAAAA'"
    ),
    "the document of another credential": (
        "update credentials.credential as c set document = o.document"
        " from credentials.credential as o where o.credential <> c.credential"
    ),
    "a state that no list tells": "update credentials.credential set state = 'revoked'",
    "a list with another bit": (
        "update credentials.status_list as l set document = o.document"
        " from credentials.status_list as o where o.purpose <> l.purpose"
    ),
}


@pytest.mark.parametrize("statement", TAMPERED.values(), ids=TAMPERED.keys())
async def test_what_is_not_what_was_signed_is_found(
    service: Service, owner: asyncpg.Connection, statement: str
) -> None:
    first = await issued(service)
    await issued(service)
    assert (await checked(service, owner)).result == "clean"
    await owner.execute(statement)
    law = await checked(service, owner, Limits(settle_seconds=0.1))
    assert law.result == "broken"
    assert any(first in one or "status list" in one for one in law.differences)
