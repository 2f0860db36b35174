"""What the service answers, to whom."""

import asyncio
import stat
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import pytest

from assay_credentials import admin
from assay_credentials.issue import follow_awards
from assay_credentials.verify import open_status_list
from assay_testing import Database
from credential_samples import CENTRE, STRANGER
from credentials_service import COMPETENCY, PUBLIC_URL, TENANT, Service, add_client, event


async def issued(service: Service) -> dict[str, str]:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    return one


async def test_a_share_id_opens_one_credential_without_a_key(service: Service) -> None:
    one, other = await issued(service), await issued(service)
    share = await service.share(one["id"])
    assert len(share) >= 43
    with_key = await service.document(one["id"])
    for path in (f"/credentials/{one['id']}?share={share}", f"/share/{share}"):
        response = await service.http.get(path)
        assert (response.status_code, response.content) == (200, with_key)
        assert response.headers["x-robots-tag"] == "noindex, nofollow"
        assert "no-store" in response.headers["cache-control"]
    for path in (
        f"/credentials/{other['id']}?share={share}",
        f"/credentials/{one['id']}?share={share[:-1]}",
        f"/credentials/{uuid4()}?share={share}",
        f"/share/{share[:-1]}x",
        "/share/%00",
        f"/credentials/{one['id']}/status?share={share[:-1]}",
    ):
        response = await service.http.get(path)
        assert response.status_code == 404, path
        assert response.headers["content-type"] == "application/problem+json"


async def test_who_holds_a_share_id_is_told_the_status_and_no_more(service: Service) -> None:
    one = await issued(service)
    share = await service.share(one["id"])
    path = f"/credentials/{one['id']}/status"
    shown = (await service.http.get(path, params={"share": share})).json()
    assert shown.keys() == {
        "id", "competency", "status", "valid_from", "valid_until", "issued_at"
    }  # fmt: skip
    assert (await service.http.get(path, auth=service.key)).json() == one


async def test_tenants_do_not_see_each_other(service: Service, postgres: Database) -> None:
    one = await issued(service)
    stranger = await add_client(postgres, "south")
    for path in (f"/credentials/{one['id']}", f"/credentials/{one['id']}/status"):
        foreign = await service.http.get(path, auth=stranger)
        nobody = await service.http.get(path.replace(one["id"], str(uuid4())), auth=service.key)
        assert foreign.status_code == nobody.status_code == 404
        assert foreign.content == nobody.content
    listed = await service.http.get("/credentials", params={"person": one["person"]}, auth=stranger)
    assert listed.json()["credentials"] == []


@pytest.mark.parametrize(
    "path", ["/credentials?person={person}", "/credentials/{id}", "/credentials/{id}/status"]
)
async def test_a_key_and_its_scope_are_needed(
    service: Service, postgres: Database, path: str
) -> None:
    whole = path.format(**await issued(service))
    without_scope = await add_client(postgres, TENANT, ["statements/read"])
    assert (await service.http.get(whole)).status_code == 401
    assert (await service.http.get(whole, auth=(service.key[0], "x"))).status_code == 401
    assert (await service.http.get(whole, auth=without_scope)).status_code == 403
    assert (await service.http.get(whole, auth=service.key)).status_code == 200


async def test_an_intention_is_shown_to_nobody(service: Service) -> None:
    person = uuid4()
    await service.apply(event("achieved", person, 1))

    def stop(line: str) -> None:
        if line == "2 built":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await follow_awards(service.shop(stop))
    row = await service.pool.fetchrow("select credential from credentials.credential")
    assert row is not None
    assert await service.credentials(person) == []
    assert (
        await service.http.get(f"/credentials/{row['credential']}", auth=service.key)
    ).status_code == 404
    for kind in ("shares", "offers"):
        body = {"expires_at": None} if kind == "shares" else {}
        path = f"/credentials/{row['credential']}/{kind}"
        response = await service.http.post(path, json=body, auth=service.key)
        assert response.status_code == 404


async def test_lists_are_paged_by_key(service: Service) -> None:
    person = uuid4()
    await service.follow(
        *(event("achieved", person, 1, competency=f"{COMPETENCY}/{n}") for n in range(5))
    )
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = (
            await service.http.get(
                "/credentials",
                params={"person": str(person), "limit": 2, **after},
                auth=service.key,
            )
        ).json()
        seen += [one["id"] for one in page["credentials"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize(
    "query",
    ["", "?person=ada", "?person={p}&limit=0", "?person={p}&limit=501", "?person={p}&after=1"],
)
async def test_wrong_parameters_are_named(service: Service, query: str) -> None:
    response = await service.http.get(f"/credentials{query.format(p=uuid4())}", auth=service.key)
    assert response.status_code == 400
    assert response.json()["errors"]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"\xff{}", "application/json", 400),
        (b"[" * 5000, "application/json", 400),
        (b"{}", "text/html", 415),
        (b" " * (600 * 1024), "application/json", 413),
    ],
)
async def test_what_is_no_credential_document_is_refused(
    service: Service, content: bytes, kind: str, status: int
) -> None:
    response = await service.http.post("/verify", content=content, headers={"Content-Type": kind})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_stranger_is_unknown_and_other_hosts_are_never_asked(service: Service) -> None:
    # The lists of both stand at an address that this service does not keep.
    for party in (CENTRE, STRANGER):
        answer = await service.verify(orjson.dumps(party.badge()))
        assert answer["outcome"] == "could_not_check"
        found = {check["name"]: check["result"] for check in answer["checks"]}
        assert (found["status"], found["issuer"]) == ("could_not_check", "failed")
    without_status = await service.verify(orjson.dumps(CENTRE.badge(status=())))
    assert without_status["outcome"] == "issuer_unknown"


