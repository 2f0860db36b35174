"""Evaluators: from dirty marks to decisions, events and wake-ups.

Several tasks, in one process or many, work beside each other. What makes that safe at READ
COMMITTED: an evaluator holds the row lock of its mark from before it reads evidence until it
commits. Who brings new evidence upserts that same mark in the transaction that holds the evidence:
either it has committed before the lock was had, and its evidence is read here; or it waits for the
lock, and then leaves a mark for the next evaluation.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import orjson

from assay_aggregator.copies import instant
from assay_aggregator.decide import (
    BEFORE_ALL,
    Change,
    Current,
    Outcome,
    canonical,
    change,
    decide,
    wake_up_ms,
)
from assay_aggregator.emit import agent_of, statement_of
from assay_aggregator.events import Standing, Subject
from assay_aggregator.evidence import gather
from assay_aggregator.known import Known
from assay_aggregator.metrics import AggregatorMetrics
from assay_aggregator.reviews.store import ReviewStore
from assay_aggregator.rule import ENGINE_VERSION
from assay_aggregator.rulebook import RuleBook
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import Key, Person, Row, Store
from assay_runtime.logs import fields
from assay_runtime.postgres import TRANSIENT, Pool
from assay_schemas.events import Status
from assay_schemas.topics import COMPETENCIES, OWN_SOURCE, input_topic

log = logging.getLogger(__name__)

# Somebody else's consumer may have marked: nobody wakes this process for that.
IDLE_SECONDS: Final = 0.5

# The least time from the beginning of one round to that of the next, unless marks are piling up.
GATHER_SECONDS: Final = 0.04

# The transaction itself is at fault, not what one person's evidence holds.
_DRIVER_ERRORS: Final[tuple[type[BaseException], ...]] = (asyncpg.PostgresError, *TRANSIENT)


@dataclass(slots=True)
class Round:
    """What one transaction of an evaluator does."""

    as_of_ms: int
    marks: Mapping[Key, int]
    changes: dict[Key, Change] = field(default_factory=dict)
    due: dict[Key, int] = field(default_factory=dict)
    failures: dict[Key, str] = field(default_factory=dict)
    caused_ms: tuple[int, ...] = ()


class Evaluator:
    """One worker. `wake` is set when there may be marks."""

    def __init__(
        self,
        *,
        pool: Pool,
        shelf: RuleShelf,
        wake: asyncio.Event,
        metrics: AggregatorMetrics,
        batch_marks: int,
    ) -> None:
        self._pool = pool
        self._shelf = shelf
        self._wake = wake
        self._metrics = metrics
        self._batch_marks = batch_marks

    async def run(self) -> None:
        """Evaluate until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            began = loop.time()
            try:
                taken = await self.evaluate_some()
            except TRANSIENT as error:
                self._metrics.retries.inc()
                log.warning(
                    "Evaluating was interrupted, will try again",
                    extra=fields(error=type(error).__name__),
                )
                await asyncio.sleep(0.1)
                continue
            if taken:
                # A round costs the same few queries for one mark as for many: under load it is
                # worth a moment to let some come together. A full round says that they have.
                if taken < self._batch_marks:
                    await asyncio.sleep(began + GATHER_SECONDS - loop.time())
                continue
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def evaluate_some(self) -> int:
        """Take marks and decide them, in one transaction; how many were taken."""
        began = time.perf_counter()
        async with self._pool.acquire() as connection, connection.transaction():
            done = await evaluate_round(Store(connection), self._shelf, self._batch_marks)
        if done.marks:
            self._metrics.round_seconds.observe(time.perf_counter() - began)
            self._tell(done)
        return len(done.marks)

    def _tell(self, done: Round) -> None:
        now = time.time()
        for caused_ms in done.caused_ms:
            self._metrics.decision_latency_seconds.observe(max(0.0, now - caused_ms / 1000))
        self._metrics.evaluations.inc(len(done.marks))
        for one in done.changes.values():
            self._metrics.decisions.labels(status=one.outcome.standing.status).inc()
        if done.failures:
            self._metrics.failures.inc(len(done.failures))
            log.error(
                "Evaluations failed and are set aside",
                extra=fields(count=len(done.failures), errors=sorted(set(done.failures.values()))),
            )


async def evaluate_round(store: Store, shelf: RuleShelf, limit: int) -> Round:
    """Take up to `limit` marks and decide them; the caller's transaction makes it one step."""
    # 1. The marks, and with them the evidence that they stand for: nobody can add to it now.
    rows = await store.take_marks(limit)
    marks = {(row["tenant"], row["person"], row["competency"]): row["version"] for row in rows}
    if not marks:
        return Round(0, marks)
    # 2. The people: two evaluators never write about one of them at the same time.
    wanted: dict[Person, set[str]] = defaultdict(set)
    for tenant, person, competency in marks:
        wanted[(tenant, person)].add(competency)
    await store.lock_people(wanted)
    # 3. The time of the log. No clock is read in deciding.
    as_of_ms, _ = await store.applied_through()
    done = Round(
        as_of_ms,
        marks,
        caused_ms=tuple(row["caused_ms"] for row in rows if row["caused_ms"] is not None),
    )
    # 4. The rules, identity resolved anew, and all evidence.
    books = await shelf.books(store, sorted({tenant for tenant, _, _ in marks}))
    known = await _gather(store, books, wanted, done)
    # 5. Decide, and compare with what was decided before.
    current = {key: _current(row) for key, row in (await store.current_decisions(marks)).items()}
    for person, competencies in wanted.items():
        if person in known:
            for competency in sorted(competencies):
                key = (*person, competency)
                _decide_one(done, key, books[person[0]], known[person], current.get(key))
            # The consumer of this process needs the loop, too.
            await asyncio.sleep(0)
    # 6. Decisions, events, wake-ups; and the marks go, if they have not moved.
    await _write(store, done, known)
    return done


