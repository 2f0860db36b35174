"""Who has to be decided anew because of a statement: the marks that facts leave.

Consumers and changes of records mark by this one function, so that they agree.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from assay_aggregator.fact import Fact
from assay_aggregator.people import text_hash
from assay_aggregator.rulebook import RuleBook
from assay_aggregator.store import Key, Store

# A fact of a tenant, and the `stored` time of what brought it up (None: no record did).
Cause = tuple[str, Fact, int | None]


async def marks_of(
    store: Store, books: Mapping[str, RuleBook], causes: Iterable[Cause]
) -> dict[Key, int | None]:
    """(tenant, person, competency) for everything that the facts may touch.

    A person is whoever was ever linked to one of the acting agents: rather one too many than one
    too few. Agents that no link names have no person, and nothing to decide.
    """
    touched: list[tuple[str, tuple[UUID, ...], set[str], int | None]] = []
    agents: set[tuple[str, UUID]] = set()
    for tenant, fact, caused_ms in causes:
        competencies = books[tenant].touched(fact)
        if competencies:
            hashes = tuple(text_hash(key) for key in fact.actor_keys)
            agents.update((tenant, one) for one in hashes)
            touched.append((tenant, hashes, competencies, caused_ms))
    if not touched:
        return {}
    people: dict[tuple[str, UUID], set[UUID]] = {}
    for row in await store.links_of_agents(agents):
        people.setdefault((row["tenant"], row["agent"]), set()).add(row["person"])
    marks: dict[Key, int | None] = {}
    for tenant, hashes, competencies, caused_ms in touched:
        for agent in hashes:
            for person in people.get((tenant, agent), ()):
                for competency in competencies:
                    add_mark(marks, (tenant, person, competency), caused_ms)
    return marks


def add_mark(marks: dict[Key, int | None], key: Key, caused_ms: int | None) -> None:
    """Add one mark; the smallest cause stays."""
    held = marks.get(key)
    marks[key] = caused_ms if held is None else held if caused_ms is None else min(held, caused_ms)
