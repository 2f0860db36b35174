"""Preparing: which statements are considered at all (competency/rules.md section 2)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from assay_aggregator.dates import local_ordinal
from assay_aggregator.fact import Fact
from assay_aggregator.rule import Match, Rule
from assay_aggregator.vocabulary import LAUNCHED
from assay_aggregator.world import World


@dataclass(frozen=True, slots=True)
class Evidence:
    """One statement of the person. `day` is the ordinal of its local date."""

    fact: Fact
    day: int
    as_member: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """What section 2 leaves, for one person.

    `evidence` is in the order (timestamp, id). `voided` and `conflicting` are the person's
    statements up to `as_of` that were taken out; `unauthorised` pairs each void that does not
    count with its target, a statement of the person up to `as_of`. `future` are the timestamps
    after `as_of`. `launch_modes` gives the modes launched for a (registration, session).
    """

    evidence: tuple[Evidence, ...]
    voided: tuple[Evidence, ...]
    conflicting: tuple[Evidence, ...]
    unauthorised: tuple[tuple[Fact, Evidence], ...]
    future: tuple[datetime, ...]
    launch_modes: Mapping[tuple[str | None, str | None], frozenset[str]]


def matches(match: Match, fact: Fact) -> bool:
    """True when each key that the match has is met by one of its values."""
    if match.verb is not None and fact.verb not in match.verb:
        return False
    if match.activity is not None and fact.activity not in match.activity:
        return False
    if match.activity_prefix is not None and not (fact.activity or "").startswith(
        match.activity_prefix
    ):
        return False
    if match.activity_type is not None and fact.activity_type not in match.activity_type:
        return False
    if match.grouping is not None and match.grouping.isdisjoint(fact.grouping):
        return False
    if match.category is not None and match.category.isdisjoint(fact.category):
        return False
    return match.profile is None or not match.profile.isdisjoint(fact.category)


def prepare(
    rule: Rule, world: World, person: str, as_of: datetime, known_at: datetime | None
) -> Prepared:
    """The person's statements as section 2 prepares them for `as_of` and `known_at`."""
    # 1. Of each id the first copy known stays; a copy with another body loses.
    first, losers = _first_copies(world.facts, known_at)
    # 2. Voids that count take their target out, whatever their own timestamp says.
    voided_ids, refused = _voids(rule, first)
    # 3. and 4. Whose it is, on its own local date; and whether it lies in the future.
    evidence: list[Evidence] = []
    voided: list[Evidence] = []
    future: list[datetime] = []
    by_id: dict[str, Evidence] = {}
    launch_modes: dict[tuple[str | None, str | None], set[str]] = {}
    for fact in first.values():
        if fact.voids is not None:
            continue
        one = _of_person(fact, rule.zone, world, person, known_at)
        if one is None:
            continue
        if fact.timestamp > as_of:
            future.append(fact.timestamp)
            continue
        by_id[fact.id] = one
        if fact.id in voided_ids:
            voided.append(one)
            continue
        evidence.append(one)
        if fact.verb == LAUNCHED and fact.launch_mode is not None:
            key = (fact.registration, fact.session)
            launch_modes.setdefault(key, set()).add(fact.launch_mode)
    conflicting: list[Evidence] = []
    for fact in losers:
        one = _of_person(fact, rule.zone, world, person, known_at)
        if one is None or fact.voids is not None:
            continue
        if fact.timestamp > as_of:
            future.append(fact.timestamp)
        else:
            conflicting.append(one)
    evidence.sort(key=lambda one: (one.fact.timestamp, one.fact.id))
    return Prepared(
        evidence=tuple(evidence),
        voided=tuple(voided),
        conflicting=tuple(conflicting),
        unauthorised=tuple((void, by_id[t]) for void, t in refused if t in by_id),
        future=tuple(future),
        launch_modes={key: frozenset(modes) for key, modes in launch_modes.items()},
    )


def _first_copies(
    facts: Iterable[Fact], known_at: datetime | None
) -> tuple[dict[str, Fact], list[Fact]]:
    """The first copy of each id, and every copy that differs from it."""
    first: dict[str, Fact] = {}
    again: list[Fact] = []
    for fact in facts:
        if known_at is not None and fact.stored > known_at:
            continue
        held = first.setdefault(fact.id, fact)
        if held is fact:
            continue
        if (fact.place, fact.body_hash) < (held.place, held.body_hash):
            first[fact.id] = fact
            fact = held
        again.append(fact)
    return first, [fact for fact in again if fact.body_hash != first[fact.id].body_hash]


def _voids(rule: Rule, first: Mapping[str, Fact]) -> tuple[set[str], list[tuple[Fact, str]]]:
    """Ids that are voided, and the voids that do not count, each with its target's id."""
    voided: set[str] = set()
    refused: list[tuple[Fact, str]] = []
    for void in first.values():
        if void.voids is None:
            continue
        # A voiding statement cannot be voided: nobody asks whether this one is another's target.
        target = first.get(void.voids)
        if target is None:
            continue
        if void.may_void or (
            void.source == target.source
            and not void.learner_controlled
            # What disqualifies a person is taken back by scope only (design.md, "Void").
            and not any(matches(match, target) for match in rule.disqualify)
        ):
            voided.add(target.id)
        else:
            refused.append((void, target.id))
    return voided, refused


def _of_person(
    fact: Fact, zone: ZoneInfo, world: World, person: str, known_at: datetime | None
) -> Evidence | None:
    """The fact as evidence about the person; None when it is about others."""
    keys = fact.members if fact.is_group else (() if fact.actor is None else (fact.actor,))
    links = [
        link for key in keys for link in world.links_by_key.get(key, ()) if link.person == person
    ]
    if not links:
        return None
    day = local_ordinal(fact.timestamp, zone)
    if not any(link.valid.on(day, known_at) for link in links):
        return None
    return Evidence(fact, day, fact.is_group)
