"""Wiring of the processes `ingest`, `store` and `mover`: settings, resources, run, close."""

import asyncio

from prometheus_client import CollectorRegistry

from assay_ingest.activities_api import ActivitiesResource
from assay_ingest.agents_api import AgentsResource
from assay_ingest.api import Api
from assay_ingest.attachments_contents import Contents
from assay_ingest.attachments_receive import Receiver, read_anchors
from assay_ingest.attachments_store import AttachmentStore
from assay_ingest.clients_api import ClientsApi
from assay_ingest.clients_usage import UsageKeeper
from assay_ingest.directory import Directory
from assay_ingest.documents_api import DocumentResources
from assay_ingest.documents_store import DocumentStore
from assay_ingest.exchange import Routes
from assay_ingest.follow import Follower
from assay_ingest.handle import Ingest
from assay_ingest.metrics import IngestMetrics, MoverMetrics, StoreMetrics
from assay_ingest.mover import Mover
from assay_ingest.openapi import with_xapi
from assay_ingest.projection import Projection, ProjectionLimits
from assay_ingest.reading import Reading
from assay_ingest.settings import IngestSettings, MoverSettings, StoreSettings
from assay_ingest.sources import Sources
from assay_ingest.statements_api import StatementResource
from assay_ingest.store import Reader
from assay_ingest.ticks import Ticks
from assay_ingest.window import Window
from assay_runtime.auth import Authenticator
from assay_runtime.consume import Consumer
from assay_runtime.metrics import ConsumerMetrics
from assay_runtime.postgres import Pool, open_pool
from assay_runtime.produce import Producer
from assay_runtime.serve import new_app, run_process, serve
from assay_schemas.topics import INPUT_PATTERN, STATEMENT_RECORD_BYTES, STATEMENTS

PROJECTION = "store"
# Every query here reads a few rows by key. A plan that was made while a table was small would scan
# it, and would be kept while it grows.
INDEXES_ONLY = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
SCHEMA = "ingest"


def run_ingest() -> None:
    """Process `ingest`: xAPI over HTTP, until a signal."""
    settings = IngestSettings.from_environment()
    run_process("ingest", settings, lambda: ingest(settings))


def run_store() -> None:
    """Process `store`: the projection of statements, until a signal."""
    settings = StoreSettings.from_environment()
    run_process("store", settings, lambda: store(settings))


def run_mover() -> None:
    """Process `mover`: input topics into the log, until a signal."""
    settings = MoverSettings.from_environment()
    run_process("mover", settings, lambda: mover(settings))


async def ingest(settings: IngestSettings, topic: str = STATEMENTS) -> None:
    """Run until cancelled; raises what ends one of its parts."""
    registry = CollectorRegistry()
    metrics = IngestMetrics.register(registry)
    pool = await open_pool(settings, "assay-ingest", server_settings=INDEXES_ONLY)
    producer = Producer(
        settings,
        acknowledge_seconds=settings.acknowledge_seconds,
        max_request_bytes=STATEMENT_RECORD_BYTES,
    )
    await producer.start()
    reader = Reader(pool)
    window = Window(
        statements_max=settings.window_statements_max, bytes_max=settings.window_bytes_max
    )
    follower = Follower(
        reader,
        window,
        metrics,
        settings=settings,
        follow_seconds=settings.follow_seconds,
        topic=topic,
    )
    sources = Sources(reader, settings.source_cache_seconds)
    handler = Ingest(
        settings=settings,
        reader=reader,
        sources=sources,
        producer=producer,
        window=window,
        follower=follower,
        metrics=metrics,
        topic=topic,
    )

    async def kafka() -> str | None:
        return None if producer.ready else "no connection to the broker"

    app = new_app("Assay ingest", registry, {"store": follower.missing, "kafka": kafka})
    authenticator = Authenticator(pool, SCHEMA, settings)
    usage = UsageKeeper(pool, authenticator.meters, settings.usage_flush_seconds)
    ClientsApi(pool, authenticator, settings).install(app)
    reading = Reading(settings=settings, reader=reader, window=window, follower=follower)
    contents = Contents.configured(settings)
    receiver = Receiver(
        settings=settings,
        ingest=handler,
        contents=contents,
        store=AttachmentStore(pool),
        metrics=metrics,
        anchors=read_anchors(settings.signature_trust_file),
    )
    statements = StatementResource(
        settings=settings,
        ingest=handler,
        reading=reading,
        sources=sources,
        receiver=receiver,
        contents=contents,
    )
    api = Api(
        settings=settings,
        reading=reading,
        authenticator=authenticator,
        metrics=metrics,
        resources=[statements.routes(), *beside_statements(settings, pool, reader, reading)],
    )
    app.openapi_schema = with_xapi(app.openapi())
    front = api.install(app)
    try:
        async with asyncio.TaskGroup() as parts:
            parts.create_task(follower.run())
            parts.create_task(usage.run())
            parts.create_task(serve(front, settings))
    finally:
        await producer.stop()
        await pool.close()


