"""A credential on paper, and as an entry in a LinkedIn profile. Pure."""

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Final, NamedTuple
from urllib.parse import urlencode

import segno

from assay_credentials.downloads.typeset import typeset
from assay_credentials.downloads.words import Shown, in_words
from assay_credentials.templates.document import Colours

LINKEDIN: Final = "https://www.linkedin.com/profile/add"
QR_BORDER_MODULES: Final = 2
"""Less than the four of ISO/IEC 18004, section 9.1, since the box around it is white too."""


class Endorsed(NamedTuple):
    """Who vouches for it, and in which words."""

    by: str
    said: str


def verify_url(public_url: str, share: str, lang: str | None = None) -> str:
    """The page that says what can be said now of the credential with this share id."""
    return f"{public_url}/verify?" + urlencode(
        {"share": share, **({} if lang in (None, "en") else {"lang": lang})}
    )


def certificate(
    credential: bytes,
    what: Shown,
    *,
    lang: str,
    address: str,
    badge_svg: bytes,
    colours: Colours,
    endorsements: Sequence[Endorsed],
    made_at: datetime,
) -> bytes:
    """The PDF, with the signed credential attached. `address` is where its QR code leads to.

    The same arguments give the same bytes. Raises TypesettingFailed.
    """
    values: dict[str, object] = {
        "name": what.name,
        "description": what.description,
        "criteria": what.criteria,
        "level": what.level,
        "issuer": what.issuer,
        "issuer_url": what.issuer_url,
        "awarded": in_words(what.awarded_on, lang),
        "valid_until": None if what.valid_until is None else in_words(what.valid_until, lang),
        "alignments": list(what.alignments),
        "credential_id": what.id,
        "verify_url": address,
        "colours": colours.model_dump(),
        "endorsements": [one._asdict() for one in endorsements],
    }
    attached = {
        "badge.svg": badge_svg,
        "qr.svg": qr_svg(address),
        "credential.json": credential,
    }
    return typeset("certificate", values, lang=lang, made_at=made_at, attached=attached)


def qr_svg(text: str) -> bytes:
    """A QR code of error correction level M: readable with a seventh of it gone."""
    out = BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="svg", border=QR_BORDER_MODULES)
    return out.getvalue()


def linkedin_url(what: Shown, *, address: str) -> str:
    """Opens LinkedIn's form "add licence or certification", filled in; LinkedIn shows `address` as
    "show credential". Nothing is sent before the learner saves it there.
    """
    values: dict[str, str | int] = {
        "startTask": "CERTIFICATION_NAME",
        "name": what.name,
        "organizationName": what.issuer,
        "issueYear": what.awarded_on.year,
        "issueMonth": what.awarded_on.month,
    }
    if what.valid_until is not None:
        values["expirationYear"] = what.valid_until.year
        values["expirationMonth"] = what.valid_until.month
    return f"{LINKEDIN}?{urlencode({**values, 'certUrl': address, 'certId': what.id})}"
