"""What an administrator does is idempotent, and months are made ahead without losing a row."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from assay_ingest import admin
from assay_ingest.metrics import StoreMetrics
from assay_ingest.projection import Projection
from assay_ingest.times import iso, milliseconds_of
from assay_testing import Database
from ingest_samples import record, statement

LATER = datetime(2031, 12, 5, tzinfo=UTC)


async def test_putting_again_changes_what_is_there(postgres: Database) -> None:
    owner = await postgres.connect()
    try:
        for modality in ("vr", "online"):
            await admin.put_tenant(owner, "t1")
            await admin.put_source(owner, "t1", "s1", modality=modality)
            await admin.put_client(owner, "c1", "t1", "s1", ["statements/read"], modality)
        assert await owner.fetchval("select count(*) from ingest.tenant") == 1
        assert await owner.fetchval("select modality from ingest.source") == "online"
        assert await owner.fetchval("select count(*) from ingest.api_client") == 1
    finally:
        await owner.close()


async def test_a_name_that_cannot_be_part_of_a_topic_is_refused(postgres: Database) -> None:
    owner = await postgres.connect()
    try:
        for name in ("", "A", "a.b", "-a", "a" * 41):
            with pytest.raises(ValueError, match="is not 1 to 40"):
                await admin.put_tenant(owner, name)
    finally:
        await owner.close()


async def test_months_are_made_once_and_take_over_what_the_default_partition_has(
    postgres: Database,
) -> None:
    owner, store = await postgres.connect(), await postgres.connect("assay_store")
    try:
        handler = Projection(StoreMetrics.register(CollectorRegistry()))
        for number, day in enumerate((datetime(2031, 12, 31, 23, tzinfo=UTC), LATER)):
            sent = record(
                [statement(UUID(int=number, version=4))],
                append_ms=milliseconds_of(day),
                offset=number,
            )
            async with store.transaction():
                await handler.apply(store, [sent])
        assert await owner.fetchval("select count(*) from ingest.statement_default") == 2
        made = await admin.maintain(owner, now=LATER, months_ahead=1)
        assert made == [
            f"{table}_{month}"
            for month in ("y2031m12", "y2032m01")
            for table in (
                "statement",
                "statement_agent",
                "statement_related",
                "statement_via",
            )
        ]
        assert await admin.maintain(owner, now=LATER, months_ahead=1) == []
        assert await owner.fetchval("select count(*) from ingest.statement_default") == 0
        assert await owner.fetchval("select count(*) from ingest.statement_y2031m12") == 2
        assert await store.fetchval("select count(*) from ingest.statement_agent") == 2
    finally:
        await owner.close()
        await store.close()


def test_times_are_texts_with_milliseconds() -> None:
    assert iso(0) == "1970-01-01T00:00:00.000Z"
    assert iso(1_767_225_599_007) == "2025-12-31T23:59:59.007Z"
    assert milliseconds_of(datetime(2025, 12, 31, 23, 59, 59, 7999, tzinfo=UTC)) == (
        1_767_225_599_007
    )
