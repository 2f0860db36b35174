"""Documents and pictures from layouts (Typst), offline and in this process.

A layout is a file `layouts/<name>.typ`. It begins with `#import "common.typ": values, texts, lang`;
`values` is what the caller gives, `texts` the words of `texts/<lang>.json` under the layout's name.
Values are data: whatever stands in them is shown as it is, and never read as markup.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final, Literal, cast

import typst

from assay_credentials.errors import CredentialsError

LANGUAGES: Final = ("en", "cy")
"""In which the fixed words of every layout are known; the first serves for any other."""

ARCHIVED: Final[tuple[Literal["a-3a", "ua-1"], ...]] = ("a-3a", "ua-1")
"""PDF/A-3a (ISO 19005-3: archived, with attachments) and PDF/UA-1 (ISO 14289-1: tagged, for screen
readers).
"""

PICTURE_POINTS_PER_INCH: Final = 144.0
"""A badge of 400 points becomes 800 pixels wide."""

_COMMON: Final = "common.typ"


class TypesettingFailed(CredentialsError):
    """A layout could not be set: the layout is wrong, or a picture given to it cannot be read."""


def typeset(
    name: str,
    values: Mapping[str, object],
    *,
    lang: str = "en",
    made_at: datetime,
    attached: Mapping[str, bytes] | None = None,
) -> bytes:
    """The PDF of a layout; the same arguments give the same bytes.

    `values` must be JSON; `attached` are files that the layout reads by their names. The PDF keeps
    PDF/A-3a and PDF/UA-1. When a text has characters that no font here can show, neither can be
    kept: then it is a PDF with tags all the same, and the characters appear as boxes (fonts of the
    system are used, where there are any). Raises TypesettingFailed.
    """
    try:
        return _compile(name, values, lang, attached, "pdf", made_at, ARCHIVED)
    except TypesettingFailed:
        return _compile(name, values, lang, attached, "pdf", made_at, ())


def draw(
    name: str,
    values: Mapping[str, object],
    *,
    kind: Literal["png", "svg"],
    lang: str = "en",
    attached: Mapping[str, bytes] | None = None,
) -> bytes:
    """The picture of a layout of one page; letters become shapes, so no font is needed to see it.
    Raises TypesettingFailed.
    """
    return _compile(name, values, lang, attached, kind, None, ())


def language_of(wanted: str | None) -> str:
    """The language of the layouts that serves best for this one (a BCP 47 tag)."""
    plain = (wanted or "").partition("-")[0].lower()
    return plain if plain in LANGUAGES else LANGUAGES[0]


@cache
def texts(lang: str) -> Mapping[str, Mapping[str, str]]:
    """The fixed words of a language: layout, then name, then text."""
    content = files("assay_credentials").joinpath("downloads", "texts", f"{lang}.json")
    found: dict[str, dict[str, str]] = json.loads(content.read_text("utf-8"))
    return found


@cache
def _layout(name: str) -> bytes:
    return files("assay_credentials").joinpath("downloads", "layouts", name).read_bytes()


def _compile(
    name: str,
    values: Mapping[str, object],
    lang: str,
    attached: Mapping[str, bytes] | None,
    kind: Literal["pdf", "png", "svg"],
    made_at: datetime | None,
    standards: tuple[Literal["a-3a", "ua-1"], ...],
) -> bytes:
    project = {
        **(attached or {}),
        "main.typ": _layout(f"{name}.typ"),
        _COMMON: _layout(_COMMON),
    }
    given = {"values": values, "texts": texts(lang)[name], "lang": lang}
    try:
        # Its types do not know a project given as a dict, nor several pages.
        made: object = typst.compile(
            cast("bytes", project),
            sys_inputs={key: json.dumps(value) for key, value in given.items()},
            format=kind,
            ppi=PICTURE_POINTS_PER_INCH,
            pdf_standards=list(standards),
            timestamp=0 if made_at is None else int(made_at.timestamp()),
        )
    except (typst.TypstError, ValueError) as error:
        raise TypesettingFailed(f"the layout {name} could not be set: {error}") from error
    # Several pages of a picture come as a list: no layout of ours has them.
    if not isinstance(made, bytes):
        raise TypesettingFailed(f"the layout {name} has more than one page")
    return made
