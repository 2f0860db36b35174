"""The picture of a badge, drawn from the name and colours of its template."""

from dataclasses import dataclass
from typing import Final, Literal

from assay_credentials.downloads.typeset import draw
from assay_credentials.templates.document import DEFAULT_COLOURS, Colours

_IMAGE_NAMES: Final = {"image/png": "image.png", "image/svg+xml": "image.svg"}


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of the template's own; it stands above the name."""

    media_type: str
    content: bytes
    description: str


@dataclass(frozen=True, slots=True)
class Look:
    """What a badge shows."""

    name: str
    issuer: str
    level: str | None = None
    colours: Colours = DEFAULT_COLOURS
    image: Image | None = None


def badge_picture(look: Look, kind: Literal["png", "svg"]) -> bytes:
    """A round badge; PNG of 800 by 800 pixels, or SVG. The same look gives the same bytes.

    Raises TypesettingFailed when the template's own picture cannot be read.
    """
    image, attached = look.image, {}
    values: dict[str, object] = {
        "name": look.name,
        "issuer": look.issuer,
        "level": look.level,
        "colours": look.colours.model_dump(),
        "image": None,
        "image_description": None,
    }
    if image is not None:
        values["image"] = _IMAGE_NAMES[image.media_type]
        values["image_description"] = image.description
        attached[_IMAGE_NAMES[image.media_type]] = image.content
    return draw("badge", values, kind=kind, attached=attached)
