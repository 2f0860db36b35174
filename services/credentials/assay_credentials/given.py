"""What somebody gave to be verified, told by its bytes: a credential, a link to one, or a file that
holds one.

The media type that a browser or a mail program names is not to be trusted, so it decides nothing
here. Pure: nothing is fetched; of links, only those of this service are known at all.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import orjson

from assay_credentials.intake import JsonObject
from assay_credentials.verification.answer import Verification

FileKind = Literal["png", "svg", "pdf"]
Source = Literal["text", "link", "png", "svg", "pdf"]

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
PDF_SIGNATURE: Final = b"%PDF-"
PDF_SIGNATURE_WITHIN_BYTES: Final = 1024
"""A reader of PDF finds the signature anywhere in there (ISO 32000-1, annex H.3.4.1)."""

LINK_CHARACTERS_MAX: Final = 2_000

# A compact JWS (RFC 7515, section 7.1): three parts in base64url.
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_SD_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+~\S*")
_ENVELOPE = re.compile(r"data:application/vc(?:-ld)?\+jwt[;,]", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,40}:", re.IGNORECASE)


class NotUnderstood(ValueError):
    """It is nothing that can be verified. The text says what it is instead, or what is wanted."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential as it was written: JSON, or a VC-JWT."""

    text: bytes
    kind: Literal["json", "jwt"]


@dataclass(frozen=True, slots=True)
class Link:
    """A credential of this service, by its share id or by its own id and the share id."""

    share: str
    credential: UUID | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A picture or PDF that may hold a credential."""

    content: bytes
    kind: FileKind


@dataclass(frozen=True, slots=True)
class Given:
    """What was given, and what can be said about it."""

    verification: Verification
    text: str
    """The credential as it was found: JSON, or a VC-JWT."""
    kind: Literal["json", "jwt"]
    source: Source
    given_sha256: str
    """Of the bytes that were given."""
    credential_sha256: str
    """Of the bytes of the credential; the same unless it came by a link or in a file."""
    checked_at: datetime
    document: JsonObject | None = None
    """The credential, once its signature is good: what it says is not worth showing before."""


def read_given(content: bytes, public_url: str) -> Credential | Link | File:
    """What `content` is. Raises NotUnderstood."""
    if content.startswith(PNG_SIGNATURE):
        return File(content, "png")
    if PDF_SIGNATURE in content[:PDF_SIGNATURE_WITHIN_BYTES]:
        return File(content, "pdf")
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise NotUnderstood(
            "not text in UTF-8, and no PNG, SVG or PDF either: give a credential, a link to one, "
            "or a file that holds one"
        ) from None
    if not text:
        raise NotUnderstood("nothing was given")
    if text.startswith("<"):
        if "<svg" in text[:LINK_CHARACTERS_MAX] or "<svg" in text:
            return File(content, "svg")
        raise NotUnderstood("a web page or XML, but no SVG picture")
    if text[0] in '{["':
        return _json(content, public_url)
    if _JWT.fullmatch(text):
        return Credential(text.encode("ascii"), "jwt")
    if _SD_JWT.fullmatch(text):
        raise NotUnderstood("an SD-JWT: this service does not read that format")
    if _SCHEME.match(text):
        return _link(text, public_url)
    raise NotUnderstood("neither JSON, nor a VC-JWT, nor a link")


def _json(content: bytes, public_url: str) -> Credential | Link:
    try:
        document = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise NotUnderstood(f"not JSON: {error.msg}") from None
    if isinstance(document, str):
        # As a QR decoder or a form may hand on a text.
        text = document.strip()
        if _JWT.fullmatch(text):
            return Credential(text.encode("ascii"), "jwt")
        return _link(text, public_url)
    if not isinstance(document, dict):
        raise NotUnderstood("a credential is a JSON object")
    if document.keys() == {"url"} and isinstance(document["url"], str):
        return _link(document["url"].strip(), public_url)
    enveloped = _enveloped(document)
    if enveloped is not None:
        return Credential(enveloped.encode("ascii"), "jwt")
    return Credential(content.removeprefix(b"\xef\xbb\xbf"), "json")


def _enveloped(document: dict[str, object]) -> str | None:
    """The VC-JWT of an EnvelopedVerifiableCredential (VC Data Model 2.0, section 4.13)."""
    types = document.get("type")
    if "EnvelopedVerifiableCredential" not in (types if isinstance(types, list) else [types]):
        return None
    url = document.get("id")
    if not isinstance(url, str) or not _ENVELOPE.match(url):
        return None
    token = url.partition(",")[2]
    return token if _JWT.fullmatch(token) else None


def _link(text: str, public_url: str) -> Link:
    """A link of ours. Raises NotUnderstood for any other: it is never followed."""
    if text.lower().startswith(("openid-credential-offer:", "openid4vp:")):
        raise NotUnderstood(
            "this is for a wallet: it is no credential, but asks to get or show one"
        )
    if len(text) > LINK_CHARACTERS_MAX:
        raise NotUnderstood(f"a link of more than {LINK_CHARACTERS_MAX} characters")
    if not text.startswith(f"{public_url}/"):
        raise NotUnderstood(
            f"a link that does not begin with {public_url}/: links of others are not followed; "
            "open it yourself and give the credential that is there"
        )
    try:
        parts = urlsplit(text.removeprefix(public_url))
        share = parse_qs(parts.query, max_num_fields=10).get("share", [""])[0]
    except ValueError:
        raise NotUnderstood("not a link") from None
    match parts.path.strip("/").split("/"):
        case ["share", name] if name:
            return Link(name)
        case ["verify"] if share:
            return Link(share)
        case ["credentials", name] if share:
            try:
                return Link(share, UUID(name))
            except ValueError:
                raise NotUnderstood("not the link of a credential") from None
    raise NotUnderstood("a link of this service, but not that of a shared credential")
