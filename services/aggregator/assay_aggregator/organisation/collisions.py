"""Collisions: an agent who is two people on one day, or a roster that contradicts the links.

A collision of links is there as long as the links are; a contradiction of a roster as long as its
agents are different people, or until somebody sets it aside.
"""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from assay_aggregator.copies import instant
from assay_aggregator.dates import format_instant
from assay_aggregator.errors import Refused, Unknown
from assay_aggregator.organisation.store import PeopleStore

if TYPE_CHECKING:
    from assay_aggregator.admin import Records


async def collisions(
    store: PeopleStore, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of collisions: those of links, then those of rosters; and the `after` of the next."""
    links_after, contradictions_after = _position(after)
    found: list[dict[str, Any]] = []
    if contradictions_after is None:
        rows = await store.link_collisions(links_after, limit)
        found += [
            {
                "kind": "links",
                "agent": agent_of(row["agent_key"]),
                "people": [row["person"], row["other_person"]],
                "links": [row["link"], row["other_link"]],
                "from": row["valid_from"],
                "to": row["valid_to"],
            }
            for row in rows
        ]
        if len(rows) == limit:
            return found, f"{rows[-1]['link']} {rows[-1]['other_link']}"
    rows = await store.list_contradictions(contradictions_after, limit - len(found))
    found += [
        {
            "kind": "roster",
            "contradiction": row["contradiction"],
            "place": row["place"],
            "people": row["people"],
            "recorded": format_instant(instant(row["recorded_ms"])),
        }
        for row in rows
    ]
    return found, str(rows[-1]["contradiction"]) if len(found) == limit and rows else None


async def collides_with(records: "Records", link: UUID) -> list[UUID]:
    """The other people who the link's agent is on the same days."""
    store = PeopleStore(records.store.connection, records.tenant)
    return [row["person"] for row in await store.collisions_of_link(link)]


async def set_aside(records: "Records", contradiction: UUID) -> None:
    """Somebody looked: they are different people, and the roster was wrong. Raises Unknown."""
    store = PeopleStore(records.store.connection, records.tenant)
    if not await store.retract_contradiction(contradiction, records.recorded_ms):
        raise Unknown("there is no such contradiction, or it was set aside before")
    await records.audit("contradiction.set_aside", f"contradiction:{contradiction}")


def agent_of(key: str) -> dict[str, Any]:
    """The xAPI agent of a key (`assay_schemas.agents.agent_key`)."""
    kind, _, value = key.partition(":")
    if kind != "account":
        return {"objectType": "Agent", kind: value}
    home_page, _, name = value.partition(" ")
    return {"objectType": "Agent", "account": {"homePage": home_page, "name": name}}


def _position(after: str | None) -> tuple[tuple[UUID, UUID] | None, UUID | None]:
    if after is None:
        return None, None
    try:
        ids = [UUID(part) for part in after.split(" ")]
    except ValueError:
        ids = []
    if len(ids) == 2:
        return (ids[0], ids[1]), None
    if len(ids) == 1:
        return None, ids[0]
    raise Refused("`after` is not a `next` of ours")
