"""Which version's rules hold: what the header of a request, or of an input record, asks for."""

from collections.abc import Mapping

from assay_schemas.statement import Version

LATEST: Version = "2.0.0"
SERVED: tuple[Version, ...] = ("1.0.3", "2.0.0")
# What `version` becomes in a statement that was sent without one (1.0.3 Data 2.4.10: "1.0.0";
# IEEE 9274.1.1 4.2.4.3).
STATED_VERSION: Mapping[Version, str] = {"1.0.3": "1.0.0", "2.0.0": "2.0.0"}


def negotiate(sent: str) -> Version | None:
    """The version served for `sent`, None when it is neither 1.0.x nor 2.0.x.

    Source: xAPI 1.0.3 Communication 3.3 (any 1.0.x, and 1.0 as 1.0.0), IEEE 9274.1.1 4.1.4.
    """
    parts = sent.strip().split(".")
    if len(parts) in (2, 3) and all(part.isascii() and part.isdigit() for part in parts):
        if parts[:2] == ["1", "0"]:
            return "1.0.3"
        if parts[:2] == ["2", "0"]:
            return "2.0.0"
    return None
