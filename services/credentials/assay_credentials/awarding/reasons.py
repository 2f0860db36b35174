"""Why a credential was suspended, superseded or revoked, in words for the learner.

The code comes from the event, or from the awards; nobody but the learner and who may read the
learner's credentials is told. A code that is not here is shown as it is.
"""

from collections.abc import Mapping
from typing import Final

REASONS: Final[Mapping[str, str]] = {
    "voided": "Evidence for it was taken back by whoever had sent it.",
    "id_conflict_quarantined": "Evidence for it was sent twice with different content.",
    "no_longer_evidence": "Evidence for it belongs to somebody else, or does not count any more.",
    "judged_otherwise": "The evidence was judged anew, and is not enough or says something else.",
    "disqualified": "Something happened after which it must not be relied on.",
    "later_failure": "A later assessment was failed.",
    "review": "Somebody looks into it.",
    "review_closed": "A review was closed.",
    "override_ended": "It was awarded by hand, and that award has ended.",
    "no_rule": "There is no rule for it any more.",
    "expired": "Its last valid day has passed.",
    "renewed": "It was renewed, and another credential stands in its place.",
    "achieved": "It was achieved anew, and another credential stands in its place.",
    "reinstated": "It holds again, and another credential stands in its place.",
    "level_changed": "The level is another, and another credential stands in its place.",
    "corrected": "Dates or evidence were corrected, and another credential stands in its place.",
    "merged": "Two records were found to be of one person; the other record has the credential.",
    "outreach": "The person is of the outreach programme, where only taking part is certified.",
    "key_removed": "The issuer's key that had signed it was taken away.",
    "key_compromised": "The issuer's key that had signed it may be known to somebody else; another "
    "credential stands in its place.",
    "withdrawn_by_hand": "Two people of the issuer took it back.",
}


def told(code: str | None) -> str | None:
    """The sentence, where there is one."""
    return None if code is None else REASONS.get(code)
