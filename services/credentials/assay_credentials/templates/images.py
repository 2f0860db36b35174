"""Pictures of templates: what is taken, and what it is. Pure.

They are shown on other people's pages and baked into files, so only plain ones are taken: PNG
whole and of bounded size, SVG without scripts, links, styles that load, or entities.
"""

import re
import struct
import zlib
from typing import Final, Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from assay_credentials.errors import ImageRefused

BYTES_MAX: Final = 512 * 1024
SIDE_MIN: Final = 90
"""Pixels. Open Badges backpacks of old asked for 90; less cannot be read in print."""
SIDE_MAX: Final = 4096
SVG_ELEMENTS_MAX: Final = 5_000
SVG_DEPTH_MAX: Final = 40

MediaType = Literal["image/png", "image/svg+xml"]
EXTENSIONS: Final[dict[MediaType, str]] = {"image/png": "png", "image/svg+xml": "svg"}

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_SVG_NAMESPACE: Final = "http://www.w3.org/2000/svg"
# Who drew it and under which licence, as drawing programs write it.
_METADATA: Final = (
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "http://creativecommons.org/ns#",
    "http://purl.org/dc/elements/1.1/",
)
_SVG_ELEMENTS: Final = frozenset(
    {
        "circle",
        "clipPath",
        "defs",
        "desc",
        "ellipse",
        "g",
        "line",
        "linearGradient",
        "marker",
        "mask",
        "metadata",
        "path",
        "pattern",
        "polygon",
        "polyline",
        "radialGradient",
        "rect",
        "stop",
        "svg",
        "symbol",
        "text",
        "textPath",
        "title",
        "tspan",
        "use",
    }
)
_OUTSIDE: Final = re.compile(r"url\s*\(\s*['\"]?\s*(?!#)|@import|expression\s*\(|\\", re.IGNORECASE)


def kind_of(content: bytes) -> MediaType:
    """What the picture is, once it is found fit. Raises ImageRefused."""
    if len(content) > BYTES_MAX:
        raise ImageRefused(f"image: larger than {BYTES_MAX} bytes")
    if content.startswith(_PNG):
        _check_png(content)
        return "image/png"
    _check_svg(content)
    return "image/svg+xml"


def _check_png(content: bytes) -> None:
    """PNG (third edition) sections 5.2 to 5.6: signature, whole chunks, IHDR first, IEND last."""
    at = len(_PNG)
    names: list[bytes] = []
    while at < len(content):
        if at + 12 > len(content):
            raise ImageRefused("image: the PNG ends in the middle of a chunk")
        (length,) = struct.unpack_from(">I", content, at)
        name, end = content[at + 4 : at + 8], at + 12 + length
        if end > len(content):
            raise ImageRefused("image: the PNG ends in the middle of a chunk")
        (checksum,) = struct.unpack_from(">I", content, end - 4)
        if zlib.crc32(content[at + 4 : end - 4]) != checksum:
            raise ImageRefused("image: a chunk of the PNG is damaged")
        if not names:
            _check_header(name, content[at + 8 : end - 4])
        names.append(name)
        at = end
    if b"IDAT" not in names or names[-1] != b"IEND":
        raise ImageRefused("image: the PNG is not whole")


def _check_header(name: bytes, header: bytes) -> None:
    if name != b"IHDR" or len(header) != 13:
        raise ImageRefused("image: the PNG does not begin with its header")
    width, height = struct.unpack_from(">II", header)
    if not (SIDE_MIN <= width <= SIDE_MAX and SIDE_MIN <= height <= SIDE_MAX):
        raise ImageRefused(
            f"image: {width} by {height} pixels; each side must have {SIDE_MIN} to {SIDE_MAX}"
        )


def _check_svg(content: bytes) -> None:
    # The parser leaves instructions out, and a browser runs the style sheet that one may name.
    if b"<?" in content.removeprefix(b"<?xml ") or b"\0" in content:
        raise ImageRefused("image: neither a PNG nor an SVG without instructions")
    try:
        root = fromstring(content, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except (ParseError, ValueError, RecursionError, DefusedXmlException) as error:
        raise ImageRefused("image: neither a PNG nor a plain SVG") from error
    if root.tag != f"{{{_SVG_NAMESPACE}}}svg":
        raise ImageRefused("image: neither a PNG nor an SVG")
    left, waiting = SVG_ELEMENTS_MAX, [(root, 0)]
    while waiting:
        element, depth = waiting.pop()
        left -= 1
        if left < 0 or depth > SVG_DEPTH_MAX:
            raise ImageRefused(
                f"image: more than {SVG_ELEMENTS_MAX} elements, or deeper than {SVG_DEPTH_MAX}"
            )
        _check_element(element)
        waiting.extend((child, depth + 1) for child in element)


def _check_element(element: Element) -> None:
    namespace, _, name = str(element.tag).removeprefix("{").rpartition("}")
    if namespace not in _METADATA and (namespace, name in _SVG_ELEMENTS) != (_SVG_NAMESPACE, True):
        raise ImageRefused(f"image: the SVG holds <{name[:40]}>, which a badge may not")
    for key, value in element.attrib.items():
        plain = key.rpartition("}")[2].lower()
        if plain.startswith("on"):
            raise ImageRefused(f"image: the SVG has the script attribute {plain[:40]}")
        if plain in ("href", "src", "base") and not value.startswith("#"):
            raise ImageRefused("image: the SVG points outside itself")
        if _OUTSIDE.search(value):
            raise ImageRefused(f"image: the SVG loads something in {plain[:40]}")
