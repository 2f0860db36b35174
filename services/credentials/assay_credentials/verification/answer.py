"""What a verification says: checks, an outcome, one plain sentence."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from assay_credentials.intake import JsonObject


class Result(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    COULD_NOT_CHECK = "could_not_check"


class Outcome(StrEnum):
    VALID = "valid"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    NOT_GENUINE = "not_genuine"
    MALFORMED = "malformed"
    PARTLY_VALID = "partly_valid"
    NOT_HOLDER = "not_holder"
    ISSUER_UNKNOWN = "issuer_unknown"
    ISSUER_NOT_ALLOWED = "issuer_not_allowed"
    COULD_NOT_CHECK = "could_not_check"


@dataclass(frozen=True)
class Check:
    name: str
    result: Result
    detail: str


@dataclass(frozen=True)
class TrustedIssuer:
    """What our list of issuers says of one. Nothing of it comes from the credential."""

    name: str
    registry: str | None = None
    """Who says so: the register that the entry was taken from."""
    registry_url: str | None = None
    achievements: frozenset[str] | None = None
    """Ids of achievements, and CASE URIs of competencies, that it may award. None: all."""


Trust = Mapping[str, str | TrustedIssuer]
"""DID to what is known of the issuer; a plain text is a name, trusted for every achievement."""


def trusted(trust: Trust, did: str) -> TrustedIssuer | None:
    """The entry of a DID. None: the list does not hold it."""
    found = trust.get(did)
    return TrustedIssuer(found) if isinstance(found, str) else found


@dataclass(frozen=True)
class Verification:
    outcome: Outcome
    sentence: str
    checks: tuple[Check, ...]
    issuer: str | None = None
    """The DID whose key signed; None unless the signature is good. What the issuer says of itself
    is not shown.
    """
    issuer_name: str | None = None
    """The name on our list of trusted issuers."""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    trusted: TrustedIssuer | None = None
    """The issuer's entry on our list."""
    document: JsonObject | None = None
    """The credential without the JWT that it may have come in; None unless the signature is good.
    """
    credentials: tuple["Verification", ...] = ()
    """Of a transcript: each credential that it wraps. When one of them is not valid, the transcript
    is partly valid at best.
    """


@dataclass(frozen=True)
class PresentationVerification:
    """Whether somebody who holds a key showed these credentials here and now."""

    outcome: Outcome
    sentence: str
    checks: tuple[Check, ...]
    """Of the presentation itself."""
    holder: str | None = None
    """The DID whose key signed the presentation; None unless that signature is good."""
    credentials: tuple[Verification, ...] = ()


SENTENCES: Final[Mapping[Outcome, str]] = {
    Outcome.VALID: "This credential is genuine and valid.",
    Outcome.NOT_YET_VALID: "This credential is genuine, but its period of validity has not begun.",
    Outcome.EXPIRED: "This credential is genuine, but it has expired.",
    Outcome.SUSPENDED: "This credential is genuine, but its issuer has suspended it. "
    "Do not rely on it now.",
    Outcome.REVOKED: "This credential is genuine, but its issuer has revoked it. "
    "Do not rely on it.",
    Outcome.NOT_GENUINE: "This is not a genuine credential: it was changed after it was signed, "
    "or was never signed by the issuer that it names.",
    Outcome.MALFORMED: "The signature is good, but the credential breaks the rules of its format, "
    "so what it says cannot be relied on.",
    Outcome.PARTLY_VALID: "This record is genuine, but not every credential in it is valid now. "
    "Look at each.",
    Outcome.NOT_HOLDER: "This credential is genuine, but whoever shows it did not prove to be the "
    "one that it is about.",
    Outcome.ISSUER_UNKNOWN: "The signature is good, but this service does not know the issuer.",
    Outcome.ISSUER_NOT_ALLOWED: "The signature is good and the issuer is known, but not as one "
    "that may award this.",
    Outcome.COULD_NOT_CHECK: "This credential could not be checked. This does not mean that it is "
    "valid, nor that it is not.",
}

_PRECEDENCE: Final = (
    # Known facts against the credential come before what is not known, and what ends it before
    # what may pass.
    Outcome.NOT_GENUINE,
    Outcome.REVOKED,
    Outcome.EXPIRED,
    Outcome.SUSPENDED,
    Outcome.NOT_YET_VALID,
    Outcome.MALFORMED,
    Outcome.NOT_HOLDER,
    Outcome.COULD_NOT_CHECK,
    Outcome.PARTLY_VALID,
    Outcome.ISSUER_UNKNOWN,
    Outcome.ISSUER_NOT_ALLOWED,
)

Finding = tuple[Check, Outcome | None]
"""A check, and what it does to the outcome; None: nothing."""


def worst(found: Iterable[Outcome | None]) -> Outcome:
    """The outcome that is told; valid only when there is nothing against it."""
    outcomes = set(found)
    return next((one for one in _PRECEDENCE if one in outcomes), Outcome.VALID)


def passed(name: str, detail: str) -> Finding:
    return Check(name, Result.PASSED, detail), None


def failed(name: str, detail: str, outcome: Outcome) -> Finding:
    return Check(name, Result.FAILED, detail), outcome


def unchecked(name: str, detail: str) -> Finding:
    return Check(name, Result.COULD_NOT_CHECK, detail), Outcome.COULD_NOT_CHECK
