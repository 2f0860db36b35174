"""What may be given to be verified, how fast, and the receipt of it."""

import asyncio
import base64
import hashlib
import json
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from pypdf import PdfReader

from assay_credentials.downloads.bake import bake_png, bake_svg
from assay_credentials.downloads.picture import Look, badge_picture
from assay_credentials.receipts.signing import KEY_FILE
from assay_credentials.templates.document import DEFAULT_COLOURS
from assay_credentials.verification.envelope import sign_jwt
from assay_testing import Database
from credential_samples import AWARD, CENTRE
from credentials_service import PUBLIC_URL, TENANT, Service, event

LOOK = Look(name="Gowning", issuer="North", colours=DEFAULT_COLOURS)


async def issued(service: Service) -> tuple[str, bytes]:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    return one["id"], await service.document(one["id"])


async def given(service: Service, content: bytes, media_type: str) -> dict[str, Any]:
    response = await service.http.post(
        "/verify", content=content, headers={"Content-Type": media_type}
    )
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_a_link_of_ours_is_verified_as_what_it_leads_to(service: Service) -> None:
    credential, _ = await issued(service)
    share = await service.share(credential)
    for link in (
        f"{PUBLIC_URL}/share/{share}",
        f"{PUBLIC_URL}/verify?share={share}&lang=cy",
        f"{PUBLIC_URL}/credentials/{credential}?share={share}",
    ):
        for content, kind in (
            (link.encode(), "text/plain"),
            (orjson.dumps({"url": link}), "application/json"),
        ):
            assert (await given(service, content, kind))["outcome"] == "valid"


async def test_a_link_of_ours_that_leads_nowhere_is_not_found(service: Service) -> None:
    credential, _ = await issued(service)
    share = await service.share(credential)
    for link in (
        f"{PUBLIC_URL}/share/{share[:-1]}x",
        f"{PUBLIC_URL}/share/%00",
        f"{PUBLIC_URL}/share/a\0b",
        f"{PUBLIC_URL}/credentials/{uuid4()}?share={share}",
    ):
        response = await service.http.post(
            "/verify", content=link, headers={"Content-Type": "text/plain"}
        )
        assert response.status_code == 404, link


async def test_no_other_link_is_followed(service: Service) -> None:
    for link in (
        "https://evil.example/share/x",
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:5432/",
        "file:///etc/passwd",
        f"{PUBLIC_URL}.evil.example/share/x",
        f"{PUBLIC_URL}/readyz",
    ):
        for content, kind in (
            (link.encode(), "text/plain"),
            (orjson.dumps({"url": link}), "application/json"),
        ):
            response = await service.http.post(
                "/verify", content=content, headers={"Content-Type": kind}
            )
            assert response.status_code == 400, link
            assert response.headers["content-type"] == "application/problem+json"


async def test_files_and_forms_are_opened(service: Service) -> None:
    _, document = await issued(service)
    png = bake_png(badge_picture(LOOK, "png"), document)
    svg = bake_svg(badge_picture(LOOK, "svg"), document)
    for content, kind in ((png, "image/png"), (svg, "image/svg+xml")):
        assert (await given(service, content, kind))["outcome"] == "valid"
        # Whatever a browser calls it.
        assert (await given(service, content, "application/octet-stream"))["outcome"] == "valid"
        response = await service.http.post("/verify", files={"file": ("badge", content, kind)})
        assert (response.status_code, response.json()["outcome"]) == (200, "valid")
    response = await service.http.post("/verify", files={"text": (None, document.decode())})
    assert (response.status_code, response.json()["outcome"]) == (200, "valid")
    # An empty file beside a text: as a page without a script sends it.
    response = await service.http.post(
        "/verify", files={"file": ("", b""), "text": (None, document.decode())}
    )
    assert (response.status_code, response.json()["outcome"]) == (200, "valid")


