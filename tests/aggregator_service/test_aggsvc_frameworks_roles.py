"""Roles and their requirements: dated by the log, audited, stated whole."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from aggregator_service_driver import day, milliseconds
from assay_testing import Database
from case_samples import (
    DOCUMENT,
    ROLES_DOCUMENT,
    association,
    minimal,
    roles_package,
    thing,
    uuid,
)
from framework_front import FrameworkFront, front_of

A1, A2 = "https://example.org/uri/a1", "https://example.org/uri/a2"


@pytest.fixture
async def front(postgres: Database) -> AsyncIterator[FrameworkFront]:
    async with front_of(postgres) as opened:
        assert (await opened.load(minimal())).status_code == 201
        yield opened


async def put(
    front: FrameworkFront, role: str, requirements: list[dict[str, Any]], **members: Any
) -> httpx.Response:
    body = {"name": "Operator", "requirements": requirements, "reason": "a test", **members}
    return await front.http.put(f"/admin/roles/{role}", json=body, auth=("admin", "secret"))


async def levels(front: FrameworkFront, role: str = "op1") -> dict[str, int | None]:
    answer = await front.get(f"/roles/{role}")
    assert answer.status_code == 200, answer.text
    return {one["competency"]: one["level"] for one in answer.json()["requirements"]}


async def standing(front: FrameworkFront) -> list[tuple[str, int | None, bool]]:
    rows = await front.rows(
        "select competency, level, retracted_ms is null as stands "
        "from aggregator.role_requirement order by competency, level, created_at"
    )
    return [tuple(row) for row in rows]


async def test_roles_come_with_their_document_and_change_with_it(front: FrameworkFront) -> None:
    done = await front.load(roles_package(), strict="true")
    assert (done.status_code, done.json()["roles"]) == (201, ["op1"])
    role = (await front.get("/roles/op1")).json()
    assert (role["name"], role["framework"]) == ("Operator", ROLES_DOCUMENT)
    assert [(one["code"], one["level"]) for one in role["requirements"]] == [
        ("ASP", 2),
        ("ASP2", 3),
    ]
    assert (await front.load(roles_package({0xA1: 2, 0xA2: 4}))).json()["roles"] == ["op1"]
    assert await levels(front) == {A1: 2, A2: 4}
    # What did not change stands as it was recorded; what did is kept as it was, and taken back.
    assert await standing(front) == [(A1, 2, True), (A2, 3, False), (A2, 4, True)]
    # A role that the document states no more asks for nothing.
    assert (await front.load(roles_package({}))).status_code == 201
    assert await levels(front) == {}
    # Items of a document of roles are no competencies.
    named = (await front.get("/competencies")).json()["competencies"]
    assert {one["framework"] for one in named} == {DOCUMENT}


async def test_requirements_are_dated_after_all_that_was_answered(front: FrameworkFront) -> None:
    await front.driver.tick(day(5))
    await put(front, "op1", [{"competency": "ASP", "level": 1}])
    rows = await front.rows("select recorded_ms from aggregator.role_requirement")
    assert [row["recorded_ms"] for row in rows] == [milliseconds(day(5)) + 1]


async def test_a_role_is_stated_whole_over_http_and_audited(front: FrameworkFront) -> None:
    first = await put(front, "op1", [{"competency": "ASP", "level": 1}, {"competency": A2}])
    assert first.status_code == 200, first.text
    assert await levels(front) == {A1: 1, A2: None}
    await put(front, "op1", [{"competency": "ASP", "level": 1}], reason="less is asked")
    assert await levels(front) == {A1: 1}
    again = await put(front, "op1", [{"competency": A1, "level": 1}])
    assert again.json() == (await front.get("/roles/op1")).json()
    rows = await front.rows(
        "select actor, subject, reason, before, after from aggregator.audit_event "
        "where action = 'role.stated' order by event"
    )
    assert [(row["actor"], row["subject"], row["reason"]) for row in rows] == [
        ("admin", "role:op1", "a test"),
        ("admin", "role:op1", "less is asked"),
    ]
    assert rows[0]["before"] is None
    assert rows[1]["before"] == rows[0]["after"]


@pytest.mark.parametrize(
    ("role", "requirements", "members"),
    [
        ("OP1", [], {}),
        ("op1", [{"competency": "ASP9", "level": 1}], {}),
        ("op1", [{"competency": "ASP", "level": -1}], {}),
        ("op1", [{"competency": "ASP", "level": 1.5}], {}),
        ("op1", [{"competency": "ASP", "level": 1}, {"competency": A1, "level": 2}], {}),
        ("op1", [{"competency": "urn:x:" + "x" * 1_999}], {}),
        ("op1", [], {"reason": ""}),
        ("op1", [], {"name": ""}),
    ],
)
async def test_a_role_that_is_wrong_is_refused_and_nothing_changes(
    front: FrameworkFront, role: str, requirements: list[dict[str, Any]], members: dict[str, Any]
) -> None:
    assert (await put(front, role, requirements, **members)).status_code == 400
    assert (await front.get("/roles")).json()["roles"] == []
    assert await standing(front) == []


async def test_a_code_of_two_competencies_needs_the_uri(front: FrameworkFront) -> None:
    other = minimal()
    other["CFDocument"]["identifier"] = uuid(7)
    other["CFItems"] = [thing(0xF1, fullStatement="Other", humanCodingScheme="ASP")]
    other["CFAssociations"] = []
    await front.load(other)
    refused = await put(front, "op1", [{"competency": "ASP", "level": 1}])
    assert (refused.status_code, "several" in refused.json()["detail"]) == (400, True)
    assert (await put(front, "op1", [{"competency": A1, "level": 1}])).status_code == 200


async def test_a_role_of_one_document_is_not_taken_by_another(front: FrameworkFront) -> None:
    await front.load(roles_package())
    other = roles_package({0xA1: 1})
    other["CFDocument"]["identifier"] = uuid(8)
    refused = await front.load(other)
    assert (refused.status_code, "op1" in refused.text) == (400, True)
    rows = await front.rows("select distinct framework from aggregator.framework")
    assert {row["framework"] for row in rows} == {DOCUMENT, ROLES_DOCUMENT}
    # A person who states it takes it over.
    assert (await put(front, "op1", [{"competency": A1, "level": 4}])).json()["framework"] is None


async def test_a_competency_that_no_framework_holds_is_asked_for_by_its_uri(
    front: FrameworkFront,
) -> None:
    package = roles_package({0xA1: 1})
    package["CFAssociations"].append(association(0xB1, "hasSkillLevel", 0x91, 0x555))
    done = (await front.load(package)).json()
    rules = [one["rule"] for one in done["findings"]["listed"]]
    assert "asks for a competency of no framework here" in rules
    assert (await levels(front))["https://example.org/uri/555"] is None
    assert (await put(front, "op2", [{"competency": "urn:other"}])).status_code == 200


async def test_tenants_do_not_see_each_other(front: FrameworkFront) -> None:
    await front.load(roles_package())
    assert (await front.get("/roles", key="stranger")).json()["roles"] == []
    assert (await front.get("/roles/op1", key="stranger")).status_code == 404
    assert (await front.get("/competencies", key="stranger")).json()["competencies"] == []
    # The same document of another tenant is its own, and so are its roles.
    assert (await front.load(roles_package(), key="stranger")).status_code == 201
    assert (await front.get("/roles/op1", key="stranger")).json()["requirements"][0]["code"] is None
