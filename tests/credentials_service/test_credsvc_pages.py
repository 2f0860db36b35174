"""The pages over HTTP: who gets which, with which headers, and what stands beside a credential."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from markupsafe import escape

from assay_credentials.pages.static_files import static_files
from assay_testing import Database
from credential_samples import STRANGER
from credentials_service import COMPETENCY, TENANT, Service, add_client, event
from template_samples import GOWNING
from template_service import Office

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PRAISE = "We hire everybody who holds this."


async def issued(service: Service) -> dict[str, Any]:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    return one


async def test_who_asks_for_html_gets_a_page_and_programs_the_document(service: Service) -> None:
    one = await issued(service)
    share = await service.share(one["id"])
    page = await service.http.get(f"/share/{share}", headers=HTML)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert 'data-outcome="valid"' in page.text
    assert page.headers["x-robots-tag"] == "noindex, nofollow"
    assert page.headers["cache-control"] == "private, no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    document = await service.http.get(f"/share/{share}")
    assert document.content == await service.document(one["id"])
    gone = await service.http.get(f"/share/{share}x", headers=HTML)
    assert (gone.status_code, gone.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "Nothing here" in gone.text


async def test_the_verify_page_may_be_found_and_nothing_else(service: Service) -> None:
    share = await service.share((await issued(service))["id"])
    assert (await service.http.get("/verify")).headers["x-robots-tag"] == "all"
    for path in (f"/verify?share={share}", f"/share/{share}", "/claim/none", "/verify?share=x"):
        answer = await service.http.get(path, headers=HTML)
        assert answer.headers["x-robots-tag"] == "noindex, nofollow", path


async def test_files_are_kept_for_ever_under_their_own_hash_alone(service: Service) -> None:
    files = static_files()
    kept = await service.http.get(files.path("style.css"))
    assert kept.content == files.files["style.css"].content
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    other = await service.http.get("/static/0123456789abcdef/style.css")
    assert other.headers["cache-control"] == "no-store"
    for name in ("qr/LICENSE", "qr/README.md", "%2e%2e/render.py", "none.css"):
        assert (await service.http.get(f"/static/{files.digest}/{name}")).status_code == 404, name


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        ({"text": "hello"}, 400, "no credential that this page can read"),
        ({"text": "https://elsewhere.example/x"}, 400, "links of others are not followed"),
        ({"text": ""}, 400, "Nothing was given."),
        ({"text": "x" * 9_000_000}, 413, "too big"),
    ],
)
async def test_what_cannot_be_checked_is_said_in_a_page(
    service: Service, content: dict[str, str], status: int, said: str
) -> None:
    answer = await service.http.post("/verify/result", data=content)
    assert (answer.status_code, answer.headers["content-type"]) == (
        status, "text/html; charset=utf-8"
    )  # fmt: skip
    assert said in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_who_asks_too_fast_is_told_so_in_a_page(postgres: Database, tmp_path: Path) -> None:
    service = await Service.open(
        postgres,
        tmp_path,
        # One, and one on credit; the next one in half an hour.
        ASSAY_PUBLIC_REQUESTS_PER_SECOND_MAX="0.001",
        ASSAY_PUBLIC_BURST_SECONDS="1000",
    )
    try:
        body = {"text": orjson.dumps(STRANGER.badge(status=())).decode()}
        answers = [await service.http.post("/verify/result", data=body) for _ in range(3)]
    finally:
        await service.close()
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert int(answers[2].headers["retry-after"]) > 0
    assert "too many requests from your network" in answers[2].text


async def test_an_endorsement_is_shown_verified_beside_its_credential(
    service: Service, postgres: Database
) -> None:
    one = await issued(service)
    admin = await add_client(postgres, TENANT, ["credentials/admin"])
    name = uuid4()
    made = await service.http.put(
        f"/endorsements/{name}",
        json={
            "issuer": "main",
            "kind": "credential",
            "endorsed": one["id"],
            "comment": PRAISE,
            "reason": "asked for by the learner",
        },
        auth=admin,
    )
    assert made.status_code == 201, made.text
    share = await service.share(one["id"])
    page = (await service.http.get(f"/verify?share={share}")).text
    assert "Endorsed by" in page
    assert PRAISE in page
    # A copy that a stranger signed gets nothing of it.
    document = orjson.loads(await service.document(one["id"]))
    stolen = {
        key: value for key, value in document.items() if key not in ("proof", "credentialStatus")
    }
    stolen["issuer"] = {**document["issuer"], "id": STRANGER.did}
    forged = await service.http.post(
        "/verify/result", data={"text": orjson.dumps(STRANGER.sign(stolen)).decode()}
    )
    assert 'data-outcome="issuer_unknown"' in forged.text
    assert PRAISE not in forged.text


async def test_what_a_credential_says_is_shown_in_the_readers_language(
    service: Service, postgres: Database
) -> None:
    office = await Office.open(service, postgres)
    document = {**GOWNING, "competency": COMPETENCY}
    await office.propose("gowning", document)
    approved = await office.approve("gowning")
    assert approved.status_code == 200, approved.text
    share = await service.share((await issued(service))["id"])
    texts = {
        tag: {key: escape(text) for key, text in said.items()}
        for tag, said in GOWNING["texts"].items()
    }
    english = (await service.http.get(f"/verify?share={share}&lang=en")).text
    welsh = (await service.http.get(f"/verify?share={share}&lang=cy")).text
    assert f">{texts['en']['name']}</h2>" in english
    assert f'<h2 lang="cy">{texts["cy"]["name"]}</h2>' in welsh
    assert texts["cy"]["description"] in welsh
