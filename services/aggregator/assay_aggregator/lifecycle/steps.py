"""The life of a rule version as a table of steps. Pure.

A draft is written, reviewed and approved by people; only what was approved gets into force, and it
is never changed again: a change is a new version.
"""

from collections.abc import Mapping
from typing import Final, Literal

from assay_aggregator.errors import RuleConflict, Unknown

State = Literal["draft", "in_review", "effective", "retired", "withdrawn"]
Action = Literal["draft", "submit", "return", "approve", "publish", "withdraw", "retire"]

# A step that is no entry is not allowed. `draft` gives the version another content: whatever was
# signed before spoke of the other one, so it starts again. `publish` follows the last approval that
# is needed, in the same transaction.
STEPS: Final[Mapping[tuple[State | None, Action], State]] = {
    (None, "draft"): "draft",
    ("draft", "draft"): "draft",
    ("in_review", "draft"): "draft",
    ("withdrawn", "draft"): "draft",
    ("draft", "submit"): "in_review",
    ("in_review", "return"): "draft",
    ("in_review", "approve"): "in_review",
    ("in_review", "publish"): "effective",
    ("draft", "withdraw"): "withdrawn",
    ("in_review", "withdraw"): "withdrawn",
    ("effective", "retire"): "retired",
}


def step(state: State | None, action: Action) -> State:
    """The state after an action. Raises Unknown, and RuleConflict for a step that is no entry."""
    following = STEPS.get((state, action))
    if following is not None:
        return following
    if state is None:
        raise Unknown(f"there is no such rule version: `{action}` is not possible")
    raise RuleConflict(f"the rule version is {state}: `{action}` is not possible")
