"""Small numbers: whoever reads what is left cannot work out what was hidden.

The attack is by hand and complete: every table of whole numbers that fits what is shown is made,
and what all of them agree on is what the reader knows.
"""

from collections.abc import Iterable, Iterator, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from assay_aggregator.reading.suppression import (
    Group,
    hidden_groups,
    hidden_parts,
    is_shown_alone,
    is_small,
    shows_total,
)

# A smaller threshold than the product's makes the tables that must be tried few.
LEAST = 3
SMALLEST_OF_ALL = 5

counts = st.integers(0, 7)
lines = st.dictionaries(st.sampled_from("abcd"), counts, min_size=1)
trees = st.lists(st.tuples(counts, counts), min_size=1, max_size=4)


def sums(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Every way to write a total as so many whole numbers in order."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in sums(total - first, parts - 1):
            yield (first, *rest)


def cannot_be_told(values: Iterable[int], true: int, least: int) -> bool:
    """Whether a reader who knows the possible values knows neither the number nor that it is small.

    A number that can only be zero counts nobody.
    """
    possible = set(values)
    assert true in possible
    return possible == {0} or (len(possible) > 1 and max(possible) >= least)


@given(lines)
def test_a_hidden_part_of_a_line_cannot_be_worked_out(parts: dict[str, int]) -> None:
    hidden = sorted(hidden_parts(parts, LEAST))
    for key, count in parts.items():
        assert key in hidden or not is_small(count, LEAST)
    if not hidden or not shows_total(parts, LEAST):
        # Without the total nothing ties the hidden numbers to the shown ones.
        return
    left = sum(parts.values()) - sum(parts[key] for key in parts if key not in hidden)
    tables = list(sums(left, len(hidden)))
    for place, key in enumerate(hidden):
        assert cannot_be_told((table[place] for table in tables), parts[key], LEAST), (parts, key)


@given(lines)
def test_the_total_is_shown_unless_it_is_small(parts: dict[str, int]) -> None:
    assert shows_total(parts, LEAST) == (not is_small(sum(parts.values()), LEAST))


def possible_values(
    above: Group, groups: Sequence[Group], hidden: Sequence[str], part: str
) -> list[set[int]]:
    """What a part of each hidden group can be, by the shown groups and their sum.

    The parts are tied by nothing that is shown, so each is looked at alone.
    """
    left = above.parts[part] - sum(one.parts[part] for one in groups if one.key not in hidden)
    return [set(column) for column in zip(*sums(left, len(hidden)), strict=True)]


@settings(max_examples=300, deadline=None)
@given(trees)
def test_no_difference_of_groups_tells_a_hidden_one(rows: list[tuple[int, int]]) -> None:
    groups = [Group(str(at), {"no": no, "yes": yes}) for at, (no, yes) in enumerate(rows)]
    above = Group("", {part: sum(group.parts[part] for group in groups) for part in ("no", "yes")})
    hidden = hidden_groups(above, groups, LEAST)
    for group in groups:
        assert group.key in hidden or is_shown_alone(group, LEAST)
    if not is_shown_alone(above, LEAST):
        assert hidden == {group.key for group in groups}
        return
    if not hidden:
        return
    keys = sorted(hidden)
    possible = {part: possible_values(above, groups, keys, part) for part in above.parts}
    for place, key in enumerate(keys):
        (group,) = [one for one in groups if one.key == key]
        for part, values in possible.items():
            assert cannot_be_told(values[place], group.parts[part], LEAST), (rows, key, part)
        people = {no + yes for no in possible["no"][place] for yes in possible["yes"][place]}
        assert cannot_be_told(people, group.people, LEAST), (rows, key)


@given(trees)
def test_what_is_not_small_is_shown_when_nothing_else_is(rows: list[tuple[int, int]]) -> None:
    groups = [
        Group(str(at), {"no": no + LEAST, "yes": yes + LEAST}) for at, (no, yes) in enumerate(rows)
    ]
    above = Group("", {"no": 100, "yes": 100})
    assert hidden_groups(above, groups, LEAST) == frozenset()


@given(trees)
def test_the_order_of_groups_does_not_matter(rows: list[tuple[int, int]]) -> None:
    groups = [Group(str(at), {"no": no, "yes": yes}) for at, (no, yes) in enumerate(rows)]
    above = Group("", {part: sum(group.parts[part] for group in groups) for part in ("no", "yes")})
    assert hidden_groups(above, groups[::-1], LEAST) == hidden_groups(above, groups, LEAST)


def test_fewer_than_five_are_few_by_default() -> None:
    assert not is_small(0)
    assert is_small(1)
    assert is_small(SMALLEST_OF_ALL - 1)
    assert not is_small(SMALLEST_OF_ALL)


def test_the_single_small_site_takes_another_one_with_it() -> None:
    north, south, west = (
        Group("north", {"yes": 12, "no": 8}),
        Group("south", {"yes": 3, "no": 9}),
        Group("west", {"yes": 30, "no": 30}),
    )
    above = Group("", {"yes": 45, "no": 47})
    assert hidden_groups(above, [north, south, west]) == {"north", "south"}
