"""Frameworks over HTTP: imported, read by the routes of CASE 1.1, exported as they came."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from assay_aggregator.frameworks.case_json import canonical, read_json
from assay_aggregator.frameworks.store import QUERIES
from assay_testing import Database
from case_samples import (
    DOCUMENT,
    ROLES_DOCUMENT,
    association,
    complete,
    minimal,
    roles_package,
    thing,
    uuid,
)
from framework_front import CASE, FrameworkFront, front_of


@pytest.fixture
async def front(postgres: Database) -> AsyncIterator[FrameworkFront]:
    async with front_of(postgres, ASSAY_FRAMEWORK_BODY_LIMIT_BYTES="100000") as opened:
        yield opened


def code_of(answer: httpx.Response) -> str:
    """The minor code of a refusal, which is whole."""
    body = answer.json()
    assert body["imsx_codeMajor"] == "failure"
    assert body["imsx_severity"] == "error"
    assert body["imsx_description"]
    (only,) = body["imsx_codeMinor"]["imsx_codeMinorField"]
    return str(only["imsx_codeMinorFieldValue"])


async def test_every_query_prepares_as_the_service_role(postgres: Database) -> None:
    connection = await postgres.connect("assay_aggregator")
    for name in QUERIES.names():
        await connection.prepare(QUERIES[name])
    await connection.close()


@pytest.mark.parametrize("strict", ["true", "false"])
@pytest.mark.parametrize("package", [minimal(), complete()])
async def test_a_package_comes_out_byte_equal(
    front: FrameworkFront, package: dict[str, Any], strict: str
) -> None:
    text = json.dumps(package).replace('"score": 2', '"score": 3').encode()
    done = await front.load(text, strict=strict)
    assert done.status_code == 201, done.text
    out = await front.case(f"/CFPackages/{DOCUMENT}")
    assert out.status_code == 200
    assert canonical(read_json(out.content)) == canonical(read_json(text))
    # Inside a list the order counts, and so do the digits of a number.
    assert out.json() == json.loads(text)
    own = await front.get(f"/frameworks/{DOCUMENT}/package")
    assert own.content == out.content


async def test_a_large_package_comes_out_whole_page_by_page(postgres: Database) -> None:
    package = minimal()
    package["CFItems"] = [
        thing(number, fullStatement=f"Item {number}") for number in range(1_000, 3_100)
    ]
    async with front_of(postgres) as front:
        assert (await front.load(package)).status_code == 201
        out = await front.case(f"/CFPackages/{DOCUMENT}")
    assert out.json() == package


async def test_the_same_again_changes_nothing_and_a_change_is_a_version(
    front: FrameworkFront,
) -> None:
    package = minimal()
    assert (await front.load(package)).json()["version"] == 1
    again = await front.load(json.dumps(package, indent=3, sort_keys=True).encode())
    assert (again.status_code, again.json()["version"], again.json()["changed"]) == (200, 1, False)
    package["CFItems"][1]["fullStatement"] = "Gown aseptically"
    del package["CFItems"][0]
    assert (await front.load(package)).json()["version"] == 2
    assert (await front.case(f"/CFPackages/{DOCUMENT}")).json() == package
    # What was imported first is kept, and no more shown.
    rows = await front.rows("select version from aggregator.framework order by version")
    assert [row["version"] for row in rows] == [1, 2]
    assert (await front.case(f"/CFItems/{uuid(0xA1)}")).status_code == 404
    named = (await front.get("/competencies")).json()["competencies"]
    assert [(one["code"], one["statement"], one["withdrawn"]) for one in named] == [
        ("ASP", "Work aseptically", True),
        ("ASP2", "Gown aseptically", False),
    ]
    audit = await front.rows("select actor, action, subject, reason from aggregator.audit_event")
    assert [tuple(row) for row in audit] == [
        ("admin", "framework.imported", f"framework:{DOCUMENT}", "a test")
    ] * 2


async def test_nothing_of_a_framework_can_be_changed_or_deleted(front: FrameworkFront) -> None:
    for query in (
        "update aggregator.framework set title = ''",
        "delete from aggregator.framework",
        "update aggregator.framework_object set body = '{}'",
        "delete from aggregator.framework_object",
        "delete from aggregator.competency",
        "delete from aggregator.role",
        "delete from aggregator.role_requirement",
        "update aggregator.role_requirement set level = 1",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await front.driver.pool.execute(query)


async def test_a_dry_run_says_what_would_be_and_writes_nothing(front: FrameworkFront) -> None:
    done = await front.load(complete(), dry_run="true")
    assert done.status_code == 200
    assert (done.json()["changed"], done.json()["competencies"]) == (True, 2)
    for table in ("framework", "framework_object", "competency", "audit_event"):
        assert await front.rows(f"select 1 from aggregator.{table}") == []  # noqa: S608


async def test_repairs_are_told_and_strictly_refused(front: FrameworkFront) -> None:
    package = minimal()
    package["CFDocument"]["creator"] = None
    refused = await front.load(package, strict="true")
    assert refused.status_code == 400
    assert refused.json()["type"] == "urn:assay:problem:not-a-framework"
    assert [one["pointer"] for one in refused.json()["errors"]] == ["/CFDocument/creator"]
    assert await front.rows("select 1 from aggregator.framework_object") == []
    done = (await front.load(package)).json()
    assert done["findings"]["listed"] == [
        {
            "outcome": "repaired",
            "pointer": "/CFDocument/creator",
            "rule": "is missing; it became 'unknown'",
        }
    ]
    kept = (await front.get(f"/frameworks/{DOCUMENT}")).json()
    assert kept["findings"] == done["findings"]
    assert kept["objects"] == {"CFItems": 2, "CFAssociations": 1}


async def test_nodes_outside_are_kept_and_flagged(front: FrameworkFront) -> None:
    package = minimal()
    package["CFAssociations"] = [
        association(0xB1, "exactMatchOf", 0xA1, 0xFF),
        association(0xB2, "isChildOf", 0xA1, 1),
    ]
    done = (await front.load(package, strict="true")).json()
    assert [(one["pointer"], one["rule"]) for one in done["findings"]["listed"]] == [
        ("/CFAssociations/0/destinationNodeURI", "is a node of no framework here")
    ]
    other = minimal()
    other["CFDocument"] |= {"identifier": uuid(7), "uri": "https://example.org/uri/7"}
    other["CFItems"] = [thing(0xFE, fullStatement="Another")]
    other["CFAssociations"] = [association(0xB9, "isRelatedTo", 0xFE, 0xA1)]
    done = (await front.load(other)).json()
    assert [one["rule"] for one in done["findings"]["listed"]] == [
        "is a node of another framework here"
    ]
    assert (await front.case(f"/CFPackages/{uuid(7)}")).json() == other


async def test_a_competency_stays_with_the_framework_that_had_it_first(
    front: FrameworkFront,
) -> None:
    await front.load(minimal())
    other = minimal()
    other["CFDocument"]["identifier"] = uuid(7)
    other["CFItems"][0]["fullStatement"] = "Copied"
    rules = [one["rule"] for one in (await front.load(other)).json()["findings"]["listed"]]
    assert f"https://example.org/uri/a1 is named by {DOCUMENT} already" in rules
    named = (await front.get("/competencies")).json()["competencies"]
    assert {one["framework"] for one in named} == {DOCUMENT}
    assert named[0]["statement"] == "Work aseptically"


async def test_the_twelve_routes_answer(front: FrameworkFront) -> None:
    package = complete()
    await front.load(package)
    document = (await front.case(f"/CFDocuments/{DOCUMENT}")).json()
    assert document.pop("CFPackageURI") == {
        "title": "ATMP practice",
        "identifier": DOCUMENT,
        "uri": f"http://test{CASE}/CFPackages/{DOCUMENT}",
    }
    assert document == package["CFDocument"]
    home = {
        "title": "ATMP practice",
        "identifier": DOCUMENT,
        "uri": package["CFDocument"]["uri"],
    }
    item = (await front.case(f"/CFItems/{uuid(0xA2)}")).json()
    assert item == {**package["CFItems"][1], "CFDocumentURI": home}
    found = (await front.case(f"/CFAssociations/{uuid(0xB2)}")).json()
    assert found == {**package["CFAssociations"][1], "CFDocumentURI": home}
    both = (await front.case(f"/CFItemAssociations/{uuid(0xA2)}")).json()
    assert both["CFItem"] == item
    assert both["CFAssociations"] == [package["CFAssociations"][0], package["CFAssociations"][2]]
    definitions = package["CFDefinitions"]
    concepts = (await front.case(f"/CFConcepts/{uuid(0xC2)}")).json()
    assert concepts == {"CFConcepts": definitions["CFConcepts"][:2]}
    subjects = (await front.case(f"/CFSubjects/{uuid(0xC5)}")).json()
    assert subjects == {"CFSubjects": definitions["CFSubjects"]}
    types = (await front.case(f"/CFItemTypes/{uuid(0xC1)}")).json()
    assert types == {"CFItemTypes": definitions["CFItemTypes"]}
    for path, expected in (
        (f"/CFLicenses/{uuid(0xD1)}", definitions["CFLicenses"][0]),
        (f"/CFAssociationGroupings/{uuid(0xD2)}", definitions["CFAssociationGroupings"][0]),
        (f"/CFRubrics/{uuid(0xE1)}", package["CFRubrics"][0]),
    ):
        answer = await front.case(path)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == expected, path
    assert (await front.case("/CFDocuments")).json()["CFDocuments"][0]["identifier"] == DOCUMENT
    # An identifier is found however its letters are written.
    assert (await front.case(f"/CFItems/{uuid(0xA2).upper()}")).status_code == 200


ROUTES = (
    *("CFDocuments", "CFPackages", "CFItems", "CFAssociations", "CFItemAssociations"),
    *("CFItemTypes", "CFConcepts", "CFSubjects", "CFLicenses", "CFRubrics"),
    "CFAssociationGroupings",
)


@pytest.mark.parametrize("route", ROUTES)
async def test_what_is_not_there_is_told_in_the_form_of_case(
    front: FrameworkFront, route: str
) -> None:
    await front.load(complete())
    unknown = await front.case(f"/{route}/{uuid(0x999)}")
    assert (unknown.status_code, code_of(unknown)) == (404, "unknownobject")
    invalid = await front.case(f"/{route}/not-a-uuid")
    assert (invalid.status_code, code_of(invalid)) == (404, "invalid_uuid")
    nobody = await front.http.get(f"{CASE}/{route}/{DOCUMENT}")
    assert (nobody.status_code, code_of(nobody)) == (401, "unauthorised_request")
    assert "www-authenticate" in nobody.headers
    barred = await front.case(f"/{route}/{DOCUMENT}", key="writer")
    assert (barred.status_code, code_of(barred)) == (403, "forbidden")
    # Another tenant sees nothing.
    strange = await front.case(f"/{route}/{DOCUMENT}", key="stranger")
    assert strange.status_code == 404


async def test_an_unknown_route_is_told_in_the_form_of_case(front: FrameworkFront) -> None:
    answer = await front.case("/CFThings/1")
    assert (answer.status_code, code_of(answer)) == (404, "unknownobject")


async def many(front: FrameworkFront) -> None:
    for number, title in enumerate(("Beta", "alpha", "Gamma", "delta", "Epsilon"), start=0x10):
        package = minimal()
        package["CFDocument"] |= {
            "identifier": uuid(number),
            "uri": f"https://example.org/uri/{number}",
            "title": title,
            "subject": ["Science", title],
        }
        if title != "Gamma":
            package["CFDocument"]["publisher"] = f"P{number}"
        package["CFItems"] = package["CFAssociations"] = []
        assert (await front.load(package)).status_code == 201


async def test_documents_are_paged_sorted_filtered_and_cut_to_fields(
    front: FrameworkFront,
) -> None:
    empty = await front.case("/CFDocuments")
    assert (empty.status_code, empty.json()) == (200, {"CFDocuments": []})
    await many(front)

    async def titles(**query: str) -> list[str]:
        answer = await front.case("/CFDocuments", **query)
        assert answer.status_code == 200, answer.text
        return [one["title"] for one in answer.json()["CFDocuments"]]

    assert await titles() == ["Beta", "alpha", "Gamma", "delta", "Epsilon"]
    assert await titles(limit="2", offset="2") == ["Gamma", "delta"]
    assert await titles(offset="99") == []
    assert await titles(sort="title") == ["Beta", "Epsilon", "Gamma", "alpha", "delta"]
    assert await titles(sort="publisher", orderBy="desc") == [
        *("Epsilon", "delta", "alpha", "Beta"),
        "Gamma",
    ]
    assert await titles(filter="title='ALPHA'") == ["alpha"]
    assert await titles(filter="title~'a' AND title!='beta'") == ["alpha", "Gamma", "delta"]
    assert await titles(filter="title='Beta' OR subject='epsilon'") == ["Beta", "Epsilon"]
    assert await titles(filter="publisher>'P17'") == ["delta", "Epsilon"]
    cut = await front.case("/CFDocuments", fields="title,publisher", limit="1", offset="2")
    assert cut.json() == {"CFDocuments": [{"title": "Gamma"}]}

    page = await front.case("/CFDocuments", limit="2", offset="2", sort="title")
    assert page.headers["x-total-count"] == "5"
    links: dict[str, str] = {}
    for one in page.headers["link"].split(", "):
        target, _, relation = one.partition("; rel=")
        links[relation] = target
    assert set(links) == {'"first"', '"prev"', '"next"', '"last"'}
    path = links['"next"'].strip("<>").removeprefix("http://test")
    following = await front.get(path)
    assert [one["title"] for one in following.json()["CFDocuments"]] == ["delta"]


@pytest.mark.parametrize(
    ("query", "name", "code"),
    [
        ({"limit": "0"}, "limit", "invalid_selection_field"),
        ({"offset": "-1"}, "offset", "invalid_selection_field"),
        ({"sort": "colour"}, "sort", "invalid_sort_field"),
        ({"sort": "title", "orderBy": "up"}, "orderBy", "invalid_sort_field"),
        ({"fields": ""}, "fields", "invalid_selection_field"),
        ({"fields": "title,colour"}, "fields", "invalid_selection_field"),
        ({"filter": "colour='red'"}, "filter", "invalid_selection_field"),
        ({"filter": "title=red"}, "filter", "invalid_selection_field"),
        ({"filter": "title='a' AND title='b' OR title='c'"}, "filter", "invalid_selection_field"),
    ],
)
async def test_a_parameter_that_cannot_be_used_is_named(
    front: FrameworkFront, query: dict[str, str], name: str, code: str
) -> None:
    answer = await front.case("/CFDocuments", **query)
    assert (answer.status_code, code_of(answer)) == (400, code)
    (only,) = answer.json()["imsx_codeMinor"]["imsx_codeMinorField"]
    assert only["imsx_codeMinorFieldName"] == name


async def test_the_public_url_is_that_of_the_setting(postgres: Database) -> None:
    async with front_of(postgres, ASSAY_CASE_PUBLIC_URL="https://case.example.org/") as front:
        await front.load(minimal())
        document = (await front.case(f"/CFDocuments/{DOCUMENT}")).json()
    assert document["CFPackageURI"]["uri"] == (
        f"https://case.example.org{CASE}/CFPackages/{DOCUMENT}"
    )


async def test_only_who_may_imports_with_a_reason_and_within_the_limit(
    front: FrameworkFront,
) -> None:
    assert (await front.load(minimal(), key="reader")).status_code == 403
    assert (await front.load(minimal(), reason=None)).status_code == 400
    assert (await front.load(b"{" + b" " * 100_000 + b"}")).status_code == 413
    broken = await front.load(b'{"a":1,"a":2}')
    assert (broken.status_code, "twice" in broken.json()["detail"]) == (400, True)


async def test_frameworks_are_listed_by_key(front: FrameworkFront) -> None:
    await many(front)
    first = (await front.get("/frameworks", limit="2")).json()
    assert [one["title"] for one in first["frameworks"]] == ["Beta", "alpha"]
    second = (await front.get("/frameworks", limit="3", after=first["next"])).json()
    assert [one["title"] for one in second["frameworks"]] == ["Gamma", "delta", "Epsilon"]
    assert (await front.get("/frameworks", key="stranger")).json()["frameworks"] == []
    assert (await front.get(f"/frameworks/{uuid(0x99)}")).status_code == 404


async def test_a_framework_is_exported_as_ctdl_asn(front: FrameworkFront) -> None:
    await front.load(complete())
    answer = await front.get(f"/frameworks/{DOCUMENT}/package", form="ctdl-asn")
    assert answer.headers["content-type"] == "application/ld+json"
    graph = answer.json()["@graph"]
    assert graph[0]["ceasn:hasTopChild"] == ["https://example.org/uri/a1"]
    await front.load(roles_package())
    refused = await front.get(f"/frameworks/{ROLES_DOCUMENT}/package", form="ctdl-asn")
    assert refused.status_code == 400
    assert (await front.get(f"/frameworks/{DOCUMENT}/package", form="pdf")).status_code == 400
