"""Baking: a picture that carries its credential (Open Badges 3.0, section 5.3).

The picture stays byte for byte as it was but for what is added, and a credential that is there
already is replaced: a picture never carries two.
"""

import re
from collections.abc import Iterator
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape

from assay_credentials.downloads.png_chunks import Chunk, PngBroken, read_chunks, write_chunks
from assay_credentials.errors import CredentialsError

KEYWORD: Final = b"openbadgecredential"
"""Of the iTXt chunk (section 5.3.1.1)."""
NAMESPACE: Final = "https://purl.imsglobal.org/ob/v3p0"
ELEMENT: Final = "credential"
"""Under the root of the SVG (section 5.3.2.1); what is not a JWT is its text, a JWT its attribute
`verify`.
"""

# Uncompressed; no language, no translated keyword (PNG, section 11.3.3.4).
_PLAIN_ITXT: Final = b"\0\0\0\0\0"
_TEXT_CHUNKS: Final = frozenset({b"iTXt", b"tEXt", b"zTXt"})


class BakingFailed(CredentialsError):
    """The picture is none that a credential can be put into."""


def bake_png(picture: bytes, credential: bytes) -> bytes:
    """The PNG with the credential (JSON or a VC-JWT, UTF-8) in an iTXt chunk, right behind the
    header. Raises BakingFailed.
    """
    try:
        return write_chunks(_with_text(read_chunks(picture), credential))
    except PngBroken as error:
        raise BakingFailed(f"not a PNG: {error}") from error


def _with_text(chunks: Iterator[Chunk], credential: bytes) -> Iterator[Chunk]:
    for chunk in chunks:
        if chunk.name in _TEXT_CHUNKS and chunk.data.partition(b"\0")[0] == KEYWORD:
            continue
        yield chunk
        if chunk.name == b"IHDR":
            yield Chunk(b"iTXt", KEYWORD + _PLAIN_ITXT + credential)


def bake_svg(picture: bytes, credential: bytes, *, title: str | None = None) -> bytes:
    """The SVG with the credential as first element under its root; with a `title`, that is what a
    screen reader says of it. Raises BakingFailed.
    """
    start, end = _opening_tag(picture)
    text = credential.decode()
    if text.startswith("{"):
        # In CDATA it can be read without unescaping; `]]>` would end it.
        whole = text.replace("]]>", "]]]]><![CDATA[>")
        element = f'<openbadges:{ELEMENT} xmlns:openbadges="{NAMESPACE}"><![CDATA[{whole}]]>'
        element += f"</openbadges:{ELEMENT}>"
    else:
        quoted = escape(text, {'"': "&quot;"})
        element = f'<openbadges:{ELEMENT} xmlns:openbadges="{NAMESPACE}" verify="{quoted}"/>'
    if title is not None:
        element = f"<title>{escape(title)}</title>{element}"
    if picture[end - 2 : end] == b"/>":
        name = re.split(rb"[\s/]", picture[start + 1 : end], maxsplit=1)[0]
        element = f"{element}</{name.decode()}>"
        return picture[: end - 2] + b">" + element.encode() + picture[end:]
    return picture[:end] + element.encode() + picture[end:]


def _opening_tag(picture: bytes) -> tuple[int, int]:
    """Where the root's opening tag begins and ends."""
    if b"\0" in picture:
        # In UTF-16, where the tag's place would be another.
        raise BakingFailed("the SVG is not in UTF-8")
    names: list[str] = []
    starts: list[int] = []
    parser = expat.ParserCreate("UTF-8", " ")

    def started(name: str, _: dict[str, str]) -> None:
        if not starts:
            starts.append(parser.CurrentByteIndex)
            names.append(name)
        elif name == f"{NAMESPACE} {ELEMENT}":
            raise BakingFailed("the SVG holds a credential already")

    parser.StartElementHandler = started
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(picture, True)
    except (expat.ExpatError, ValueError) as error:
        raise BakingFailed(f"not an SVG: {error}") from error
    if names[0] != "http://www.w3.org/2000/svg svg":
        raise BakingFailed("not an SVG")
    return starts[0], _end_of_tag(picture, starts[0])


def _refuse_doctype(*_: object) -> None:
    raise BakingFailed("the SVG declares a document type, and with it what its words mean")


def _end_of_tag(picture: bytes, start: int) -> int:
    """Behind the `>` that ends the tag: one in quotes does not."""
    quote = 0
    for at in range(start, len(picture)):
        byte = picture[at]
        if quote:
            quote = 0 if byte == quote else quote
        elif byte in b"\"'":
            quote = byte
        elif byte == ord(">"):
            return at + 1
    raise BakingFailed("not an SVG")
