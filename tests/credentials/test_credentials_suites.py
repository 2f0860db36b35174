"""Cryptosuites beside eddsa-rdfc-2022, proof sets and chains: the W3C's vectors, and attacks."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from assay_credentials.badge import build_badge
from assay_credentials.contexts import CREDENTIALS_V1, ED25519_2020, conformance_contexts
from assay_credentials.did import VerificationKey, resolve_did_key
from assay_credentials.errors import DocumentRefused, DocumentUnsupported, SignatureInvalid
from assay_credentials.intake import checked_document
from assay_credentials.jsonld import JsonLd
from assay_credentials.proof import add_proof, verify_proofs
from assay_credentials.verify import Outcome
from credential_samples import AWARD, CENTRE, NOW, REVOCATION, STRANGER, SUSPENSION, verify

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data" / "w3c-eddsa-others.json").read_text("utf-8")
)
OPEN = JsonLd(conformance_contexts())
UNSIGNED = build_badge(AWARD, CENTRE.issuer, (REVOCATION, SUSPENSION))


def _jcs() -> Any:
    return add_proof(
        UNSIGNED,
        CENTRE.signer,
        verification_method=CENTRE.method,
        created=NOW,
        cryptosuite="eddsa-jcs-2022",
    )


@pytest.mark.parametrize(("name", "proofs"), [("jcs", 1), ("legacy", 1), ("set", 2), ("chain", 4)])
def test_the_w3c_vector_verifies(name: str, proofs: int) -> None:
    found = verify_proofs(checked_document(VECTORS[name]), resolve_did_key, jsonld=OPEN)
    assert len(found) == proofs


@pytest.mark.parametrize("name", ["jcs", "legacy", "set", "chain"])
@pytest.mark.parametrize("field", ["name", "validFrom", "issuer"])
def test_a_changed_w3c_vector_does_not_verify(name: str, field: str) -> None:
    changed = copy.deepcopy(VECTORS[name])
    changed[field] = {"name": "x", "validFrom": "2024-01-01T00:00:00Z", "issuer": "did:x:y"}[field]
    with pytest.raises(SignatureInvalid):
        verify_proofs(checked_document(changed), resolve_did_key, jsonld=OPEN)


def test_a_badge_signed_as_jcs_is_valid_and_its_context_is_signed() -> None:
    badge = _jcs()
    assert badge["proof"][0]["@context"] == badge["@context"]
    assert verify(badge).outcome is Outcome.VALID


@pytest.mark.parametrize("field", ["validUntil", "name", "credentialStatus"])
def test_a_jcs_badge_without_a_field_is_not_genuine(field: str) -> None:
    badge = _jcs()
    del badge[field]
    assert verify(badge).outcome is Outcome.NOT_GENUINE


def test_a_jcs_badge_must_mean_what_its_terms_say() -> None:
    """The JSON is signed, but a reader of RDF would drop what is no term."""
    unsigned = {**UNSIGNED, "grade": "A"}
    with pytest.raises(DocumentRefused, match="grade"):
        add_proof(
            unsigned,
            CENTRE.signer,
            verification_method=CENTRE.method,
            created=NOW,
            cryptosuite="eddsa-jcs-2022",
        )


def test_a_jcs_proof_under_another_context_is_not_looked_at() -> None:
    badge = _jcs()
    badge["proof"][0]["@context"] = badge["@context"][:1]
    assert verify(badge).outcome is Outcome.COULD_NOT_CHECK


def test_one_bad_proof_of_several_spoils_all() -> None:
    badge: Any = CENTRE.badge()
    other: Any = STRANGER.badge()["proof"]
    badge["proof"].append(other[0])
    assert verify(badge).outcome is Outcome.NOT_GENUINE
    badge["proof"][1] = {**badge["proof"][0], "cryptosuite": "ecdsa-rdfc-2019"}
    assert verify(badge).outcome is Outcome.COULD_NOT_CHECK


def test_a_second_good_proof_of_somebody_else_does_no_harm_but_does_not_speak_for_the_issuer() -> (
    None
):
    badge: Any = CENTRE.badge()
    unsigned = {key: value for key, value in badge.items() if key != "proof"}
    other: Any = STRANGER.sign(unsigned)["proof"]
    badge["proof"] += other
    assert verify(badge).outcome is Outcome.VALID
    badge["proof"] = other
    assert verify(badge).outcome is Outcome.NOT_GENUINE


def test_a_chain_without_its_first_proof_is_refused() -> None:
    chain = copy.deepcopy(VECTORS["chain"])
    del chain["proof"][0]
    with pytest.raises(DocumentRefused, match="previousProof"):
        verify_proofs(checked_document(chain), resolve_did_key, jsonld=OPEN)
    chain["proof"] = VECTORS["chain"]["proof"] * 2
    with pytest.raises(DocumentUnsupported, match="more than"):
        verify_proofs(checked_document(chain), resolve_did_key, jsonld=OPEN)


def test_two_proofs_with_one_id_are_refused() -> None:
    pair = copy.deepcopy(VECTORS["set"])
    pair["proof"][1]["id"] = pair["proof"][0]["id"]
    with pytest.raises(DocumentRefused, match="same"):
        verify_proofs(checked_document(pair), resolve_did_key, jsonld=OPEN)


@pytest.mark.parametrize("missing", ["created", "proofPurpose", "verificationMethod", "proofValue"])
def test_a_legacy_proof_without_a_field_is_refused(missing: str) -> None:
    legacy = copy.deepcopy(VECTORS["legacy"])
    del legacy["proof"][missing]
    with pytest.raises(DocumentRefused, match=missing):
        verify_proofs(checked_document(legacy), resolve_did_key, jsonld=OPEN)


def test_a_key_that_may_only_authenticate_does_not_assert() -> None:
    key = VerificationKey(
        CENTRE.did, CENTRE.signer.public_key, purposes=frozenset({"authentication"})
    )
    answer = verify(CENTRE.badge(), resolve_key=lambda _: key)
    assert answer.outcome is Outcome.NOT_GENUINE
    assert "assertionMethod" in answer.checks[-1].detail
    may = key._replace(purposes=frozenset({"assertionMethod"}))
    assert verify(CENTRE.badge(), resolve_key=lambda _: may).outcome is not Outcome.NOT_GENUINE


def test_a_p256_key_does_not_make_an_ed25519_signature() -> None:
    key = VerificationKey(CENTRE.did, b"\x02" + bytes(32), kind="P-256")
    assert verify(CENTRE.badge(), resolve_key=lambda _: key).outcome is Outcome.NOT_GENUINE


def test_what_only_the_suites_may_send_is_no_credential_here() -> None:
    """Inline terms and the examples' vocabulary are for conformance suites, and for nobody else."""
    for name in VECTORS:
        answer = verify(VECTORS[name])
        assert answer.outcome is Outcome.COULD_NOT_CHECK
        assert answer.checks[-1].name == "contexts"


def test_an_earlier_credential_needs_its_own_dates() -> None:
    earlier: Any = {
        "@context": [CREDENTIALS_V1, ED25519_2020],
        "type": ["VerifiableCredential"],
        "issuer": CENTRE.did,
        "credentialSubject": {"id": "did:example:somebody"},
    }
    answer = verify({**earlier, "proof": {}})
    assert answer.outcome is Outcome.NOT_GENUINE
    assert "issuanceDate" in answer.checks[-1].detail