async def test_a_file_or_form_without_a_credential_is_told(service: Service) -> None:
    for picture in (badge_picture(LOOK, "png"), badge_picture(LOOK, "svg")):
        response = await service.http.post(
            "/verify", content=picture, headers={"Content-Type": "application/octet-stream"}
        )
        assert response.status_code == 400
        assert response.json()["detail"]
    forms: list[tuple[Any, int]] = [
        ({"other": ("x", b"x")}, 400),
        ({"file": ("x", b"")}, 400),
        ({"file": ("x", b"{" * 9_000_000)}, 413),
        ([("file", ("a", b"x")), ("more", ("b", b"y"))], 400),
    ]
    for files, status in forms:
        response = await service.http.post("/verify", files=files)
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
    for kind, content in (
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=a", b"--b\r\n\r\n"),
        ("multipart/form-data; boundary=a", b"--a\r\nContent-Disposition: form-data\r\n\r\nx"),
    ):
        response = await service.http.post(
            "/verify", content=content, headers={"Content-Type": kind}
        )
        assert response.status_code == 400, (kind, content)


async def test_a_jwt_is_verified(service: Service) -> None:
    document: Any = CENTRE.badge(AWARD, status=())
    del document["proof"]
    token = sign_jwt(document, CENTRE.signer, kid=CENTRE.method)
    for kind in ("application/vc+jwt", "application/jwt", "text/plain", "application/json"):
        answer = await given(service, token.encode(), kind)
        assert answer["outcome"] == "issuer_unknown", answer
    head, body, signature = token.split(".")
    tampered = f"{head}.{body[:-4]}AAAA.{signature}"
    assert (await given(service, tampered.encode(), "text/plain"))["outcome"] == "not_genuine"


@pytest.fixture
async def narrow(postgres: Database, tmp_path: Path) -> AsyncIterator[Service]:
    """Two requests a second, a burst of two seconds."""
    service = await Service.open(
        postgres,
        tmp_path,
        ASSAY_PUBLIC_REQUESTS_PER_SECOND_MAX="2",
        ASSAY_PUBLIC_BURST_SECONDS="2",
        ASSAY_TRUSTED_PROXIES="127.0.0.0/8",
    )
    try:
        yield service
    finally:
        await service.close()


async def test_one_address_may_not_ask_too_fast_and_others_may(narrow: Service) -> None:
    async def ask(address: str) -> int:
        response = await narrow.http.post(
            "/verify",
            content=b"{}",
            headers={"Content-Type": "application/json", "X-Forwarded-For": address},
        )
        if response.status_code == 429:
            assert int(response.headers["retry-after"]) >= 1
            assert response.json()["type"] == "urn:assay:problem:rate-limited"
        return response.status_code

    found = await asyncio.gather(*(ask("203.0.113.7") for _ in range(9)))
    assert sorted(found) == [200] * 5 + [429] * 4
    assert await ask("203.0.113.8") == 200
    # Who is limited has not been given another address by what he wrote himself.
    assert await ask("203.0.113.99, 203.0.113.7") == 429
    assert narrow.metrics.public_refused._value.get() == 5


async def test_reading_costs_less_and_a_key_costs_nothing(narrow: Service) -> None:
    for _ in range(30):
        assert (await narrow.http.get(f"/issuers/{TENANT}")).status_code == 404
    codes = {(await narrow.http.get(f"/issuers/{TENANT}")).status_code for _ in range(30)}
    assert codes == {404, 429}
    response = await narrow.http.get(
        "/credentials", params={"person": str(uuid4())}, auth=narrow.key
    )
    assert response.status_code == 200


