"""Software that we did not write verifies what we issue, and we verify what it signs, offline."""

import copy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assay_credentials.badge import build_badge
from assay_credentials.contexts import (
    CREDENTIALS_V1,
    CREDENTIALS_V2,
    ED25519_2020,
    OPEN_BADGES_3,
    pinned_contexts,
)
from assay_credentials.intake import JsonObject
from assay_credentials.multibase import encode_base58, encode_base64url
from assay_credentials.proof import add_proof
from assay_credentials.status_list import Purpose
from assay_credentials.verify import Outcome, verify_presentation
from credential_samples import (
    AWARD,
    CENTRE,
    REVOCATION,
    STRANGER,
    SUSPENSION,
    SUSPENSION_URL,
    status_lists,
    verify,
)
from node_tools import run_node

# That verifier reads the clock for status lists itself, so these badges live now.
NOW = datetime.now(UTC).replace(microsecond=0)
LIVING = replace(AWARD, awarded_at=NOW - timedelta(days=30), expires_on=date(NOW.year + 1, 1, 31))


def _verify_by_both(
    badge: Any, lists: dict[str, Any], at: datetime = NOW
) -> tuple[dict[str, Any], Outcome]:
    documents: dict[str, object] = {**pinned_contexts().documents, **lists}
    answers = run_node(
        "verify.mjs",
        {
            "documents": documents,
            "credentials": [{"credential": badge, "now": at.isoformat()}],
        },
    )
    assert isinstance(answers, list)
    (theirs,) = answers
    return theirs, verify(badge, at, resolve_status=lists.get).outcome


def test_a_valid_badge() -> None:
    theirs, ours = _verify_by_both(CENTRE.badge(LIVING), status_lists(at=NOW))
    assert theirs["errors"] == []
    assert theirs["verified"] is True
    assert {s["purpose"]: s["status"] for s in theirs["statuses"]} == {
        "revocation": False,
        "suspension": False,
    }
    assert ours is Outcome.VALID


@pytest.mark.parametrize(
    ("purpose", "outcome"),
    [("suspension", Outcome.SUSPENDED), ("revocation", Outcome.REVOKED)],
)
def test_a_suspended_and_a_revoked_badge(purpose: Purpose, outcome: Outcome) -> None:
    lists = status_lists(
        revoked=[REVOCATION.index] if purpose == "revocation" else [],
        suspended=[SUSPENSION.index] if purpose == "suspension" else [],
        at=NOW,
    )
    theirs, ours = _verify_by_both(CENTRE.badge(LIVING), lists)
    assert {s["purpose"]: s["status"] for s in theirs["statuses"]}[purpose] is True
    assert sum(s["status"] for s in theirs["statuses"]) == 1
    assert ours is outcome


def test_a_badge_with_one_status_entry_and_texts_of_many_scripts() -> None:
    award = replace(
        LIVING,
        achievement=replace(
            LIVING.achievement,
            name='Gwisgo\u2019n aseptig \u2014 "gradd B" \\ 無菌 \U0001f9ea',
            criteria="line one\n\tline two\r\n\u00a0end",
        ),
    )
    theirs, ours = _verify_by_both(CENTRE.badge(award, (SUSPENSION,)), status_lists(at=NOW))
    assert theirs["errors"] == []
    assert theirs["verified"] is True
    assert ours is Outcome.VALID


def test_an_expired_badge() -> None:
    later = NOW + timedelta(days=800)
    theirs, ours = _verify_by_both(CENTRE.badge(LIVING), status_lists(at=NOW), at=later)
    assert theirs["verified"] is False
    assert "validUntil" in " ".join(theirs["errors"])
    assert ours is Outcome.EXPIRED


@pytest.mark.parametrize("field", ["validUntil", "name", "id"])
def test_a_tampered_badge(field: str) -> None:
    badge: Any = copy.deepcopy(CENTRE.badge(LIVING))
    badge[field] = "2099-01-01T00:00:00Z" if field == "validUntil" else badge[field] + "0"
    theirs, ours = _verify_by_both(badge, status_lists(at=NOW))
    assert theirs["verified"] is False
    assert "Invalid signature" in " ".join(theirs["errors"])
    assert ours is Outcome.NOT_GENUINE


def test_a_status_list_signed_by_somebody_else() -> None:
    lists = {
        **status_lists(at=NOW),
        SUSPENSION_URL: STRANGER.status_list("suspension", at=NOW),
    }
    theirs, ours = _verify_by_both(CENTRE.badge(LIVING), lists)
    assert theirs["verified"] is False
    assert ours is Outcome.COULD_NOT_CHECK


