"""The shape of a document: W3C VC Data Model 2.0, sections 4 and 5.3, and of 1.1 what differs.

JSON-LD itself refuses wrong terms, ids that are no URLs, and value objects with other keys; here
is what it lets pass.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

from assay_credentials.contexts import CREDENTIALS_V1, CREDENTIALS_V2, read_pinned_url
from assay_credentials.errors import DocumentRefused
from assay_credentials.intake import JsonObject
from assay_credentials.moments import parse_moment
from assay_credentials.multibase import encode_base58, encode_base64url

CREDENTIAL: Final = "VerifiableCredential"
PRESENTATION: Final = "VerifiablePresentation"
ENVELOPED_CREDENTIAL: Final = "EnvelopedVerifiableCredential"
ENVELOPED_PRESENTATION: Final = "EnvelopedVerifiablePresentation"

# Objects under these must say of what kind they are (VC Data Model 2.0 section 4.5).
_TYPED: Final = (
    "credentialStatus",
    "credentialSchema",
    "termsOfUse",
    "evidence",
    "refreshService",
)


@dataclass(frozen=True)
class CredentialForm:
    """What every credential says."""

    issuer: str
    valid_from: datetime | None
    valid_until: datetime | None


def texts(value: object) -> list[str]:
    """The texts of a value that may be one or many."""
    return [text for text in many(value) if isinstance(text, str)]


def many(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def credential_form(document: JsonObject) -> CredentialForm:
    """Issuer and dates of a credential. Raises DocumentRefused."""
    _type(document, CREDENTIAL)
    _id(document)
    _subject(document.get("credentialSubject"))
    for name in _TYPED:
        for value in _objects(document, name):
            if not texts(value.get("type")):
                raise DocumentRefused("form", f"{name}: without type")
            if name == "credentialSchema" and not isinstance(value.get("id"), str):
                raise DocumentRefused("form", f"{name}: without id")
    _related(list(_objects(document, "relatedResource")))
    earlier = _base(document) == CREDENTIALS_V1
    begins, ends = ("issuanceDate", "expirationDate") if earlier else ("validFrom", "validUntil")
    valid_from, valid_until = _moment(document, begins), _moment(document, ends)
    if earlier and valid_from is None:
        raise DocumentRefused("form", f"{begins}: missing")
    if valid_from is not None and valid_until is not None and valid_until < valid_from:
        raise DocumentRefused("date", f"{ends}: lies before {begins}")
    return CredentialForm(_party(document, "issuer"), valid_from, valid_until)


def presentation_form(document: JsonObject) -> str | None:
    """The holder that a presentation names, if any. Raises DocumentRefused."""
    _type(document, PRESENTATION)
    _id(document)
    return _party(document, "holder") if "holder" in document else None


def _base(document: JsonObject) -> object:
    context = many(document.get("@context"))
    return context[0] if context else None


def _type(document: JsonObject, required: str) -> None:
    if required not in texts(document.get("type")):
        raise DocumentRefused("form", f"type: must include {required}")


def _id(document: JsonObject) -> None:
    if "id" in document and not isinstance(document["id"], str):
        raise DocumentRefused("form", "id: not one text")


def _subject(subject: object) -> None:
    if subject is None:
        raise DocumentRefused("form", "credentialSubject: missing")
    for one in many(subject):
        if not isinstance(one, dict) or not one:
            raise DocumentRefused("form", "credentialSubject: not an object that claims something")
        if "id" in one and not isinstance(one["id"], str):
            raise DocumentRefused("form", "credentialSubject.id: not one text")


def _objects(document: JsonObject, name: str) -> Iterator[JsonObject]:
    if name in document:
        for value in many(document[name]):
            if not isinstance(value, dict):
                raise DocumentRefused("form", f"{name}: not an object")
            if "id" in value and not isinstance(value["id"], str):
                raise DocumentRefused("form", f"{name}.id: not one text")
            yield value


def _party(document: JsonObject, name: str) -> str:
    party = document.get(name)
    if isinstance(party, dict):
        party = party.get("id")
    if not isinstance(party, str) or not party:
        raise DocumentRefused("form", f"{name}: missing, or without id")
    return party


def _moment(document: JsonObject, name: str) -> datetime | None:
    text = document.get(name)
    if text is None:
        return None
    if not isinstance(text, str):
        raise DocumentRefused("date", f"{name}: not a text")
    return parse_moment(text, name)


def _related(resources: list[JsonObject]) -> None:
    """Section 5.3. Nothing is fetched, so digests are compared where we have the resource."""
    seen: set[object] = set()
    for resource in resources:
        url = resource.get("id")
        if not isinstance(url, str) or url in seen:
            raise DocumentRefused("form", "relatedResource: without id, or the same one twice")
        seen.add(url)
        digests = [resource[name] for name in ("digestSRI", "digestMultibase") if name in resource]
        if not digests:
            raise DocumentRefused("form", "relatedResource: without digest")
        if url == CREDENTIALS_V2 and not set(digests) <= _digests_of_base():
            raise DocumentRefused("form", f"relatedResource: another digest than that of {url}")


@cache
def _digests_of_base() -> frozenset[object]:
    """Every spelling of the digest of the base context, which is pinned byte for byte."""
    content = read_pinned_url(CREDENTIALS_V2)
    multihash = b"\x12\x20" + hashlib.sha256(content).digest()
    return frozenset(
        {
            *(
                f"{name}-{b64encode(hashlib.new(name, content).digest()).decode()}"
                for name in ("sha256", "sha384", "sha512")
            ),
            encode_base64url(multihash),
            encode_base58(multihash),
        }
    )
