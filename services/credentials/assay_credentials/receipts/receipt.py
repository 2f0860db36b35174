"""A verification receipt: what was checked when, and what came of it, signed. Pure.

An employer files it. It is a JWS (RFC 7515) over a JSON object, signed by a key that this service
has for receipts only: no credential is issued with it, so whoever got hold of it could make no
credential, and a receipt says nothing in a tenant's name. A receipt holds hashes of what was given
and no more of it than its id and title; the service keeps no copy.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from assay_credentials.did import did_key_method
from assay_credentials.errors import SignatureInvalid
from assay_credentials.given import Given
from assay_credentials.intake import JsonObject
from assay_credentials.keys import Signer, check_signature
from assay_credentials.moments import write_moment
from assay_credentials.multibase import decode_ed25519_public_key
from assay_credentials.verify import Verification

FORMAT: Final = "assay-verification-receipt/1"
TYPE: Final = "assay-receipt+jwt"
"""`typ` of the JWS: no other token of ours has it, so none passes for a receipt, nor a receipt for
another (RFC 8725, 3.11).
"""
RECEIPT_CHARACTERS_MAX: Final = 256 * 1024
CONTENTS_MAX: Final = 200
"""Credentials of a transcript that a receipt lists."""
TITLE_CHARACTERS_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says, and the signed text that says so."""

    content: JsonObject
    jws: str


class NotAReceipt(ValueError):
    """It is no receipt that this service signed. The text says why."""


def receipt_content(given: Given, *, id: UUID, service: str) -> JsonObject:
    """What the receipt of a verification says. `service` is where it was checked."""
    found = given.verification
    return {
        "format": FORMAT,
        "id": f"urn:uuid:{id}",
        "service": service,
        "checked_at": write_moment(given.checked_at),
        "outcome": found.outcome.value,
        "sentence": found.sentence,
        "checks": [
            {"name": one.name, "result": one.result.value, "detail": one.detail}
            for one in found.checks
        ],
        "issuer": issuer_answer(found),
        "valid_from": _moment(found.valid_from),
        "valid_until": _moment(found.valid_until),
        "credential": {
            **_titles(given.document),
            "format": given.kind,
            "sha256": given.credential_sha256,
        },
        "contains": [
            {"outcome": one.outcome.value, "issuer": issuer_answer(one), **_titles(one.document)}
            for one in found.credentials[:CONTENTS_MAX]
        ],
        "given": {"as": given.source, "sha256": given.given_sha256},
    }


def issuer_answer(found: Verification) -> JsonObject | None:
    """Who signed, as our list and its register have it; None unless the signature is good."""
    if found.issuer is None:
        return None
    entry = found.trusted
    return {
        "id": found.issuer,
        "name": found.issuer_name,
        "registry": None if entry is None else entry.registry,
        "registry_url": None if entry is None else entry.registry_url,
    }


def sign_receipt(content: JsonObject, signer: Signer) -> Receipt:
    """The same content and key give the same text (keys are sorted, Ed25519 is deterministic)."""
    header = {"alg": "EdDSA", "typ": TYPE, "kid": did_key_method(signer.public_key)}
    signed = b".".join(
        _encoded(orjson.dumps(part, option=orjson.OPT_SORT_KEYS)) for part in (header, content)
    )
    jws = b".".join((signed, _encoded(signer.sign(signed))))
    return Receipt(content, jws.decode("ascii"))


def read_receipt(text: str, methods: Mapping[str, str]) -> Receipt:
    """A receipt that one of these keys signed (method to DID): the JWS, or the JSON file that holds
    it. Raises NotAReceipt.
    """
    if len(text) > RECEIPT_CHARACTERS_MAX:
        raise NotAReceipt(f"longer than {RECEIPT_CHARACTERS_MAX} characters")
    jws = _jws_of(text.strip())
    parts = jws.split(".")
    if len(parts) != 3:
        raise NotAReceipt("not a JWS of three parts")
    try:
        header, payload, signature = (_decoded(part) for part in parts)
        protected, content = orjson.loads(header), orjson.loads(payload)
    except (ValueError, binascii.Error):
        raise NotAReceipt("not a JWS with a JSON object in it") from None
    if not isinstance(protected, dict) or not isinstance(content, dict):
        raise NotAReceipt("not a JWS with a JSON object in it")
    # What the header names is compared with what is known, and decides nothing.
    if protected.get("alg") != "EdDSA" or protected.get("typ") != TYPE or "crit" in protected:
        raise NotAReceipt("not a receipt of this service")
    method = protected.get("kid")
    did = methods.get(method) if isinstance(method, str) else None
    if did is None:
        raise NotAReceipt("signed by a key that is none of this service's")
    public_key = decode_ed25519_public_key(did.removeprefix("did:key:"))
    try:
        check_signature(public_key, signature, ".".join(parts[:2]).encode("ascii"))
    except SignatureInvalid:
        raise NotAReceipt("it was changed after it was signed") from None
    return Receipt(content, jws)


def _jws_of(text: str) -> str:
    """What a file says beside its `jws` is for reading only, and is not read here."""
    if not text.startswith("{"):
        return text
    try:
        file = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NotAReceipt(f"not JSON: {error.msg}") from None
    jws = file.get("jws")
    if not isinstance(jws, str):
        raise NotAReceipt("a JSON object without `jws`")
    return jws


def public_jwk(did: str, method: str) -> dict[str, str]:
    """The key of a receipt as a JSON Web Key (RFC 8037), for software of others."""
    public_key = decode_ed25519_public_key(did.removeprefix("did:key:"))
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": _encoded(public_key).decode("ascii"),
        "kid": method,
        "alg": "EdDSA",
        "use": "sig",
    }


def _titles(document: JsonObject | None) -> JsonObject:
    """Id and title of a credential whose signature is good; of any other nothing is repeated."""
    if document is None:
        return {"id": None, "title": None}
    subject = document.get("credentialSubject")
    achievement = subject.get("achievement") if isinstance(subject, dict) else None
    title = achievement.get("name") if isinstance(achievement, dict) else document.get("name")
    identifier = document.get("id")
    return {
        "id": identifier[:TITLE_CHARACTERS_MAX] if isinstance(identifier, str) else None,
        "title": title[:TITLE_CHARACTERS_MAX] if isinstance(title, str) else None,
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else write_moment(moment)


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
