"""Verifying a credential: a list of checks, each passed, failed or could-not-check, and one plain
sentence on top.

Pure: the clock, the status lists, the keys of DIDs and the list of trusted issuers are arguments.
"Could not check" is an answer of its own and never turns into "not revoked".

    1. form       bytes, JSON, limits, the fields every credential has
    2. contexts   one of the pinned `@context` arrays
    3. terms      every key is a term, nothing dropped, nothing spelled another way
    4. signature  eddsa-rdfc-2022, by a key of the issuer named
    5. dates      validFrom, validUntil
    6. status     each list of the credential, itself verified
    7. issuer     on our list of trusted issuers
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from assay_credentials.canonical import CanonicalisationBudgetExceeded
from assay_credentials.contexts import STATUS_LIST_CONTEXT
from assay_credentials.did import ResolveKey, resolve_did_key
from assay_credentials.errors import (
    DocumentRefused,
    DocumentUnsupported,
    SignatureInvalid,
    StatusListUnusable,
)
from assay_credentials.intake import JsonObject, checked_document, parse_document
from assay_credentials.jsonld import JsonLd
from assay_credentials.moments import parse_moment
from assay_credentials.proof import VerifiedProof, verify_proof
from assay_credentials.status_list import decode_bits, status_at

MAX_STATUS_ENTRIES: Final = 8
CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far ahead of ours the issuer's clock may be before a credential is "not yet valid"."""

ResolveStatus = Callable[[str], bytes | JsonObject | None]
"""From the URL of a status list credential to the document served there; None: it could not be
fetched. Must not raise.
"""


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
    ISSUER_UNKNOWN = "issuer_unknown"
    COULD_NOT_CHECK = "could_not_check"


@dataclass(frozen=True)
class Check:
    name: str
    result: Result
    detail: str


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


@dataclass(frozen=True)
class StatusList:
    """A status list whose signature, dates and form are good."""

    issuer: str
    purposes: frozenset[str]
    bits: bytes
    valid_until: datetime


_SENTENCES = {
    Outcome.VALID: "This credential is genuine and valid.",
    Outcome.NOT_YET_VALID: "This credential is genuine, but its period of validity has not begun.",
    Outcome.EXPIRED: "This credential is genuine, but it has expired.",
    Outcome.SUSPENDED: "This credential is genuine, but its issuer has suspended it. "
    "Do not rely on it now.",
    Outcome.REVOKED: "This credential is genuine, but its issuer has revoked it. "
    "Do not rely on it.",
    Outcome.NOT_GENUINE: "This is not a genuine credential: it was changed after it was signed, "
    "or was never signed by the issuer that it names.",
    Outcome.ISSUER_UNKNOWN: "The signature is good, but this service does not know the issuer.",
    Outcome.COULD_NOT_CHECK: "This credential could not be checked. This does not mean that it is "
    "valid, nor that it is not.",
}


def verify_credential(
    document: bytes | JsonObject,
    *,
    now: datetime,
    resolve_status: ResolveStatus,
    trusted_issuers: Mapping[str, str],
    resolve_key: ResolveKey = resolve_did_key,
    jsonld: JsonLd | None = None,
) -> Verification:
    """Everything that can be said about a credential at `now` (with offset).

    Give the bytes as they came where there are bytes: only in them can duplicate keys be seen.
    `trusted_issuers` is DID to the name by which we know the issuer. `jsonld` is for whoever
    verifies many documents of its own making. Never raises for any document.
    """
    genuine = _genuine(document, resolve_key, jsonld)
    checks = list(genuine.checks)
    if genuine.facts is None:
        outcome = (
            Outcome.NOT_GENUINE
            if any(check.result is Result.FAILED for check in checks)
            else Outcome.COULD_NOT_CHECK
        )
        return Verification(outcome, _SENTENCES[outcome], tuple(checks))
    facts = genuine.facts
    found: set[Outcome] = set()
    for check, outcome_of_check in (
        _dates(facts, now),
        *_status(facts, now, resolve_status, resolve_key),
        _issuer(facts, trusted_issuers),
    ):
        checks.append(check)
        if outcome_of_check is not None:
            found.add(outcome_of_check)
    outcome = next((worst for worst in _PRECEDENCE if worst in found), Outcome.VALID)
    return Verification(
        outcome,
        _SENTENCES[outcome],
        tuple(checks),
        issuer=facts.issuer,
        issuer_name=trusted_issuers.get(facts.issuer),
        valid_from=facts.valid_from,
        valid_until=facts.valid_until,
    )


_PRECEDENCE = (
    # Known facts against the credential come before what is not known, and what ends it before
    # what may pass.
    Outcome.REVOKED,
    Outcome.EXPIRED,
    Outcome.SUSPENDED,
    Outcome.NOT_YET_VALID,
    Outcome.COULD_NOT_CHECK,
    Outcome.ISSUER_UNKNOWN,
)


@dataclass(frozen=True)
class _Facts:
    document: JsonObject
    issuer: str
    proof: VerifiedProof
    valid_from: datetime | None
    valid_until: datetime | None


