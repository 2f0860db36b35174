"""All that is known about some people, read in a number of queries that does not grow with them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from uuid import UUID

from assay_aggregator.fact import Fact, decode_fact
from assay_aggregator.known import Authority, Grant, Inquiry, Interest, Known
from assay_aggregator.people import Link, Recorded, text_hash
from assay_aggregator.reviews.store import ReviewStore
from assay_aggregator.rulebook import RuleBook
from assay_aggregator.store import Agent, Person, Row, Store, recorded_fields


async def gather(
    store: Store, books: Mapping[str, RuleBook], wanted: Mapping[Person, Iterable[str]]
) -> dict[Person, Known]:
    """What is known about each person, for deciding the competencies named beside them.

    Seven queries, or eight when a rule looks at every verb.
    """
    # 1. The people's agents, by every link of any time.
    around = _links(await store.links_around_people(wanted))
    agents: dict[Person, dict[UUID, str]] = defaultdict(dict)
    people_of: dict[tuple[str, str], set[Person]] = defaultdict(set)
    for (tenant, agent), of_agent in around.items():
        for link in of_agent:
            linked = (tenant, link.person)
            if linked in wanted:
                agents[linked][agent] = link.key
                people_of[(tenant, link.key)].add(linked)
    # 2. Their statements with the verbs that count, every copy, and the voids of those.
    facts = _by_person(await _facts(store, books, wanted, agents), people_of)
    # 3. Whom the named assessors are.
    assessing = {
        (tenant, text_hash(key)) for (tenant, _), many in facts.items() for key in _assessors(many)
    }
    links_of_assessors = _links(await store.links_around_agents(assessing)) if assessing else {}
    # 4. What those may assess, and whom they may not.
    assessors = {
        (tenant, link.person) for (tenant, _), many in links_of_assessors.items() for link in many
    }
    authorities: dict[Person, list[Authority]] = defaultdict(list)
    interests: dict[Person, list[Interest]] = defaultdict(list)
    if assessors:
        for row in await store.authorisations_of(assessors):
            authorities[(row["tenant"], row["assessor"])].append(
                Authority(row["assessor"], row["scope"], Recorded(*recorded_fields(row)))
            )
        for row in await store.conflicts_of_interest_of(wanted):
            interests[(row["tenant"], row["person"])].append(
                Interest(row["assessor"], row["person"], Recorded(*recorded_fields(row)))
            )
    # 5. What people decided beside the evidence.
    grants, inquiries = await _said(store, wanted)
    # 6. Each person with what belongs to them.
    known: dict[Person, Known] = {}
    for tenant, person in wanted:
        subject = (tenant, person)
        own = facts.get(subject, [])
        links = {agent: around[(tenant, agent)] for agent in agents.get(subject, ())}
        for key in _assessors(own):
            agent = text_hash(key)
            links[agent] = links_of_assessors.get((tenant, agent), ())
        named = {link.person for many in links.values() for link in many}
        known[subject] = Known(
            person=person,
            facts=tuple(own),
            links=tuple(link for many in links.values() for link in many),
            authorities=tuple(
                one for other in sorted(named) for one in authorities.get((tenant, other), ())
            ),
            interests=tuple(interests.get(subject, ())),
            grants=tuple(grants.get(subject, ())),
            inquiries=tuple(inquiries.get(subject, ())),
        )
    return known


async def _said(
    store: Store, people: Iterable[Person]
) -> tuple[Mapping[Person, list[Grant]], Mapping[Person, list[Inquiry]]]:
    """Overrides and reviews of each person, in the order of their ids."""
    grants: dict[Person, list[Grant]] = defaultdict(list)
    inquiries: dict[Person, list[Inquiry]] = defaultdict(list)
    rows = await ReviewStore(store.connection).said_of_people(people)
    for row in sorted(rows, key=lambda one: one["id"]):
        subject = (row["tenant"], row["person"])
        period = Recorded(*recorded_fields(row))
        if row["kind"] == "override":
            signers = [one for one in (row["proposed_by"], row["approved_by"]) if one is not None]
            grants[subject].append(
                Grant(
                    row["id"],
                    row["competency"],
                    row["level"],
                    tuple(sorted(signers)),
                    row["meaning"],
                    row["reason"],
                    period,
                )
            )
        else:
            inquiries[subject].append(Inquiry(row["id"], row["competency"], row["kind"], period))
    return grants, inquiries


async def _facts(
    store: Store,
    books: Mapping[str, RuleBook],
    wanted: Mapping[Person, Iterable[str]],
    agents: Mapping[Person, Mapping[UUID, str]],
) -> list[tuple[str, Fact]]:
    by_term: set[tuple[str, UUID, UUID, UUID | None]] = set()
    any_verb: set[Agent] = set()
    for person, competencies in wanted.items():
        tenant = person[0]
        for competency in competencies:
            terms = books[tenant].terms(competency)
            for agent in agents.get(person, ()):
                if terms is None:
                    any_verb.add((tenant, agent))
                    continue
                by_term.update(
                    (
                        tenant,
                        agent,
                        text_hash(verb),
                        None if activity is None else text_hash(activity),
                    )
                    for verb, activity in terms
                )
    rows: list[Row] = []
    if by_term:
        rows += await store.evidence(by_term)
    if any_verb:
        rows += await store.evidence_of_any_verb(any_verb)
    # Both queries may find the same copy; equal rows are one.
    return [
        (tenant, decode_fact(data))
        for tenant, data in dict.fromkeys((row["tenant"], row["fact"]) for row in rows)
    ]


def _by_person(
    facts: Iterable[tuple[str, Fact]], people_of: Mapping[tuple[str, str], set[Person]]
) -> dict[Person, list[Fact]]:
    """Facts by person: those they acted in, all copies of those ids, and the voids of those."""
    found = list(facts)
    of_id: dict[tuple[str, str], set[Person]] = defaultdict(set)
    for tenant, fact in found:
        if fact.voids is None:
            for key in fact.actor_keys:
                of_id[(tenant, fact.id)] |= people_of.get((tenant, key), set())
    for tenant, fact in found:
        if fact.voids is not None:
            of_id[(tenant, fact.id)] |= of_id.get((tenant, fact.voids), set())
    by_person: dict[Person, list[Fact]] = defaultdict(list)
    for tenant, fact in found:
        for person in of_id[(tenant, fact.id)]:
            by_person[person].append(fact)
    return by_person


def _assessors(facts: Iterable[Fact]) -> set[str]:
    keys: set[str] = set()
    for fact in facts:
        keys.update(fact.instructors)
        if fact.signed_assessor is not None:
            keys.add(fact.signed_assessor)
    return keys


def _links(rows: Iterable[Row]) -> dict[Agent, tuple[Link, ...]]:
    found: dict[Agent, list[Link]] = defaultdict(list)
    for row in rows:
        found[(row["tenant"], row["agent"])].append(
            Link(
                row["agent_key"],
                row["person"],
                row["automatic"],
                Recorded(*recorded_fields(row)),
            )
        )
    return {agent: tuple(links) for agent, links in found.items()}
