"""One rebuild, from the first record to the exchange of the tables; see the package's text.

Killed at any moment, it goes on where it was: each step leaves what it has done in the tables of
the run. The exchange is one transaction.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from assay_aggregator.rebuild import compare
from assay_aggregator.rebuild.compare import Suspect, Why
from assay_aggregator.rebuild.log import Again, Log, Place
from assay_aggregator.rebuild.replay import LogDiffers, Replay, begin, places_of
from assay_aggregator.rebuild.tables import (
    FRESH,
    REBUILD,
    analyse,
    definition,
    drop,
    exchange_tables,
    make_tables,
)
from assay_aggregator.rule import ENGINE_VERSION
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import PROJECTION, Key, Person, Row, Store

# The exchange holds the consumers: what is left to replay then, and to look at again, is bounded.
RECORDS_LEFT_MAX: Final = 50
SUSPECTS_AGAIN_MAX: Final = 5_000
FACTS_TOLD_MAX: Final = 10_000
LOCK_SECONDS: Final = 5
EXCHANGE_ATTEMPTS: Final = 12
PAUSE_SECONDS: Final = 0.5


class AlreadyRunning(Exception):
    """Another session rebuilds."""


class NotExchanged(Exception):
    """The tables were in use the whole time; running again tries again."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is. `unit` says what is counted; `statements` are all that were replayed."""

    phase: str
    unit: str
    done: int
    total: int
    statements: int = 0


@dataclass(slots=True)
class Report:
    """What came of a rebuild. `facts` are statements, `decisions` counts by what differed."""

    exchanged: bool = False
    statements: int = 0
    people: int = 0
    set_aside: int = 0
    without_person: int = 0
    seconds: float = 0.0
    facts: list[str] = field(default_factory=list)
    decisions: dict[str, int] = field(default_factory=dict)
    repaired: int = 0

    @property
    def same(self) -> bool:
        """Whether the live tables held what the log says."""
        return not (self.facts or self.decisions or self.without_person)


