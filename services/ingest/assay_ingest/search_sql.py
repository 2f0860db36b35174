"""The SQL of a search, put together from named fragments. Pure.

A statement matches when all filters hold for itself, or all hold for one statement that it leads to
by its StatementRef, and so on (xAPI 1.0.3 Communication 2.1.3, "Filter Conditions for
StatementRefs"). Time and sequence count for the statement itself.

So a search follows several *ways* side by side: each is one index in the order of the list, that of
the filter which leads. The other filters are looked up row by row, each in its own index, because
nearly all rows of a rare pair do not match, and the table's pages of them are in no cache. A way is
followed for a bounded stretch; its last row is a mark. What is found beyond the first mark of any
way is not used, and the next stretch begins behind it. However rare the matches are, one query
reads a bounded number of rows, and nothing is lost between two of them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from assay_ingest.records import (
    ACTIVITY,
    AGENT,
    REGISTRATION,
    RELATED_ACTIVITY,
    RELATED_AGENT,
    VERB,
)
from assay_ingest.search import Cursor, Search
from assay_runtime.sql import Queries

_PLACEHOLDER = re.compile(r"(?<!:):([a-z_]+)")
_STATEMENT = "ingest.statement"
_RELATED = "ingest.statement_related"
# The kinds under which `statement_via` holds what a filter asks for; the second one where it is
# asked broadly.
_VIA_KINDS = {
    "registration": (REGISTRATION,),
    "agent": (AGENT, RELATED_AGENT),
    "activity": (ACTIVITY, RELATED_ACTIVITY),
    "verb": (VERB,),
}
# Filters whose columns stand in the index of another one, too.
_BESIDE = {"activity": frozenset({"verb"})}
# In the order of expected selectivity; `mine` leads only where nothing else is asked for.
_LEADERS = ("registration", "agent", "activity", "verb", "mine")


@dataclass(frozen=True, slots=True)
class Way:
    """One index to follow: a table, the condition that picks its stretch, the filter held by it.

    `beside` are filters whose columns the index has, too, so that nothing is looked up for them.
    On a `via` way the filters are to hold for a statement that is referred to.
    """

    table: str
    leading: str = ""
    via: bool = False
    holds: frozenset[str] = field(default_factory=frozenset)
    beside: frozenset[str] = frozenset()


class Leaders:
    """Which filter leads the next stretch: each once, and then the one that came farthest.

    Where a list goes on does not depend on which filter led so far, so it may change each time.
    """

    def __init__(self, search: Search) -> None:
        names = _given(search)
        if len(names) > 1 and names[-1] == "mine":
            names.pop()
        # How far the first stretch came is not known, as nobody knows where its list begins.
        self._untried = [*names, *names[:1]] if len(names) > 1 else names
        self._reached: dict[str, int] = {}

    def choose(self) -> str | None:
        """The filter to lead; None where no filter is given."""
        if self._untried:
            return self._untried[0]
        return max(self._reached, key=self._reached.__getitem__, default=None)

    def came(self, leader: str | None, begin: Cursor | None, end: Cursor) -> None:
        """A stretch led by `leader` came from `begin` (None for a list's begin) to `end`."""
        if leader is None:
            return
        if self._untried:
            self._untried.pop(0)
        if begin is not None:
            self._reached[leader] = abs(end.stored_ms - begin.stored_ms)
        elif not self._untried:
            self._reached[leader] = 0


def _given(search: Search) -> list[str]:
    return [name for name in _LEADERS if getattr(search, name) is not None]


def ways_of(search: Search, leader: str | None) -> list[Way]:
    """The ways to all statements that `search` may find; `leader` is one of `Leaders`."""
    if leader is None:
        return [Way(_STATEMENT)]
    held = frozenset({leader})
    if leader == "mine":
        return [Way(_STATEMENT, "x.authority = :mine", holds=held)]
    kinds = _VIA_KINDS[leader]
    broad = _is_broad(search, leader)
    if leader == "agent":
        ways = [Way("ingest.statement_agent", "x.agent = :agent", holds=held)]
        if broad:
            ways.append(Way(_STATEMENT, "x.authority = :agent", holds=held))
    else:
        beside = _BESIDE.get(leader, frozenset())
        ways = [Way(_STATEMENT, f"x.{leader} = :{leader}", holds=held, beside=beside)]
    if broad:
        ways.append(Way(_RELATED, _of_kind(kinds[1], leader), holds=held))
    return ways + [
        Way("ingest.statement_via", _of_kind(kind, leader), via=True, holds=held)
        for kind in (kinds if broad else kinds[:1])
    ]


def _is_broad(search: Search, name: str) -> bool:
    return (name == "agent" and search.related_agents) or (
        name == "activity" and search.related_activities
    )


def _of_kind(kind: str, name: str) -> str:
    return f"x.kind = '{kind}' and x.term = :{name}"


def compose(
    search: Search,
    queries: Queries,
    *,
    tenant: str,
    watermark_ms: int,
    rows_max: int,
    bytes_max: int,
    scan_rows_max: int,
    leader: str | None = None,
) -> tuple[str, list[object]]:
    """SQL and arguments for one stretch; `read_stretch` makes sense of the rows.

    `leader` is the filter to lead, chosen by `Leaders`; the first of them where none is named.
    """
    until_ms = watermark_ms if search.until_ms is None else min(search.until_ms, watermark_ms)
    values: dict[str, object] = {
        "tenant": tenant,
        "at_most": until_ms,
        "since": search.since_ms,
        # One more than the page shows that there is more, and one may be a mark.
        "rows": rows_max + 2,
        "bytes": bytes_max,
        "scan": scan_rows_max,
    }
    for name in _LEADERS:
        values[name] = getattr(search, name)
    limits: list[str] = []
    if search.since_ms is not None:
        limits.append(queries["search_since"])
    if search.cursor is not None:
        after = "search_after_ascending" if search.ascending else "search_after_descending"
        limits.append(queries[after])
        values["cursor_stored"] = search.cursor.stored_ms
        values["cursor_id"] = search.cursor.id
    ways = ways_of(search, leader or Leaders(search).choose())
    branches = [_branch(way, search, queries, limits) for way in ways]
    shape = queries["search_one_branch" if len(ways) == 1 else "search_branches"]
    text = queries["search_page"].replace(
        "{found}", shape.replace("{branches}", "\nunion all\n".join(branches))
    )
    return _numbered(text.replace("{direction}", "asc" if search.ascending else "desc"), values)


def _branch(way: Way, search: Search, queries: Queries, limits: Sequence[str]) -> str:
    others = [name for name in _given(search) if name not in way.holds]
    beside = [name for name in others if name in way.beside]
    columns = ["via_stored_ms", "via"] if way.via else beside
    led_to = way.via and any(name not in ("agent", "mine") for name in others)
    # What only compares columns comes first, what may be looked up twice last.
    others.sort(
        key=lambda name: (name not in beside, way.via and name == "agent", _is_broad(search, name))
    )
    conditions = [
        f"d.{name} = :{name}" if name in beside else _condition(name, way.via, search, queries)
        for name in others
    ]
    conditions.append(queries["search_not_voided"])
    return _filled(
        queries["search_branch"],
        range="".join(f"\n    {one}" for one in limits),
        # A row of what is related stands for several statements.
        unnested=", unnest(x.ids) as each (id)" if way.table == _RELATED else "",
        id="each.id" if way.table == _RELATED else "x.id",
        columns="".join(f", x.{column}" for column in columns),
        table=way.table,
        driver=f"\n    and {way.leading}" if way.leading else "",
        joins="\n" + queries["search_join_via"] if led_to else "",
        # Twice in the text, but looked up twice only for a row that is found.
        conditions="(" + "\n  and ".join(conditions) + ")",
    )


def _condition(name: str, via: bool, search: Search, queries: Queries) -> str:
    """That the filter `name`, which does not lead, holds."""
    if name == "mine":
        return _own("authority", name, queries)
    kinds = _VIA_KINDS[name]
    if via:
        ways = [] if name == "agent" else [f"t.{name} = :{name}"]
        looked_up = kinds[: 2 if _is_broad(search, name) else 1]
        if name != "agent":
            looked_up = looked_up[1:]
        ways += [_filled(queries["search_has_via"], kind=kind, term=name) for kind in looked_up]
    elif name == "agent":
        ways = [queries["search_has_agent"]]
        if search.related_agents:
            ways.append(_own("authority", name, queries))
    else:
        ways = [_own(name, name, queries)]
    if not via and _is_broad(search, name):
        ways.append(_filled(queries["search_has_related"], kind=kinds[1], term=name))
    return "(" + "\n  or ".join(ways) + ")"


def _own(column: str, name: str, queries: Queries) -> str:
    return _filled(queries["search_has_own"], column=column, term=name)


def _filled(text: str, **values: str) -> str:
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def _numbered(text: str, values: Mapping[str, object]) -> tuple[str, list[object]]:
    """`:name` becomes `$n`; each value is passed once."""
    order: list[str] = []

    def number(match: re.Match[str]) -> str:
        name = match[1]
        if name not in order:
            order.append(name)
        return f"${order.index(name) + 1}"

    numbered = _PLACEHOLDER.sub(number, text)
    return numbered, [values[name] for name in order]


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one query found: rows of the page as (stored_ms, id, raw), and where to go on.

    `next` is None where the list is at its end. `is_cut` says that nothing more fits into the page.
    """

    rows: list[tuple[int, UUID, bytes]]
    next: Cursor | None
    is_cut: bool


def read_stretch(answer: Iterable[Mapping[str, Any]], rows_max: int) -> Stretch:
    """Make sense of the rows of `compose`, for a page with room for `rows_max` statements."""
    rows: list[tuple[int, UUID, bytes]] = []
    mark: Cursor | None = None
    for row in answer:
        place = Cursor(row["stored_ms"], row["id"])
        if mark is not None and place != mark:
            break
        if row["hit"] and (not rows or rows[-1][:2] != (place.stored_ms, place.id)):
            if len(rows) == rows_max or row["raw"] is None:
                last = rows[-1]
                return Stretch(rows, Cursor(last[0], last[1]), is_cut=True)
            rows.append((place.stored_ms, place.id, row["raw"]))
        if row["last"]:
            mark = place
    return Stretch(rows, mark, is_cut=False)
