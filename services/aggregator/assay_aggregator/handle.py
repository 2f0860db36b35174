"""The use case of one batch of statement records: facts, people, marks, wake-ups.

It runs inside the transaction that also holds the offsets (`assay_runtime.consume`).
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID, uuid4

from assay_aggregator.copies import Copy, copy_of, instant, merge
from assay_aggregator.errors import RecordUnreadable
from assay_aggregator.fact import Fact, Origin, decode_fact, fact_of
from assay_aggregator.marking import Cause, add_mark, marks_of
from assay_aggregator.people import text_hash
from assay_aggregator.sent import Sent, read_statements
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import Agent, Key, Store
from assay_runtime.consume import Record
from assay_runtime.postgres import Connection
from assay_schemas.envelope import EnvelopeError, Opened, open_envelope
from assay_schemas.topics import OWN_SOURCE

# Wake-ups that one batch turns into marks; the rest comes with the next batch or tick. A day that
# ends for a whole cohort must not become one transaction that everybody waits for.
WAKEUPS_PER_BATCH: Final = 2_000

# Agents that this process knows to have a person. At about 150 bytes each.
KNOWN_AGENTS_MAX: Final = 200_000


class StatementHandler:
    """Applies batches of `assay.statements.v1`. `wake` is set when there may be marks."""

    def __init__(self, shelf: RuleShelf, wake: asyncio.Event) -> None:
        self._shelf = shelf
        self._wake = wake
        self._known: set[Agent] = set()
        self._learned: set[Agent] = set()

    async def apply(self, connection: Connection, batch: Sequence[Record]) -> None:
        """Write what the batch tells. A repeat changes nothing (law 2)."""
        store = Store(connection)
        self._learned = set()
        # 1. Statements become facts; a tick only moves the time.
        arrived = [copy for record in batch for copy in read_record(record)]
        # 2. Links, authority and rules stay as they are until this batch is committed.
        await store.hold_records_still()
        marks: dict[Key, int | None] = {}
        if arrived:
            books = await self._shelf.books(store, sorted({copy.tenant for copy, _ in arrived}))
            # 3. Whoever is seen for the first time becomes a person.
            await self._know_agents(store, arrived)
            # 4. The first copy of each statement is its fact; others are kept as conflicts.
            changed = await write_copies(store, arrived)
            # 5. What changed touches decisions; a void touches what its target touches.
            marks = await marks_of(store, books, await _causes(store, changed))
        # 6. What is due at the new time of the log is decided anew, too.
        greatest_ms, _ = await store.applied_through()
        due = await store.due_wakeups(greatest_ms, WAKEUPS_PER_BATCH)
        for key in due:
            add_mark(marks, key, None)
        if marks:
            await store.mark(marks)
        if due:
            await store.delete_due_wakeups(greatest_ms, due)

    async def committed(self, batch: Sequence[Record]) -> None:
        """After the commit: remember who is known, and wake the evaluators."""
        if len(self._known) + len(self._learned) > KNOWN_AGENTS_MAX:
            self._known.clear()
        self._known |= self._learned
        self._learned = set()
        if batch:
            self._wake.set()

    async def _know_agents(self, store: Store, arrived: Sequence[tuple[Copy, Fact]]) -> None:
        """Give a person, by an automatic link, to each agent that has none."""
        keys: dict[Agent, str] = {}
        for copy, fact in arrived:
            if fact.source == OWN_SOURCE:
                continue  # Whoever we speak of is a person already.
            acting = fact.members if fact.is_group else fact.actor_keys
            for key in (*acting, *fact.instructors):
                agent = (copy.tenant, text_hash(key))
                if agent not in self._known:
                    keys[agent] = key
        self._learned = set(keys)
        if not keys:
            return
        # An agent with a link that is open on both sides is known whole; any other gets an
        # automatic link for the days that its stated links leave uncovered.
        whole = {
            (row["tenant"], row["agent"])
            for row in await store.links_of_agents(keys)
            if row["automatic"]
            or (row["valid_from"], row["valid_to"], row["retracted_ms"]) == (None, None, None)
        }
        missing = [
            (tenant, agent, key, uuid4(), uuid4())
            for (tenant, agent), key in keys.items()
            if (tenant, agent) not in whole
        ]
        if missing:
            # Another consumer may see the same agent now: whose link is there first, wins.
            await store.insert_people(await store.insert_automatic_links(missing))


def read_record(record: Record) -> list[tuple[Copy, Fact]]:
    """The statements of a record as facts; none for a tick. Raises RecordUnreadable."""
    try:
        opened = open_envelope(record.headers)
        if opened.envelope.kind == "tick":
            return []
        statements = read_statements(record.value or b"")
        if len(statements) != len(opened.ids):
            raise RecordUnreadable("the value is not an array of as many statements as ids")
        return [
            _read_statement(record, opened, index, statement)
            for index, statement in enumerate(statements)
        ]
    except (EnvelopeError, ValueError, KeyError, TypeError) as error:
        # The text may quote the statement, so only its kind is told.
        raise RecordUnreadable(type(error).__name__) from error


def _read_statement(
    record: Record, opened: Opened, index: int, statement: Sent
) -> tuple[Copy, Fact]:
    envelope = opened.envelope
    stored_ms = record.stored_ms
    if opened.original_stored_ms is not None:
        stored_ms = opened.original_stored_ms
    append_ms, partition, offset = record.append_ms, record.partition, record.offset
    place = index
    if opened.original_places is not None:
        append_ms, partition, offset, place = opened.original_places[index]
    body_hash = opened.hashes[index]
    fact = fact_of(
        statement,
        Origin(
            source=envelope.source,
            stored=instant(stored_ms),
            body_hash=body_hash.hex(),
            modality=envelope.modality,
            vouches=envelope.vouches_for_assessors,
            learner_controlled=envelope.learner_controlled,
            may_void=envelope.may_void,
            signed_assessor=envelope.signed_by[index] if envelope.signed_by else None,
            append_ms=append_ms,
            partition=partition,
            offset=offset,
            index=place,
        ),
    )
    statement_id = opened.ids[index]
    if fact.id != str(statement_id):
        raise RecordUnreadable("a statement's id is not the one in the envelope")
    return copy_of(envelope.tenant, fact, statement_id, body_hash, stored_ms), fact


async def write_copies(
    store: Store, arrived: Sequence[tuple[Copy, Fact]]
) -> list[tuple[Copy, Fact]]:
    """Write facts so that the first copy of each id stands, whatever was applied before.

    Returns the copies that changed something: new ones, and those that they replaced.
    """
    together: dict[tuple[str, UUID], list[Copy]] = defaultdict(list)
    for copy, _ in arrived:
        together[copy.key].append(copy)
    merged = {key: merge(copies) for key, copies in together.items()}
    new = await store.insert_facts(one.first for one in merged.values())
    changed = [merged[key].first for key in new]
    conflicts = [other for key in new for other in merged[key].others]
    changed += conflicts
    again = {key: copies for key, copies in together.items() if key not in new}
    if again:
        changed += await _merge_known(store, again, conflicts)
    elif conflicts:
        await store.put_conflicts(conflicts)
    facts = {copy.fact: fact for copy, fact in arrived}
    paired = [(copy, facts.get(copy.fact) or decode_fact(copy.fact)) for copy in changed]
    await _write_roles(store, paired)
    return paired


async def _merge_known(
    store: Store, again: dict[tuple[str, UUID], list[Copy]], conflicts: list[Copy]
) -> list[Copy]:
    """Merge copies with those that are there; most are plain repeats and change nothing."""
    standing = {copy.key: copy for copy in await store.lock_facts(again)}
    held: dict[tuple[str, UUID], list[Copy]] = {key: [copy] for key, copy in standing.items()}
    for copy in await store.conflicts_of(again):
        held[copy.key].append(copy)
    replaced: list[Copy] = []
    put: list[Copy] = []
    gone: list[tuple[str, UUID, bytes]] = []
    changed: list[Copy] = []
    for key, copies in again.items():
        before = set(held[key])
        first, others = merge([*held[key], *copies])
        if first != standing[key]:
            replaced.append(first)
            changed += (first, standing[key])
            if any(copy.body_hash == first.body_hash for copy in before - {standing[key]}):
                gone.append((*key, first.body_hash))
        put += [copy for copy in others if copy not in before or copy == standing[key]]
        changed += [copy for copy in others if copy not in before]
    if replaced:
        await store.replace_facts(replaced)
    if gone:
        await store.delete_conflicts(gone)
    if put or conflicts:
        await store.put_conflicts([*put, *conflicts])
    return changed


async def _write_roles(store: Store, changed: Iterable[tuple[Copy, Fact]]) -> None:
    """Index, of every copy, the agents beside a single actor, and what it voids."""
    roles: set[tuple[str, UUID, str, UUID, UUID]] = set()
    voids: set[tuple[str, UUID, UUID]] = set()
    for copy, fact in changed:
        for role, keys in (("m", fact.members), ("i", fact.instructors)):
            for key in keys:
                roles.add((copy.tenant, text_hash(key), role, copy.id, copy.verb))
        if fact.voids is not None:
            voids.add((copy.tenant, UUID(fact.voids), copy.id))
    if roles:
        await store.insert_fact_agents(roles)
    if voids:
        await store.insert_voids(voids)


async def _causes(store: Store, changed: Iterable[tuple[Copy, Fact]]) -> list[Cause]:
    """The facts whose decisions the changed copies may move, each with the time that caused it."""
    causes: list[Cause] = []
    targets: dict[tuple[str, UUID], int] = {}
    for copy, fact in changed:
        causes.append((copy.tenant, fact, copy.stored_ms))
        if fact.voids is not None:
            targets[(copy.tenant, UUID(fact.voids))] = copy.stored_ms
    if targets:
        for row in await store.void_targets(targets):
            fact = decode_fact(row["fact"])
            causes.append((row["tenant"], fact, targets[(row["tenant"], UUID(fact.id))]))
    return causes
