"""Presentations and transcripts: holder binding, replay, and what is wrapped."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from assay_credentials.badge import build_badge
from assay_credentials.contexts import CREDENTIALS_V2, TRANSCRIPT_CONTEXT
from assay_credentials.did import VerificationKey, resolve_did_key
from assay_credentials.intake import JsonObject
from assay_credentials.proof import Cryptosuite, add_proof
from assay_credentials.verification.envelope import sign_jwt
from assay_credentials.verify import (
    MAX_CREDENTIALS,
    Outcome,
    PresentationVerification,
    Result,
    TrustedIssuer,
    verify_presentation,
)
from credential_samples import (
    AWARD,
    CENTRE,
    CLEAR_LISTS,
    NOW,
    REVOCATION,
    STRANGER,
    SUSPENSION,
    TRUSTED,
    status_lists,
    verify,
)

HOLDER = STRANGER
CHALLENGE = "n-0S6_WzA2Mj"
DOMAIN = "x509_san_dns:verifier.example"
REVOKED = status_lists(revoked=[REVOCATION.index])


def _bound(holder: str = HOLDER.did, **changed: Any) -> JsonObject:
    """A badge that is about the holder of a key."""
    award = replace(AWARD, **changed)
    unsigned: Any = build_badge(award, CENTRE.issuer, (REVOCATION, SUSPENSION))
    unsigned["credentialSubject"]["id"] = holder
    return CENTRE.sign(unsigned)


def _presentation(
    *credentials: JsonObject,
    challenge: str | None = CHALLENGE,
    domain: str | None = DOMAIN,
    cryptosuite: Cryptosuite = "eddsa-rdfc-2022",
    **changed: Any,
) -> JsonObject:
    unsigned: JsonObject = {
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": HOLDER.did,
        **({"verifiableCredential": list(credentials)} if credentials else {}),
        **changed,
    }
    return add_proof(
        unsigned,
        HOLDER.signer,
        verification_method=HOLDER.method,
        created=NOW,
        purpose="authentication",
        challenge=challenge,
        domain=domain,
        cryptosuite=cryptosuite,
    )


def _verify(presentation: bytes | str | JsonObject, **changed: Any) -> PresentationVerification:
    arguments: dict[str, Any] = {
        "now": NOW,
        "challenge": CHALLENGE,
        "domain": DOMAIN,
        "resolve_status": CLEAR_LISTS.get,
        "trusted_issuers": TRUSTED,
        **changed,
    }
    return verify_presentation(presentation, **arguments)


@pytest.mark.parametrize("cryptosuite", ["eddsa-rdfc-2022", "eddsa-jcs-2022"])
def test_the_holder_shows_a_credential_that_is_about_them(cryptosuite: Cryptosuite) -> None:
    answer = _verify(_presentation(_bound(), cryptosuite=cryptosuite))
    assert answer.outcome is Outcome.VALID
    assert answer.holder == HOLDER.did
    (credential,) = answer.credentials
    assert credential.outcome is Outcome.VALID
    assert (credential.checks[-1].name, credential.checks[-1].result) == ("holder", Result.PASSED)


def test_a_credential_of_somebody_else_is_genuine_and_not_the_holders() -> None:
    answer = _verify(_presentation(_bound("did:example:somebody-else")))
    assert answer.outcome is Outcome.NOT_HOLDER
    assert answer.credentials[0].outcome is Outcome.NOT_HOLDER
    assert answer.credentials[0].issuer == CENTRE.did


def test_a_credential_that_names_no_key_cannot_be_proved_by_one() -> None:
    answer = _verify(_presentation(CENTRE.badge()))
    assert answer.outcome is Outcome.COULD_NOT_CHECK
    assert answer.credentials[0].checks[-1].result is Result.COULD_NOT_CHECK
    assert _verify(_presentation(CENTRE.badge()), bind_holder=False).outcome is Outcome.VALID


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"challenge": "another"}, "another challenge"),
        ({"domain": "https://attacker.example"}, "somebody else"),
        ({"now": NOW + timedelta(minutes=11)}, "not made now"),
        ({"now": NOW - timedelta(minutes=6)}, "not made now"),
    ],
)
def test_a_presentation_for_another_request_is_a_replay(asked: dict[str, Any], why: str) -> None:
    """Recorded elsewhere, or earlier, and shown again by whoever saw it."""
    answer = _verify(_presentation(_bound()), **asked)
    assert answer.outcome is Outcome.NOT_HOLDER
    assert why in answer.checks[-1].detail


def test_a_presentation_without_challenge_or_domain_answers_none() -> None:
    assert _verify(_presentation(_bound(), challenge=None)).outcome is Outcome.NOT_HOLDER
    assert _verify(_presentation(_bound(), domain=None)).outcome is Outcome.NOT_HOLDER


@pytest.mark.parametrize("field", ["challenge", "domain", "created"])
def test_the_answer_to_the_request_is_signed(field: str) -> None:
    presentation: Any = _presentation(_bound())
    presentation["proof"][0][field] = {
        "challenge": "another",
        "domain": "another",
        "created": "2026-06-01T12:00:01Z",
    }[field]
    asked = {field: "another"} if field in ("challenge", "domain") else {}
    assert _verify(presentation, **asked).outcome is Outcome.NOT_GENUINE


def test_a_credential_put_into_a_signed_presentation_is_seen() -> None:
    presentation: Any = _presentation(_bound())
    presentation["verifiableCredential"].append(CENTRE.badge())
    assert _verify(presentation).outcome is Outcome.NOT_GENUINE
    presentation["verifiableCredential"] = []
    assert _verify(presentation).outcome is Outcome.NOT_GENUINE


def test_an_assertion_does_not_pass_for_an_authentication_nor_the_reverse() -> None:
    """A signature that the holder gave for one thing must not serve for another."""
    unsigned: JsonObject = {
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": HOLDER.did,
    }
    assert _verify(HOLDER.sign(unsigned)).outcome is Outcome.NOT_GENUINE
    badge = build_badge(AWARD, CENTRE.issuer, ())
    authenticated = add_proof(
        badge,
        CENTRE.signer,
        verification_method=CENTRE.method,
        created=NOW,
        purpose="authentication",
    )
    assert verify(authenticated).outcome is Outcome.NOT_GENUINE


def test_a_holder_named_who_did_not_sign_is_refused() -> None:
    assert _verify(_presentation(_bound(), holder=CENTRE.did)).outcome is Outcome.NOT_GENUINE


def test_a_key_that_may_only_assert_does_not_authenticate() -> None:
    def resolve(method: str) -> VerificationKey | None:
        key = resolve_did_key(method)
        return None if key is None else key._replace(purposes=frozenset({"assertionMethod"}))

    assert _verify(_presentation(_bound()), resolve_key=resolve).outcome is Outcome.NOT_GENUINE


def test_each_credential_keeps_its_own_state() -> None:
    other = _bound(credential_id="urn:uuid:7a1f1a0e-5b55-4c53-8d3e-0f3a3b7b9a11")
    answer = _verify(_presentation(_bound(), other), resolve_status=REVOKED.get)
    assert answer.outcome is Outcome.REVOKED
    assert [one.outcome for one in answer.credentials] == [Outcome.REVOKED] * 2


def test_a_respelled_credential_inside_is_refused_although_the_holder_signed_it() -> None:
    """The outer signature covers the RDF, which the holder may spell as they like."""
    badge: Any = _bound()
    badge["https://www.w3.org/2018/credentials#credentialStatus"] = badge.pop("credentialStatus")
    inline: Any = _bound()
    inline["@context"].append({"x": "https://www.w3.org/2018/credentials#validUntil"})
    unsigned = _presentation()
    for attack in (badge, inline):
        presentation: Any = {**unsigned, "verifiableCredential": [attack]}
        assert _verify(presentation).outcome is Outcome.NOT_GENUINE


def test_a_presentation_as_a_token() -> None:
    token = sign_jwt(
        {
            "@context": [CREDENTIALS_V2],
            "type": ["VerifiablePresentation"],
            "holder": HOLDER.did,
            "verifiableCredential": [_bound()],
            "nonce": CHALLENGE,
            "aud": DOMAIN,
            "iat": int(NOW.timestamp()),
        },
        HOLDER.signer,
        kid=HOLDER.method,
        typ="vp+jwt",
    )
    assert _verify(token).outcome is Outcome.VALID
    assert _verify(token, challenge="another").outcome is Outcome.NOT_HOLDER
    assert _verify(token, domain="another").outcome is Outcome.NOT_HOLDER
    assert verify(token).outcome is Outcome.NOT_GENUINE


def test_more_credentials_than_are_looked_at_could_not_be_checked() -> None:
    tiny: JsonObject = {
        "@context": [CREDENTIALS_V2],
        "id": "urn:x:y",
        "type": "VerifiableCredential",
    }
    many = _presentation(*[tiny] * (MAX_CREDENTIALS + 1))
    answer = _verify(many)
    assert answer.outcome is Outcome.COULD_NOT_CHECK
    assert answer.credentials == ()


def _transcript(*credentials: JsonObject) -> JsonObject:
    return CENTRE.sign(
        {
            "@context": list(TRANSCRIPT_CONTEXT),
            "id": "urn:uuid:0f3a3b7b-9a10-4c53-8d3e-7a1f1a0e5b55",
            "type": ["VerifiableCredential", "ClrCredential"],
            "issuer": {"id": CENTRE.did, "type": ["Profile"], "name": "Training Centre North"},
            "name": "Learner record",
            "validFrom": "2026-06-01T11:00:00Z",
            "credentialSubject": {
                "type": ["ClrSubject"],
                "id": HOLDER.did,
                "verifiableCredential": list(credentials),
            },
        }
    )


def test_a_transcript_tells_of_each_credential_inside() -> None:
    transcript = _transcript(_bound(), CENTRE.badge())
    answer = verify(transcript)
    assert answer.outcome is Outcome.VALID
    assert [one.outcome for one in answer.credentials] == [Outcome.VALID] * 2
    revoked = verify(transcript, resolve_status=REVOKED.get)
    assert revoked.outcome is Outcome.PARTLY_VALID
    assert [one.outcome for one in revoked.credentials] == [Outcome.REVOKED] * 2


def test_a_transcript_with_a_forged_credential_is_not_wholly_valid() -> None:
    forged: Any = CENTRE.badge()
    forged["name"] = "Something better"
    answer = verify(_transcript(forged))
    assert answer.outcome is Outcome.PARTLY_VALID
    assert answer.credentials[0].outcome is Outcome.NOT_GENUINE
    assert answer.issuer == CENTRE.did


def test_a_transcript_in_a_presentation_is_looked_into() -> None:
    answer = _verify(_presentation(_transcript(_bound())))
    assert answer.outcome is Outcome.VALID
    assert answer.credentials[0].credentials[0].outcome is Outcome.VALID


ACHIEVEMENT = "https://credentials.example.org/achievements/gowning-b"
TARGETS = frozenset(
    {"https://example.org/uri/0d6f2c1e-0000-4000-8000-0000000000a2", "https://example.org/uri/a1"}
)


@pytest.mark.parametrize(
    ("achievements", "outcome"),
    [
        (None, Outcome.VALID),
        (frozenset({ACHIEVEMENT}), Outcome.VALID),
        (TARGETS, Outcome.VALID),
        (frozenset(sorted(TARGETS)[:1]), Outcome.ISSUER_NOT_ALLOWED),
        (frozenset({"https://example.org/other"}), Outcome.ISSUER_NOT_ALLOWED),
        (frozenset(), Outcome.ISSUER_NOT_ALLOWED),
    ],
)
def test_a_known_issuer_may_award_what_the_list_says(
    achievements: frozenset[str] | None, outcome: Outcome
) -> None:
    entry = TrustedIssuer("Centre", "Register", "https://register.example", achievements)
    answer = verify(CENTRE.badge(), trusted_issuers={CENTRE.did: entry})
    assert answer.outcome is outcome
    assert answer.trusted == entry
    assert "Register" in next(c.detail for c in answer.checks if c.name == "issuer")


def test_a_badge_that_breaks_its_schema_is_malformed() -> None:
    unsigned: Any = build_badge(AWARD, CENTRE.issuer, (REVOCATION, SUSPENSION))
    del unsigned["credentialSubject"]["achievement"]["criteria"]
    answer = verify(CENTRE.sign(unsigned))
    assert answer.outcome is Outcome.MALFORMED
    assert "criteria" in answer.checks[-1].detail


def test_a_schema_of_somebody_else_could_not_be_checked() -> None:
    unsigned: Any = build_badge(AWARD, CENTRE.issuer, (REVOCATION, SUSPENSION))
    unsigned["credentialSchema"] = [{"id": "https://e.example/s.json", "type": "JsonSchema"}]
    answer = verify(CENTRE.sign(unsigned))
    assert answer.outcome is Outcome.COULD_NOT_CHECK
    assert answer.checks[-1].name == "schema"