def beside_statements(
    settings: IngestSettings, pool: Pool, reader: Reader, reading: Reading
) -> list[Routes]:
    """The resources of documents, agents and activities."""
    documents = DocumentResources(
        settings=settings,
        store=DocumentStore(
            pool,
            per_place_max=settings.documents_per_place_max,
            bytes_max=settings.document_bytes_max,
        ),
    )
    wait_seconds = settings.directory_wait_seconds
    agents = AgentsResource(
        reading=reading,
        directory=Directory(pool, names_max=settings.person_names_max),
        wait_seconds=wait_seconds,
    )
    activities = ActivitiesResource(reading=reading, reader=reader, wait_seconds=wait_seconds)
    return [documents.routes(), agents.routes(), activities.routes()]


async def store(settings: StoreSettings, topic: str = STATEMENTS) -> None:
    """Run until cancelled; raises what ends one of its parts, Broken among them."""
    registry = CollectorRegistry()
    metrics = StoreMetrics.register(registry)
    pool = await open_pool(settings, "assay-store", server_settings=INDEXES_ONLY)
    producer = Producer(settings, acknowledge_seconds=settings.acknowledge_seconds)
    await producer.start()
    ticks = Ticks(
        producer,
        metrics,
        tick_seconds=settings.tick_seconds,
        nudge_seconds=settings.nudge_seconds,
        topic=topic,
    )
    consumer = Consumer(
        settings=settings,
        pool=pool,
        topic=topic,
        projection=PROJECTION,
        schema=SCHEMA,
        handler=Projection(
            metrics,
            ticks,
            limits=ProjectionLimits(
                reference_steps_max=settings.reference_steps_max,
                definitions_per_activity_max=settings.definitions_per_activity_max,
                names_per_agent_max=settings.names_per_agent_max,
                recent_entries_max=settings.recent_entries_max,
            ),
            delay_seconds=settings.apply_delay_seconds,
        ),
        metrics=ConsumerMetrics.register(registry),
    )
    reader = Reader(pool)

    async def quarantine_check() -> str | None:
        count = await reader.quarantined()
        metrics.quarantined.set(count)
        return None if count == 0 else f"{count} records are set aside in ingest.quarantine"

    app = new_app(
        "Assay store", registry, {"log": consumer.missing, "quarantine": quarantine_check}
    )
    try:
        async with asyncio.TaskGroup() as parts:
            parts.create_task(consumer.run())
            parts.create_task(ticks.run(consumer))
            parts.create_task(serve(app, settings))
    finally:
        await producer.stop()
        await pool.close()


async def mover(
    settings: MoverSettings, topic: str = STATEMENTS, pattern: str = INPUT_PATTERN
) -> None:
    """Run until cancelled; raises what ends one of its parts."""
    registry = CollectorRegistry()
    metrics = MoverMetrics.register(registry)
    pool = await open_pool(settings, "assay-mover")
    producer = Producer(
        settings,
        acknowledge_seconds=settings.acknowledge_seconds,
        max_request_bytes=STATEMENT_RECORD_BYTES,
    )
    await producer.start()
    reader = Reader(pool)
    moving = Mover(
        settings=settings,
        reader=reader,
        sources=Sources(reader, settings.source_cache_seconds),
        producer=producer,
        metrics=metrics,
        topic=topic,
        pattern=pattern,
    )

    async def kafka() -> str | None:
        return None if producer.ready else "no connection to the broker"

    app = new_app("Assay mover", registry, {"input": moving.missing, "kafka": kafka})
    try:
        async with asyncio.TaskGroup() as parts:
            parts.create_task(moving.run())
            parts.create_task(serve(app, settings))
    finally:
        await producer.stop()
        await pool.close()