async def test_too_many_at_once_are_asked_to_come_again(postgres: Database, tmp_path: Path) -> None:
    service = await Service.open(
        postgres, tmp_path, ASSAY_VERIFY_TASKS="1", ASSAY_VERIFY_WAITING_MAX="1"
    )
    try:
        body = orjson.dumps(CENTRE.badge())
        answers = await asyncio.gather(
            *(
                service.http.post(
                    "/verify", content=body, headers={"Content-Type": "application/vc"}
                )
                for _ in range(4)
            )
        )
    finally:
        await service.close()
    found = sorted(one.status_code for one in answers)
    assert found == [200, 503, 503, 503]
    assert next(one for one in answers if one.status_code == 503).headers["retry-after"] == "1"


async def test_a_status_list_is_served_signed_and_alike_to_all(service: Service) -> None:
    one, other = await issued(service), await issued(service)
    for credential, suspended in ((one, False), (other, True)):
        if suspended:
            await service.follow(event("withdrawn", UUID(credential["person"]), 2))
    await service.lists.sign_due()
    document = orjson.loads(await service.document(other["id"]))
    issuer = document["issuer"]["id"]
    for entry in document["credentialStatus"]:
        url = entry["statusListCredential"]
        assert url.startswith(f"{PUBLIC_URL}/status/")
        response = await service.http.get(url)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "public, max-age=5"
        opened = open_status_list(response.content, url=url, now=datetime.now(UTC))
        assert opened.issuer == issuer
        assert opened.purposes == frozenset({str(entry["statusPurpose"])})
        assert len(opened.bits) * 8 == 131_072
        assert sum(byte.bit_count() for byte in opened.bits) == (
            entry["statusPurpose"] == "suspension"
        )
    assert (await service.http.get(f"/status/{uuid4()}")).status_code == 404


async def test_a_list_is_there_as_soon_as_a_credential_names_it(service: Service) -> None:
    document = orjson.loads(await service.document((await issued(service))["id"]))
    for entry in document["credentialStatus"]:
        url = entry["statusListCredential"]
        response = await service.http.get(url)
        assert open_status_list(response.content, url=url, now=datetime.now(UTC)).issuer


async def test_the_issuer_tells_its_key_and_the_key_file_is_its_owners_alone(
    service: Service,
) -> None:
    assert (await service.http.get(f"/issuers/{TENANT}")).status_code == 404
    one = await issued(service)
    found = (await service.http.get(f"/issuers/{TENANT}")).json()
    document = orjson.loads(await service.document(one["id"]))
    assert document["issuer"]["id"] == found["did"]
    (key,) = found["keys"]
    assert document["proof"][0]["verificationMethod"] == key["id"]
    folder = service.settings.signing_key_dir
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / f"{TENANT}.pem").stat().st_mode) == 0o600


async def test_a_described_competency_is_shown_as_it_is_described(
    service: Service, postgres: Database
) -> None:
    owner = await postgres.connect()
    try:
        for _ in range(2):
            await admin.put_issuer(owner, TENANT, "Training Centre North", "https://north.example")
            await admin.put_achievement(
                owner,
                TENANT,
                COMPETENCY,
                name="Aseptic gowning",
                description="Gowns for grade B.",
                criteria="Two observed gownings.",
                code="ASP2",
                framework="ATMP practice",
                levels=("Aware", "Under supervision", "Alone"),
            )
    finally:
        await owner.close()
    document = orjson.loads(await service.document((await issued(service))["id"]))
    assert document["issuer"]["name"] == "Training Centre North"
    achievement = document["credentialSubject"]["achievement"]
    assert achievement["name"] == "Aseptic gowning"
    (alignment,) = achievement["alignment"]
    assert (alignment["targetCode"], alignment["targetUrl"]) == ("ASP2", COMPETENCY)
    levels = achievement["resultDescription"][0]["rubricCriterionLevel"]
    reached = document["credentialSubject"]["result"][0]["achievedLevel"]
    assert [one["name"] for one in levels if one["id"] == reached] == ["Under supervision"]


async def test_an_undescribed_competency_is_called_by_the_end_of_its_iri(
    service: Service,
) -> None:
    document = orjson.loads(await service.document((await issued(service))["id"]))
    assert document["credentialSubject"]["achievement"]["name"] == "aseptic gowning"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/vc"),
        ("*/*", "application/vc"),
        ("application/ld+json", "application/ld+json"),
        ("text/html, application/json;q=0.5", "application/json"),
    ],
)
async def test_documents_come_under_the_type_asked_for(
    service: Service, accept: str | None, kind: str
) -> None:
    one = await issued(service)
    response = await service.http.get(
        f"/credentials/{one['id']}",
        auth=service.key,
        headers={} if accept is None else {"Accept": accept},
    )
    assert response.headers["content-type"] == kind
    assert "accept" in response.headers["vary"].lower()