def _decide_one(
    done: Round, key: Key, book: RuleBook, known: Known, current: Current | None
) -> None:
    """Decide one key into `done`. A failure is set aside, so that it stops nobody else."""
    tenant, person, competency = key
    try:
        outcome = decide(known, book, competency, instant(done.as_of_ms), done.as_of_ms)
        changed = None
        if outcome is not None:
            subject = Subject(tenant, person, competency)
            changed = change(subject, current or BEFORE_ALL, outcome, done.as_of_ms)
        due_ms = wake_up_ms(known, book, competency, outcome, done.as_of_ms)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is kept and told
        done.failures[key] = _where(error)
        return
    if changed is not None:
        done.changes[key] = changed
    if due_ms is not None:
        done.due[key] = due_ms


def _where(error: Exception) -> str:
    """What kind of error and where: its text may hold personal data, and is not kept."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" in {trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
    return f"{type(error).__name__}{place}"


async def _gather(
    store: Store,
    books: Mapping[str, RuleBook],
    wanted: Mapping[Person, set[str]],
    done: Round,
) -> dict[Person, Known]:
    """Gather for all; when what is stored of one cannot be read, one by one without that one."""
    try:
        return await gather(store, books, wanted)
    except _DRIVER_ERRORS:
        raise
    except Exception:  # noqa: BLE001 - found again below, for the one whose it is
        known: dict[Person, Known] = {}
    for person, competencies in wanted.items():
        try:
            known.update(await gather(store, books, {person: competencies}))
        except _DRIVER_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is kept and told
            for competency in competencies:
                done.failures[(*person, competency)] = _where(error)
    return known


async def _emit(store: Store, done: Round, known: Mapping[Person, Known]) -> None:
    """The events once more, as statements, of tenants that have them told so."""
    events = [one.event for one in done.changes.values() if one.event is not None]
    emissions = await ReviewStore(store.connection).emissions({one.tenant for one in events})
    for tenant, emission in sorted(emissions.items()):
        statements: list[tuple[bytes, bytes]] = []
        for event in events:
            if event.tenant != tenant:
                continue
            key = known[(tenant, event.person)].agent_key(done.as_of_ms)
            nobody = {"homePage": emission["home_page"], "name": str(event.person)}
            statement = statement_of(event, {"account": nobody} if key is None else agent_of(key))
            if statement is not None:
                statements.append((f"{tenant}:{event.person}".encode(), statement))
        if statements:
            await store.insert_outbox(input_topic(tenant, OWN_SOURCE).name, statements)


async def _write(store: Store, done: Round, known: Mapping[Person, Known]) -> None:
    changes = done.changes
    if changes:
        await store.insert_decisions(
            [_decision_row(key, one, done) for key, one in changes.items()]
        )
        await store.put_current_decisions([_current_row(key, one) for key, one in changes.items()])
    messages = [
        (f"{key[0]}:{key[1]}".encode(), one.event.model_dump_json().encode())
        for key, one in changes.items()
        if one.event is not None
    ]
    if messages:
        await store.insert_outbox(COMPETENCIES, messages)
        await _emit(store, done, known)
    if done.due:
        await store.put_wakeups(done.due)
    asleep = [key for key in done.marks if key not in done.due and key not in done.failures]
    if asleep:
        await store.delete_wakeups(asleep)
    if done.failures:
        await store.put_failures(done.failures)
    await store.delete_failures(key for key in done.marks if key not in done.failures)
    await store.delete_marks(done.marks)


def _decision_row(key: Key, one: Change, done: Round) -> Sequence[object]:
    outcome: Outcome = one.outcome
    rule, standing = outcome.rule, outcome.standing
    return (
        *key,
        one.ordinal,
        one.decision,
        None if one.event is None else one.sequence,
        done.as_of_ms,
        done.as_of_ms,
        None if rule is None else rule.id,
        None if rule is None else rule.version,
        None if rule is None else rule.hash,
        ENGINE_VERSION,
        standing.status,
        standing.level,
        standing.achieved_on,
        standing.expires_on,
        outcome.hash,
        canonical(outcome.document).decode(),
        standing.expiring_days,
    )


def _current_row(key: Key, one: Change) -> Sequence[object]:
    standing = one.outcome.standing
    return (
        *key,
        one.ordinal,
        one.decision,
        one.sequence,
        standing.status,
        standing.level,
        standing.achieved_on,
        standing.expires_on,
        "{" + ",".join(sorted(str(statement) for statement in standing.evidence)) + "}",
        orjson.dumps(one.outcome.reasons).decode(),
        one.outcome.hash,
        standing.expiring_days,
    )


def _current(row: Row) -> Current:
    status: Status = row["status"]
    return Current(
        ordinal=row["ordinal"],
        sequence=row["sequence"],
        standing=Standing(
            status=status,
            level=row["level"],
            achieved_on=row["achieved_on"],
            expires_on=row["expires_on"],
            evidence=frozenset(row["used"]),
            expiring_days=row["expiring_days"],
        ),
        hash=row["outcome_hash"],
    )
