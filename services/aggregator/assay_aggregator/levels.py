"""Which of the levels of a rule is shown."""

from collections.abc import Sequence

_WITHOUT_AWARD = frozenset({"not_started", "in_progress", "none"})


def shown_level(statuses: Sequence[str]) -> int:
    """The index of the level shown, of the statuses of all levels in ascending order.

    It is the highest level in force; where none is, the highest with an award; else the lowest.
    """
    in_force = [index for index, one in enumerate(statuses) if one == "achieved"]
    awarded = [index for index, one in enumerate(statuses) if one not in _WITHOUT_AWARD]
    return max(in_force or awarded or [0])