def test_a_badge_signed_as_jcs() -> None:
    unsigned = build_badge(LIVING, CENTRE.issuer, (REVOCATION, SUSPENSION))
    badge = add_proof(
        unsigned,
        CENTRE.signer,
        verification_method=CENTRE.method,
        created=NOW,
        cryptosuite="eddsa-jcs-2022",
    )
    theirs, ours = _verify_by_both(badge, status_lists(at=NOW))
    assert theirs["errors"] == []
    assert theirs["verified"] is True
    assert ours is Outcome.VALID
    theirs, ours = _verify_by_both({**badge, "name": "x"}, status_lists(at=NOW))
    assert theirs["verified"] is False
    assert ours is Outcome.NOT_GENUINE


def _theirs(document: JsonObject, suite: str, presentation: object = None) -> Any:
    """A document that @digitalbazaar/vc signs with the centre's key."""
    signed = run_node(
        "issue.mjs",
        {
            "documents": dict(pinned_contexts().documents),
            "wanted": [
                {
                    "document": document,
                    "seed": bytes(range(32)).hex(),
                    "suite": suite,
                    "presentation": presentation,
                }
            ],
        },
    )
    assert isinstance(signed, list)
    return signed[0]


def test_we_verify_what_they_sign() -> None:
    unsigned = build_badge(LIVING, CENTRE.issuer, (REVOCATION, SUSPENSION))
    badge = _theirs(unsigned, "eddsa-rdfc-2022")
    lists = status_lists(at=NOW)
    assert verify(badge, NOW, resolve_status=lists.get).outcome is Outcome.VALID
    badge["validUntil"] = "2099-01-01T00:00:00Z"
    assert verify(badge, NOW, resolve_status=lists.get).outcome is Outcome.NOT_GENUINE


def test_we_verify_a_legacy_badge_that_they_sign() -> None:
    """VC Data Model 1.1 with Ed25519Signature2020, as many earlier badges are."""
    legacy: Any = build_badge(LIVING, CENTRE.issuer, ())
    legacy["@context"] = [CREDENTIALS_V1, OPEN_BADGES_3, ED25519_2020]
    legacy["issuanceDate"] = legacy.pop("validFrom")
    legacy["expirationDate"] = legacy.pop("validUntil")
    for name in ("name", "evidence", "awardedDate"):
        del legacy[name]
    badge = _theirs(legacy, "Ed25519Signature2020")
    assert badge["proof"]["type"] == "Ed25519Signature2020"
    assert verify(badge, NOW).outcome is Outcome.VALID
    later = NOW + timedelta(days=800)
    assert verify(badge, later).outcome is Outcome.EXPIRED
    badge["expirationDate"] = "2099-01-01T00:00:00Z"
    assert verify(badge, NOW).outcome is Outcome.NOT_GENUINE


def test_we_verify_a_presentation_that_they_sign() -> None:
    asked = {"challenge": "c-1", "domain": "https://verifier.example"}
    presentation = _theirs(
        {
            "@context": [CREDENTIALS_V2],
            "type": ["VerifiablePresentation"],
            "holder": CENTRE.did,
            "verifiableCredential": [CENTRE.badge(LIVING)],
        },
        "eddsa-rdfc-2022",
        asked,
    )
    found = verify_presentation(
        presentation,
        now=datetime.now(UTC),
        challenge=asked["challenge"],
        domain=asked["domain"],
        resolve_status=status_lists(at=NOW).get,
        trusted_issuers={CENTRE.did: "Centre"},
        bind_holder=False,
    )
    assert found.outcome is Outcome.VALID
    assert found.holder == CENTRE.did


def test_we_verify_tokens_that_jose_makes() -> None:
    private = ec.derive_private_key(7, ec.SECP256R1())
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    multikey = encode_base58(b"\x80\x24" + point)
    did = f"did:key:{multikey}"
    badge: Any = build_badge(LIVING, replace(CENTRE.issuer, id=did), ())
    numbers = private.private_numbers()
    x, y, d = (
        encode_base64url(number.to_bytes(32, "big"))[1:]
        for number in (
            numbers.public_numbers.x,
            numbers.public_numbers.y,
            numbers.private_value,
        )
    )
    made = run_node(
        "jwt.mjs",
        [
            {
                "payload": badge,
                "header": {"alg": "ES256", "typ": "vc+jwt", "kid": f"{did}#{multikey}"},
                "private": {"kty": "EC", "crv": "P-256", "x": x, "y": y, "d": d},
            }
        ],
    )
    assert isinstance(made, list)
    answer = verify(made[0]["token"], NOW, trusted_issuers={did: "P-256 Centre"})
    assert answer.outcome is Outcome.VALID
