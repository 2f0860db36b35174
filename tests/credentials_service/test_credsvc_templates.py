"""Templates: two people bring one into force, and what is issued from then on says what it says."""

import hashlib
import json
from importlib.resources import files
from typing import Any
from uuid import UUID, uuid4

import pytest
from jsonschema import Draft201909Validator

from assay_credentials.issue import intend
from assay_credentials.keyring.store import KeyringStore
from assay_testing import Database
from credentials_service import COMPETENCY, TENANT, Service, add_client, event
from template_samples import GOWNING, SVG, png
from template_service import APPROVER, AUTHOR, Office, signature

SCHEMA = json.loads(
    files("assay_credentials")
    .joinpath("schemas_pinned", "ob_v3p0_achievementcredential_schema.json")
    .read_text("utf-8")
)


@pytest.fixture
async def office(service: Service, postgres: Database) -> Office:
    return await Office.open(service, postgres)


def template(**changed: Any) -> dict[str, Any]:
    return {**GOWNING, "competency": COMPETENCY, **changed}


async def issued(service: Service, *sequence: str) -> tuple[UUID, dict[str, Any]]:
    """A person after these events, and the document of the newest credential."""
    person = uuid4()
    for number, kind in enumerate(sequence, start=1):
        await service.follow(event(kind, person, number))
    return person, await newest(service, person)


async def newest(service: Service, person: UUID) -> dict[str, Any]:
    found = await service.credentials(person)
    document: dict[str, Any] = json.loads(await service.document(found[-1]["id"]))
    return document


async def stored(service: Service, person: UUID) -> list[dict[str, Any]]:
    rows = await service.pool.fetch(
        "select credential, state, template, template_version, jwt, document, suspension_list"
        " from credentials.credential where person = $1 order by intended_at, credential",
        person,
    )
    return [dict(row) for row in rows]


async def outcomes(service: Service, person: UUID) -> list[str]:
    """What a stranger is told of each credential, oldest first; of both forms alike."""
    found = []
    for row in await stored(service, person):
        told = [
            (await service.verify(row["document"]))["outcome"],
            (await service.verify(row["jwt"].encode()))["outcome"],
        ]
        assert told[0] == told[1]
        found.append(told[0])
    return found


# Approval


async def test_it_takes_two_people_to_bring_a_template_into_force(office: Office) -> None:
    proposed = await office.propose("gowning", template())
    assert proposed.status_code == 201, proposed.text
    assert proposed.json()["state"] == "proposed"
    own = await office.approve("gowning", by=AUTHOR)
    assert own.status_code == 403
    assert "second person" in own.json()["detail"]
    approved = await office.approve("gowning")
    assert approved.status_code == 200, approved.text
    assert (approved.json()["proposed_by"], approved.json()["approved_by"]) == (AUTHOR, APPROVER)
    assert approved.json()["state"] == "approved"


async def test_the_database_refuses_one_person_for_both(service: Service, office: Office) -> None:
    await office.propose("gowning", template())
    with pytest.raises(Exception, match="template_two_people"):
        await service.pool.execute(
            "update credentials.template set state = 'approved', approved_by = proposed_by"
        )


async def test_a_proposal_changes_nothing_until_it_is_approved(
    service: Service, office: Office
) -> None:
    await office.propose("gowning", template())
    _, document = await issued(service, "achieved")
    assert document["name"] == "aseptic gowning"
    assert (await office.http.get(f"/achievements/{TENANT}/gowning")).status_code == 404
    assert (await office.http.get(f"/achievements/{TENANT}/gowning/1/en")).status_code == 404


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"signature": signature(AUTHOR, "wrong password")}, 403, "password"),
        ({"signature": signature("nobody")}, 403, "account"),
        ({"document": template(language="fr")}, 400, "main language fr"),
        ({"document": template(image="5a" * 32 + ".png")}, 409, "`image`"),
        ({"document": template(issuer="academy")}, 409, "`issuer`"),
        ({"reason": " "}, 400, "reason"),
        ({"approved": True}, 400, "approved"),
    ],
)
async def test_what_cannot_be_proposed_is_refused_and_leaves_nothing(
    office: Office, changed: dict[str, Any], status: int, said: str
) -> None:
    refused = await office.propose("gowning", template(), **changed)
    assert refused.status_code == status, refused.text
    assert said in refused.text
    found = await office.http.get("/templates", auth=office.key)
    assert found.json()["templates"] == []


