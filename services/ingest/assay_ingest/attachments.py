"""Which parts a request with attachments must bring, and which an answer brings. Pure.

A content is named by its SHA-2 in lower-case hexadecimal, whatever its length says of the variant.
A declaration is an attachment's object in a statement, or in its SubStatement.

Sources: xAPI 1.0.3 Data 2.4.11 and Communication 1.5.2; IEEE 9274.1.1 4.2.2.6 and 4.1.3.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from assay_schemas.refusals import StatementError
from assay_schemas.statement import CheckedStatement, Version
from assay_schemas.xapi_types import SIGNATURE_USAGE_TYPE

HASH_HEADER: Final = "X-Experience-API-Hash"
ENCODING_HEADER: Final = "Content-Transfer-Encoding"

_ALGORITHMS: Final = {56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_HEX: Final = re.compile(r"[0-9a-f]+")
_PLACES: Final[dict[str, tuple[str, str]]] = {
    "attachment-part-missing": ("xAPI 1.0.3 Communication 1.5.2", "IEEE 9274.1.1 4.1.3"),
    "attachment-type-not-taken": ("xAPI 1.0.3 Data 2.4.11", "IEEE 9274.1.1 4.2.2.6"),
    "signature-invalid": ("xAPI 1.0.3 Data 2.6", "IEEE 9274.1.1 4.2.6"),
}


class PartRefused(ValueError):
    """A part of a multipart request breaks a rule. One sentence that names it."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One declaration: where it stands (`index` counts the statements from 0), and what it says."""

    index: int
    pointer: str
    sha2: str
    usage_type: str
    content_type: str
    has_url: bool
    in_sub_statement: bool

    @property
    def is_signature(self) -> bool:
        """Whether it says to be a signature of its statement."""
        return self.usage_type == SIGNATURE_USAGE_TYPE and not self.in_sub_statement


def has_attachments(checked: CheckedStatement) -> bool:
    """Whether the statement declares any attachment: two look-ups, as it is asked of each one."""
    document = checked.document
    # No other object has a property of that name.
    return "attachments" in document or "attachments" in document["object"]


def declared(statements: Sequence[CheckedStatement], *, single: bool) -> list[Declared]:
    """Every declaration of a request, in order. `single`: the body was no list."""
    return [
        Declared(
            index=index,
            pointer=("" if single else f"/{index}") + pointer,
            sha2=one["sha2"].lower(),
            usage_type=one["usageType"],
            content_type=one["contentType"],
            has_url="fileUrl" in one,
            in_sub_statement=pointer.startswith("/object"),
        )
        for index, statement in enumerate(statements)
        if has_attachments(statement)
        for pointer, one in _attachments_of(statement.document)
    ]


def _attachments_of(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for pointer, holder in (("", document), ("/object", document["object"])):
        for number, one in enumerate(holder.get("attachments", ())):
            yield f"{pointer}/attachments/{number}", one


def missing(
    declarations: Iterable[Declared],
    received: Iterable[str],
    statements: Sequence[CheckedStatement],
    version: Version,
) -> list[StatementError]:
    """The faults of declarations without fileUrl whose content was not `received`.

    A signature must come with the request, since a file elsewhere cannot be verified.
    """
    there = set(received)
    return [
        fault(
            "attachment-part-missing",
            one,
            statements,
            version,
            "The content must be a part of a multipart/mixed request whose X-Experience-API-Hash "
            "is this sha2"
            + (", since it is a signature." if one.is_signature else ", or have a fileUrl."),
        )
        for one in declarations
        if one.sha2 not in there and (one.is_signature or not one.has_url)
    ]


def not_taken(
    declarations: Iterable[Declared],
    statements: Sequence[CheckedStatement],
    patterns: Sequence[str],
    version: Version,
) -> list[StatementError]:
    """The faults of declarations whose media type no pattern lets in, as "image/*"."""
    return [
        fault(
            "attachment-type-not-taken",
            one,
            statements,
            version,
            "The contentType is not one that is taken here.",
        )
        for one in declarations
        if not _fits(one.content_type, patterns)
    ]


def _fits(content_type: str, patterns: Sequence[str]) -> bool:
    plain = content_type.partition(";")[0].strip().lower()
    return any(fnmatchcase(plain, pattern) for pattern in patterns)


def fault(
    rule: str,
    place: Declared,
    statements: Sequence[CheckedStatement],
    version: Version,
    message: str,
) -> StatementError:
    """A fault of a declaration, in the form of the faults of statements."""
    sent = statements[place.index].id
    return StatementError(
        index=None if place.pointer.startswith(("/attachments", "/object")) else place.index,
        statement_id=None if sent is None else str(sent),
        pointer=place.pointer,
        rule=rule,
        section=_PLACES[rule][version != "1.0.3"],
        message=message,
    )


def check_first_part(headers: Mapping[str, str]) -> None:
    """Raises PartRefused when the first part is not said to be the statements."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise PartRefused("part 1 must be the statements, with the Content-Type application/json")
    encoding = headers.get(ENCODING_HEADER.lower(), "binary").lower()
    if encoding not in ("binary", "8bit", "7bit"):
        raise PartRefused(f"part 1 must not be encoded: its {ENCODING_HEADER} must be binary")


def sha2_of_part(number: int, headers: Mapping[str, str], wanted: Iterable[str]) -> str:
    """Which content a part says to be. Raises PartRefused when it breaks a rule."""
    sha2 = headers.get(HASH_HEADER.lower(), "").lower()
    if not sha2:
        raise PartRefused(
            f"part {number} must have the header {HASH_HEADER}: only the first part holds "
            "statements, and every other the content of an attachment"
        )
    if len(sha2) not in _ALGORITHMS or _HEX.fullmatch(sha2) is None:
        raise PartRefused(f"the {HASH_HEADER} of part {number} must be a SHA-2 in hexadecimal")
    if headers.get(ENCODING_HEADER.lower(), "").lower() != "binary":
        raise PartRefused(f"part {number} must have the header {ENCODING_HEADER}: binary")
    if sha2 not in wanted:
        raise PartRefused(
            f"part {number} is in excess: no attachment of the statements has the sha2 that its "
            f"{HASH_HEADER} says"
        )
    return sha2


def new_hash(sha2: str) -> "hashlib._Hash":
    """The hash function of the variant that `sha2` is of, by its length."""
    return hashlib.new(_ALGORITHMS[len(sha2)])


class _Attachment(msgspec.Struct, gc=False):
    sha2: str
    content_type: str = msgspec.field(name="contentType")


class _Target(msgspec.Struct, gc=False):
    attachments: list[_Attachment] = msgspec.field(default_factory=list)


class _Statement(msgspec.Struct, gc=False):
    object: _Target
    attachments: list[_Attachment] = msgspec.field(default_factory=list)


_statement_decoder: Final = msgspec.json.Decoder(_Statement)


def referenced(statements: Iterable[bytes]) -> dict[str, str]:
    """SHA-2 to content type of each content that answered statements declare, in their order.

    Where two declare the same content, the first says its type.
    """
    found: dict[str, str] = {}
    for raw in statements:
        statement = _statement_decoder.decode(raw)
        for one in (*statement.attachments, *statement.object.attachments):
            found.setdefault(one.sha2.lower(), one.content_type)
    return found
