"""Taking the credential out of a file that somebody shows: a baked PNG or SVG, or a PDF with an
attachment.

What comes in is anybody's. Nothing of it is rendered or followed: pixels stay packed, there are no
document types and so no entities, no scripts and no forms. What is unpacked is bounded before it is
unpacked.
"""

import logging
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import Final, Literal
from xml.parsers import expat

from pypdf import PdfReader, apply_configuration
from pypdf.generic import ArrayObject, DictionaryObject, StreamObject

from assay_credentials.downloads.bake import ELEMENT, KEYWORD, NAMESPACE
from assay_credentials.downloads.png_chunks import SIGNATURE, PngBroken, read_chunks
from assay_credentials.intake import MAX_DOCUMENT_BYTES

PDF_SIGNATURE_WITHIN_BYTES: Final = 1024
PDF_END_WITHIN_BYTES: Final = 2_048
"""Annex H.3.4.4 of ISO 32000-1 wants the end within 1,024; some add a signature."""
PDF_FILES_MAX: Final = 32
"""Attachments that are looked at."""
PDF_NODES_MAX: Final = 200
"""Of the tree of their names."""
PDF_UNPACKED_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of one packed list of objects, which must be unpacked to find an attachment at all."""
PDF_ENTRIES_MAX: Final = 200_000
"""Of its table of contents."""
SVG_BYTES_MAX: Final = 4 * 1024 * 1024
SVG_ELEMENTS_MAX: Final = 100_000
XML_DEPTH_MAX: Final = 256

_DATA_URLS: Final = ("data:application/vc+jwt,", "data:application/vc+ld+jwt,")


class NothingInside(ValueError):
    """There is no credential in the file. The text says so in a sentence."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """The credential that a file holds, as it stands there."""

    kind: Literal["png", "svg", "pdf"]
    content: bytes
    """JSON or a VC-JWT, in UTF-8; at most MAX_DOCUMENT_BYTES. It has not been looked at."""
    is_jwt: bool


def extract_credential(data: bytes) -> Extracted:
    """The credential in a PNG, SVG or PDF. Raises NothingInside, and nothing else for any bytes."""
    if data.startswith(SIGNATURE):
        return _extracted("png", _of_png(data))
    if b"%PDF-" in data[:PDF_SIGNATURE_WITHIN_BYTES]:
        return _extracted("pdf", _of_pdf(data))
    return _extracted("svg", _of_svg(data))


def _extracted(kind: Literal["png", "svg", "pdf"], content: bytes) -> Extracted:
    content = content.strip()
    for prefix in _DATA_URLS:
        content = content.removeprefix(prefix.encode())
    if len(content) > MAX_DOCUMENT_BYTES:
        raise NothingInside(f"what the file holds is longer than {MAX_DOCUMENT_BYTES} bytes")
    if content.startswith(b"{"):
        return Extracted(kind, content, is_jwt=False)
    if content.startswith(b"ey") and content.count(b".") == 2:
        return Extracted(kind, content, is_jwt=True)
    raise NothingInside("what the file holds is neither JSON nor a VC-JWT")


def _of_png(data: bytes) -> bytes:
    found: list[bytes] = []
    try:
        for name, content in read_chunks(data):
            if name == b"iTXt" and content.partition(b"\0")[0] == KEYWORD:
                found.append(_international_text(content[len(KEYWORD) + 1 :]))
    except PngBroken as error:
        raise NothingInside(f"the PNG cannot be read: {error}") from error
    if not found:
        raise NothingInside("the PNG holds no credential: it is a picture only")
    # Two would let the holder show one and have the other verified.
    if len(found) > 1:
        raise NothingInside("the PNG holds more than one credential")
    return found[0]


def _international_text(content: bytes) -> bytes:
    """What follows the keyword of an iTXt chunk: compression, language, translation, text."""
    if len(content) < 2:
        raise NothingInside("the text chunk of the PNG is not whole")
    is_compressed, method = content[0], content[1]
    parts = content[2:].split(b"\0", 2)
    if len(parts) != 3:
        raise NothingInside("the text chunk of the PNG is not whole")
    if not is_compressed:
        return parts[2]
    if method != 0:
        raise NothingInside("the text chunk of the PNG is packed in an unknown way")
    return _inflated(parts[2])


def _inflated(packed: bytes) -> bytes:
    """Unpacked, and never more than a credential may have. Raises NothingInside."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed, MAX_DOCUMENT_BYTES + 1)
    except zlib.error as error:
        raise NothingInside("what the file holds cannot be unpacked") from error
    if len(content) > MAX_DOCUMENT_BYTES:
        raise NothingInside(f"what the file holds is longer than {MAX_DOCUMENT_BYTES} bytes")
    return content


