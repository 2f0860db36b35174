"""Statements with the contents of their attachments: multipart/mixed out.

Source: xAPI 1.0.3 Communication 2.1.3 (`attachments`) and 1.5.2, IEEE 9274.1.1 4.1.6.1.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from starlette.responses import Response, StreamingResponse

from assay_ingest.attachments import ENCODING_HEADER, HASH_HEADER
from assay_ingest.attachments_contents import Contents


@dataclass(frozen=True, slots=True)
class _Part:
    head: bytes
    sha2: str
    size: int


async def with_contents(
    body: bytes,
    referenced: Mapping[str, str],
    *,
    contents: Contents | None,
    tenant: str,
    is_head: bool,
    headers: Mapping[str, str],
) -> Response:
    """The JSON `body`, then each content of `referenced` (SHA-2 to media type) that is kept, once.

    The length is told ahead, and the contents stream from the store. Raises StoreNotAvailable.
    """
    boundary = uuid4().hex
    first = b"--%b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        boundary.encode(),
        len(body),
        body,
    )
    last = b"\r\n--%b--\r\n" % boundary.encode()
    parts: list[_Part] = []
    for sha2, content_type in referenced.items():
        size = None if contents is None else await contents.size(tenant, sha2)
        if size is not None:
            parts.append(_Part(_head(boundary, sha2, content_type, size), sha2, size))
    length = len(first) + len(last) + sum(len(part.head) + part.size for part in parts)
    answered = dict(headers)
    answered["Content-Type"] = f"multipart/mixed; boundary={boundary}"
    answered["Content-Length"] = str(length)
    if is_head or contents is None or not parts:
        return Response(b"" if is_head else first + last, headers=answered)
    return StreamingResponse(_stream(first, parts, last, contents, tenant), headers=answered)


def _head(boundary: str, sha2: str, content_type: str, size: int) -> bytes:
    # A media type may hold a character that a header may not, inside quotes.
    is_plain = content_type.isascii() and content_type.isprintable()
    plain = content_type if is_plain else content_type.partition(";")[0]
    return (
        f"\r\n--{boundary}\r\nContent-Type: {plain}\r\nContent-Length: {size}\r\n"
        f"{ENCODING_HEADER}: binary\r\n{HASH_HEADER}: {sha2}\r\n\r\n"
    ).encode()


async def _stream(
    first: bytes, parts: Sequence[_Part], last: bytes, contents: Contents, tenant: str
) -> AsyncIterator[bytes]:
    yield first
    for part in parts:
        yield part.head
        async for piece in contents.read(tenant, part.sha2):
            yield piece
    yield last