class Rebuild:
    """A run over one connection of the owner, in which nothing else is done."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        log: Log,
        again: Again,
        tell: Callable[[Progress], None],
    ) -> None:
        self._connection = connection
        self._log = log
        self._again = again
        self._tell = tell
        self._shelf = RuleShelf()
        self._report = Report()

    async def run(self, *, exchange: bool = True, anew: bool = False) -> Report:
        """Go through all steps, or on from where a run before came to; `anew` forgets that.

        Without `exchange` everything is compared, and the fresh tables stay where they are.
        Raises LogDiffers, AlreadyRunning, NotExchanged.
        """
        connection = self._connection
        if not await connection.fetchval(REBUILD["alone"]):
            raise AlreadyRunning("another rebuild is at work")
        await self._begin(anew=anew)
        began = time.perf_counter()
        await self._replay_deleted()
        replay = Replay(connection, await places_of(connection, self._log))
        try:
            await self._replay(replay)
            phase = (await self._row())["phase"]
            if phase in ("replay", "facts"):
                await self._compare_facts()
                phase = "decisions"
            if phase == "decisions":
                await self._compare_decisions()
        finally:
            seconds = time.perf_counter() - began
            if not connection.is_closed():
                await connection.execute(REBUILD["add_seconds"], seconds)
        report, row, began = self._report, await self._row(), time.perf_counter()
        report.statements = row["statements"]
        report.people = await connection.fetchval(REBUILD["count_people"])
        report.without_person = await connection.fetchval(REBUILD["nobody_acts"])
        await self._finish(replay, exchange=exchange)
        report.set_aside = replay.set_aside
        report.seconds = row["seconds"] + time.perf_counter() - began
        return report

    async def _row(self) -> Row:
        """The run, as it is kept."""
        row: Row | None = await self._connection.fetchrow(REBUILD["find_run"])
        if row is None:
            raise LogDiffers("the run that was begun is gone: begin anew")
        return row

    async def _begin(self, *, anew: bool) -> None:
        connection = self._connection
        wanted = fingerprint()
        if await connection.fetchval("select to_regclass($1)", f"{FRESH}.run") is not None:
            row = await connection.fetchrow(REBUILD["find_run"])
            if row is not None and row["fingerprint"] == wanted and not anew:
                return
            if not anew:
                raise LogDiffers("a run of another release was begun: begin anew")
        await drop(connection, FRESH)
        async with connection.transaction():
            await make_tables(connection)
            await connection.execute(REBUILD["begin_run"], wanted)

    # --- 2. replay

    async def _replay_deleted(self) -> None:
        """What the log does not hold any more, from a topic of the run's own."""
        connection = self._connection
        topic: str | None = (await self._row())["replay_topic"]
        if topic is None:
            known = await connection.fetch(REBUILD["fresh_applied"], PROJECTION)
            begins = {n: at for n, at in (await self._log.begins()).items() if at > 0}
            if known or not begins:
                return
            self._tell(Progress("again", "topics", 0, 1))
            topic = await self._again.send(begins)
            places = {
                n: Place(at, await connection.fetchval(REBUILD["newest_before"], n, at))
                for n, at in begins.items()
            }
            async with connection.transaction():
                await connection.execute(REBUILD["set_replay_topic"], topic)
                await begin(connection, self._log, places)
            self._tell(Progress("again", "topics", 1, 1))
        log = await self._again.open(topic)
        replay = Replay(connection, await places_of(connection, log))
        await self._replay_to(log, replay, await log.ends())

    async def _replay(self, replay: Replay) -> None:
        """To where the live tables are, and on until only a few records have come meanwhile."""
        ends = await self._ends(replay)
        while behind(replay.places, ends):
            await self._replay_to(self._log, replay, ends)
            ends = await self._ends(replay)
            if behind(replay.places, ends) <= RECORDS_LEFT_MAX:
                return

    async def _replay_to(self, log: Log, replay: Replay, ends: Mapping[int, int]) -> None:
        statements = (await self._row())["statements"]
        total = sum(ends.values())
        async for batch in log.batches(dict(replay.places), ends):
            statements += await replay.apply(batch)
            done = total - behind(replay.places, ends)
            self._tell(Progress("replay", "records", done, total, statements))

    async def _ends(self, replay: Replay) -> dict[int, int]:
        """What the live tables have applied: the fresh ones never go beyond that."""
        ends: dict[int, int] = {}
        for row in await self._connection.fetch(
            REBUILD["live_applied"], PROJECTION, self._log.topic
        ):
            identity = self._log.identity
            if (row["cluster_id"], row["topic_id"]) != (identity.cluster_id, identity.topic_id):
                raise LogDiffers("the live tables were made from another log")
            number = row["partition"]
            if number not in replay.places:
                raise LogDiffers(f"{self._log.topic}/{number} came after the run was begun")
            ends[number] = row["next_offset"]
        return ends

    # --- 3. compare

    async def _compare_facts(self) -> None:
        connection = self._connection
        self._tell(Progress("facts", "tables", 0, 1))
        await analyse(connection)
        async with connection.transaction():
            await compare.suspect_facts(connection)
            await connection.execute(REBUILD["set_phase"], "decisions")
        self._tell(Progress("facts", "tables", 1, 1))

    async def _compare_decisions(self) -> None:
        """Everybody, in pages; what was looked at stays so when the run is killed."""
        connection = self._connection
        row = await self._row()
        last: Person = (row["tenant"], row["person"])
        total = await connection.fetchval(REBUILD["count_people"])
        done = await connection.fetchval(REBUILD["count_people_until"], *last)
        while people := await compare.people_after(connection, last):
            last = people[-1]
            # One moment for marks, decisions and records; facts of later places make suspects.
            async with connection.transaction(isolation="repeatable_read"):
                found = await compare.suspects_among(connection, self._shelf, people)
                await compare.note(connection, found)
                await connection.execute(REBUILD["set_person"], *last)
            done += len(people)
            self._tell(Progress("decisions", "people", done, max(done, total)))
        await connection.execute(REBUILD["set_phase"], "exchange")

    # --- 4. exchange

    async def _finish(self, replay: Replay, *, exchange: bool) -> None:
        """Look again at equal places in the log, and exchange the tables, if that is wanted."""
        for attempt in range(EXCHANGE_ATTEMPTS):
            self._tell(Progress("exchange", "attempts", attempt, EXCHANGE_ATTEMPTS))
            # What came meanwhile, and suspects that are none any more, without holding anybody.
            await self._replay(replay)
            await self._look_again()
            try:
                async with self._connection.transaction():
                    await self._at_equal_places(replay, exchange=exchange)
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                replay.places = await places_of(self._connection, self._log)
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                self._report.exchanged = exchange
                return
        raise NotExchanged("somebody reads or writes the tables all the time")

    async def _look_again(self) -> None:
        """Drop the suspects that were only in flight."""
        connection = self._connection
        keys = await compare.noted(connection)
        if not keys or len(keys) > SUSPECTS_AGAIN_MAX:
            return
        found = await self._suspects(list(keys))
        async with connection.transaction():
            await connection.execute(REBUILD["clear_suspect_decisions"])
            await compare.note(connection, found)

    async def _suspects(self, keys: Sequence[Key]) -> list[Suspect]:
        wanted = set(keys)
        found: list[Suspect] = []
        for people in compare.people_of(keys):
            some = await compare.suspects_among(self._connection, self._shelf, people)
            found += [one for one in some if one.key in wanted]
        return found

    async def _at_equal_places(self, replay: Replay, *, exchange: bool) -> None:
        """With the consumers held: the last records, the last look, the exchange."""
        connection, store = self._connection, Store(self._connection)
        await connection.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
        await store.change_records()
        ends = await self._ends(replay)
        async for batch in self._log.batches(dict(replay.places), ends):
            await replay.apply(batch)
        rows = await connection.fetch(REBUILD["differing_facts"], FACTS_TOLD_MAX)
        self._report.facts = [f"{row['tenant']} {row['id']}" for row in rows]
        keys = await compare.noted(connection)
        if len(keys) <= SUSPECTS_AGAIN_MAX:
            suspects = await self._suspects(list(keys))
        else:
            suspects = [Suspect(key, why) for key, why in keys.items()]
        self._report.decisions = dict(Counter(str(one.why) for one in suspects))
        if exchange:
            await self._repair(suspects)
            await store.mark({one.key: None for one in suspects})
            await exchange_tables(connection)

    async def _repair(self, suspects: Sequence[Suspect]) -> None:
        """Where history and standing decision part, the history is right: events follow it."""
        keys = sorted(one.key for one in suspects if one.why is Why.SEVERED and one.kept)
        if not keys:
            return
        tenants, people, competencies = (list(column) for column in zip(*keys, strict=True))
        await self._connection.fetch(REBUILD["lock_people"], tenants, people)
        await self._connection.execute(REBUILD["repair_current"], tenants, people, competencies)
        self._report.repaired = len(keys)


def behind(places: Mapping[int, Place], ends: Mapping[int, int]) -> int:
    """How many records are still to be replayed."""
    return sum(max(0, end - places[number].next_offset) for number, end in ends.items())


def fingerprint() -> str:
    """Equal for runs that make the same tables in the same way."""
    text = "\n".join((ENGINE_VERSION, definition(), REBUILD["make_bookkeeping"]))
    return hashlib.sha256(text.encode()).hexdigest()
