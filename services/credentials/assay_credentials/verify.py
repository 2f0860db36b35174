"""Verifying a credential or a presentation: a list of checks, each passed, failed or
could-not-check, and one plain sentence on top.

Pure: the clock, the status lists, the keys of DIDs and the list of trusted issuers are arguments.
"Could not check" is an answer of its own and never turns into "not revoked".

    1. form         bytes, JSON or JWT, limits, the fields every credential has
    2. contexts     one of the pinned `@context` arrays
    3. terms        every key is a term, nothing dropped, nothing spelled another way
    4. signature    every proof, by a key of the issuer named
    5. dates        validFrom, validUntil
    6. status       each list of the credential, itself verified
    7. issuer       on our list of trusted issuers
    8. achievement  one that this issuer may award
    9. schema       the pinned JSON Schema of its type
    10. holder      where a presentation is given: it is about whoever shows it

After the first of 1 to 4 that does not pass there are no more.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from assay_credentials.did import ResolveKey, resolve_did_key
from assay_credentials.intake import JsonObject
from assay_credentials.jsonld import JsonLd, without_wrapped
from assay_credentials.verification.answer import (
    SENTENCES,
    Check,
    Finding,
    Outcome,
    PresentationVerification,
    Result,
    Trust,
    TrustedIssuer,
    Verification,
    failed,
    passed,
    trusted,
    unchecked,
    worst,
)
from assay_credentials.verification.form import many
from assay_credentials.verification.genuine import (
    Facts,
    Genuine,
    Given,
    genuine_credential,
    genuine_presentation,
)
from assay_credentials.verification.schemas import schema_errors, unpinned_schemas
from assay_credentials.verification.status import (
    CLOCK_SKEW,
    MAX_STATUS_ENTRIES,
    ResolveStatus,
    StatusList,
    date_finding,
    open_status_list,
    status_findings,
)

__all__ = [
    "CLOCK_SKEW",
    "MAX_CREDENTIALS",
    "MAX_STATUS_ENTRIES",
    "Check",
    "Given",
    "Outcome",
    "PresentationVerification",
    "ResolveStatus",
    "Result",
    "StatusList",
    "TrustedIssuer",
    "Verification",
    "open_status_list",
    "verify_credential",
    "verify_jwt",
    "verify_presentation",
]

MAX_CREDENTIALS: Final = 100
"""Credentials in one presentation or transcript that are looked at; each costs milliseconds."""

MAX_DEPTH: Final = 2
"""A badge in a transcript in a presentation."""

PRESENTATION_AGE_MAX: Final = timedelta(minutes=10)


@dataclass(frozen=True)
class _Context:
    """What a verification is made with."""

    now: datetime
    resolve_status: ResolveStatus
    trust: Trust
    resolve_key: ResolveKey
    jsonld: JsonLd | None
    issuer_signs: bool = True


def verify_credential(
    document: Given,
    *,
    now: datetime,
    resolve_status: ResolveStatus,
    trusted_issuers: Trust,
    resolve_key: ResolveKey = resolve_did_key,
    jsonld: JsonLd | None = None,
    issuer_signs: bool = True,
) -> Verification:
    """Everything that can be said about a credential at `now` (with offset): JSON with embedded
    proofs, or a VC-JWT.

    Give the bytes as they came where there are bytes: only in them can duplicate keys be seen.
    `jsonld` is for whoever verifies many documents of its own making. The status is asked for only
    when the signature is good. `issuer_signs` False takes the key of anybody for that of the
    issuer, which the W3C suites need and nobody who relies on a credential may do. Never raises
    for any document.
    """
    context = _Context(now, resolve_status, trusted_issuers, resolve_key, jsonld, issuer_signs)
    return _verified(document, context, depth=0)


def verify_jwt(
    token: str,
    *,
    now: datetime,
    resolve_status: ResolveStatus,
    trusted_issuers: Trust,
    resolve_key: ResolveKey = resolve_did_key,
    jsonld: JsonLd | None = None,
) -> Verification:
    """`verify_credential` of a text that must be a VC-JWT."""
    context = _Context(now, resolve_status, trusted_issuers, resolve_key, jsonld)
    # Text that is no token fails as JSON does.
    return _verified(token if token.startswith("e") else "", context, depth=0)


def verify_presentation(
    document: Given,
    *,
    now: datetime,
    challenge: str | None,
    domain: str | None,
    resolve_status: ResolveStatus,
    trusted_issuers: Trust,
    resolve_key: ResolveKey = resolve_did_key,
    jsonld: JsonLd | None = None,
    issuer_signs: bool = True,
    bind_holder: bool = True,
    age_max: timedelta = PRESENTATION_AGE_MAX,
) -> PresentationVerification:
    """Whether the holder of a key shows these credentials, in answer to `challenge` for `domain`.

    That a challenge is used once is for the caller to see to. None for either is for whoever
    cannot know them, and then a recorded presentation cannot be told from a new one.
    `bind_holder`: each credential must be about the DID that signed. Never raises.
    """
    context = _Context(now, resolve_status, trusted_issuers, resolve_key, jsonld, issuer_signs)
    genuine = genuine_presentation(document, resolve_key, jsonld)
    facts = genuine.facts
    if facts is None:
        outcome = _outcome_of(genuine)
        return PresentationVerification(outcome, SENTENCES[outcome], genuine.checks)
    findings = [_request(facts, now, challenge, domain, age_max)]
    inner = without_wrapped(facts.document)[1]
    if len(inner) > MAX_CREDENTIALS:
        findings.append(unchecked("credentials", f"More than {MAX_CREDENTIALS} credentials."))
        inner = []
    credentials = [_verified(one, context, depth=1) for one in inner]
    if bind_holder:
        credentials = [_bound(one, facts.signer) for one in credentials]
    outcome = worst([*(found for _, found in findings), *(one.outcome for one in credentials)])
    return PresentationVerification(
        outcome,
        SENTENCES[outcome],
        (*genuine.checks, *(check for check, _ in findings)),
        facts.signer,
        tuple(credentials),
    )


def _verified(document: Given, context: _Context, *, depth: int) -> Verification:
    genuine = genuine_credential(
        document, context.resolve_key, context.jsonld, issuer_signs=context.issuer_signs
    )
    facts = genuine.facts
    if facts is None:
        outcome = _outcome_of(genuine)
        return Verification(outcome, SENTENCES[outcome], genuine.checks)
    issuer = trusted(context.trust, facts.signer)
    findings = [
        date_finding(facts, context.now),
        *status_findings(facts, context.now, context.resolve_status, context.resolve_key),
        _issuer(facts, issuer),
        _achievement(facts, issuer),
        _schema(facts),
    ]
    credentials: tuple[Verification, ...] = ()
    inner = without_wrapped(facts.document)[1]
    if inner:
        if depth >= MAX_DEPTH or len(inner) > MAX_CREDENTIALS:
            findings.append(unchecked("credentials", "More credentials inside than are looked at."))
        else:
            credentials = tuple(_verified(one, context, depth=depth + 1) for one in inner)
            findings.append(_inside(credentials))
    outcome = worst(found for _, found in findings)
    return Verification(
        outcome,
        SENTENCES[outcome],
        (*genuine.checks, *(check for check, _ in findings)),
        issuer=facts.signer,
        issuer_name=None if issuer is None else issuer.name,
        valid_from=facts.valid_from,
        valid_until=facts.valid_until,
        trusted=issuer,
        document=facts.document,
        credentials=credentials,
    )


def _outcome_of(genuine: Genuine) -> Outcome:
    is_failed = any(check.result is Result.FAILED for check in genuine.checks)
    return Outcome.NOT_GENUINE if is_failed else Outcome.COULD_NOT_CHECK


def _issuer(facts: Facts, issuer: TrustedIssuer | None) -> Finding:
    if issuer is None:
        text = f"{facts.signer} is not on this service's list of issuers."
        return failed("issuer", text, Outcome.ISSUER_UNKNOWN)
    source = "" if issuer.registry is None else f" (by {issuer.registry})"
    return passed("issuer", f"Issued by {issuer.name}{source}.")


def _achievement(facts: Facts, issuer: TrustedIssuer | None) -> Finding:
    """Whether the issuer may award this. A list that names achievements names all that it may."""
    if issuer is None:
        text = "The issuer is not known, so nothing is known of what it may award."
        return Check("achievement", Result.COULD_NOT_CHECK, text), Outcome.ISSUER_UNKNOWN
    if issuer.achievements is None:
        return passed("achievement", "The issuer may award it.")
    for subject in many(facts.document.get("credentialSubject")):
        if not _may_award(subject, issuer.achievements):
            text = "The issuer is not listed as one that may award this achievement."
            return failed("achievement", text, Outcome.ISSUER_NOT_ALLOWED)
    return passed("achievement", "The issuer is listed as one that may award it.")


def _may_award(subject: object, allowed: frozenset[str]) -> bool:
    achievement = subject.get("achievement") if isinstance(subject, dict) else None
    if not isinstance(achievement, dict):
        return False
    if achievement.get("id") in allowed:
        return True
    aligned = [
        one.get("targetUrl") if isinstance(one, dict) else None
        for one in many(achievement.get("alignment", []))
    ]
    # All of them: else one allowed competency would carry any other along.
    return bool(aligned) and all(url in allowed for url in aligned)


def _schema(facts: Facts) -> Finding:
    errors = schema_errors(facts.document)
    if errors:
        return failed("schema", f"Against its schema: {'; '.join(errors)}", Outcome.MALFORMED)
    unpinned = unpinned_schemas(facts.document)
    if unpinned:
        return unchecked("schema", f"This service does not have the schema {unpinned[0]}.")
    return passed(
        "schema",
        "Names no schema, and its type has none here."
        if errors is None
        else "Keeps the official schema of its type.",
    )


def _inside(credentials: tuple[Verification, ...]) -> Finding:
    bad = sum(one.outcome is not Outcome.VALID for one in credentials)
    if bad:
        text = f"{bad} of the {len(credentials)} credentials inside are not valid."
        return failed("credentials", text, Outcome.PARTLY_VALID)
    return passed("credentials", f"All {len(credentials)} credentials inside are valid.")


def _request(
    facts: Facts, now: datetime, challenge: str | None, domain: str | None, age_max: timedelta
) -> Finding:
    """Whether a presentation was made for this question, and now."""
    if challenge is not None and facts.challenge != challenge:
        return failed("request", "It answers another challenge.", Outcome.NOT_HOLDER)
    if domain is not None and domain not in facts.domains:
        return failed("request", "It was made for somebody else.", Outcome.NOT_HOLDER)
    created = facts.created
    if created is not None and not now - age_max <= created <= now + CLOCK_SKEW:
        return failed("request", "It was not made now.", Outcome.NOT_HOLDER)
    if facts.valid_until is not None and now > facts.valid_until:
        return failed("request", "It has ended.", Outcome.NOT_HOLDER)
    return passed("request", "It was made for this request.")


def _bound(found: Verification, holder: str) -> Verification:
    """Add the check that a credential is about `holder`."""
    if found.document is None:
        return found
    check, outcome = _holder(found.document, holder)
    combined = worst([found.outcome, outcome])
    return replace(
        found, outcome=combined, sentence=SENTENCES[combined], checks=(*found.checks, check)
    )


def _holder(document: JsonObject, holder: str) -> Finding:
    subjects = [
        one.get("id") if isinstance(one, dict) else None
        for one in many(document.get("credentialSubject"))
    ]
    if subjects == [holder]:
        return passed("holder", "It is about the holder of the key that shows it.")
    if None in subjects:
        text = "It names no key of the one that it is about, so whoever shows it cannot prove it."
        return unchecked("holder", text)
    return failed("holder", "It is about somebody else.", Outcome.NOT_HOLDER)
