"""The process `credentials`: wiring only."""

import asyncio
import secrets
from datetime import UTC, datetime
from uuid import uuid4

from prometheus_client import CollectorRegistry

from assay_credentials import api
from assay_credentials.awarding.standing import Settler
from assay_credentials.callers import Callers
from assay_credentials.handle import AwardHandler
from assay_credentials.issue import Workshop
from assay_credentials.issuers import Issuers
from assay_credentials.jsonld import pinned_jsonld
from assay_credentials.metrics import CredentialsMetrics
from assay_credentials.presenting.desk import forget_presentations
from assay_credentials.receipts.signing import Receipts
from assay_credentials.resolving.fetching import Fetcher
from assay_credentials.resolving.resolver import Resolver
from assay_credentials.settings import CredentialsSettings
from assay_credentials.statuses import StatusLists
from assay_credentials.store import PROJECTION, SCHEMA, Store
from assay_credentials.verifying import Verifier
from assay_credentials.worker import IssuingWorker
from assay_runtime.consume import Consumer
from assay_runtime.metrics import ConsumerMetrics, RelayMetrics
from assay_runtime.postgres import TRANSIENT, Pool, open_pool
from assay_runtime.produce import Producer
from assay_runtime.relay import Relay
from assay_runtime.serve import Checks, new_app, run_process, serve
from assay_schemas.topics import COMPETENCIES

WATCH_SECONDS = 5.0


def run_credentials() -> None:
    """HTTP, the consumer of `assay.competencies.v1`, issuing, status lists, outbox."""
    settings = CredentialsSettings.from_environment()
    run_process("credentials", settings, lambda: run_all(settings))


def clock() -> datetime:
    return datetime.now(UTC)


async def run_all(settings: CredentialsSettings, topic: str = COMPETENCIES) -> None:
    """Open what is needed, run all parts, close. Ends with the first part that ends."""
    registry = CollectorRegistry()
    metrics = CredentialsMetrics.register(registry)
    wake = asyncio.Event()
    pinned_jsonld()
    pool = await open_pool(settings, "assay-credentials")
    producer = Producer(settings, acknowledge_seconds=settings.acknowledge_seconds)
    fetcher = Fetcher(settings, metrics)
    try:
        await producer.start()
        issuers = Issuers(settings)
        lists = StatusLists(
            pool=pool, issuers=issuers, settings=settings, now=clock, metrics=metrics
        )
        shop = Workshop(
            pool=pool,
            issuers=issuers,
            settings=settings,
            metrics=metrics,
            now=clock,
            random_bytes=secrets.token_bytes,
            lists_changed=lists.wake.set,
        )
        consumer = Consumer(
            settings=settings,
            pool=pool,
            topic=topic,
            projection=PROJECTION,
            schema=SCHEMA,
            handler=AwardHandler(wake),
            metrics=ConsumerMetrics.register(registry),
        )
        sender = Relay(
            settings=settings,
            pool=pool,
            producer=producer,
            schema=SCHEMA,
            metrics=RelayMetrics.register(registry),
        )
        resolver = Resolver(
            pool=pool, lists=lists, fetcher=fetcher, public_url=settings.public_url, now=clock
        )
        verifier = Verifier(
            pool=pool, resolver=resolver, settings=settings, now=clock, metrics=metrics
        )
        app = new_app("Assay credentials", registry, _checks(pool, consumer))
        api.install(
            app,
            pool=pool,
            settings=settings,
            lists=lists,
            verifier=verifier,
            callers=Callers(settings, metrics),
            receipts=Receipts(pool=pool, settings=settings, metrics=metrics, new_id=uuid4),
            issuers=issuers,
            now=clock,
        )
        async with asyncio.TaskGroup() as parts:
            parts.create_task(serve(app, settings))
            parts.create_task(consumer.run())
            parts.create_task(lists.run())
            parts.create_task(sender.run())
            parts.create_task(Settler(pool, wake).run())
            parts.create_task(watch(pool, metrics))
            parts.create_task(forget_presentations(pool, settings, clock, metrics))
            for _ in range(settings.issuer_tasks):
                parts.create_task(IssuingWorker(shop, wake).run())
    finally:
        await fetcher.close()
        await producer.stop()
        await pool.close()


async def watch(pool: Pool, metrics: CredentialsMetrics) -> None:
    """Keep the gauges of what stands and waits in the tables."""
    while True:
        try:
            async with pool.acquire() as connection:
                store = Store(connection)
                states = await store.states()
                awards, oldest_seconds = await store.waiting()
                failures = await store.count("failures")
                unsigned = await store.count("unsigned_lists")
        except TRANSIENT:
            metrics.retries.inc()
        else:
            for state in ("intended", "issued", "suspended", "expired", "superseded", "revoked"):
                metrics.credentials.labels(state=state).set(states.get(state, 0))
            metrics.awards_waiting.set(awards)
            metrics.awards_oldest_seconds.set(oldest_seconds)
            metrics.failures_kept.set(failures)
            metrics.lists_unsigned.set(unsigned)
        await asyncio.sleep(WATCH_SECONDS)


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

    async def issuing() -> str | None:
        return await counted("failures", "credentials could not be made and are set aside")

    return {
        "postgres": postgres,
        "competencies": consumer.missing,
        "quarantine": quarantine,
        "issuing": issuing,
    }