async def test_the_same_content_again_is_the_version_that_there_is(office: Office) -> None:
    first = await office.propose("gowning", template())
    again = await office.propose("gowning", dict(reversed(template().items())))
    assert again.status_code == 200
    assert again.json() == first.json()
    other = await office.propose("gowning", template(code="ASP3"))
    assert other.status_code == 409
    assert "version 1 of gowning waits" in other.json()["detail"]
    assert (await office.end("gowning", 1)).json()["state"] == "withdrawn"
    assert (await office.approve("gowning")).status_code == 409
    assert (await office.propose("gowning", template(code="ASP3"))).json()["version"] == 2


async def test_only_the_content_that_was_looked_at_is_approved(office: Office) -> None:
    await office.propose("gowning", template())
    other = await office.approve("gowning", content_sha256="5a" * 32)
    assert other.status_code == 409
    assert "another content" in other.json()["detail"]


async def test_one_template_is_in_force_for_a_competency(service: Service, office: Office) -> None:
    await office.in_force("gowning", template())
    await office.propose("rival", template(code="ASP3"))
    refused = await office.approve("rival")
    assert refused.status_code == 409
    assert "template gowning is in force" in refused.json()["detail"]
    moved = await office.propose("gowning", template(competency="https://example.org/other"))
    assert moved.status_code == 409
    assert "stays so" in moved.json()["detail"]
    assert (await office.end("gowning", 1)).json()["state"] == "retired"
    assert (await office.approve("rival")).status_code == 200
    _, document = await issued(service, "achieved")
    assert document["credentialSubject"]["achievement"]["id"].endswith("/north/rival")


async def test_templates_are_the_tenants_own(office: Office, postgres: Database) -> None:
    await office.in_force("gowning", template())
    stranger = await add_client(postgres, "south", ("credentials/read", "credentials/admin"))
    reader = await add_client(postgres, TENANT)
    one = "/templates/gowning/versions/1"
    assert (await office.http.get(one, auth=stranger)).status_code == 404
    assert (await office.http.get("/templates", auth=stranger)).json()["templates"] == []
    assert (await office.http.get(one)).status_code == 401
    assert (await office.http.get(one, auth=reader)).status_code == 200
    for path in ("/templates/gowning/versions", f"{one}/approve", f"{one}/end", "/images"):
        assert (await office.http.post(path, json={}, auth=reader)).status_code == 403


async def test_every_step_stands_in_the_audit_trail(service: Service, office: Office) -> None:
    await office.in_force("gowning", template())
    await office.in_force("gowning", template(code="ASP3"))
    rows = await service.pool.fetch(
        "select action from credentials.audit_event"
        " where subject = 'template:gowning' order by event"
    )
    assert [row["action"] for row in rows] == ["template.propose", "template.approve"] * 2
    states = await office.http.get("/templates", auth=office.key)
    assert [one["state"] for one in states.json()["templates"]] == ["retired", "approved"]


async def test_lists_come_in_pages(office: Office) -> None:
    for name in ("a", "b", "c"):
        await office.propose(name, template(competency=f"https://example.org/{name}"))
    first = await office.http.get("/templates", params={"limit": 2}, auth=office.key)
    after = {"limit": 2, **first.json()["next"]}
    second = await office.http.get("/templates", params=after, auth=office.key)
    listed = [one["template"] for one in first.json()["templates"] + second.json()["templates"]]
    assert listed == ["a", "b", "c"]
    assert second.json()["next"] is None


# What is issued


@pytest.mark.parametrize("proof", ["eddsa-rdfc-2022", "eddsa-jcs-2022"])
async def test_a_credential_says_what_its_template_says_in_both_forms(
    service: Service, office: Office, proof: str
) -> None:
    await office.in_force("gowning", template(proof=proof, valid_months=1))
    person, document = await issued(service, "achieved")
    assert document["name"] == GOWNING["texts"]["en"]["name"]
    assert document["proof"][0]["cryptosuite"] == proof
    achievement = document["credentialSubject"]["achievement"]
    assert (achievement["version"], achievement["inLanguage"]) == ("1", "en")
    (row,) = await stored(service, person)
    assert (row["template"], row["template_version"]) == ("gowning", 1)
    assert await outcomes(service, person) == ["valid"]
    edition = await service.http.get(achievement["related"][0]["id"])
    assert edition.json()["name"] == GOWNING["texts"]["cy"]["name"]


