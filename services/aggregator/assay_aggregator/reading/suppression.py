"""Small numbers in aggregates: who reads them must not be able to tell fewer than five people.

Pure. Two shapes are enough for every aggregate of ours:

- a *line*: the parts of one population whose total is shown (statuses of a cohort);
- a *tree*: groups whose counts add up to those of the group above (sites of a role), each with the
  same parts. Here a group is shown or hidden whole.

What is hidden is marked alike, whether it is small itself or hidden to keep another from being
worked out (complementary). The law, which a test tries to break by working out all that fits what
is shown: for each hidden number there is a possible value of `least` or more, and another one,
unless it is told to be zero. Zeros are shown: nobody is counted by them. That totals of one tree
are compared with those of another (of other roles, of another day) is beyond it; see
docs/reading.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

SMALL: Final = 5
"""Fewer people than this are not shown (README section 6.3, P9)."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group of people and what its parts count: disjoint, and together the whole group."""

    key: str
    parts: Mapping[str, int]

    @property
    def people(self) -> int:
        """How many the group has."""
        return sum(self.parts.values())


def is_small(count: int, least: int = SMALL) -> bool:
    """Whether a number tells of few people. None is nobody."""
    return 0 < count < least


def hidden_parts(parts: Mapping[str, int], least: int = SMALL) -> frozenset[str]:
    """Which parts of a line to hide, whose total is shown unless it is small itself.

    Hidden are the small ones, and then the smallest others until the hidden are at least two and
    come to `least` people together: so much is told by the total less what is shown. Parts of
    nobody join last. All are hidden when that cannot be had; `shows_total` says whether the total
    may be shown.
    """
    hidden = {key for key, count in parts.items() if is_small(count, least)}
    if not hidden:
        return frozenset()
    # Nobody's part comes last: it adds nothing, but a second number is hidden by it.
    others = sorted(
        (key for key in parts if key not in hidden),
        key=lambda key: (not parts[key], parts[key], key),
    )
    while others and (len(hidden) < 2 or sum(parts[key] for key in hidden) < least):
        hidden.add(others.pop(0))
    return frozenset(hidden)


def shows_total(parts: Mapping[str, int], least: int = SMALL) -> bool:
    """Whether the total of a line may be shown beside what `hidden_parts` leaves."""
    hidden = hidden_parts(parts, least)
    total = sum(parts.values())
    if is_small(total, least):
        return False
    return not hidden or (len(hidden) >= 2 and sum(parts[key] for key in hidden) >= least)


def is_shown_alone(group: Group, least: int = SMALL) -> bool:
    """Whether nothing that the group tells is small."""
    return not is_small(group.people, least) and not any(
        is_small(count, least) for count in group.parts.values()
    )


def hidden_groups(above: Group, groups: Sequence[Group], least: int = SMALL) -> frozenset[str]:
    """Which groups to hide, of those that `above` is the sum of.

    When `above` is hidden, all are. Otherwise those that tell something small, and then the
    smallest others until at least two are hidden and what each part counts over the hidden ones is
    nobody, or at least `least`: that sum is told by `above` less the shown ones.
    """
    if not is_shown_alone(above, least):
        return frozenset(group.key for group in groups)
    hidden = [group for group in groups if not is_shown_alone(group, least)]
    if not hidden:
        return frozenset()
    others = sorted(
        (group for group in groups if is_shown_alone(group, least)),
        key=lambda group: (group.people == 0, group.people, group.key),
    )
    while others and (len(hidden) < 2 or _tells_small(above, hidden, least)):
        hidden.append(others.pop(0))
    return frozenset(group.key for group in hidden)


def _tells_small(above: Group, hidden: Sequence[Group], least: int) -> bool:
    return any(
        is_small(sum(group.parts.get(part, 0) for group in hidden), least) for part in above.parts
    )
