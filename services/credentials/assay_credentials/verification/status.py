"""Status lists: a list that says nothing that may be relied on means "could not check"."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from assay_credentials.contexts import CREDENTIALS_V2, DATA_INTEGRITY_V2, ED25519_2020
from assay_credentials.did import ResolveKey, resolve_did_key
from assay_credentials.errors import StatusListUnusable
from assay_credentials.intake import JsonObject
from assay_credentials.status_list import decode_bits, status_at
from assay_credentials.verification.answer import Finding, Outcome, failed, passed, unchecked
from assay_credentials.verification.form import many, texts
from assay_credentials.verification.genuine import Facts, Given, genuine_credential

MAX_STATUS_ENTRIES: Final = 8
CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far ahead of ours the issuer's clock may be before a credential is "not yet valid"."""

_CONTEXTS: Final = frozenset({CREDENTIALS_V2, DATA_INTEGRITY_V2, ED25519_2020})


@dataclass(frozen=True)
class StatusList:
    """A status list whose signature, dates and form are good."""

    url: str
    issuer: str
    purposes: frozenset[str]
    bits: bytes
    valid_until: datetime


ResolveStatus = Callable[[str], Given | StatusList | None]
"""From the URL of a status list credential to the document served there, or to the list that was
opened from it; None: it could not be fetched. Must not raise.
"""

_SET: Mapping[str, tuple[str, Outcome]] = {
    "revocation": ("revoked", Outcome.REVOKED),
    "suspension": ("suspended", Outcome.SUSPENDED),
}


def date_finding(facts: Facts, now: datetime) -> Finding:
    ends = facts.valid_until
    if ends is not None and now > ends:
        return failed("dates", f"Expired at {ends:%Y-%m-%d %H:%M:%S} UTC.", Outcome.EXPIRED)
    if facts.valid_from is not None and now + CLOCK_SKEW < facts.valid_from:
        text = f"Valid from {facts.valid_from:%Y-%m-%d %H:%M:%S} UTC."
        return failed("dates", text, Outcome.NOT_YET_VALID)
    return passed(
        "dates",
        "Does not expire." if ends is None else f"Valid until {ends:%Y-%m-%d %H:%M:%S} UTC.",
    )


def status_findings(
    facts: Facts, now: datetime, resolve_status: ResolveStatus, resolve_key: ResolveKey
) -> list[Finding]:
    """One for each status entry, or one that says that there is none."""
    entries = facts.document.get("credentialStatus")
    if entries is None:
        return [passed("status", "The issuer keeps no status for it.")]
    entries = many(entries)
    if len(entries) > MAX_STATUS_ENTRIES:
        return [unchecked("status", f"More than {MAX_STATUS_ENTRIES} status entries.")]
    results = []
    for entry in entries:
        try:
            purpose, is_set = _entry(entry, facts.signer, now, resolve_status, resolve_key)
        except StatusListUnusable as error:
            results.append(unchecked("status", str(error)))
            continue
        word, outcome = _SET[purpose]
        if is_set:
            results.append(failed("status", f"It is {word}.", outcome))
        else:
            results.append(passed("status", f"It is not {word}."))
    return results


def _entry(
    entry: object,
    issuer: str,
    now: datetime,
    resolve_status: ResolveStatus,
    resolve_key: ResolveKey,
) -> tuple[str, bool]:
    """The purpose of one status entry and whether its bit is set. Raises StatusListUnusable."""
    if not isinstance(entry, dict) or "BitstringStatusListEntry" not in texts(entry.get("type")):
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
    status_list = _opened(resolve_status(url), url, now, resolve_key)
    # Otherwise anybody who can answer at that URL could clear the bit with a list of their own.
    if status_list.issuer != issuer:
        raise StatusListUnusable(f"The {purpose} list is signed by somebody else than the issuer.")
    if purpose not in status_list.purposes:
        raise StatusListUnusable(f"The list is not one of {purpose}.")
    try:
        return purpose, status_at(status_list.bits, int(index))
    except ValueError as error:
        raise StatusListUnusable(f"The {purpose} list has no such index.") from error


def _opened(
    served: Given | StatusList | None, url: str, now: datetime, resolve_key: ResolveKey
) -> StatusList:
    if not isinstance(served, StatusList):
        return open_status_list(served, url=url, now=now, resolve_key=resolve_key)
    if served.url != url:
        raise StatusListUnusable("What is served is another status list.")
    if now > served.valid_until:
        raise StatusListUnusable("The status list is out of date.")
    return served


def open_status_list(
    document: Given | None,
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
    genuine = genuine_credential(document, resolve_key)
    facts = genuine.facts
    if facts is None:
        raise StatusListUnusable(f"The status list is not genuine: {genuine.checks[-1].detail}")
    if not _CONTEXTS.issuperset(texts(facts.document.get("@context"))):
        raise StatusListUnusable("The status list has another @context than a status list has.")
    if "BitstringStatusListCredential" not in texts(facts.document.get("type")):
        raise StatusListUnusable("What is served is not a status list.")
    if facts.document.get("id") != url:
        raise StatusListUnusable("What is served is another status list.")
    if facts.valid_until is None:
        raise StatusListUnusable(
            "The status list has no validUntil, so an old one would pass for new."
        )
    dates, problem = date_finding(facts, now)
    if problem is not None:
        raise StatusListUnusable(f"The status list is out of date: {dates.detail}")
    purposes, bits = _bits(facts.document)
    return StatusList(url, facts.signer, purposes, bits, facts.valid_until)


def _bits(document: JsonObject) -> tuple[frozenset[str], bytes]:
    subject = document.get("credentialSubject")
    if not isinstance(subject, dict) or "BitstringStatusList" not in texts(subject.get("type")):
        raise StatusListUnusable("The status list has no bitstring.")
    encoded = subject.get("encodedList")
    if not isinstance(encoded, str):
        raise StatusListUnusable("The status list has no encodedList.")
    try:
        bits = decode_bits(encoded)
    except ValueError as error:
        raise StatusListUnusable(f"The status list cannot be read: {error}") from error
    return frozenset(texts(subject.get("statusPurpose"))), bits
