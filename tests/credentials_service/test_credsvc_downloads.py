"""What can be taken away of a credential, by whom, and that it verifies when it comes back."""

from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import orjson
import pytest

from assay_credentials.downloads.unbake import extract_credential
from assay_testing import Database
from credentials_service import ACHIEVED, EXPIRES, PUBLIC_URL, TENANT, Service, add_client, event

KINDS = {
    "json": "application/vc",
    "jwt": "application/vc+jwt",
    "png": "image/png",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
}


async def issued(service: Service) -> dict[str, str]:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    return one


async def taken(service: Service, path: str, **query: str) -> httpx.Response:
    response = await service.http.get(path, params=query)
    assert response.status_code == 200, response.text
    return response


async def test_every_file_brings_the_credential_back(service: Service) -> None:
    one = await issued(service)
    document = await service.document(one["id"])
    for form, media_type in KINDS.items():
        path = f"/credentials/{one['id']}/download.{form}"
        response = await service.http.get(path, auth=service.key)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].partition(";")[0] == media_type
        disposition = response.headers["content-disposition"]
        assert disposition.startswith("attachment; filename=")
        assert disposition.endswith(f'{one["id"][:8]}.{form}"')
        assert "no-store" in response.headers["cache-control"]
        if form not in ("json", "jwt"):
            extracted = extract_credential(response.content)
            assert (extracted.kind, extracted.content, extracted.is_jwt) == (form, document, False)
        given = await service.http.post(
            "/verify",
            content=response.content,
            headers={"Content-Type": "application/octet-stream"},
        )
        assert given.json()["outcome"] == "valid", (form, given.text)


async def test_a_share_link_opens_the_same_files(service: Service) -> None:
    one, other = await issued(service), await issued(service)
    share = await service.share(one["id"])
    for form in KINDS:
        by_link = await taken(service, f"/share/{share}/download.{form}")
        by_id = await taken(service, f"/credentials/{one['id']}/download.{form}", share=share)
        assert by_link.content == by_id.content
    for path in (
        f"/share/{share}x/download.pdf",
        f"/share/{share}/download.exe",
        f"/credentials/{other['id']}/download.pdf?share={share}",
        f"/credentials/{one['id']}/download.pdf?share={share}x",
    ):
        assert (await service.http.get(path)).status_code == 404, path
    assert (await service.http.get(f"/credentials/{one['id']}/download.pdf")).status_code == 401


async def test_other_tenants_and_scopes_get_no_file(service: Service, postgres: Database) -> None:
    one = await issued(service)
    stranger = await add_client(postgres, "south")
    powerless = await add_client(postgres, TENANT, ["statements/read"])
    for path in (f"/credentials/{one['id']}/download.pdf", f"/credentials/{one['id']}/linkedin"):
        assert (await service.http.get(path, auth=stranger)).status_code == 404
        assert (await service.http.get(path, auth=powerless)).status_code == 403


@pytest.mark.parametrize(
    ("kind", "state"),
    [("withdrawn", "suspended"), ("revoked", "revoked")],
)
async def test_there_is_no_certificate_of_what_does_not_hold(
    service: Service, kind: str, state: str
) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    await service.follow(event(kind, person, 2))
    (one,) = await service.credentials(person)
    assert one["status"] == state
    path = f"/credentials/{one['id']}/download"
    for form in ("png", "svg", "pdf"):
        refused = await service.http.get(f"{path}.{form}", auth=service.key)
        assert refused.status_code == 409
        assert state in refused.json()["detail"]
    for form in ("json", "jwt"):
        kept = await service.http.get(f"{path}.{form}", auth=service.key)
        assert kept.status_code == 200
        verified = await service.http.post(
            "/verify", content=kept.content, headers={"Content-Type": KINDS[form]}
        )
        assert verified.json()["outcome"] == state


async def test_the_certificate_leads_to_the_page_that_verifies(service: Service) -> None:
    one = await issued(service)
    share = await service.share(one["id"])
    english = await taken(service, f"/share/{share}/download.pdf")
    welsh = await taken(service, f"/share/{share}/download.pdf", lang="cy")
    assert f"{PUBLIC_URL}/verify?share={share}".encode() in english.content
    assert f"{PUBLIC_URL}/verify?share={share}&lang=cy".encode() in welsh.content
    # By a key: the credential's own link for certificates, the same each time.
    path = f"/credentials/{one['id']}/download.pdf"
    first = await service.http.get(path, auth=service.key)
    again = await service.http.get(path, auth=service.key)
    assert first.content == again.content


async def test_linkedin_gets_the_verifiers_address(service: Service) -> None:
    one = await issued(service)
    share = await service.share(one["id"])
    answer = await service.http.get(f"/share/{share}/linkedin", follow_redirects=False)
    assert answer.status_code == 302
    url = urlsplit(answer.headers["location"])
    assert (url.scheme, url.netloc) == ("https", "www.linkedin.com")
    found = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert found["certUrl"] == f"{PUBLIC_URL}/verify?share={share}"
    assert found["certId"] == orjson.loads(await service.document(one["id"]))["id"]
    assert (int(found["issueYear"]), int(found["issueMonth"])) == (ACHIEVED.year, ACHIEVED.month)
    assert (int(found["expirationYear"]), int(found["expirationMonth"])) == (
        EXPIRES.year,
        EXPIRES.month,
    )
    by_key = await service.http.get(f"/credentials/{one['id']}/linkedin", auth=service.key)
    assert by_key.json()["url"].startswith("https://www.linkedin.com/profile/add?")