@dataclass(frozen=True)
class _Genuine:
    """Whether the issuer named said exactly this. `facts` is None when not, or when it cannot be
    known.
    """

    checks: tuple[Check, ...]
    facts: _Facts | None


# Which check a rule of intake, JSON-LD or proof belongs to; any other rule is one of form.
_CHECK_OF_RULE = {
    "inline-context": "contexts",
    "unknown-context": "contexts",
    "unknown-term": "terms",
    "respelled": "terms",
    "iri": "terms",
    "language": "terms",
    "json-ld": "terms",
    "json-literal": "terms",
    "blank-node-label": "terms",
    "proof": "signature",
    "cryptosuite": "signature",
    "verification-method": "signature",
    "issuer": "signature",
}
_GENUINE_CHECKS = ("form", "contexts", "terms", "signature")
_PASSED_DETAIL = {
    "form": "A well-formed credential.",
    "contexts": "Uses only vocabularies that this service has pinned.",
    "terms": "Every field has one fixed meaning.",
    "signature": "The signature fits the document and the issuer's key.",
}


def _genuine(
    document: bytes | JsonObject, resolve_key: ResolveKey, jsonld: JsonLd | None = None
) -> _Genuine:
    """Checks 1 to 4. They end at the first that does not pass."""
    try:
        checked = (
            parse_document(document) if isinstance(document, bytes) else checked_document(document)
        )
        issuer, valid_from, valid_until = _form(checked)
        proof = verify_proof(checked, resolve_key, jsonld=jsonld)
        if proof.controller != issuer:
            raise DocumentRefused(
                "issuer", f"signed by {proof.controller}, not by the issuer named"
            )
    except DocumentRefused as error:
        return _stopped_at(_CHECK_OF_RULE.get(error.rule, "form"), Result.FAILED, str(error))
    except SignatureInvalid as error:
        return _stopped_at("signature", Result.FAILED, str(error))
    except DocumentUnsupported as error:
        name = _CHECK_OF_RULE.get(error.rule, "form")
        return _stopped_at(name, Result.COULD_NOT_CHECK, str(error))
    except CanonicalisationBudgetExceeded as error:
        return _stopped_at("form", Result.COULD_NOT_CHECK, str(error))
    checks = tuple(Check(name, Result.PASSED, _PASSED_DETAIL[name]) for name in _GENUINE_CHECKS)
    return _Genuine(checks, _Facts(checked, issuer, proof, valid_from, valid_until))


def _stopped_at(name: str, result: Result, detail: str) -> _Genuine:
    passed = _GENUINE_CHECKS[: _GENUINE_CHECKS.index(name)]
    checks = [Check(earlier, Result.PASSED, _PASSED_DETAIL[earlier]) for earlier in passed]
    return _Genuine((*checks, Check(name, result, detail)), None)


def _form(document: JsonObject) -> tuple[str, datetime | None, datetime | None]:
    """Issuer and dates of a VC 2.0 document. Raises DocumentRefused."""
    if "VerifiableCredential" not in _texts(document.get("type")):
        raise DocumentRefused("form", "type: must include VerifiableCredential")
    if "credentialSubject" not in document:
        raise DocumentRefused("form", "credentialSubject: missing")
    issuer = document.get("issuer")
    if isinstance(issuer, dict):
        issuer = issuer.get("id")
    if not isinstance(issuer, str) or not issuer:
        raise DocumentRefused("form", "issuer: missing, or without id")
    valid_from, valid_until = (_moment(document, name) for name in ("validFrom", "validUntil"))
    return issuer, valid_from, valid_until


def _moment(document: JsonObject, name: str) -> datetime | None:
    text = document.get(name)
    if text is None:
        return None
    if not isinstance(text, str):
        raise DocumentRefused("date", f"{name}: not a text")
    return parse_moment(text, name)


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]


def _dates(facts: _Facts, now: datetime) -> tuple[Check, Outcome | None]:
    ends = [end for end in (facts.valid_until, facts.proof.expires) if end is not None]
    if ends and now > min(ends):
        text = f"Expired at {min(ends):%Y-%m-%d %H:%M:%S} UTC."
        return Check("dates", Result.FAILED, text), Outcome.EXPIRED
    if facts.valid_from is not None and now + CLOCK_SKEW < facts.valid_from:
        text = f"Valid from {facts.valid_from:%Y-%m-%d %H:%M:%S} UTC."
        return Check("dates", Result.FAILED, text), Outcome.NOT_YET_VALID
    text = f"Valid until {min(ends):%Y-%m-%d %H:%M:%S} UTC." if ends else "Does not expire."
    return Check("dates", Result.PASSED, text), None


def _issuer(facts: _Facts, trusted: Mapping[str, str]) -> tuple[Check, Outcome | None]:
    name = trusted.get(facts.issuer)
    if name is None:
        text = f"{facts.issuer} is not on this service's list of issuers."
        return Check("issuer", Result.FAILED, text), Outcome.ISSUER_UNKNOWN
    return Check("issuer", Result.PASSED, f"Issued by {name}."), None


