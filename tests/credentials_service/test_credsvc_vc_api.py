"""The W3C VC-API: verifying for everybody, issuing only where a suite is to be run."""

import copy
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from assay_credentials.contexts import CREDENTIALS_V2
from assay_credentials.proof import add_proof
from assay_testing import Database
from credential_samples import STRANGER
from credentials_service import PUBLIC_URL, Service, event

CHALLENGE = "uZkTgsqaxSDuIhy6fGawI8A"
DOMAIN = "https://verifier.example"


@pytest.fixture
async def suite(postgres: Database, tmp_path: Path) -> AsyncIterator[Service]:
    """The service as it is started for the W3C suites."""
    opened = await Service.open(postgres, tmp_path, ASSAY_VC_API_TEST_URL=PUBLIC_URL)
    try:
        yield opened
    finally:
        await opened.close()


async def _post(service: Service, path: str, body: object) -> tuple[int, dict[str, Any]]:
    response = await service.http.post(path, json=body)
    answer: dict[str, Any] = response.json()
    return response.status_code, answer


async def _badge(service: Service) -> dict[str, Any]:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    await service.lists.sign_due()
    (one,) = await service.credentials(person)
    badge: dict[str, Any] = orjson.loads(await service.document(one["id"]))
    return badge


def _presentation(*credentials: object, challenge: str = CHALLENGE) -> dict[str, Any]:
    return add_proof(
        {
            "@context": [CREDENTIALS_V2],
            "type": ["VerifiablePresentation"],
            "holder": STRANGER.did,
            **({"verifiableCredential": list(credentials)} if credentials else {}),
        },
        STRANGER.signer,
        verification_method=STRANGER.method,
        created=datetime.now(UTC),
        purpose="authentication",
        challenge=challenge,
        domain=DOMAIN,
    )


async def test_a_credential_is_verified_with_its_problems(service: Service) -> None:
    badge = await _badge(service)
    status, answer = await _post(service, "/credentials/verify", {"verifiableCredential": badge})
    assert (status, answer["verified"], answer["outcome"]) == (200, True, "valid")
    assert answer["problemDetails"] == []
    tampered = {**badge, "name": "Something better"}
    status, answer = await _post(service, "/credentials/verify", {"verifiableCredential": tampered})
    assert (status, answer["verified"]) == (400, False)
    (problem,) = answer["problemDetails"]
    assert problem["type"].endswith("#CRYPTOGRAPHIC_SECURITY_ERROR")
    assert "credential" not in answer


async def test_an_unknown_issuer_is_a_warning_and_could_not_check_is_not_verified(
    service: Service,
) -> None:
    badge = STRANGER.badge(status=())
    status, answer = await _post(service, "/credentials/verify", {"verifiableCredential": badge})
    assert (status, answer["verified"], answer["outcome"]) == (200, True, "issuer_unknown")
    assert {one["severity"] for one in answer["problemDetails"]} == {"warning"}
    unreachable = STRANGER.badge()
    status, answer = await _post(
        service, "/credentials/verify", {"verifiableCredential": unreachable}
    )
    assert (status, answer["verified"], answer["outcome"]) == (400, False, "could_not_check")


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"verifiableCredential": None},
        {"verifiableCredential": "https://credentials.test/share/x"},
        {"verifiableCredential": 7},
        {"verifiableCredential": {}},
    ],
)
async def test_what_is_no_credential_is_not_verified(service: Service, body: object) -> None:
    status, answer = await _post(service, "/credentials/verify", body)
    assert (status, answer["verified"]) == (400, False)


async def test_a_key_that_stands_twice_in_the_request_is_seen(service: Service) -> None:
    text = orjson.dumps({"verifiableCredential": await _badge(service)}).decode()
    twice = text.replace('"validUntil":', '"validUntil":"2099-01-01T00:00:00Z","validUntil":')
    response = await service.http.post(
        "/credentials/verify", content=twice, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 400
    assert response.json()["verified"] is False
    wrong = await service.http.post("/credentials/verify", content=text)
    assert wrong.status_code == 415


async def test_a_presentation_is_bound_to_the_request_and_to_its_holder(service: Service) -> None:
    asked = {"challenge": CHALLENGE, "domain": DOMAIN}
    body = {"verifiablePresentation": _presentation(), "options": asked}
    status, answer = await _post(service, "/presentations/verify", body)
    assert (status, answer["verified"], answer["holder"]) == (200, True, STRANGER.did)
    for wrong in ({"challenge": "another"}, {"domain": "another"}):
        body["options"] = {**asked, **wrong}
        status, answer = await _post(service, "/presentations/verify", body)
        assert (status, answer["outcome"]) == (400, "not_holder")
    shown = _presentation(await _badge(service))
    status, answer = await _post(
        service, "/presentations/verify", {"verifiablePresentation": shown, "options": asked}
    )
    assert (status, answer["verified"]) == (400, False)
    (result,) = answer["credentialResults"]
    assert result["checks"][-1]["name"] == "holder"


async def test_nothing_is_issued_unless_a_suite_is_to_be_run(service: Service) -> None:
    for path in ("/credentials/issue", "/credentials/status"):
        assert (await service.http.post(path, json={})).status_code in (404, 405)
    assert (await service.http.get("/credentials/status-lists/revocation")).status_code == 404
    inline = copy.deepcopy(STRANGER.badge(status=()))
    inline["@context"] = [CREDENTIALS_V2, {"x": "https://e.example/x"}]
    status, _ = await _post(service, "/credentials/verify", {"verifiableCredential": inline})
    assert status == 400


async def test_the_test_issuer_signs_what_it_is_given_and_is_known_to_nobody(
    suite: Service,
) -> None:
    did = (await suite.http.get("/credentials/test-issuer")).json()["id"]
    credential = {
        "@context": [CREDENTIALS_V2],
        "id": "urn:uuid:9c9a36f8-518f-4976-a934-6649502d0008",
        "type": ["VerifiableCredential"],
        "issuer": did,
        "credentialSubject": {"id": "did:example:subject"},
    }
    options: dict[str, Any]
    for options in (
        {},
        {"cryptosuite": "eddsa-jcs-2022"},
        {"mediaType": "application/vc+jwt"},
        {"credentialStatus": {"statusPurpose": "revocation"}},
    ):
        status, signed = await _post(
            suite, "/credentials/issue", {"credential": credential, "options": options}
        )
        assert status == 201, signed
        status, answer = await _post(suite, "/credentials/verify", {"verifiableCredential": signed})
        assert (status, answer["outcome"]) == (200, "issuer_unknown")
    assert signed["credentialStatus"]["statusListCredential"].startswith(PUBLIC_URL)
    status, _ = await _post(
        suite,
        "/credentials/status",
        {"credentialId": credential["id"], "credentialStatus": {"statusPurpose": "revocation"}},
    )
    assert status == 200
    status, answer = await _post(suite, "/credentials/verify", {"verifiableCredential": signed})
    assert (status, answer["outcome"]) == (400, "revoked")
    other = {**credential, "issuer": STRANGER.did}
    assert (await _post(suite, "/credentials/issue", {"credential": other}))[0] == 400
    # Where people ask what a credential is worth, the suite's rules do not hold.
    told = await suite.verify(orjson.dumps(signed))
    assert told["outcome"] in ("issuer_unknown", "could_not_check")
