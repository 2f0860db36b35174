"""Colours of a template: how they are written, and whether text can be read on them.

Contrast as WCAG 2.2 defines it ("relative luminance", "contrast ratio", success criterion 1.4.3).
"""

import re
from typing import Final

CONTRAST_MIN: Final = 4.5
"""WCAG 2.2 level AA, for text of any size."""

COLOUR: Final = re.compile(r"#[0-9a-f]{6}")


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (`#rrggbb`), from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
