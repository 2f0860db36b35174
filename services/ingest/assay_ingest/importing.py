"""Statements out of a file of JSON lines, as batches for the front door. Pure, but for the reading.

What a statement may be is the server's to say; here only that is found out which making requests
needs: where a line ends, its id and its version. A line without id gets one derived from its
number and its bytes, so that importing a file twice is importing it once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, BinaryIO
from uuid import UUID

import msgspec

from assay_schemas.limits import Limits
from assay_schemas.refusals import StatementError
from assay_schemas.statement import StatementsRefused, Version, check_statements

_WHITESPACE = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file; `text` is None when it is longer than allowed. `end` is a byte offset."""

    number: int
    text: bytes | None
    end: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A statement that goes to the server. `bare` is it without the time that a store added.

    An export states the time of storage as `timestamp` where the sender gave none. The store that
    it came from has the statement without it, and would see another content.
    """

    line: int
    id: str
    text: bytes
    version: Version
    bare: bytes | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that does not go in, and why. `errors` are as the server's problem document has them.

    Where the pointer of an error stands, it points into the line's statement.
    """

    line: int
    reason: str
    errors: Sequence[Mapping[str, Any]]
    text: bytes | None

    def as_json(self) -> bytes:
        """One line of a file of rejected lines: the statement as it was, if it is JSON at all."""
        document: dict[str, object] = {"line": self.line, "reason": self.reason}
        if self.errors:
            document["errors"] = self.errors
        if self.text is not None:
            one_line = self.text.replace(b"\r", b" ").replace(b"\n", b" ")
            if _is_json(one_line):
                document["statement"] = msgspec.Raw(one_line)
            else:
                document["text"] = one_line.decode("utf-8", "replace")
        return msgspec.json.encode(document) + b"\n"


@dataclass(slots=True)
class Batch:
    """Consecutive lines of one version. Each of `candidates` has another id."""

    version: Version
    candidates: list[Candidate] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    bytes: int = 0
    lines: int = 0
    line: int = 0
    end: int = 0


class _Head(msgspec.Struct):
    # Values of any kind: what is wrong with them is the server's to say.
    id: Any = None
    version: Any = None
    timestamp: Any = None
    stored: Any = None


_head = msgspec.json.Decoder(_Head)
_properties = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_lines(file: BinaryIO, *, offset: int, number: int, bytes_max: int) -> Iterator[Line]:
    """The lines from `offset` on, which is behind line `number`; blank ones are left out."""
    file.seek(offset)
    while text := file.readline(bytes_max + 1):
        offset += len(text)
        number += 1
        whole: bytes | None = text
        if len(text) > bytes_max and not text.endswith(b"\n"):
            # Too long: the rest of it is passed over in pieces.
            whole = None
            while not text.endswith(b"\n") and (text := file.readline(bytes_max)):
                offset += len(text)
        if whole is None or whole.strip(_WHITESPACE):
            yield Line(number, whole, offset)


def candidate_of(line: Line, default: Version) -> Candidate | Rejected:
    """What one line holds. `default` is the version of a statement that states none."""
    if line.text is None:
        return Rejected(line.number, "line_too_long", (), None)
    text = line.text.strip(_WHITESPACE)
    try:
        head = _head.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        why = {"message": f"the line is no JSON object: {error}"}
        return Rejected(line.number, "line_unreadable", (why,), text)
    bare: bytes | None = None
    if isinstance(head.id, str):
        statement_id = head.id.lower()
        if isinstance(head.timestamp, str) and head.timestamp == head.stored:
            bare = _without_timestamp(text)
    else:
        statement_id = str(derived_id(line.number, text))
        if head.id is None:
            text = _with_id(text, statement_id)
    return Candidate(line.number, statement_id, text, _version_of(head.version, default), bare)


def derived_id(number: int, text: bytes) -> UUID:
    """The id of a line that has none: always the same for the same line of the same file."""
    digest = sha256(b"assay import\0%d\0%b" % (number, text)).digest()
    return UUID(bytes=digest[:16], version=4)


def _with_id(text: bytes, statement_id: str) -> bytes:
    rest = text[1:].lstrip(_WHITESPACE)
    comma = b"" if rest.startswith(b"}") else b","
    return b'{"id":"%b"%b%b' % (statement_id.encode(), comma, rest)


def _without_timestamp(text: bytes) -> bytes:
    properties = _properties.decode(text)
    del properties["timestamp"]
    return msgspec.json.encode(properties)


def _version_of(stated: Any, default: Version) -> Version:
    if not isinstance(stated, str):
        return default
    return "1.0.3" if stated.startswith("1.") else "2.0.0"


def batches(
    lines: Iterable[Line], *, default: Version, statements_max: int, bytes_max: int
) -> Iterator[Batch]:
    """Consecutive lines together, as many as one request may hold."""
    batch = Batch(default)
    seen: set[str] = set()
    for line in lines:
        found = candidate_of(line, default)
        if isinstance(found, Candidate):
            size = len(found.text) + 1
            fits = (
                len(batch.candidates) < statements_max
                and batch.bytes + size <= bytes_max
                and found.version == batch.version
                and found.id not in seen
            )
            if batch.candidates and not fits:
                yield batch
                batch, seen = Batch(found.version), set()
            batch.version = found.version
            batch.candidates.append(found)
            batch.bytes += size
            seen.add(found.id)
        else:
            batch.rejected.append(found)
        batch.lines += 1
        batch.line, batch.end = line.number, line.end
        if len(batch.rejected) >= statements_max:
            yield batch
            batch, seen = Batch(default), set()
    if batch.lines:
        yield batch


def body_of(candidates: Sequence[Candidate]) -> bytes:
    """The body of a request."""
    return b"[%b]" % b",".join([one.text for one in candidates])


def named_in(problem: object, candidates: Sequence[Candidate]) -> dict[int, list[dict[str, Any]]]:
    """Which candidates (by index) a problem document finds fault with, and what fault.

    Empty when it names none: then the request as a whole was refused.
    """
    errors = problem.get("errors") if isinstance(problem, dict) else None
    named: dict[int, list[dict[str, Any]]] = {}
    for error in errors if isinstance(errors, list) else ():
        index = error.get("index") if isinstance(error, dict) else None
        if isinstance(index, int) and 0 <= index < len(candidates):
            named.setdefault(index, []).append(_of_line(error, index))
    return named


def _of_line(error: Mapping[str, Any], index: int) -> dict[str, Any]:
    """An error with its place in the line in stead of the request."""
    told = {name: value for name, value in error.items() if name != "index" and value is not None}
    pointer = told.get("pointer")
    if isinstance(pointer, str):
        told["pointer"] = pointer.removeprefix(f"/{index}")
    return told


def faults_of(line: Line, default: Version, limits: Limits) -> Sequence[StatementError] | Rejected:
    """The faults of one line by our own rules; empty when it is good."""
    found = candidate_of(line, default)
    if isinstance(found, Rejected):
        return found
    try:
        check_statements(found.text, version=found.version, limits=limits)
    except StatementsRefused as refused:
        return refused.errors
    return ()


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    return True
