"""Organisations, cohorts, employments, merges and collisions over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from aggregator_service_driver import agent, day, with_records
from assay_aggregator.organisation.store import QUERIES, count_collisions
from assay_testing import Database
from framework_front import FrameworkFront, front_of

WHY = {"reason": "a test of ours"}


@pytest.fixture
async def front(postgres: Database) -> AsyncIterator[FrameworkFront]:
    async with front_of(postgres) as front:
        await with_records(front.driver)
        yield front


async def send(
    front: FrameworkFront,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    key: str = "admin",
) -> httpx.Response:
    if method == "DELETE":
        return await front.http.delete(path, params=WHY, auth=(key, "secret"))
    return await front.http.request(
        method, path, json={**(body or {}), **WHY}, auth=(key, "secret")
    )


async def person_of(front: FrameworkFront, *names: str) -> str:
    answer = await send(front, "POST", "/admin/people", {"agents": [agent(one) for one in names]})
    return str(answer.json()["person"])


async def test_every_query_prepares_and_has_a_reader(postgres: Database) -> None:
    connection = await postgres.connect("assay_aggregator")
    for name in QUERIES.names():
        await connection.prepare(QUERIES[name])
        assert " *" not in QUERIES[name].replace("count(*)", ""), name
    await connection.close()


async def test_organisations_and_employments_over_time(front: FrameworkFront) -> None:
    for path, body in (
        ("/admin/organisations/acme", {"name": "Acme Therapies"}),
        ("/admin/organisations/acme-1", {"name": "Site 1", "kind": "site", "parent": "acme"}),
        ("/admin/organisations/centre", {"name": "Centre", "kind": "centre"}),
    ):
        assert (await send(front, "PUT", path, body)).status_code == 200
    ada = await person_of(front, "ada")
    first = await send(
        front,
        "POST",
        "/admin/employments",
        {"person": ada, "organisation": "acme-1", "role": "technician", "from": "2026-01-01"},
    )
    assert first.status_code == 201
    twice = {"person": ada, "organisation": "acme-1", "role": "technician", "from": "2026-01-01"}
    assert (await send(front, "POST", "/admin/employments", twice)).status_code == 409
    for partition in range(3):
        await front.driver.tick(day(40), partition=partition)
    ended = await send(
        front,
        "POST",
        f"/admin/employments/{first.json()['employment']}/end",
        {"on": "2026-02-15"},
    )
    assert ended.status_code == 200
    listed = (await front.get(f"/people/{ada}/employments")).json()["employments"]
    assert [(one["role"], one["from"], one["to"]) for one in listed] == [
        ("technician", "2026-01-01", "2026-02-15")
    ]
    later = await front.get(f"/people/{ada}/employments", as_of="2026-02-16")
    assert later.json()["employments"] == []
    # What was known before the end was recorded: no last day.
    then = await front.get(
        f"/people/{ada}/employments", as_of="2026-02-16", known_at="2026-02-01T00:00:00Z"
    )
    assert [one["to"] for one in then.json()["employments"]] == [None]
    page = (await front.get("/organisations", limit="2")).json()
    rest = (await front.get("/organisations", after=page["next"])).json()
    assert [one["organisation"] for one in [*page["organisations"], *rest["organisations"]]] == [
        "acme",
        "acme-1",
        "centre",
    ]
    sites = (await front.get("/organisations", kind="site", parent="acme")).json()
    assert [one["name"] for one in sites["organisations"]] == ["Site 1"]
    people = (await front.get("/organisations/acme-1/people", as_of="2026-02-01")).json()
    assert [one["person"] for one in people["employments"]] == [ada]
    gone = await send(front, "DELETE", f"/admin/employments/{ended.json()['employment']}")
    assert gone.status_code == 204
    assert (await front.get(f"/people/{ada}/employments")).json()["employments"] == []


async def test_an_organisation_does_not_stand_below_itself(front: FrameworkFront) -> None:
    await send(front, "PUT", "/admin/organisations/a", {"name": "A"})
    await send(front, "PUT", "/admin/organisations/b", {"name": "B", "parent": "a"})
    below = await send(front, "PUT", "/admin/organisations/a", {"name": "A", "parent": "b"})
    assert below.status_code == 400
    missing = await send(front, "PUT", "/admin/organisations/c", {"name": "C", "parent": "z"})
    assert missing.status_code == 404
    bad = await send(front, "PUT", "/admin/organisations/A%20Ltd", {"name": "A"})
    assert bad.status_code == 400


async def test_cohorts_and_their_members(front: FrameworkFront) -> None:
    body = {
        "name": "Intake 2026",
        "standard": "ST0250",
        "starts_on": "2026-01-01",
        "ends_on": "2027-06-30",
    }
    assert (await send(front, "PUT", "/admin/cohorts/c1", body)).status_code == 200
    assert (await front.get("/cohorts/c1")).json() == {"cohort": "c1", **body}
    ada = await person_of(front, "ada")
    added = await send(
        front,
        "POST",
        "/admin/memberships",
        {"person": ada, "cohort": "c1", "from": "2026-01-01"},
    )
    members = (await front.get("/cohorts/c1/people", as_of="2026-03-01T10:00:00+01:00")).json()
    assert [one["membership"] for one in members["memberships"]] == [added.json()["membership"]]
    path = f"/admin/memberships/{added.json()['membership']}/end"
    early = await send(front, "POST", path, {"on": "2025-12-31"})
    assert early.status_code == 400
    # What was refused changed nothing.
    assert len((await front.get(f"/people/{ada}/cohorts")).json()["memberships"]) == 1
    assert (await send(front, "POST", path, {"on": "2026-05-01"})).status_code == 200
    of_ada = (await front.get(f"/people/{ada}/cohorts")).json()["memberships"]
    assert [one["to"] for one in of_ada] == ["2026-05-01"]
    assert (await front.get("/cohorts", standard="ST9999")).json()["cohorts"] == []


async def test_back_dated_authorisations_say_so_also_after_a_merge(front: FrameworkFront) -> None:
    ben = await person_of(front, "ben", "ben-b")
    for partition in range(3):
        await front.driver.tick(day(59), partition=partition)
    for scope, begin in (("open", None), ("late", "2026-02-01"), ("today", "2026-03-01")):
        body = {"assessor": ben, "scope": scope, "from": begin}
        assert (await send(front, "POST", "/admin/authorisations", body)).status_code == 201

    async def flags(person: str) -> dict[str, tuple[bool, str]]:
        answer = await front.get("/authorisations", person=person)
        return {
            one["scope"]: (one["back_dated"], one["first_recorded"])
            for one in answer.json()["authorisations"]
            if one["scope"] != "gowning-b"
        }

    before = await flags(ben)
    assert {scope: flag for scope, (flag, _) in before.items()} == {
        "open": True,
        "late": True,
        "today": False,
    }
    for partition in range(3):
        await front.driver.tick(day(90), partition=partition)
    bea = await person_of(front, "bea")
    merged = await send(front, "POST", "/admin/merges", {"kept": bea, "merged": ben})
    assert merged.status_code == 201
    assert await flags(bea) == before
    assert await flags(ben) == {}
    gone = (await front.get("/authorisations", person=ben, retracted="true")).json()
    assert all(one["retracted"] is not None for one in gone["authorisations"])
    assert (
        await send(front, "DELETE", f"/admin/merges/{merged.json()['merge']}")
    ).status_code == 204
    assert await flags(ben) == before
    scoped = (await front.get("/authorisations", scope="late", limit="1")).json()
    assert [one["assessor"] for one in scoped["authorisations"]] == [ben]


async def test_merges_and_identity_are_shown(front: FrameworkFront) -> None:
    one, two = await person_of(front, "one", "one-b"), await person_of(front, "two", "two-b")
    merged = await send(front, "POST", "/admin/merges", {"kept": one, "merged": two})
    shown = (await front.get(f"/admin/people/{one}", "admin")).json()
    names = {link["agent"]["account"]["name"] for link in shown["links"] if not link["retracted"]}
    assert names == {"one", "one-b", "two", "two-b"}
    assert [one["merge"] for one in shown["merges"]] == [merged.json()["merge"]]
    listed = (await front.get("/admin/merges", "admin", person=two)).json()["merges"]
    assert [(found["kept"], found["merged"]) for found in listed] == [(one, two)]
    again = await send(front, "POST", "/admin/merges", {"kept": one, "merged": two})
    assert again.status_code == 409
    into = await send(front, "POST", "/admin/links", {"agent": agent("x"), "person": two})
    assert into.status_code == 409
    reader = await front.get(f"/admin/people/{one}")
    assert reader.status_code == 403
    # Who did it and why.
    events = await front.rows(
        "select actor, reason, subject from aggregator.audit_event where action = 'person.merged'"
    )
    assert [tuple(row) for row in events] == [("admin", WHY["reason"], f"person:{two}")]


async def test_a_link_says_with_whom_it_collides(front: FrameworkFront) -> None:
    ada, ben = await person_of(front, "ada"), await person_of(front, "ben")
    first = await send(front, "POST", "/admin/links", {"agent": agent("desk"), "person": ada})
    assert first.json()["collides_with"] == []
    second = await send(front, "POST", "/admin/links", {"agent": agent("desk"), "person": ben})
    assert second.json()["collides_with"] == [ada]
    (one,) = (await front.get("/admin/collisions", "admin")).json()["collisions"]
    assert one["kind"] == "links"
    async with front.driver.pool.acquire() as connection:
        assert await count_collisions(connection) == 1
    await send(front, "DELETE", f"/admin/links/{second.json()['link']}")
    assert (await front.get("/admin/collisions", "admin")).json()["collisions"] == []


async def test_a_tenant_changes_nothing_of_another(front: FrameworkFront) -> None:
    ada, ben = await person_of(front, "ada"), await person_of(front, "ben")
    await send(front, "PUT", "/admin/organisations/acme", {"name": "Acme"})
    await send(front, "PUT", "/admin/cohorts/c1", {"name": "C1"})
    employment = await send(
        front, "POST", "/admin/employments", {"person": ada, "organisation": "acme"}
    )
    merged = await send(front, "POST", "/admin/merges", {"kept": ada, "merged": ben})
    for method, path, body in (
        ("POST", "/admin/employments", {"person": ada, "organisation": "acme"}),
        ("POST", "/admin/memberships", {"person": ada, "cohort": "c1"}),
        ("POST", f"/admin/employments/{employment.json()['employment']}/end", {"on": "2026-01-01"}),
        ("DELETE", f"/admin/employments/{employment.json()['employment']}", None),
        ("DELETE", f"/admin/merges/{merged.json()['merge']}", None),
        ("POST", "/admin/merges", {"kept": ada, "merged": ben}),
    ):
        answer = await send(front, method, path, body, key="stranger")
        assert answer.status_code == 404, path
    assert (await front.get(f"/admin/people/{ada}", "stranger")).status_code == 404
    for path in ("/admin/merges", "/admin/collisions"):
        answer = await front.get(path, "stranger")
        assert all(value in ([], None) for value in answer.json().values())


async def test_changes_need_a_reason(front: FrameworkFront) -> None:
    ada = await person_of(front, "ada")
    for method, path, body in (
        ("PUT", "/admin/organisations/acme", {"name": "Acme"}),
        ("PUT", "/admin/cohorts/c1", {"name": "C1"}),
        ("POST", "/admin/merges", {"kept": ada, "merged": ada}),
        ("POST", "/admin/employments", {"person": ada, "organisation": "acme"}),
    ):
        answer = await front.http.request(method, path, json=body, auth=("admin", "secret"))
        assert answer.status_code == 400, path
        assert {one["pointer"] for one in answer.json()["errors"]} == {"/reason"}