_SET: Mapping[str, tuple[str, Outcome]] = {
    "revocation": ("revoked", Outcome.REVOKED),
    "suspension": ("suspended", Outcome.SUSPENDED),
}


def _status(
    facts: _Facts, now: datetime, resolve_status: ResolveStatus, resolve_key: ResolveKey
) -> list[tuple[Check, Outcome | None]]:
    entries = facts.document.get("credentialStatus")
    if entries is None:
        return [(Check("status", Result.PASSED, "The issuer keeps no status for it."), None)]
    entries = entries if isinstance(entries, list) else [entries]
    if len(entries) > MAX_STATUS_ENTRIES:
        text = f"More than {MAX_STATUS_ENTRIES} status entries."
        return [(Check("status", Result.COULD_NOT_CHECK, text), Outcome.COULD_NOT_CHECK)]
    results: list[tuple[Check, Outcome | None]] = []
    for entry in entries:
        try:
            purpose, is_set = _entry(entry, facts.issuer, now, resolve_status, resolve_key)
        except StatusListUnusable as error:
            check = Check("status", Result.COULD_NOT_CHECK, str(error))
            results.append((check, Outcome.COULD_NOT_CHECK))
            continue
        word, outcome = _SET[purpose]
        if is_set:
            results.append((Check("status", Result.FAILED, f"It is {word}."), outcome))
        else:
            results.append((Check("status", Result.PASSED, f"It is not {word}."), None))
    return results


def _entry(
    entry: object,
    issuer: str,
    now: datetime,
    resolve_status: ResolveStatus,
    resolve_key: ResolveKey,
) -> tuple[str, bool]:
    """The purpose of one status entry and whether its bit is set. Raises StatusListUnusable."""
    if not isinstance(entry, dict) or "BitstringStatusListEntry" not in _texts(entry.get("type")):
        raise StatusListUnusable("The status entry is of a kind that this service does not know.")
    purpose, url, index = (
        entry.get(name) for name in ("statusPurpose", "statusListCredential", "statusListIndex")
    )
    if not isinstance(purpose, str) or purpose not in _SET:
        raise StatusListUnusable("The status entry has a purpose that this service does not know.")
    if entry.get("statusSize", 1) != 1:
        raise StatusListUnusable("The status entry has more than one bit.")
    if not isinstance(url, str) or not isinstance(index, str):
        raise StatusListUnusable("The status entry names no list or no index.")
    if not (index.isascii() and index.isdigit() and len(index) <= 9):
        raise StatusListUnusable("The index of the status entry is not a number.")
    status_list = open_status_list(resolve_status(url), url=url, now=now, resolve_key=resolve_key)
    # Otherwise anybody who can answer at that URL could clear the bit with a list of their own.
    if status_list.issuer != issuer:
        raise StatusListUnusable(f"The {purpose} list is signed by somebody else than the issuer.")
    if purpose not in status_list.purposes:
        raise StatusListUnusable(f"The list is not one of {purpose}.")
    try:
        return purpose, status_at(status_list.bits, int(index))
    except ValueError as error:
        raise StatusListUnusable(f"The {purpose} list has no such index.") from error


def open_status_list(
    document: bytes | JsonObject | None,
    *,
    url: str,
    now: datetime,
    resolve_key: ResolveKey = resolve_did_key,
) -> StatusList:
    """The list served at `url`, once its own proof, dates and form are found good. Raises
    StatusListUnusable.
    """
    if document is None:
        raise StatusListUnusable("The status list could not be fetched.")
    genuine = _genuine(document, resolve_key)
    facts = genuine.facts
    if facts is None:
        raise StatusListUnusable(f"The status list is not genuine: {genuine.checks[-1].detail}")
    if tuple(_texts(facts.document.get("@context"))) != STATUS_LIST_CONTEXT:
        raise StatusListUnusable("The status list has another @context than a status list has.")
    if "BitstringStatusListCredential" not in _texts(facts.document.get("type")):
        raise StatusListUnusable("What is served is not a status list.")
    if facts.document.get("id") != url:
        raise StatusListUnusable("What is served is another status list.")
    if facts.valid_until is None:
        raise StatusListUnusable(
            "The status list has no validUntil, so an old one would pass for new."
        )
    dates, problem = _dates(facts, now)
    if problem is not None:
        raise StatusListUnusable(f"The status list is out of date: {dates.detail}")
    subject = facts.document.get("credentialSubject")
    if not isinstance(subject, dict) or "BitstringStatusList" not in _texts(subject.get("type")):
        raise StatusListUnusable("The status list has no bitstring.")
    encoded = subject.get("encodedList")
    if not isinstance(encoded, str):
        raise StatusListUnusable("The status list has no encodedList.")
    try:
        bits = decode_bits(encoded)
    except ValueError as error:
        raise StatusListUnusable(f"The status list cannot be read: {error}") from error
    purposes = frozenset(_texts(subject.get("statusPurpose")))
    return StatusList(facts.issuer, purposes, bits, facts.valid_until)
