"""What the printed pages say for codes. A code that is not here is printed as it is."""

from collections.abc import Mapping
from typing import Final

REASONS: Final[Mapping[str, str]] = {
    "id_conflict_quarantined": "another statement with this id came first",
    "voided": "it was taken back",
    "void_not_authorised": "somebody tried to take another statement back who may not",
    "group_actor": "a group acted, and the rule counts single persons",
    "modality_mismatch": "it came from a source of another kind than the rule asks for",
    "launch_mode_not_normal": "it was launched to browse or review",
    "before_disqualification": "it lies before the disqualification",
    "previous_cycle": "it belongs to a cycle that is over",
    "assessor_missing": "no assessor is named",
    "assessor_unverified": "the source does not vouch for the assessor, and nobody signed",
    "self_assessed": "the person assessed himself or herself",
    "assessor_not_independent": "the assessor had a conflict of interest",
    "assessor_not_authorised": "the assessor was not authorised on that day",
    "outside_window": "it is too old",
    "waiver_not_allowed": "the rule does not accept this waiver",
    "critical_step_missed": "a critical step was missed",
    "profile_contradiction": "its result contradicts the score that its profile asks for",
    "success_false": "it was not passed",
    "score_missing": "it bears no score",
    "score_below": "the score is too low",
    "attempt_failed": "the attempt that it belongs to was failed",
}

STATUSES: Final[Mapping[str, str]] = {
    "achieved": "achieved",
    "expired": "expired",
    "suspended": "suspended",
    "under_review": "under review",
    "revoked": "revoked",
    "in_progress": "in progress",
    "not_started": "not started",
}

# Beside the word, never instead of it: a page is read in black and white too.
SIGNS: Final[Mapping[str, str]] = {
    "achieved": "✓",
    "expired": "⌛",
    "suspended": "⏸",
    "under_review": "?",
    "revoked": "✗",
    "in_progress": "…",
}

CHANGED: Final = "CHANGED since the original entry"
UNCHANGED: Final = "unchanged since the original entry"
# How an entry compares with what is decided of the same day from all that was known later.
STANDS: Final[Mapping[str, str]] = {
    "as_entered": "as entered",
    "more_known": "as entered; more is known of that day",
    "changed": "CHANGED by what was known later",
}
NO_ENTRY: Final = "no entry on record"

# Members of a decision that only some rules give, and what they are headed by.
FURTHER: Final[Mapping[str, str]] = {
    "levels": "Levels",
    "prerequisites": "Prerequisites",
    "overrides": "Awards by hand",
    "reviews": "Open reviews",
    "by_evidence": "What the evidence alone gives",
}

# What each file of a pack is for.
CONTENTS: Final[Mapping[str, str]] = {
    "index.html": "Begin here: the question, the counts, everybody with a link.",
    "people/<id>.html": "One person, to be read or printed: decisions, why, how they changed.",
    "people/<id>.json": "The same for machines.",
    "rules/<id>.v<n>.json": "A version of a rule as it was recorded, with approvals and steps.",
    "rules.html": "All rule versions with their approvals, to be read.",
    "tables/matrix": "People by competencies: status, level, dates.",
    "tables/evidence": "Each statement: id, SHA-256 of its body, source, modality, times.",
    "tables/voids": "Statements that were taken back, by whom, why, and whether it took effect.",
    "tables/history": "Each decision that was made, with what changed against the one before.",
    "tables/links": "Which identifiers were which person, on which days, recorded when.",
    "tables/authorisations": "Who was allowed to assess what, on which days, recorded when.",
    "tables/conflicts": "Declared conflicts of interest, likewise.",
    "tables/overrides": "Awards by hand, with both signatures.",
    "tables/reviews": "Reviews and contests, opened and closed by whom.",
    "tables/audit": "What people changed of all this: who, when, why, before and after.",
    "recompute/<id>.json": "What the decisions are made from: `assay inspect verify --recompute`.",
    "SHA256SUMS": "For `sha256sum -c SHA256SUMS` in the unpacked folder.",
    "manifest.json": "The question, the versions of engine and product, each file's SHA-256.",
}
