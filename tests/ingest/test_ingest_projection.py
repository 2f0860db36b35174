"""The projection: any order, any batches and any repeats of the same records give the same rows."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from assay_ingest.metrics import StoreMetrics
from assay_ingest.projection import Projection
from assay_ingest.records import RecordInvalid
from assay_ingest.voiding import Target, why_not
from assay_runtime.consume import Record
from assay_schemas.envelope import EnvelopeError
from assay_testing import Database
from ingest_samples import ATTACHMENT, Sender, comment, record, statement, tick, void

IDS = [UUID(int=number, version=4) for number in (1, 2, 3)]
X, Y, Z = IDS

STATE = {
    "key": "select tenant, id, append_ms, partition, record_offset, record_index, stored_ms, "
    "body_hash, source, voids from ingest.statement_key order by tenant, id",
    "statement": "select tenant, stored_ms, id, source, client, version, verb, actor, activity, "
    "registration, timestamp, voids, raw, authority from ingest.statement order by 1, 3, 2",
    "agent": "select tenant, agent, stored_ms, id from ingest.statement_agent order by 1, 2, 3, 4",
    "related": "select r.tenant, r.kind, r.term, r.stored_ms, i.id "
    "from ingest.statement_related as r, unnest(r.ids) as i (id) order by 1, 2, 3, 4, 5",
    "ref": "select tenant, referrer, target from ingest.statement_ref order by 1, 2",
    "via": "select tenant, kind, term, stored_ms, id, via_stored_ms, via from ingest.statement_via "
    "order by 1, 2, 3, 4, 5, 7",
    "attachment": "select tenant, sha2, stored_ms, id from ingest.statement_attachment "
    "order by 1, 2, 3, 4",
    "activity": "select tenant, activity, iri, definition::text from ingest.activity order by 1, 2",
    "stated": "select tenant, activity, hash, stored_ms, id, definition::text "
    "from ingest.activity_definition order by 1, 2, 3",
    "name": "select tenant, agent, name, stored_ms, id from ingest.agent_name order by 1, 2, 3",
    "void": "select tenant, target, voiding, stored_ms, source, may_void, learner_controlled, "
    "counts, reason from ingest.void order by 1, 2, 3",
    "conflict": "select tenant, id, body_hash, append_ms, partition, record_offset, record_index, "
    "stored_ms, source, client, raw from ingest.conflict order by 1, 2, 3",
}


def projection() -> Projection:
    return Projection(StoreMetrics.register(CollectorRegistry()))


@pytest.fixture
async def store(postgres: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the store's own role."""
    connection = await postgres.connect("assay_store")
    try:
        yield connection
    finally:
        await connection.close()


async def apply(connection: asyncpg.Connection, *batches: Sequence[Record]) -> None:
    applying = projection()
    for batch in batches:
        async with connection.transaction():
            await applying.apply(connection, batch)
        await applying.committed(batch)


