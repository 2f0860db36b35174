"""Data Integrity proofs with the cryptosuite `eddsa-rdfc-2022` (W3C VC Data Integrity EdDSA 1.0,
section 3.2).
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from assay_credentials.canonical import DEFAULT_WORK_BUDGET, canonicalize
from assay_credentials.did import ResolveKey
from assay_credentials.errors import DocumentRefused, DocumentUnsupported, SignatureInvalid
from assay_credentials.intake import JsonObject, checked_document
from assay_credentials.jsonld import JsonLd, pinned_jsonld
from assay_credentials.keys import Signer, check_signature
from assay_credentials.moments import parse_moment, write_moment
from assay_credentials.multibase import decode_base58, encode_base58

CRYPTOSUITE = "eddsa-rdfc-2022"
_REQUIRED = ("type", "cryptosuite", "verificationMethod", "proofPurpose", "proofValue")
_KNOWN = frozenset({*_REQUIRED, "id", "created", "expires"})
"""What a proof on a credential may hold. `domain`, `challenge` and `nonce` belong to presentations.
"""


@dataclass(frozen=True)
class VerifiedProof:
    """What a good signature says: this key, of this controller, signed this document."""

    verification_method: str
    controller: str
    created: datetime | None
    expires: datetime | None


def add_proof(
    document: JsonObject,
    signer: Signer,
    *,
    verification_method: str,
    created: datetime,
    jsonld: JsonLd | None = None,
    work_budget: int = DEFAULT_WORK_BUDGET,
) -> JsonObject:
    """A copy of `document` with one proof in a `proof` array (the Open Badges schema wants an
    array).

    Whatever our own verifier would refuse is not signed: raises DocumentRefused,
    DocumentUnsupported and CanonicalisationBudgetExceeded. The same arguments give the same
    signature (Ed25519 is deterministic).
    """
    if "proof" in document:
        raise DocumentRefused("proof", "the document has a proof already")
    unsigned = checked_document(document)
    options: JsonObject = {
        "type": "DataIntegrityProof",
        "cryptosuite": CRYPTOSUITE,
        "created": write_moment(created),
        "verificationMethod": verification_method,
        "proofPurpose": "assertionMethod",
    }
    data = _hash_data(unsigned, options, jsonld or pinned_jsonld(), work_budget)
    return {**unsigned, "proof": [{**options, "proofValue": encode_base58(signer.sign(data))}]}


def verify_proof(
    document: JsonObject,
    resolve_key: ResolveKey,
    *,
    jsonld: JsonLd | None = None,
    work_budget: int = DEFAULT_WORK_BUDGET,
) -> VerifiedProof:
    """Verify the one proof of a document that `intake` has checked.

    Raises DocumentRefused (no proof, or one that breaks the suite's rules), SignatureInvalid,
    DocumentUnsupported (another suite, several proofs, a key that cannot be looked up) and
    CanonicalisationBudgetExceeded. Whether the controller of the key is the issuer is for the
    caller to compare.
    """
    proof = _the_proof(document)
    method, created, expires, signature = _read(proof)
    unsigned = {key: value for key, value in document.items() if key != "proof"}
    options = {key: value for key, value in proof.items() if key != "proofValue"}
    try:
        key = resolve_key(method)
    except ValueError as error:
        raise DocumentRefused(
            "verification-method", f"proof.verificationMethod: {error}"
        ) from error
    # The terms are checked before the key is asked for, so a re-spelled document is named as such.
    data = _hash_data(unsigned, options, jsonld or pinned_jsonld(), work_budget)
    if key is None:
        raise DocumentUnsupported("verification-method", f"the key {method} could not be looked up")
    check_signature(key.public_key, signature, data)
    return VerifiedProof(method, key.controller, created, expires)


def _the_proof(document: JsonObject) -> JsonObject:
    proofs = document.get("proof")
    if proofs is None:
        raise DocumentRefused("proof", "the document is not signed")
    if isinstance(proofs, list):
        if len(proofs) != 1:
            raise DocumentUnsupported("proof", "several proofs on one document are not supported")
        proofs = proofs[0]
    if not isinstance(proofs, dict):
        raise DocumentRefused("proof", "proof: not an object")
    return proofs


def _read(proof: JsonObject) -> tuple[str, datetime | None, datetime | None, bytes]:
    if proof.get("type") != "DataIntegrityProof" or proof.get("cryptosuite") != CRYPTOSUITE:
        raise DocumentUnsupported("cryptosuite", f"the signature is not of the kind {CRYPTOSUITE}")
    for name, value in proof.items():
        if name not in _KNOWN:
            raise DocumentRefused("proof", f"proof.{name}: not expected on a credential")
        if not isinstance(value, str):
            raise DocumentRefused("proof", f"proof.{name}: not a text")
    texts = {name: value for name, value in proof.items() if isinstance(value, str)}
    for name in _REQUIRED:
        if name not in texts:
            raise DocumentRefused("proof", f"proof.{name}: missing")
    if texts["proofPurpose"] != "assertionMethod":
        raise DocumentRefused("proof", "proof.proofPurpose: a credential is an assertion")
    try:
        signature = decode_base58(texts["proofValue"])
    except ValueError as error:
        raise SignatureInvalid(f"proof.proofValue: {error}") from error
    if len(signature) != 64:
        raise SignatureInvalid("proof.proofValue: an Ed25519 signature has 64 bytes")
    created, expires = (
        parse_moment(texts[name], f"proof.{name}") if name in texts else None
        for name in ("created", "expires")
    )
    return texts["verificationMethod"], created, expires, signature


def _hash_data(
    unsigned: JsonObject, options: JsonObject, jsonld: JsonLd, work_budget: int
) -> bytes:
    """Sections 3.2.3 to 3.2.5: SHA-256 of the canonical proof options, then of the canonical
    document.
    """
    with_context: JsonObject = {"@context": unsigned.get("@context"), **options}
    document = canonicalize(jsonld.quads(unsigned), work_budget)
    configuration = canonicalize(jsonld.quads(with_context), work_budget)
    return (
        hashlib.sha256(configuration.encode()).digest() + hashlib.sha256(document.encode()).digest()
    )
