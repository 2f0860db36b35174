"""Data Integrity proofs (W3C VC Data Integrity 1.0): `eddsa-rdfc-2022` and `eddsa-jcs-2022` (VC
Data Integrity EdDSA Cryptosuites 1.0, sections 3.2 and 3.3) are made and verified; the older
`Ed25519Signature2020` is only verified.

Several proofs on one document must all be good, and a chained one (`previousProof`) is good only
together with those that it names.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import rfc8785

from assay_credentials.canonical import DEFAULT_WORK_BUDGET
from assay_credentials.did import ResolveKey, VerificationKey
from assay_credentials.errors import DocumentRefused, DocumentUnsupported, SignatureInvalid
from assay_credentials.intake import JsonObject, checked_document
from assay_credentials.jsonld import JsonLd, pinned_jsonld
from assay_credentials.keys import Signer, check_signature
from assay_credentials.moments import parse_moment, write_moment
from assay_credentials.multibase import decode_base58, encode_base58

Cryptosuite = Literal["eddsa-rdfc-2022", "eddsa-jcs-2022"]
Purpose = Literal["assertionMethod", "authentication"]

RDFC: Final = "eddsa-rdfc-2022"
JCS: Final = "eddsa-jcs-2022"
LEGACY: Final = "Ed25519Signature2020"
"""Its hashes are those of `eddsa-rdfc-2022`; only the fields of the proof differ."""

MAX_PROOFS: Final = 4

_REQUIRED: Final = {
    RDFC: ("type", "cryptosuite", "verificationMethod", "proofPurpose", "proofValue"),
    JCS: ("type", "cryptosuite", "verificationMethod", "proofPurpose", "proofValue"),
    LEGACY: ("type", "created", "verificationMethod", "proofPurpose", "proofValue"),
}
_OPTIONAL: Final = frozenset({"id", "created", "expires", "previousProof"})
_OF_PRESENTATIONS: Final = frozenset({"challenge", "domain", "nonce"})
_LISTS: Final = frozenset({"previousProof", "domain"})
"""Fields that may be an array of texts."""


@dataclass(frozen=True)
class VerifiedProof:
    """What a good signature says: this key, of this controller, signed this document."""

    verification_method: str
    controller: str
    created: datetime | None
    expires: datetime | None
    challenge: str | None = None
    domains: tuple[str, ...] = ()


def add_proof(
    document: JsonObject,
    signer: Signer,
    *,
    verification_method: str,
    created: datetime,
    cryptosuite: Cryptosuite = RDFC,
    purpose: Purpose = "assertionMethod",
    challenge: str | None = None,
    domain: str | None = None,
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
        "cryptosuite": cryptosuite,
        "created": write_moment(created),
        "verificationMethod": verification_method,
        "proofPurpose": purpose,
    }
    if challenge is not None:
        options["challenge"] = challenge
    if domain is not None:
        options["domain"] = domain
    if cryptosuite == JCS:
        # Section 3.3.1 step 2: what the terms mean is signed with them.
        options["@context"] = unsigned.get("@context")
    data = _Hasher(unsigned, jsonld or pinned_jsonld(), work_budget).data(cryptosuite, options, ())
    return {**unsigned, "proof": [{**options, "proofValue": encode_base58(signer.sign(data))}]}


def verify_proofs(
    document: JsonObject,
    resolve_key: ResolveKey,
    *,
    purpose: Purpose = "assertionMethod",
    jsonld: JsonLd | None = None,
    work_budget: int = DEFAULT_WORK_BUDGET,
) -> tuple[VerifiedProof, ...]:
    """Verify every proof of a document that `intake` has checked; one at least.

    Raises DocumentRefused (no proof, or one that breaks the suite's rules), SignatureInvalid,
    DocumentUnsupported (another suite, too many proofs, a key that cannot be looked up) and
    CanonicalisationBudgetExceeded. Whether the controller of a key is the issuer or the holder is
    for the caller to compare.
    """
    proofs = [_Proof(proof, purpose) for proof in _proofs(document)]
    unsigned = {key: value for key, value in document.items() if key != "proof"}
    hasher = _Hasher(unsigned, jsonld or pinned_jsonld(), work_budget)
    by_id = {proof.id: proof for proof in proofs if proof.id is not None}
    _refuse_broken_chain(proofs, by_id)
    return tuple(
        _verified(proof, [by_id[name].given for name in proof.previous], hasher, resolve_key)
        for proof in proofs
    )


def _verified(
    proof: "_Proof", previous: Sequence[JsonObject], hasher: "_Hasher", resolve_key: ResolveKey
) -> VerifiedProof:
    try:
        key = resolve_key(proof.method)
    except ValueError as error:
        raise DocumentRefused(
            "verification-method", f"proof.verificationMethod: {error}"
        ) from error
    # The terms are checked before the key is looked at, so a re-spelled document is named as such.
    data = hasher.data(proof.suite, proof.options(), previous)
    key = usable_key(key, proof.method, proof.purpose)
    if key.kind != "Ed25519":
        raise DocumentRefused(
            "verification-method", f"{proof.suite} is not made with a {key.kind} key"
        )
    check_signature(key.public_key, proof.signature, data)
    return VerifiedProof(
        proof.method, key.controller, proof.created, proof.expires, proof.challenge, proof.domains
    )


def usable_key(key: VerificationKey | None, method: str, purpose: Purpose) -> VerificationKey:
    """The key of `method` when it was found and may be used for `purpose`.

    Raises DocumentUnsupported when it could not be looked up, DocumentRefused when its controller
    does not let it sign for this purpose.
    """
    if key is None:
        raise DocumentUnsupported("verification-method", f"the key {method} could not be looked up")
    if key.purposes is not None and purpose not in key.purposes:
        raise DocumentRefused(
            "verification-method", f"the key {method} is not one for {purpose} of its controller"
        )
    return key


class _Proof:
    """The fields of one proof, once they keep the rules of its suite."""

    def __init__(self, given: JsonObject, purpose: Purpose) -> None:
        self.given = given
        self.purpose: Purpose = purpose
        self.suite = _suite(given)
        texts = _texts(given, self.suite, purpose)
        self.id = texts.get("id")
        self.method = texts["verificationMethod"]
        self.challenge = texts.get("challenge")
        self.domains = tuple(_list(given.get("domain")))
        self.previous = _list(given.get("previousProof"))
        if texts["proofPurpose"] != purpose:
            raise DocumentRefused("proof", f"proof.proofPurpose: expected {purpose}")
        try:
            self.signature = decode_base58(texts["proofValue"])
        except ValueError as error:
            raise SignatureInvalid(f"proof.proofValue: {error}") from error
        if len(self.signature) != 64:
            raise SignatureInvalid("proof.proofValue: an Ed25519 signature has 64 bytes")
        self.created, self.expires = (
            parse_moment(texts[name], f"proof.{name}") if name in texts else None
            for name in ("created", "expires")
        )

    def options(self) -> JsonObject:
        return {key: value for key, value in self.given.items() if key != "proofValue"}


def _proofs(document: JsonObject) -> list[JsonObject]:
    proofs = document.get("proof")
    if proofs is None:
        raise DocumentRefused("proof", "the document is not signed")
    found: list[JsonObject] = []
    for proof in proofs if isinstance(proofs, list) else [proofs]:
        if not isinstance(proof, dict):
            raise DocumentRefused("proof", "proof: not an object")
        found.append(proof)
    if len(found) > MAX_PROOFS:
        raise DocumentUnsupported("proof", f"more than {MAX_PROOFS} proofs on one document")
    return found


def _suite(proof: JsonObject) -> str:
    name = proof.get("cryptosuite")
    if proof.get("type") == "DataIntegrityProof" and name in (RDFC, JCS):
        return str(name)
    if proof.get("type") == LEGACY and name is None:
        return LEGACY
    if not isinstance(proof.get("type"), str):
        raise DocumentRefused("proof", "proof.type: missing, or not a text")
    raise DocumentUnsupported(
        "cryptosuite", f"the signature is of none of the kinds {RDFC}, {JCS}, {LEGACY}"
    )


def _texts(proof: JsonObject, suite: str, purpose: Purpose) -> dict[str, str]:
    known = {*_REQUIRED[suite], *_OPTIONAL}
    if purpose == "authentication":
        known |= _OF_PRESENTATIONS
    if suite == JCS:
        known.add("@context")
    texts: dict[str, str] = {}
    for name, value in proof.items():
        if name not in known:
            raise DocumentRefused("proof", f"proof.{name}: not expected here")
        if isinstance(value, str):
            texts[name] = value
        elif name != "@context" and not (
            name in _LISTS and isinstance(value, list) and all(isinstance(v, str) for v in value)
        ):
            raise DocumentRefused("proof", f"proof.{name}: not a text")
    for name in _REQUIRED[suite]:
        if name not in texts:
            raise DocumentRefused("proof", f"proof.{name}: missing")
    return texts


def _list(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]


def _refuse_broken_chain(proofs: Sequence[_Proof], by_id: Mapping[str, _Proof]) -> None:
    """VC Data Integrity 1.0 section 4.3 step 4.2: every proof that one names must be there."""
    if len(by_id) != sum(proof.id is not None for proof in proofs):
        raise DocumentRefused("proof", "proof.id: two proofs have the same")
    for proof in proofs:
        for name in proof.previous:
            if name not in by_id:
                raise DocumentRefused("proof", f"proof.previousProof: there is no proof {name!r}")


class _Hasher:
    """The bytes that a proof signs. The document is expanded once for all its proofs."""

    def __init__(self, unsigned: JsonObject, jsonld: JsonLd, work_budget: int) -> None:
        self._unsigned = unsigned
        self._jsonld = jsonld
        self._budget = work_budget
        self._known: dict[str, bytes] = {}

    def data(self, suite: str, options: JsonObject, previous: Sequence[JsonObject]) -> bytes:
        """SHA-256 of the canonical proof options, then of the canonical document, which holds the
        proofs that this one follows.
        """
        if suite == JCS:
            # For its rules alone: the JSON is signed, and must mean what its terms say.
            self._unsigned_hash(RDFC)
        if previous:
            document = self._hash(suite, {**self._unsigned, "proof": list(previous)})
        else:
            document = self._unsigned_hash(suite)
        if suite != JCS:
            options = {"@context": self._unsigned.get("@context"), **options}
        elif "@context" in options and options["@context"] != self._unsigned.get("@context"):
            raise DocumentUnsupported("proof", "proof.@context: not the one of the document")
        return self._hash(suite, options) + document

    def _unsigned_hash(self, suite: str) -> bytes:
        name = JCS if suite == JCS else RDFC
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._hash(suite, self._unsigned)
        return known

    def _hash(self, suite: str, document: JsonObject) -> bytes:
        if suite == JCS:
            return hashlib.sha256(_canonical_json(document)).digest()
        text = self._jsonld.canonical(document, self._budget)
        return hashlib.sha256(text.encode()).digest()


def _canonical_json(document: JsonObject) -> bytes:
    """RFC 8785. Intake has refused what it has no form for."""
    return rfc8785.dumps(document)  # type: ignore[arg-type]  # a JSON object by intake