class _SvgReader:
    """Collects the text of the one credential element while the parser runs; keeps no tree."""

    def __init__(self) -> None:
        self.found: list[list[str]] = []
        self._depth = 0
        self._elements = 0
        self._inside = 0
        self._kept = 0

    def started(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._elements > SVG_ELEMENTS_MAX:
            raise NothingInside(f"the SVG has more than {SVG_ELEMENTS_MAX} elements")
        if self._depth > XML_DEPTH_MAX:
            raise NothingInside(f"the SVG is nested deeper than {XML_DEPTH_MAX} levels")
        if self._depth == 1 and name.rpartition(" ")[2] != "svg":
            raise NothingInside("not a PNG, SVG or PDF")
        if name == f"{NAMESPACE} {ELEMENT}":
            self.found.append([])
            self._inside = self._depth
            if "verify" in attributes:
                self.characters(attributes["verify"])

    def ended(self, _: str) -> None:
        if self._depth == self._inside:
            self._inside = 0
        self._depth -= 1

    def characters(self, text: str) -> None:
        if not self._inside:
            return
        self._kept += len(text)
        if self._kept > MAX_DOCUMENT_BYTES:
            raise NothingInside(f"what the SVG holds is longer than {MAX_DOCUMENT_BYTES} bytes")
        self.found[-1].append(text)


def _no_doctype(*_: object) -> None:
    raise NothingInside("the SVG declares a document type; such files are not read")


def _of_svg(data: bytes) -> bytes:
    if len(data) > SVG_BYTES_MAX:
        raise NothingInside(f"an SVG of more than {SVG_BYTES_MAX} bytes, or nothing known here")
    reader = _SvgReader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.started
    parser.EndElementHandler = reader.ended
    parser.CharacterDataHandler = reader.characters
    # Without a document type there are no entities, neither bombs nor files of this machine.
    parser.StartDoctypeDeclHandler = _no_doctype
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError) as error:
        if isinstance(error, NothingInside):
            raise
        raise NothingInside("not a PNG, SVG or PDF") from error
    if not reader.found:
        raise NothingInside("the SVG holds no credential: it is a picture only")
    if len(reader.found) > 1:
        raise NothingInside("the SVG holds more than one credential")
    return "".join(reader.found[0]).encode()


def _of_pdf(data: bytes) -> bytes:
    if b"startxref" not in data[-PDF_END_WITHIN_BYTES:]:
        # Without it pypdf reads the whole file backwards, line by line.
        raise NothingInside("the PDF cannot be read: it is not whole")
    # It warns of every slip of a PDF, with words of the file; none of it is for our log.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        with apply_configuration(zlib_maximum_output_length=PDF_UNPACKED_BYTES_MAX):
            reader = PdfReader(
                BytesIO(data),
                # One whose table of contents is wrong would be searched whole, for many seconds.
                strict=True,
                xref_stream_maximum_entries=PDF_ENTRIES_MAX,
            )
            if reader.is_encrypted:
                raise NothingInside("the PDF is protected by a password")
            names = _dictionary(_dictionary(reader.root_object).get("/Names"))
            files = _attachments(names.get("/EmbeddedFiles"))
            candidates = [content for content in map(_content, files) if content is not None]
    except NothingInside:
        raise
    except Exception as error:
        # pypdf has errors of its own, and lets many others through on a broken file.
        raise NothingInside("the PDF cannot be read") from error
    if not candidates:
        raise NothingInside("the PDF holds no credential")
    if len(candidates) > 1:
        raise NothingInside("the PDF holds more than one credential")
    return candidates[0]


def _dictionary(value: object) -> DictionaryObject:
    value = value.get_object() if hasattr(value, "get_object") else value
    return value if isinstance(value, DictionaryObject) else DictionaryObject()


def _attachments(root: object) -> list[DictionaryObject]:
    """File specifications of a name tree (ISO 32000-1, section 7.9.6), a bounded number."""
    found: list[DictionaryObject] = []
    waiting, left = [root], PDF_NODES_MAX
    while waiting and left:
        left -= 1
        node = _dictionary(waiting.pop())
        names = _array(node.get("/Names"))
        found += [_dictionary(one) for one in list(names)[1::2][:PDF_FILES_MAX]]
        waiting += list(_array(node.get("/Kids")))[:PDF_NODES_MAX]
    return found[:PDF_FILES_MAX]


def _array(value: object) -> ArrayObject:
    value = value.get_object() if hasattr(value, "get_object") else value
    return value if isinstance(value, ArrayObject) else ArrayObject()


def _content(file: DictionaryObject) -> bytes | None:
    """What is attached, when it may be a credential; None for anything else."""
    embedded = _dictionary(file.get("/EF")).get("/F")
    stream = embedded.get_object() if embedded is not None else None
    if not isinstance(stream, StreamObject):
        return None
    packed = stream._data
    filters = stream.get("/Filter")
    filters = list(filters) if isinstance(filters, ArrayObject) else [filters]
    match [None if one is None else str(one) for one in filters]:
        case [None] | []:
            content = packed
        case ["/FlateDecode"]:
            content = _inflated(packed)
        case _:
            return None
    start = content.lstrip()[:32]
    return content if start.startswith((b"{", b"ey", b"data:application/vc")) else None
