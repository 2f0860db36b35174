"""Checks 1 to 4: whether whoever is named said exactly this. They end at the first that does not
pass.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from assay_credentials.canonical import CanonicalisationBudgetExceeded
from assay_credentials.did import ResolveKey
from assay_credentials.errors import DocumentRefused, DocumentUnsupported, SignatureInvalid
from assay_credentials.intake import JsonObject, checked_document, parse_document
from assay_credentials.jsonld import JsonLd, pinned_jsonld
from assay_credentials.proof import Purpose, VerifiedProof, verify_proofs
from assay_credentials.verification.answer import Check, Result
from assay_credentials.verification.envelope import Claims, is_token, open_token
from assay_credentials.verification.form import (
    ENVELOPED_CREDENTIAL,
    ENVELOPED_PRESENTATION,
    credential_form,
    presentation_form,
    texts,
)

Given = bytes | str | JsonObject
"""A document as it came: bytes or text (JSON, or a JWT), or parsed JSON."""

_DATA_URLS: Final = {
    ENVELOPED_CREDENTIAL: ("application/vc+jwt", "application/vc-ld+jwt", "application/jwt"),
    ENVELOPED_PRESENTATION: ("application/vp+jwt", "application/vp-ld+jwt", "application/jwt"),
}

# Which check a rule of intake, JSON-LD or proof belongs to; any other rule is one of form.
_CHECK_OF_RULE: Final = {
    "inline-context": "contexts",
    "unknown-context": "contexts",
    "unknown-term": "terms",
    "respelled": "terms",
    "iri": "terms",
    "language": "terms",
    "json-ld": "terms",
    "json-literal": "terms",
    "blank-node-label": "terms",
    "endorsement": "terms",
    "proof": "signature",
    "cryptosuite": "signature",
    "verification-method": "signature",
    "issuer": "signature",
}
_CHECKS: Final = ("form", "contexts", "terms", "signature")
_PASSED: Final = {
    "form": "A well-formed credential.",
    "contexts": "Uses only vocabularies that this service has pinned.",
    "terms": "Every field has one fixed meaning.",
    "signature": "The signature fits the document and the key of its signer.",
}


@dataclass(frozen=True)
class Facts:
    """What a genuine document says."""

    document: JsonObject
    """Without the token that it may have come in."""
    signer: str
    """The issuer, or the holder: a DID whose key signed."""
    valid_from: datetime | None
    valid_until: datetime | None
    """Also that of the proof, when it ends earlier."""
    created: datetime | None
    """When the proof says that it was made."""
    challenge: str | None
    domains: tuple[str, ...]


@dataclass(frozen=True)
class Genuine:
    """`facts` is None when the document is not genuine, or when that cannot be known."""

    checks: tuple[Check, ...]
    facts: Facts | None


def genuine_credential(
    given: Given,
    resolve_key: ResolveKey,
    jsonld: JsonLd | None = None,
    *,
    issuer_signs: bool = True,
) -> Genuine:
    """Checks 1 to 4 of a credential. `issuer_signs` False accepts the key of anybody, as the W3C
    suites have it; whoever relies on a credential must not.
    """

    def work() -> Facts:
        signed = _open(given, resolve_key, jsonld, "assertionMethod", ENVELOPED_CREDENTIAL)
        form = credential_form(signed.document)
        proofs, claims = signed.proofs(resolve_key, jsonld), signed.claims
        if claims is not None:
            _claims_agree(claims, form.issuer, signed.document)
        if issuer_signs and form.issuer not in {proof.controller for proof in proofs}:
            raise DocumentRefused(
                "issuer", f"signed by {proofs[0].controller}, not by the issuer named"
            )
        ends = [proof.expires for proof in proofs] + [form.valid_until]
        starts = [form.valid_from, None if claims is None else claims.not_before]
        return Facts(
            document=signed.document,
            signer=form.issuer,
            valid_from=max((one for one in starts if one is not None), default=None),
            valid_until=min((one for one in ends if one is not None), default=None),
            created=proofs[0].created,
            challenge=None,
            domains=(),
        )

    return _checked(work)


def genuine_presentation(
    given: Given, resolve_key: ResolveKey, jsonld: JsonLd | None = None
) -> Genuine:
    """Checks 1 to 4 of a presentation: signed by a key of the holder, for authentication."""

    def work() -> Facts:
        signed = _open(given, resolve_key, jsonld, "authentication", ENVELOPED_PRESENTATION)
        named = presentation_form(signed.document)
        proof, *more = signed.proofs(resolve_key, jsonld)
        if more:
            raise DocumentUnsupported("proof", "several proofs on one presentation")
        if named is not None and named != proof.controller:
            raise DocumentRefused("issuer", f"signed by {proof.controller}, not by the holder")
        return Facts(
            document=signed.document,
            signer=proof.controller,
            valid_from=None,
            valid_until=proof.expires,
            created=proof.created,
            challenge=proof.challenge,
            domains=proof.domains,
        )

    return _checked(work)


@dataclass(frozen=True)
class _Signed:
    """A document and how it is secured."""

    document: JsonObject
    purpose: Purpose
    proof: VerifiedProof | None
    """Of a token, whose signature was looked at when it was opened."""
    claims: Claims | None

    def proofs(self, resolve_key: ResolveKey, jsonld: JsonLd | None) -> tuple[VerifiedProof, ...]:
        if self.proof is None:
            return verify_proofs(self.document, resolve_key, purpose=self.purpose, jsonld=jsonld)
        try:
            (jsonld or pinned_jsonld()).quads(self.document)
        except DocumentRefused as error:
            # The JSON is signed, so nobody added it; but what it means is not known.
            raise DocumentUnsupported(error.rule, str(error)) from error
        return (self.proof,)


def _open(
    given: Given, resolve_key: ResolveKey, jsonld: JsonLd | None, purpose: Purpose, enveloped: str
) -> _Signed:
    if isinstance(given, bytes | str) and is_token(given):
        text = given.decode("latin-1") if isinstance(given, bytes) else given
        return _opened(text, resolve_key, purpose)
    if isinstance(given, dict):
        document = checked_document(given)
    else:
        # A lone surrogate becomes bytes that are no UTF-8, and is refused as such.
        data = given.encode(errors="surrogatepass") if isinstance(given, str) else given
        document = parse_document(data)
    if enveloped not in texts(document.get("type")):
        return _Signed(document, purpose, None, None)
    (jsonld or pinned_jsonld()).quads(document)
    head, comma, token = str(document.get("id")).partition(",")
    media_type = head.removeprefix("data:").removesuffix(";base64url")
    if not head.startswith("data:") or not comma or media_type not in _DATA_URLS[enveloped]:
        raise DocumentRefused("form", "id: not a data: URL of a JWT")
    return _opened(token, resolve_key, purpose)


def _opened(token: str, resolve_key: ResolveKey, purpose: Purpose) -> _Signed:
    opened = open_token(token, resolve_key, purpose)
    claims = opened.claims
    proof = VerifiedProof(
        opened.method,
        opened.controller,
        claims.issued_at,
        claims.expires,
        claims.nonce,
        claims.audience,
    )
    return _Signed(opened.document, purpose, proof, claims)


def _claims_agree(claims: Claims, issuer: str, document: JsonObject) -> None:
    """VC-JOSE-COSE 1.0 section 3.1.3: registered claims must not contradict the credential."""
    subject = document.get("credentialSubject")
    subject_id = subject.get("id") if isinstance(subject, dict) else None
    for name, claim, said in (
        ("iss", claims.issuer, issuer),
        ("jti", claims.id, document.get("id")),
        ("sub", claims.subject, subject_id),
    ):
        if claim is not None and claim != said:
            raise DocumentRefused("form", f"{name}: not what the credential itself says")


def _checked(work: Callable[[], Facts]) -> Genuine:
    try:
        facts = work()
    except DocumentRefused as error:
        return _stopped_at(_CHECK_OF_RULE.get(error.rule, "form"), Result.FAILED, str(error))
    except SignatureInvalid as error:
        return _stopped_at("signature", Result.FAILED, str(error))
    except DocumentUnsupported as error:
        name = _CHECK_OF_RULE.get(error.rule, "form")
        return _stopped_at(name, Result.COULD_NOT_CHECK, str(error))
    except CanonicalisationBudgetExceeded as error:
        return _stopped_at("form", Result.COULD_NOT_CHECK, str(error))
    return Genuine(tuple(Check(name, Result.PASSED, _PASSED[name]) for name in _CHECKS), facts)


def _stopped_at(name: str, result: Result, detail: str) -> Genuine:
    before = _CHECKS[: _CHECKS.index(name)]
    checks = [Check(earlier, Result.PASSED, _PASSED[earlier]) for earlier in before]
    return Genuine((*checks, Check(name, result, detail)), None)
