"""What the W3C VC-API answers: `verified`, and a problem for each check that did not pass."""

from collections.abc import Iterable
from typing import Any, Final

from assay_credentials.verify import (
    Check,
    Outcome,
    PresentationVerification,
    Result,
    Verification,
)

_VC: Final = "https://www.w3.org/TR/vc-data-model#"
_STATUS: Final = "https://www.w3.org/ns/credentials/status-list#"

_TYPES: Final = {
    "form": f"{_VC}MALFORMED_VALUE_ERROR",
    "contexts": f"{_VC}MALFORMED_VALUE_ERROR",
    "terms": "https://w3id.org/security#DATA_LOSS_DETECTION_ERROR",
    "signature": f"{_VC}CRYPTOGRAPHIC_SECURITY_ERROR",
    "dates": f"{_VC}RANGE_ERROR",
    "status": f"{_STATUS}STATUS_VERIFICATION_ERROR",
    "schema": f"{_VC}MALFORMED_VALUE_ERROR",
}
"""The problem types that VC Data Model 2.0 section 7.3, Data Integrity and Bitstring Status List
define; for any other check `about:blank`.
"""

_VERIFIED: Final = frozenset({Outcome.VALID, Outcome.ISSUER_UNKNOWN, Outcome.ISSUER_NOT_ALLOWED})
"""Whom to trust is for who asks (VC Data Model 2.0 section 7.1), so that is a warning here."""

_TRUST: Final = frozenset({"issuer", "achievement"})


def is_verified(outcome: Outcome) -> bool:
    return outcome in _VERIFIED


def credential_answer(found: Verification) -> dict[str, Any]:
    """The body for a credential."""
    verified = is_verified(found.outcome)
    return {
        "verified": verified,
        "outcome": found.outcome,
        "sentence": found.sentence,
        "checks": _checks(found.checks),
        "problemDetails": _problems(found.checks),
        **({"credential": found.document} if verified and found.document is not None else {}),
    }


def presentation_answer(found: PresentationVerification) -> dict[str, Any]:
    """The body for a presentation, with one for each credential in it."""
    verified = is_verified(found.outcome)
    inner = [credential_answer(one) for one in found.credentials]
    return {
        "verified": verified,
        "outcome": found.outcome,
        "sentence": found.sentence,
        "holder": found.holder,
        "checks": _checks(found.checks),
        "problemDetails": _problems(found.checks),
        "credentialResults": inner,
    }


def refused_answer(detail: str) -> dict[str, Any]:
    """The body for what is not even a request."""
    return {
        "verified": False,
        "problemDetails": [
            {"type": f"{_VC}PARSING_ERROR", "title": "Could not be read", "detail": detail}
        ],
    }


def _checks(checks: Iterable[Check]) -> list[dict[str, str]]:
    return [
        {"name": check.name, "result": check.result, "detail": check.detail} for check in checks
    ]


def _problems(checks: Iterable[Check]) -> list[dict[str, str]]:
    return [
        {
            "type": _TYPES.get(check.name, "about:blank"),
            "title": f"{check.name}: {check.result.replace('_', ' ')}",
            "detail": check.detail,
            # Warnings leave `verified` as it is.
            "severity": "warning" if check.name in _TRUST else "error",
        }
        for check in checks
        if check.result is not Result.PASSED
    ]
