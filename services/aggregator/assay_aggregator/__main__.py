"""The processes `aggregator` and `relay`: wiring only."""

import asyncio

from prometheus_client import CollectorRegistry

from assay_aggregator import api
from assay_aggregator.evaluator import Evaluator
from assay_aggregator.handle import StatementHandler
from assay_aggregator.metrics import AggregatorMetrics
from assay_aggregator.organisation.store import count_collisions
from assay_aggregator.settings import AggregatorSettings, RelaySettings
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import PROJECTION, SCHEMA, Store
from assay_runtime.consume import Consumer
from assay_runtime.metrics import ConsumerMetrics, RelayMetrics
from assay_runtime.postgres import TRANSIENT, Pool, open_pool
from assay_runtime.produce import Producer
from assay_runtime.relay import Relay
from assay_runtime.serve import Checks, new_app, run_process, serve
from assay_schemas.topics import STATEMENTS

WATCH_SECONDS = 1.0
# Counting collisions reads every stated link, and they come about by people's acts.
COLLISIONS_SECONDS = 60.0


def run_aggregator() -> None:
    """HTTP, the consumer of `assay.statements.v1`, and the evaluators; until a signal."""
    settings = AggregatorSettings.from_environment()
    run_process("aggregator", settings, lambda: aggregate(settings))


def run_relay() -> None:
    """The outbox to `assay.competencies.v1`; until a signal."""
    settings = RelaySettings.from_environment()
    run_process("relay", settings, lambda: relay(settings))


async def aggregate(settings: AggregatorSettings) -> None:
    """Open what is needed, run all parts, close. Ends with the first part that ends."""
    registry = CollectorRegistry()
    metrics = AggregatorMetrics.register(registry)
    shelf, wake = RuleShelf(), asyncio.Event()
    pool = await open_pool(settings, "assay-aggregator")
    try:
        consumer = Consumer(
            settings=settings,
            pool=pool,
            topic=STATEMENTS,
            projection=PROJECTION,
            schema=SCHEMA,
            handler=StatementHandler(shelf, wake),
            metrics=ConsumerMetrics.register(registry),
        )
        app = new_app("Assay aggregator", registry, _checks(pool, consumer))
        api.install(app, pool=pool, shelf=shelf, settings=settings)
        async with asyncio.TaskGroup() as parts:
            parts.create_task(serve(app, settings))
            parts.create_task(consumer.run())
            parts.create_task(watch(pool, metrics))
            parts.create_task(watch_collisions(pool, metrics))
            for _ in range(settings.evaluator_tasks):
                evaluator = Evaluator(
                    pool=pool,
                    shelf=shelf,
                    wake=wake,
                    metrics=metrics,
                    batch_marks=settings.evaluator_batch_marks,
                )
                parts.create_task(evaluator.run())
    finally:
        await pool.close()


async def relay(settings: RelaySettings) -> None:
    """Open what is needed, run all parts, close."""
    registry = CollectorRegistry()
    pool = await open_pool(settings, "assay-relay")
    producer = Producer(settings, acknowledge_seconds=settings.acknowledge_seconds)
    try:
        await producer.start()
        sender = Relay(
            settings=settings,
            pool=pool,
            producer=producer,
            schema=SCHEMA,
            metrics=RelayMetrics.register(registry),
        )

        async def postgres() -> str | None:
            await pool.fetchval("select 1")
            return None

        app = new_app("Assay relay", registry, {"postgres": postgres})
        async with asyncio.TaskGroup() as parts:
            parts.create_task(serve(app, settings))
            parts.create_task(sender.run())
    finally:
        await producer.stop()
        await pool.close()


async def watch(pool: Pool, metrics: AggregatorMetrics) -> None:
    """Keep the gauges of what waits in the tables."""
    while True:
        try:
            async with pool.acquire() as connection:
                store = Store(connection)
                marks, oldest_seconds = await store.waiting()
                failures = await store.count("failures")
                depth = await store.count("outbox_depth")
        except TRANSIENT:
            metrics.retries.inc()
        else:
            metrics.marks_waiting.set(marks)
            metrics.marks_oldest_seconds.set(oldest_seconds)
            metrics.failures_kept.set(failures)
            metrics.outbox_depth.set(depth)
        await asyncio.sleep(WATCH_SECONDS)


async def watch_collisions(pool: Pool, metrics: AggregatorMetrics) -> None:
    """Keep the gauge of identities that collide: somebody has to look at them."""
    while True:
        try:
            async with pool.acquire() as connection:
                collisions = await count_collisions(connection)
        except TRANSIENT:
            metrics.retries.inc()
        else:
            metrics.identity_collisions.set(collisions)
        await asyncio.sleep(COLLISIONS_SECONDS)


def _checks(pool: Pool, consumer: Consumer) -> Checks:
    async def counted(name: str, sentence: str) -> str | None:
        async with pool.acquire() as connection:
            count = await Store(connection).count(name)
        return f"{count} {sentence}" if count else None

    async def postgres() -> str | None:
        await pool.fetchval("select 1")
        return None

    async def quarantine() -> str | None:
        return await counted("quarantined", "records could not be applied and are set aside")

    async def evaluations() -> str | None:
        return await counted("failures", "evaluations failed and are set aside")

    return {
        "postgres": postgres,
        "statements": consumer.missing,
        "quarantine": quarantine,
        "evaluations": evaluations,
    }
