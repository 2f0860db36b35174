"""Changing records: people, identity links, authority of assessors, rules.

Each function runs in the caller's transaction and does nothing but write the record and mark whom
it may concern (design.md 2.5). A record is dated by the time of the log, one millisecond after the
greatest that was applied: so no question that was answered before gets another answer, and the
next tick brings it into force.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import orjson

from assay_aggregator.audit import AuditEvent
from assay_aggregator.audit import record as record_audit
from assay_aggregator.days import ALWAYS
from assay_aggregator.days import Days as Days
from assay_aggregator.dependencies import RuleCycle, closure, dependents, unreachable
from assay_aggregator.errors import Contradiction, Refused, RuleConflict, Unknown
from assay_aggregator.fact import decode_fact
from assay_aggregator.marking import marks_of
from assay_aggregator.organisation.merging import cover_gaps, require_no_gap
from assay_aggregator.people import text_hash
from assay_aggregator.rule import Problem, Rule, RuleError, parse_rule
from assay_aggregator.rulebook import RuleBook
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import Key, Row, Store
from assay_runtime.postgres import Connection
from assay_schemas.agents import agent_key

# A btree takes entries up to 2,704 bytes, and the key of a decision holds tenant and person, too.
COMPETENCY_BYTES_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Act:
    """Who changes records (an API client, or a command of the operator), and why."""

    actor: str = "operator"
    reason: str | None = None


BY_OPERATOR = Act()


class Records:
    """Changes of one tenant's records, within one transaction that `begin` was called in."""

    def __init__(
        self,
        store: Store,
        shelf: RuleShelf,
        tenant: str,
        recorded_ms: int,
        act: Act = BY_OPERATOR,
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._tenant = tenant
        self._recorded_ms = recorded_ms
        self._act = act

    @classmethod
    async def begin(
        cls, store: Store, shelf: RuleShelf, tenant: str, act: Act = BY_OPERATOR
    ) -> "Records":
        """Wait for the consumer batches under way, and hold back later ones until the end."""
        await store.change_records()
        greatest_ms, _ = await store.applied_through()
        return cls(store, shelf, tenant, greatest_ms + 1, act)

    @property
    def store(self) -> Store:
        """The tables, in the transaction of the change."""
        return self._store

    @property
    def connection(self) -> Connection:
        """The connection of that transaction."""
        return self._store.connection

    @property
    def tenant(self) -> str:
        return self._tenant

    @property
    def recorded_ms(self) -> int:
        """The time of the log that the change is dated by."""
        return self._recorded_ms

    @property
    def actor(self) -> str:
        """The API client, or the operator, who changes."""
        return self._act.actor

    @property
    def reason(self) -> str | None:
        return self._act.reason

    async def audit(
        self,
        action: str,
        subject: str,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Note a change in the audit trail, in its own transaction. `subject` is `<kind>:<id>`."""
        await record_audit(
            self._store.connection,
            self._tenant,
            self._recorded_ms,
            AuditEvent(self._act.actor, action, subject, self._act.reason, before, after),
        )

    async def put_person(self, agents: Sequence[Mapping[str, Any]]) -> UUID:
        """A person who is each of these xAPI agents; again is the same person.

        Raises Refused when they are stated to be different people already.
        """
        keys = _keys(agents)
        rows = await self._store.links_around_agents(self._agents(keys))
        standing = [row for row in rows if row["retracted_ms"] is None]
        stated = {row["person"] for row in standing if not row["automatic"]}
        if len(stated) > 1:
            raise Refused("the agents are linked to different people already")
        automatic = sorted(row["person"] for row in standing if row["automatic"])
        person = next(iter(stated), None) or next(iter(automatic), None)
        if person is None:
            person = uuid4()
            await self._store.insert_people([(self._tenant, person)])
            await self.audit("person.added", f"person:{person}")
        linked = {row["agent_key"] for row in standing if not row["automatic"]}
        # One agent that is its automatic person already needs no other link.
        if len(keys) == 1 and automatic and not stated:
            return person
        missing = [key for key in keys if key not in linked]
        await self._add_links(missing, person, ALWAYS)
        return person

    async def add_link(self, agent: Mapping[str, Any], person: UUID, days: Days = ALWAYS) -> UUID:
        """An agent is a person on these days. Returns the id of the link."""
        await self.require_people([person])
        return (await self._add_links(_keys([agent]), person, days))[0]

    async def _add_links(self, keys: Sequence[str], person: UUID, days: Days) -> list[UUID]:
        rows = [
            (
                self._tenant,
                uuid4(),
                text_hash(key),
                key,
                person,
                days.valid_from,
                days.valid_to,
                self._recorded_ms,
            )
            for key in keys
        ]
        if rows:
            await self._store.insert_links(rows)
            for row in rows:
                # Not the agent: the audit trail holds no address. The link's row has it.
                after = {"person": person, **days.document()}
                await self.audit("link.added", f"link:{row[1]}", after=after)
            await self.mark_agents([text_hash(key) for key in keys])
        return [row[1] for row in rows]

    async def retract_link(self, link: UUID) -> None:
        """Take a link back.

        Raises Unknown when there is none, or it was taken back already, and Contradiction when a
        merge of people put it in the place of an automatic link.
        """
        await require_no_gap(self, link)
        row: Row | None = await self._store.retract_link(self._tenant, link, self._recorded_ms)
        if row is None:
            raise Unknown("there is no such link, or it was taken back before")
        before = {"person": row["person"], **days_of(row).document()}
        await self.audit("link.retracted", f"link:{link}", before=before)
        # An agent always has somebody: the days that no link covers belong to its own person.
        agent = (self._tenant, row["agent"], row["agent_key"], uuid4(), uuid4())
        await self._store.insert_people(await self._store.insert_automatic_links([agent]))
        await cover_gaps(self, row["agent"])
        await self.mark_agents([row["agent"]])

    async def add_authorisation(self, assessor: UUID, scope: str, days: Days = ALWAYS) -> UUID:
        """A person may assess within a scope on these days. Returns the id of the record."""
        if not scope:
            raise Refused("`scope` is empty")
        await self.require_people([assessor])
        record = uuid4()
        row = (
            self._tenant,
            record,
            assessor,
            scope,
            days.valid_from,
            days.valid_to,
            self._recorded_ms,
        )
        await self._store.insert_authorisations([row])
        after = {"assessor": assessor, "scope": scope, **days.document()}
        await self.audit("authorisation.added", f"authorisation:{record}", after=after)
        await self.mark_assessed([assessor])
        return record

    async def retract_authorisation(self, record: UUID) -> None:
        """Take an authorisation back. Raises Unknown."""
        row = await self._store.retract_authorisation(self._tenant, record, self._recorded_ms)
        if row is None:
            raise Unknown("there is no such authorisation, or it was taken back before")
        before = {
            "assessor": row["assessor"],
            "scope": row["scope"],
            **days_of(row).document(),
        }
        await self.audit("authorisation.retracted", f"authorisation:{record}", before=before)
        await self.mark_assessed([row["assessor"]])

    async def add_conflict(self, assessor: UUID, person: UUID, days: Days = ALWAYS) -> UUID:
        """An assessor may not assess a person on these days. Returns the id of the record."""
        await self.require_people([assessor, person])
        record = uuid4()
        row = (
            self._tenant,
            record,
            assessor,
            person,
            days.valid_from,
            days.valid_to,
            self._recorded_ms,
        )
        await self._store.insert_conflicts_of_interest([row])
        after = {"assessor": assessor, "with": person, **days.document()}
        await self.audit("conflict.added", f"conflict:{record}", after=after)
        await self.mark_assessed([assessor])
        return record

    async def retract_conflict(self, record: UUID) -> None:
        """Take a conflict of interest back. Raises Unknown."""
        row = await self._store.retract_conflict_of_interest(
            self._tenant, record, self._recorded_ms
        )
        if row is None:
            raise Unknown("there is no such conflict of interest, or it was taken back before")
        before = {
            "assessor": row["assessor"],
            "with": row["person"],
            **days_of(row).document(),
        }
        await self.audit("conflict.retracted", f"conflict:{record}", before=before)
        await self.mark_assessed([row["assessor"]])

    async def put_rule(self, document: Mapping[str, Any]) -> Rule:
        """A version of a rule; the same one again changes nothing.

        Raises RuleError for a document that is no rule, RuleConflict for an id and version that
        stands with another content, and for a second rule of a competency.
        """
        rule = parse_rule(document)
        if len(rule.competency.encode()) > COMPETENCY_BYTES_MAX:
            raise Refused(f"/competency: longer than {COMPETENCY_BYTES_MAX} bytes")
        held = await self._store.find_rule(self._tenant, rule.id, rule.version)
        if held is not None:
            if held["hash"] == rule.hash:
                return rule
            raise RuleConflict(
                f"rule {rule.id} version {rule.version} is there with other content: "
                "a change is a new version"
            )
        await self.require_place(rule)
        await self._store.insert_rule(
            (
                self._tenant,
                rule.id,
                rule.version,
                rule.competency,
                rule.status,
                date.fromordinal(rule.effective_from),
                None if rule.effective_to is None else date.fromordinal(rule.effective_to),
                rule.hash,
                orjson.dumps(document).decode(),
                self._recorded_ms,
            )
        )
        after = {"hash": rule.hash, "competency": rule.competency, "status": rule.status}
        await self.audit("rule.recorded", f"rule:{rule.id}/{rule.version}", after=after)
        await self.mark_rule(rule)
        return rule

    async def require_place(self, rule: Rule) -> None:
        """Raises RuleConflict: a competency has one rule, and a rule one competency.

        Raises Refused where rules would look at each other in a circle, and RuleError where one
        asks for a level that another never gives.
        """
        other = await self._store.rule_of_competency(self._tenant, rule.competency)
        if other not in (None, rule.id):
            raise RuleConflict(f"the rule {other} decides about this competency already")
        competency = await self._store.competency_of_rule(self._tenant, rule.id)
        if competency not in (None, rule.competency):
            raise RuleConflict(f"the rule {rule.id} is about another competency")
        rules = await self._rules()
        rules.setdefault(rule.competency, []).append(rule)
        try:
            closure(rules, [rule.competency])
        except RuleCycle as error:
            raise Refused(str(error)) from error
        known = [one for many in rules.values() for one in many]
        problems = [
            Problem(pointer, reason)
            for asking, pointer, reason in unreachable(known)
            if asking is rule
        ]
        if problems:
            raise RuleError(problems)

    async def book(self) -> RuleBook:
        """The tenant's rules, as this transaction sees them."""
        return (await self._shelf.books(self._store, [self._tenant]))[self._tenant]

    async def _rules(self) -> dict[str, list[Rule]]:
        """Every version of every rule of the tenant, by competency."""
        book = await self.book()
        return {
            one: [version.rule for version in book.versions(one)]
            for one in book.competencies(self._recorded_ms)
        }

    async def mark_rule(self, rule: Rule) -> None:
        """Mark whom the rule, or one that looks at it, decides about.

        That is whoever has a decision on its competency or on one that it looks at, or a statement
        that it matches.
        """
        rules = await self._rules()
        above = dependents([one for many in rules.values() for one in many])
        concerned = sorted({rule.competency, *above.get(rule.competency, ())})
        pairs = [(seen, one) for one in concerned for seen in closure(rules, [one])]
        await self._store.mark_decided(self._tenant, pairs)
        matches = list(rule.matches())
        verbs = hashes_of([match.verb for match in matches])
        activities = hashes_of([match.activity for match in matches])
        if matches:
            facts = await self._store.facts_for_rule(self._tenant, verbs, activities)
            # Marks of these competencies alone: other rules did not change.
            await self._mark_facts(facts, only=concerned)

    async def mark_agents(self, agents: Sequence[UUID]) -> None:
        """Mark everybody whose statements name one of the agents, also as assessor."""
        await self._mark_facts(await self._store.facts_of_agents(self._tenant, agents))

    async def mark_assessed(self, assessors: Iterable[UUID]) -> None:
        """Mark everybody whose statements name one of the people as assessor."""
        agents = await self._store.agents_of_people(self._tenant, assessors)
        await self._mark_facts(await self._store.facts_assessed_by(self._tenant, agents))

    async def _mark_facts(self, facts: Sequence[bytes], only: Sequence[str] | None = None) -> None:
        books = await self._shelf.books(self._store, [self._tenant])
        causes = [(self._tenant, decode_fact(fact), None) for fact in facts]
        marks: dict[Key, int | None] = {
            key: cause
            for key, cause in (await marks_of(self._store, books, causes)).items()
            if only is None or key[2] in only
        }
        if marks:
            await self._store.mark(marks)

    async def require_people(self, people: Iterable[UUID]) -> None:
        """Raises Unknown for nobody of ours, Contradiction for who was merged into another."""
        wanted = set(people)
        missing = wanted - await self._store.known_people(self._tenant, wanted)
        if missing:
            raise Unknown(f"there is no person {sorted(missing)[0]}")
        for row in await self._store.merges_of(self._tenant, wanted):
            raise Contradiction(f"person {row['merged']} was merged into {row['kept']}")

    def _agents(self, keys: Iterable[str]) -> list[tuple[str, UUID]]:
        return [(self._tenant, text_hash(key)) for key in keys]


def days_of(row: Row) -> Days:
    """The days of a record's row."""
    return Days(row["valid_from"], row["valid_to"])


def _keys(agents: Sequence[Mapping[str, Any]]) -> list[str]:
    """The agents' keys. Raises Refused for an agent without exactly one identifier."""
    keys: dict[str, None] = {}
    for agent in agents:
        keys[key_of_agent(agent)] = None
    if not keys:
        raise Refused("at least one agent is needed")
    return list(keys)


def key_of_agent(agent: Mapping[str, Any]) -> str:
    """The key of an xAPI agent as a client sent it. Raises Refused."""
    account = agent.get("account")
    values = [agent.get(name) for name in ("mbox", "mbox_sha1sum", "openid")]
    given = [value for value in (*values, account) if value is not None]
    if len(given) != 1 or agent.get("objectType", "Agent") != "Agent":
        raise Refused("an agent has exactly one of mbox, mbox_sha1sum, openid, account")
    if account is not None:
        if not isinstance(account, Mapping) or not all(
            isinstance(account.get(name), str) for name in ("homePage", "name")
        ):
            raise Refused("`account` is {homePage, name}, both text")
    elif not isinstance(given[0], str):
        raise Refused("an identifier is text")
    key = agent_key(agent)
    if key is None:
        raise Refused("an agent has exactly one of mbox, mbox_sha1sum, openid, account")
    return key


def hashes_of(sets: Sequence[frozenset[str] | None]) -> list[UUID] | None:
    """The hashes of all values; None where one of the sets is open."""
    values: set[str] = set()
    for one in sets:
        if one is None:
            return None
        values |= one
    return [text_hash(value) for value in sorted(values)]
