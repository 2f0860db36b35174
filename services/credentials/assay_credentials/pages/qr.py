"""QR codes as SVG that stands in a page, without style attributes: the pages allow none."""

import io

import segno
from markupsafe import Markup

QUIET_ZONE_MODULES = 4
"""ISO/IEC 18004, 5.3.8: without it, scanners do not find the code."""


def qr_svg(content: str, label: str) -> Markup:
    """An accessible inline SVG. Raises segno.DataOverflowError for more than a code can hold
    (2,953 bytes).
    """
    code = segno.make(content, error="l", micro=False, boost_error=True)
    out = io.BytesIO()
    code.save(
        out,
        kind="svg",
        xmldecl=False,
        svgns=True,
        nl=False,
        border=QUIET_ZONE_MODULES,
        omitsize=True,
        dark="#000",
        light="#fff",
        svgclass="qr",
        lineclass=None,
    )
    drawn = out.getvalue().decode("ascii")
    label_attribute = Markup(' role="img" aria-label="{}"').format(label)
    # segno writes the tag's name first; what comes from outside is the label alone, escaped above.
    return Markup(drawn.replace("<svg", f"<svg{label_attribute}", 1))  # noqa: S704
