"""May this void take effect? The rule, pure; `judge_voids` in queries.sql says the same in SQL.

Source: design, "Void"; xAPI 1.0.3 Data 2.3.2, IEEE 9274.1.1 4.2.5.
"""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Reason = Literal["target_unknown", "target_is_voiding", "void_not_authorised"]


@dataclass(frozen=True, slots=True)
class Target:
    """What is known of the statement that a void points at."""

    source: str
    voids: UUID | None


def why_not(
    target: Target | None, *, source: str, learner_controlled: bool, may_void: bool
) -> Reason | None:
    """The reason why a void from `source` has no effect on `target`; None when it counts.

    `may_void` is whether its client holds the scope statements/void. A void whose target is not
    known has no effect yet; it is judged again when the target arrives.
    """
    if target is None:
        return "target_unknown"
    if target.voids is not None:
        return "target_is_voiding"
    if may_void or (target.source == source and not learner_controlled):
        return None
    return "void_not_authorised"