async def test_a_new_version_is_of_new_credentials_and_leaves_the_old_ones(
    service: Service, office: Office
) -> None:
    await office.in_force("gowning", template())
    ada, first = await issued(service, "achieved")
    await office.in_force("gowning", template(code="ASP3"))
    assert await newest(service, ada) == first
    _, second = await issued(service, "achieved")
    one, other = (d["credentialSubject"]["achievement"] for d in (first, second))
    assert one["id"] == other["id"]
    assert (one["version"], other["version"]) == ("1", "2")
    assert await outcomes(service, ada) == ["valid"]
    await service.follow(event("renewed", ada, 2, level=1))
    assert (await newest(service, ada))["credentialSubject"]["achievement"]["version"] == "2"
    assert await outcomes(service, ada) == ["revoked", "valid"]


async def test_a_single_status_is_strictly_valid_and_what_it_revoked_stays_revoked(
    service: Service, office: Office
) -> None:
    await office.in_force("gowning", template(status="single"))
    person, first = await issued(service, "achieved")
    assert list(Draft201909Validator(SCHEMA).iter_errors(first)) == []
    assert first["credentialStatus"]["statusPurpose"] == "revocation"
    await service.follow(event("suspended", person, 2))
    assert await outcomes(service, person) == ["revoked"]
    await service.follow(event("achieved", person, 3))
    assert await outcomes(service, person) == ["revoked", "valid"]
    states = [row["state"] for row in await stored(service, person)]
    assert states == ["superseded", "issued"]
    await service.follow(event("suspended", person, 4))
    await service.follow(event("expired", person, 5))
    assert await outcomes(service, person) == ["revoked", "revoked"]
    await service.follow(event("revoked", person, 6))
    assert await outcomes(service, person) == ["revoked", "revoked"]


async def test_single_and_double_statuses_of_one_issuer_share_its_lists(
    service: Service, office: Office
) -> None:
    await office.in_force("gowning", template(status="single"))
    await issued(service, "achieved")
    await service.follow(event("achieved", uuid4(), 1, competency="https://example.org/other"))
    rows = await service.pool.fetch(
        "select purpose, allocated from credentials.status_list order by purpose"
    )
    assert [tuple(row) for row in rows] == [("revocation", 2), ("suspension", 1)]


# What anybody may read


async def test_a_picture_is_kept_by_its_hash_and_served_for_ever(office: Office) -> None:
    for content, kind, extension in (
        (png(), "image/png", "png"),
        (SVG, "image/svg+xml", "svg"),
    ):
        for _ in range(2):
            put = await office.http.post("/images", content=content, auth=office.key)
            assert put.status_code == 201, put.text
            assert put.json()["image"] == f"{hashlib.sha256(content).hexdigest()}.{extension}"
        got = await office.http.get(put.json()["url"])
        assert got.content == content
        assert got.headers["content-type"] == kind
        assert "immutable" in got.headers["cache-control"]
        assert "sandbox" in got.headers["content-security-policy"]
        assert got.headers["x-content-type-options"] == "nosniff"
    await office.in_force("gowning", template(image=put.json()["image"]))
    for path in (f"/images/{TENANT}/{'5a' * 32}.png", f"/images/south/{put.json()['image']}"):
        assert (await office.http.get(path)).status_code == 404
    as_png = put.json()["url"].replace(".svg", ".png")
    assert (await office.http.get(as_png)).status_code == 404
    script = SVG.replace(b"<title>", b"<script>x</script><title>")
    refused = await office.http.post("/images", content=script, auth=office.key)
    assert refused.status_code == 400