async def state(connection: asyncpg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {
        name: [tuple(row) for row in await connection.fetch(sql)] for name, sql in STATE.items()
    }


async def outcome(
    connection: asyncpg.Connection, batches: Sequence[Sequence[Record]]
) -> dict[str, list[tuple[Any, ...]]]:
    """The rows that `batches` lead to; the database is left as it was."""
    whole = connection.transaction()
    await whole.start()
    try:
        await apply(connection, *batches)
        return await state(connection)
    finally:
        await whole.rollback()


SENDERS = (
    Sender(),
    Sender(source="s2"),
    Sender(source="s2", may_void=True),
    Sender(source="s1", learner_controlled=True),
)


@st.composite
def one_statement(draw: st.DrawFn) -> dict[str, Any]:
    statement_id = draw(st.sampled_from(IDS))
    content = draw(st.sampled_from(["a", "b", "group", "void", "comment", "defined"]))
    if content == "void":
        return void(draw(st.sampled_from(IDS)), statement_id)
    if content == "comment":
        return comment(draw(st.sampled_from(IDS)), statement_id)
    if content == "defined":
        name = draw(st.sampled_from(["One", "Two"]))
        return statement(
            statement_id,
            object={"id": "http://e.org/a", "definition": {"name": {"en": name}}},
            context={
                "instructor": {"name": name, "mbox": "mailto:i@example.org"},
                "contextActivities": {"parent": [{"id": "http://e.org/p"}]},
            },
            attachments=[ATTACHMENT],
        )
    if content == "group":
        members = [{"mbox": "mailto:a@example.org"}, {"mbox": "mailto:b@example.org"}]
        return statement(statement_id, object={"objectType": "Group", "member": members})
    return statement(statement_id, actor=f"mailto:{content}@example.org")


@st.composite
def log_of_records(draw: st.DrawFn) -> list[Record]:
    """Some records in two partitions, with append times that meet and cross."""
    made = []
    for offset in range(draw(st.integers(min_value=1, max_value=6))):
        statements = {
            one["id"]: one for one in draw(st.lists(one_statement(), min_size=1, max_size=3))
        }
        made.append(
            record(
                list(statements.values()),
                append_ms=draw(st.sampled_from([100, 101, 102, 103, 60_000, 60_001])),
                partition=draw(st.sampled_from([0, 1])),
                offset=offset,
                sender=draw(st.sampled_from(SENDERS)),
            )
        )
    return made


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), log=log_of_records())
async def test_any_order_batching_and_repetition_gives_the_same_rows(
    store: asyncpg.Connection, data: st.DataObject, log: list[Record]
) -> None:
    in_order = sorted(log, key=lambda one: (one.append_ms, one.partition, one.offset))
    expected = await outcome(store, [[one] for one in in_order])
    shuffled = data.draw(st.permutations(log + data.draw(st.lists(st.sampled_from(log)))))
    batches: list[list[Record]] = [[]]
    for one in shuffled:
        if data.draw(st.booleans()):
            batches.append([])
        batches[-1].append(one)
    assert await outcome(store, [batch for batch in batches if batch]) == expected


async def test_the_first_copy_stands_and_the_other_content_is_kept_as_a_conflict(
    store: asyncpg.Connection,
) -> None:
    first = record([statement(X, actor="mailto:first@example.org")], append_ms=100, offset=7)
    second = record([statement(X, actor="mailto:second@example.org")], append_ms=101, partition=1)
    await apply(store, [second], [first])
    rows = await store.fetch("select stored_ms, raw from ingest.statement")
    assert [row["stored_ms"] for row in rows] == [100]
    assert b"first@" in rows[0]["raw"]
    lost = await store.fetch("select append_ms, partition, raw from ingest.conflict")
    assert [(row["append_ms"], row["partition"]) for row in lost] == [(101, 1)]
    assert b"second@" in lost[0]["raw"]


async def test_the_same_content_again_is_no_conflict_and_stored_is_that_of_the_first(
    store: asyncpg.Connection,
) -> None:
    await apply(store, [record([statement(X)], append_ms=105, partition=1)])
    await apply(store, [record([statement(X)], append_ms=101)])
    assert await store.fetchval("select count(*) from ingest.conflict") == 0
    assert await store.fetchval("select stored_ms from ingest.statement") == 101


async def test_two_tenants_may_use_the_same_id(store: asyncpg.Connection) -> None:
    await apply(
        store,
        [
            record([statement(X)], append_ms=100),
            record([statement(X, verb="http://e.org/v")], append_ms=101, sender=Sender("t2")),
        ],
    )
    assert await store.fetchval("select count(*) from ingest.statement") == 2
    assert await store.fetchval("select count(*) from ingest.conflict") == 0


VOIDERS = [
    (Sender(), None),
    (Sender(source="s2"), "void_not_authorised"),
    (Sender(source="s2", may_void=True), None),
    (Sender(learner_controlled=True), "void_not_authorised"),
    (Sender(learner_controlled=True, may_void=True), None),
]


async def test_a_void_is_judged_by_its_target_whichever_came_first(
    store: asyncpg.Connection,
) -> None:
    for sender, reason in VOIDERS:
        target = [record([statement(X)], append_ms=100)]
        voiding = [record([void(X, Y)], append_ms=101, offset=1, sender=sender)]
        early = await outcome(store, [voiding])
        assert [row[-2:] for row in early["void"]] == [(False, "target_unknown")]
        for batches in ([target, voiding], [voiding, target]):
            judged = await outcome(store, batches)
            assert [row[-2:] for row in judged["void"]] == [(reason is None, reason)], sender