async def test_a_receipt_comes_with_the_answer_and_is_known_again(service: Service) -> None:
    _, document = await issued(service)
    response = await service.http.post(
        "/verify?receipt=json", content=document, headers={"Content-Type": "application/vc"}
    )
    answer = response.json()
    receipt = answer["receipt"]["receipt"]
    assert answer["outcome"] == receipt["outcome"] == "valid"
    assert receipt["service"] == PUBLIC_URL
    assert receipt["credential"]["sha256"] == hashlib.sha256(document).hexdigest()
    checked = datetime.fromisoformat(receipt["checked_at"])
    assert abs((datetime.now(UTC) - checked).total_seconds()) < 60
    jws = answer["receipt"]["jws"]
    for body in (jws, json.dumps(answer["receipt"])):
        again = await service.http.post("/verify/receipts", json={"receipt": body})
        assert again.status_code == 200
        assert again.json() == answer["receipt"]
        assert again.headers["content-disposition"].startswith("attachment")
    paper = await service.http.post(
        "/verify/receipts", data={"receipt": jws, "format": "pdf", "lang": "cy"}
    )
    assert paper.headers["content-type"] == "application/pdf"
    reader = PdfReader(BytesIO(paper.content))
    assert "Gwiriwyd gan" in reader.pages[0].extract_text()
    (attached,) = reader.attachments["receipt.json"]
    assert orjson.loads(attached) == answer["receipt"]


async def test_a_receipt_can_be_had_as_pdf_at_once_and_of_a_text(service: Service) -> None:
    _, document = await issued(service)
    paper = await service.http.post(
        "/verify?receipt=pdf", content=document, headers={"Content-Type": "application/vc"}
    )
    assert (paper.status_code, paper.content[:5]) == (200, b"%PDF-")
    assert "no-store" in paper.headers["cache-control"]
    made = await service.http.post("/verify/receipts", data={"text": document.decode()})
    assert made.json()["receipt"]["outcome"] == "valid"
    # The page that the paper leads to.
    form = await service.http.get("/verify/receipts?lang=cy")
    assert (form.status_code, "Gwirio derbynneb" in form.text) == (200, True)
    for files, status, known in (
        ({"file": ("receipt.json", made.content)}, 200, True),
        ({"receipt": (None, made.json()["jws"])}, 200, True),
        ({"receipt": (None, made.json()["jws"][:-8] + "AAAAAAAA")}, 400, False),
    ):
        page = await service.http.post("/verify/receipts/result", files=files)
        assert (page.status_code, 'id="known"' in page.text) == (status, known)
        assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_what_is_no_receipt_is_refused(service: Service) -> None:
    bodies: list[tuple[Any, int]] = [
        ({}, 400),
        ({"receipt": "x.y.z"}, 400),
        ({"receipt": "x" * 300_000}, 400),
        ({"text": "x", "format": "docx"}, 400),
        ({"text": "x", "more": 1}, 400),
        ({"text": "{" * 600_000}, 413),
        ([1], 400),
    ]
    for body, status in bodies:
        response = await service.http.post("/verify/receipts", json=body)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"


async def test_the_key_of_receipts_is_its_own_and_withdrawn_it_counts_no_more(
    service: Service, postgres: Database
) -> None:
    _, document = await issued(service)
    made = await service.http.post("/verify/receipts", json={"text": document.decode()})
    receipt = made.json()
    (key,) = (await service.http.get("/verify/receipts/keys")).json()["keys"]
    assert "d" not in key
    header = receipt["jws"].split(".")[0]
    assert key["kid"] in orjson.loads(_decoded(header))["kid"]
    issuer = orjson.loads(document)["issuer"]["id"]
    assert not key["kid"].startswith(issuer)
    path = service.settings.signing_key_dir / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # Nobody's credential: a badge that this key signed is of an unknown issuer.
    owner = await postgres.connect()
    try:
        await owner.execute("update credentials.receipt_key set withdrawn_at = now()")
    finally:
        await owner.close()
    again = await service.http.post("/verify/receipts", json={"receipt": receipt["jws"]})
    assert again.status_code == 400
    assert again.json()["type"] == "urn:assay:problem:not-a-receipt"


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
