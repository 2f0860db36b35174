"""Templates of credentials for tests: one complete, and any."""

import struct
import zlib
from typing import Any

from hypothesis import strategies as st

from assay_credentials.templates.document import TemplateDocument

COMPETENCY = "https://example.org/competencies/aseptic-gowning"
GOWNING: dict[str, Any] = {
    "competency": COMPETENCY,
    "language": "en",
    "texts": {
        "en": {
            "name": "Gown aseptically for grade B",
            "description": "Gowns without supervision for a grade B clean room.",
            "criteria": "Two observed gownings without a critical error,\nby two assessors.",
            "image_description": "A gowned figure",
        },
        "cy": {
            "name": "Gwisgo'n aseptig ar gyfer gradd B",
            "description": "Yn gwisgo heb oruchwyliaeth ar gyfer ystafell lân gradd B.",
            "criteria": "Dau wisgo a arsylwyd heb wall critigol, gan ddau asesydd.",
        },
    },
    "code": "ASP2",
    "framework": "ATMP practice",
    "alignments": [{"name": "Work aseptically", "url": "https://example.org/uri/a1"}],
    "levels": [
        {"en": {"name": "Aware"}, "cy": {"name": "Ymwybodol"}},
        {
            "en": {"name": "Practises", "description": "Without supervision."},
            "cy": {"name": "Yn ymarfer", "description": "Heb oruchwyliaeth."},
        },
    ],
}


def gowning(**changed: Any) -> TemplateDocument:
    """The complete template, but for what is `changed`."""
    return TemplateDocument.model_validate({**GOWNING, **changed})


def png(width: int = 128, height: int = 128) -> bytes:
    """A white picture."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = (b"\0" + b"\xff" * ((width + 7) // 8)) * height
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><title>A badge</title>'
    b'<defs><linearGradient id="g"/></defs><circle cx="4" cy="4" r="4" fill="url(#g)"/></svg>'
)

TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co")), min_size=1, max_size=30
).filter(lambda text: bool(text.strip()))
_IRIS = st.uuids().map(lambda one: f"https://example.org/uri/{one}")
_COLOURS = st.sampled_from(
    [
        {"background": "#ffffff", "text": "#000000", "accent": "#0b5c7a"},
        {"background": "#123456", "text": "#ffffff", "accent": "#ffcc00"},
    ]
)


@st.composite
def documents(draw: st.DrawFn) -> TemplateDocument:
    """Any template that may be proposed."""
    languages = draw(
        st.lists(
            st.sampled_from(["en", "cy", "en-GB", "gd", "zh-Hant", "es-419"]),
            min_size=1,
            max_size=3,
            unique=True,
        )
    )

    def text() -> dict[str, str]:
        made = {name: draw(TEXT) for name in ("name", "description", "criteria")}
        return {**made, **({"image_description": draw(TEXT)} if draw(st.booleans()) else {})}

    def level() -> dict[str, Any]:
        made = {"name": draw(TEXT)}
        return {**made, **({"description": draw(TEXT)} if draw(st.booleans()) else {})}

    iris = draw(st.lists(_IRIS, min_size=1, max_size=3, unique=True))
    return TemplateDocument.model_validate(
        {
            "competency": iris[0],
            "language": languages[0],
            "texts": {one: text() for one in languages},
            "code": draw(st.none() | TEXT),
            "framework": draw(st.none() | TEXT),
            "alignments": [{"name": draw(TEXT), "url": iri} for iri in iris[1:]],
            "levels": [{one: level() for one in languages} for _ in range(draw(st.integers(0, 3)))],
            "achievement_type": draw(st.sampled_from(["Competency", "Badge", "ext:Taster"])),
            "image": draw(st.none() | st.just("5a" * 32 + ".png") | st.just("0f" * 32 + ".svg")),
            "colours": draw(_COLOURS),
            "valid_months": draw(st.none() | st.integers(1, 120)),
            "issuer": draw(st.sampled_from(["main", "academy"])),
            "proof": draw(st.sampled_from(["eddsa-rdfc-2022", "eddsa-jcs-2022"])),
            "status": draw(st.sampled_from(["two", "single"])),
        }
    )
