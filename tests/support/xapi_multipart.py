"""multipart/mixed as xAPI uses it (Communication 1.5.2), written and read by hand.

The tests that use it must be able to write what is wrong, which no library lets them do.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx

BOUNDARY = "a-boundary-of-these-tests"


@dataclass(frozen=True)
class Part:
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def statements_part(statements: object) -> Part:
    return Part(json.dumps(statements).encode(), {"Content-Type": "application/json"})


def attachment_part(content: bytes, **headers: str) -> Part:
    """A good part for `content`; `headers` (with _ for -) come on top, an empty one is left out."""
    good = {
        "Content-Type": "application/octet-stream",
        "Content-Transfer-Encoding": "binary",
        "X-Experience-API-Hash": hashlib.sha256(content).hexdigest(),
    }
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    whole = {**good, **changed}
    return Part(content, {name: value for name, value in whole.items() if value})


def body_of(parts: Sequence[Part], boundary: str = BOUNDARY, *, end: bool = True) -> bytes:
    text = b""
    for part in parts:
        text += b"--" + boundary.encode() + b"\r\n"
        for name, value in part.headers.items():
            text += f"{name}: {value}\r\n".encode()
        text += b"\r\n" + part.content + b"\r\n"
    return text + (b"--" + boundary.encode() + b"--\r\n" if end else b"")


def content_type(boundary: str = BOUNDARY, kind: str = "multipart/mixed") -> dict[str, str]:
    return {"Content-Type": f"{kind}; boundary={boundary}"}


def parts_of(answer: httpx.Response) -> list[Part]:
    """The parts of a multipart answer; names of headers in lower case."""
    kind, _, rest = answer.headers["content-type"].partition(";")
    assert kind.strip().lower() == "multipart/mixed", answer.headers["content-type"]
    name, _, boundary = rest.strip().partition("=")
    assert name.lower() == "boundary"
    mark = b"\r\n--" + boundary.strip('"').encode()
    first, *pieces = (b"\r\n" + answer.content).split(mark)
    assert first in (b"", b"\r\n")
    assert pieces[-1].strip() == b"--", "the closing boundary is missing"
    found = []
    for piece in pieces[:-1]:
        head, separator, content = piece.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
        assert separator, "a part without the empty line after its headers"
        pairs = [line.partition(b":") for line in head.split(b"\r\n") if line]
        headers = {key.decode().lower(): value.strip().decode() for key, _, value in pairs}
        found.append(Part(content, headers))
    return found