async def test_an_achievement_can_be_read_in_each_language_and_version(office: Office) -> None:
    await office.in_force("gowning", template())
    await office.in_force("gowning", template(code="ASP3"))
    base = f"/achievements/{TENANT}/gowning"
    current = await office.http.get(base)
    assert current.json()["version"] == "2"
    assert "immutable" not in current.headers["cache-control"]
    welsh = await office.http.get(f"{base}/1/cy")
    assert welsh.json()["inLanguage"] == "cy"
    assert welsh.json()["alignment"][0]["targetCode"] == "ASP2"
    assert "immutable" in welsh.headers["cache-control"]
    for path in (f"{base}/3/en", f"{base}/1/fr", "/achievements/south/gowning", f"{base}x"):
        assert (await office.http.get(path)).status_code == 404


async def test_a_preview_is_unsigned_and_shows_what_would_be_issued(office: Office) -> None:
    image = (await office.http.post("/images", content=SVG, auth=office.key)).json()["image"]
    document = template(image=image)
    before = await office.post("/templates/gowning/preview", {"document": document})
    await office.propose("gowning", document)
    after = await office.http.get("/templates/gowning/versions/1/preview", auth=office.key)
    assert before.status_code == after.status_code == 200, before.text
    assert "proof" not in after.json()
    subject = "credentialSubject"
    assert before.json()[subject]["achievement"] == after.json()[subject]["achievement"]
    welsh = await office.http.get(
        "/templates/gowning/versions/1/preview", params={"language": "cy"}, auth=office.key
    )
    assert welsh.json()["name"] == GOWNING["texts"]["cy"]["name"]


@pytest.mark.parametrize(("kind", "begins"), [("png", b"\x89PNG"), ("svg", b"<svg")])
async def test_a_preview_can_be_looked_at(office: Office, kind: str, begins: bytes) -> None:
    drawn = await office.http.post(
        "/templates/gowning/preview",
        params={"picture": kind},
        json={"document": template()},
        auth=office.key,
    )
    assert drawn.status_code == 200, drawn.text
    assert drawn.content.startswith(begins)


async def test_a_template_that_cannot_be_followed_sets_aside_its_own_awards_only(
    service: Service, office: Office, postgres: Database
) -> None:
    await office.in_force("gowning", template())
    connection = await postgres.connect()
    try:
        # What no proposal may hold, as if it had come in by another door.
        await connection.execute(
            "update credentials.template set content = jsonb_set(content, '{issuer}', '\"gone\"')"
        )
    finally:
        await connection.close()
    ada, bea = uuid4(), uuid4()
    await service.follow(
        event("achieved", ada, 1),
        event("achieved", bea, 1, competency="https://example.org/other"),
    )
    assert await service.credentials(ada) == []
    assert len(await service.credentials(bea)) == 1
    failure = await service.pool.fetchval(
        "select failure from credentials.award where person = $1", ada
    )
    assert failure is not None
    assert "gone" in failure


async def _academy(postgres: Database) -> None:
    connection = await postgres.connect()
    try:
        store = KeyringStore(connection)
        await store.put_issuer(TENANT, "academy", "The Academy", None, "web", "file")
    finally:
        await connection.close()


async def test_a_template_chooses_the_issuer_that_signs(
    service: Service, office: Office, postgres: Database
) -> None:
    await _academy(postgres)
    await office.in_force("gowning", template(issuer="academy"))
    person, document = await issued(service, "achieved")
    assert document["issuer"]["name"] == "The Academy"
    assert document["issuer"]["id"].endswith(f":issuers:{TENANT}:academy")
    assert await outcomes(service, person) == ["valid"]


async def test_an_intention_left_by_a_crash_is_made_by_the_issuer_that_is_chosen_now(
    service: Service, office: Office, postgres: Database
) -> None:
    await _academy(postgres)
    await office.in_force("gowning", template())
    person = uuid4()
    await service.apply(event("achieved", person, 1))
    doing = await intend(service.shop())
    assert len(doing.intentions) == 1
    await office.in_force("gowning", template(issuer="academy"))
    await service.follow()
    assert (await newest(service, person))["issuer"]["name"] == "The Academy"
    assert await outcomes(service, person) == ["valid"]
    rows = await service.pool.fetch(
        "select l.did = c.did as is_own from credentials.credential as c"
        " join credentials.status_list as l on l.list in (c.revocation_list, c.suspension_list)"
    )
    assert [row["is_own"] for row in rows] == [True, True]
