"""A credential is made in two signed forms, and nothing is published that is not what was meant."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from assay_credentials.awards import Credential, Place, Terms
from assay_credentials.errors import CredentialsError, SelfCheckFailed
from assay_credentials.issuers import IssuerKey
from assay_credentials.making import Making, build, check, sign, sign_as_jwt
from assay_credentials.templates.describe import described_by
from assay_credentials.verification.envelope import sign_jwt
from credential_samples import CENTRE, NOW, STRANGER
from template_samples import COMPETENCY, gowning

PUBLIC_URL = "https://credentials.example.org"
KEY = IssuerKey("north", "main", CENTRE.did, CENTRE.method, CENTRE.signer, CENTRE.name)
INTENTION = Credential(
    key=("north", UUID(int=1), COMPETENCY),
    id=UUID(int=2),
    state="intended",
    sequence=1,
    decision=UUID(int=3),
    terms=Terms(2, date(2026, 3, 2), date(2027, 3, 2), "Europe/London"),
    as_of=datetime(2026, 3, 2, 10, tzinfo=UTC),
    evidence_digest=bytes(32),
    did=CENTRE.did,
    salt=bytes(range(16)),
    revocation=Place(UUID(int=4), 1),
    suspension=Place(UUID(int=5), 2),
    intended_at=NOW,
    method=CENTRE.method,
    template=("gowning", 1),
)


def making(intention: Credential = INTENTION, **template: Any) -> Making:
    document = gowning(**template)
    described = described_by(
        document, tenant="north", template="gowning", version=1, public_url=PUBLIC_URL
    )
    if document.status == "single":
        intention = replace(intention, suspension=None)
    return Making(intention, described, KEY, KEY.profile, PUBLIC_URL)


@pytest.mark.parametrize("status", ["two", "single"])
@pytest.mark.parametrize("proof", ["eddsa-rdfc-2022", "eddsa-jcs-2022"])
def test_both_forms_are_made_again_the_same_and_pass(proof: str, status: str) -> None:
    one = making(proof=proof, status=status)
    badge = build(one)
    document, jwt = sign(one, badge), sign_as_jwt(one, badge)
    assert (sign(one, build(one)), sign_as_jwt(one, build(one))) == (document, jwt)
    published = check(one, document, jwt, NOW)
    assert (published.document, published.jwt) == (document, jwt)
    assert published.valid_until == datetime(2027, 3, 2, 23, 59, 59, tzinfo=UTC)
    assert json.loads(document)["proof"][0]["cryptosuite"] == proof


def test_a_credential_that_is_issued_late_or_early_is_still_made() -> None:
    """Whether it holds today is for the verifier to say: the award was made."""
    one = making()
    badge = build(one)
    for at in (NOW - timedelta(days=900), NOW + timedelta(days=900)):
        assert check(one, sign(one, badge), sign_as_jwt(one, badge), at).jwt is not None


def _twin(one: Making, **changed: object) -> str:
    jwt = sign_as_jwt(one, {**build(one), **changed})
    assert jwt is not None
    return jwt


def _another(one: Making) -> str:
    return _twin(one, name="Gowning master")


def _by_a_stranger(one: Making) -> str:
    return sign_jwt(build(one), STRANGER.signer, kid=CENTRE.method)


def _by_its_own_key(one: Making) -> str:
    return sign_jwt(build(one), STRANGER.signer, kid=STRANGER.method)


def _damaged(one: Making) -> str:
    head, payload, signature = _twin(one).split(".")
    return f"{head}.{payload}.{signature[::-1]}"


@pytest.mark.parametrize("twin", [_another, _by_a_stranger, _by_its_own_key, _damaged])
def test_a_twin_that_is_not_one_is_not_published(twin: Any) -> None:
    one = making()
    with pytest.raises(CredentialsError):
        check(one, sign(one, build(one)), twin(one), NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "Gowning master"},
        {"validUntil": "2099-01-01T00:00:00Z"},
        {"credentialStatus": None},
        {"evil": "x"},
    ],
)
def test_a_document_that_was_changed_after_it_was_signed_is_not_published(
    changed: dict[str, Any],
) -> None:
    one = making()
    badge = build(one)
    document = {**json.loads(sign(one, badge)), **changed}
    kept = {name: value for name, value in document.items() if value is not None}
    with pytest.raises(SelfCheckFailed):
        check(one, json.dumps(kept).encode(), sign_as_jwt(one, badge), NOW)


def test_a_document_with_fewer_status_entries_than_meant_is_not_published() -> None:
    single = making(status="single")
    badge = build(single)
    two = replace(single, intention=INTENTION)
    with pytest.raises(SelfCheckFailed, match="with 2 entries"):
        check(two, sign(single, badge), sign_as_jwt(single, badge), NOW)


def test_an_intention_for_another_key_is_not_signed() -> None:
    rotated = replace(INTENTION, did=STRANGER.did, method=STRANGER.method)
    for signed in (sign, sign_as_jwt):
        with pytest.raises(SelfCheckFailed, match="another key"):
            signed(making(rotated), build(making(rotated)))