async def test_the_rule_of_voids_is_the_same_in_sql_and_in_python(
    store: asyncpg.Connection,
) -> None:
    cases = itertools.product(["s1", "s2", None], [None, Z], [sender for sender, _ in VOIDERS])
    for source, voids, sender in cases:
        batches = [[record([void(X, Y)], append_ms=2, offset=1, sender=sender)]]
        if source is not None:
            sent = statement(X) if voids is None else void(voids, X)
            batches.append([record([sent], append_ms=1, sender=Sender(source=source))])
        rows = (await outcome(store, batches))["void"]
        in_sql = next(row[-1] for row in rows if row[1:3] == (X, Y))
        assert in_sql == why_not(
            None if source is None else Target(source, voids),
            source=sender.source,
            learner_controlled=sender.learner_controlled,
            may_void=sender.may_void,
        ), (source, voids, sender)


async def test_a_voiding_statement_that_is_replaced_takes_its_void_with_it(
    store: asyncpg.Connection,
) -> None:
    await apply(store, [record([statement(X)], append_ms=100)])
    await apply(store, [record([void(X, Y)], append_ms=102, offset=1)])
    assert await store.fetchval("select count(*) from ingest.void") == 1
    await apply(store, [record([statement(Y)], append_ms=101, partition=1)])
    assert await store.fetchval("select count(*) from ingest.void") == 0


async def test_a_void_and_its_target_at_two_consumers_at_once_do_not_miss_each_other(
    store: asyncpg.Connection, postgres: Database
) -> None:
    other = await postgres.connect("assay_store")
    try:
        target = store.transaction()
        await target.start()
        await projection().apply(store, [record([statement(X)], append_ms=100)])
        voiding = [record([void(X, Y)], append_ms=101, partition=1)]
        waiting = asyncio.ensure_future(apply(other, voiding))
        await _until_waiting_for_a_lock(postgres)
        await target.commit()
        await waiting
        assert await store.fetchval("select counts from ingest.void")
    finally:
        await other.close()


async def test_ticks_write_nothing(store: asyncpg.Connection) -> None:
    before = await state(store)
    await apply(store, [tick(append_ms=5), tick(append_ms=6, partition=1)])
    assert await state(store) == before


OTHER = b'{"id":"00000000-0000-4000-8000-0000000000ff","actor":{},"verb":{"id":"v"},"object":{}}'
BAD_RECORDS: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"headers": ()}, EnvelopeError),
    ({"value": None}, RecordInvalid),
    ({"value": b"[{},{}]"}, RecordInvalid),
    ({"value": b"[%b]" % OTHER}, RecordInvalid),
    ({"value": b'[{"id":"00000000-0000-4000-8000-0000000000ff"}]'}, ValueError),
    ({"value": b"not json"}, ValueError),
]


async def test_a_record_that_cannot_be_read_raises_and_nothing_of_its_batch_stays(
    store: asyncpg.Connection,
) -> None:
    good = record([statement(X)], append_ms=100)
    bad = record([statement(Y)], append_ms=101, offset=1)
    for changes, error in BAD_RECORDS:
        fields = {name: getattr(bad, name) for name in Record.__dataclass_fields__}
        with pytest.raises(error):
            await apply(store, [good, Record(**{**fields, **changes})])
        assert await store.fetchval("select count(*) from ingest.statement_key") == 0


async def _until_waiting_for_a_lock(postgres: Database) -> None:
    """Return when some session waits for an advisory lock; the test's own timeout bounds it."""
    watcher = await postgres.connect("postgres")
    try:
        while not await watcher.fetchval(
            "select count(*) from pg_locks where locktype = 'advisory' and not granted "
            "and database = (select oid from pg_database where datname = current_database())"
        ):
            await watcher.execute("select pg_sleep(0.01)")
    finally:
        await watcher.close()
