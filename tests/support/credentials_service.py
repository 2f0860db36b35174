"""The credentials service on a real Postgres, driven by hand, for its tests."""

import asyncio
import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from assay_credentials import api
from assay_credentials.callers import Callers
from assay_credentials.handle import AwardHandler
from assay_credentials.issue import Workshop, follow_awards
from assay_credentials.issuers import Issuers
from assay_credentials.metrics import CredentialsMetrics
from assay_credentials.receipts.signing import Receipts
from assay_credentials.resolving.fetching import Fetcher
from assay_credentials.resolving.resolver import Resolver
from assay_credentials.settings import CredentialsSettings
from assay_credentials.statuses import StatusLists
from assay_credentials.verifying import Verifier
from assay_runtime.auth import hash_secret
from assay_runtime.consume import Record
from assay_runtime.outgoing import Resolve, resolve_by_system
from assay_runtime.postgres import Pool, open_pool
from assay_runtime.serve import new_app
from assay_schemas.events import CompetencyEvent, competency_event
from assay_testing import Database

ROLE = "assay_credentials"
PUBLIC_URL = "http://credentials.test"
TENANT = "north"
COMPETENCY = "https://example.org/competencies/aseptic-gowning"
ACHIEVED = date.today() - timedelta(days=10)
EXPIRES = date.today() + timedelta(days=355)

_offsets = itertools.count()


def event(kind: str, person: UUID, sequence: int, **changed: Any) -> CompetencyEvent:
    """An event of a person; a year from ACHIEVED unless `changed` says otherwise."""
    lost = kind == "withdrawn"
    document = {
        "type": f"competency.{kind}/v1",
        "event_id": str(uuid4()),
        "tenant": TENANT,
        "person": str(person),
        "competency": COMPETENCY,
        "sequence": sequence,
        "decision": str(uuid4()),
        "rule": "gowning",
        "rule_version": 1,
        "rule_hash": "5a" * 32,
        "status": {
            "withdrawn": "in_progress",
            "suspended": "suspended",
            "under_review": "under_review",
            "expired": "expired",
            "revoked": "revoked",
        }.get(kind, "achieved"),
        "level": None if lost else 2,
        "as_of": datetime.now(UTC).isoformat(),
        "achieved_on": None if lost else ACHIEVED.isoformat(),
        "expires_on": None if lost else EXPIRES.isoformat(),
        "timezone": "Europe/London",
        "evidence": [] if lost else [str(uuid4())],
        "reason": "voided" if lost else None,
        **changed,
    }
    return competency_event.validate_python(document)


def record(value: bytes | None) -> Record:
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    return Record("t", 0, next(_offsets), now_ms, now_ms, b"k", value, ())


@dataclass
class Service:
    """One process of the service, without its loops: each step is called by the test."""

    pool: Pool
    settings: CredentialsSettings
    metrics: CredentialsMetrics
    lists: StatusLists
    issuers: Issuers
    http: httpx.AsyncClient
    key: tuple[str, str]
    fetcher: Fetcher
    verifier: Verifier
    app: FastAPI
    now: list[datetime] = field(default_factory=list)
    reached: Callable[[str], None] = lambda _: None

    @classmethod
    async def open(
        cls,
        database: Database,
        folder: Path,
        *,
        resolve: Resolve = resolve_by_system,
        environment: Mapping[str, str] | None = None,
        **changed: str,
    ) -> "Service":
        whole = {
            **database.environment(ROLE),
            "ASSAY_KAFKA_BOOTSTRAP": "127.0.0.1:1",
            "ASSAY_KAFKA_USER": "credentials",
            "ASSAY_KAFKA_PASSWORD_FILE": str(database.password_file(ROLE)),
            "ASSAY_HTTP_PORT": "8402",
            "ASSAY_PUBLIC_URL": PUBLIC_URL,
            "ASSAY_SIGNING_KEY_DIR": str(folder / "keys"),
            # What a killed worker had taken may be taken again at once.
            "ASSAY_ISSUER_LEASE_SECONDS": "0",
            # Nobody else is asked, unless a test lets it be.
            "ASSAY_FETCH_HOSTS": "",
            **(environment or {}),
            **changed,
        }
        settings = CredentialsSettings.from_environment(whole)
        pool = await open_pool(settings, "test-credentials")
        registry = CollectorRegistry()
        metrics = CredentialsMetrics.register(registry)
        issuers = Issuers(settings)
        clock: list[datetime] = []

        def now() -> datetime:
            return clock[-1] if clock else datetime.now(UTC)

        lists = StatusLists(pool=pool, issuers=issuers, settings=settings, now=now, metrics=metrics)
        fetcher = Fetcher(settings, metrics, resolve=resolve)
        resolver = Resolver(
            pool=pool, lists=lists, fetcher=fetcher, public_url=settings.public_url, now=now
        )
        verifier = Verifier(
            pool=pool, resolver=resolver, settings=settings, now=now, metrics=metrics
        )
        app = new_app("test", registry, {})
        api.install(
            app,
            pool=pool,
            settings=settings,
            lists=lists,
            verifier=verifier,
            callers=Callers(settings, metrics),
            receipts=Receipts(pool=pool, settings=settings, metrics=metrics, new_id=uuid4),
            issuers=issuers,
            now=now,
        )
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app, raise_app_exceptions=False), base_url=PUBLIC_URL
        )
        key = await add_client(database, TENANT)
        return cls(
            pool, settings, metrics, lists, issuers, http, key, fetcher, verifier, app, clock
        )

    async def close(self) -> None:
        await self.http.aclose()
        await self.fetcher.close()
        await self.pool.close()

    def shop(self, reached: Callable[[str], None] = lambda _: None) -> Workshop:
        return Workshop(
            pool=self.pool,
            issuers=self.issuers,
            settings=self.settings,
            metrics=self.metrics,
            now=lambda: self.now[-1] if self.now else datetime.now(UTC),
            random_bytes=secrets.token_bytes,
            lists_changed=self.lists.wake.set,
            reached=reached,
        )

    async def apply(self, *events: CompetencyEvent) -> None:
        """One batch of records, in one transaction."""
        await self.apply_records([record(one.model_dump_json().encode()) for one in events])

    async def apply_records(self, records: Sequence[Record]) -> None:
        """One batch of the topic's records, in one transaction."""
        async with self.pool.acquire() as connection, connection.transaction():
            await AwardHandler(asyncio.Event()).apply(connection, records)

    async def follow(self, *events: CompetencyEvent) -> None:
        """Apply, and issue until no work is left."""
        await self.apply(*events)
        while await follow_awards(self.shop()):
            pass

    async def credentials(self, person: UUID) -> list[dict[str, Any]]:
        """What GET /credentials?person= lists, oldest first."""
        response = await self.http.get(
            "/credentials", params={"person": str(person)}, auth=self.key
        )
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["credentials"]
        return sorted(found, key=lambda one: str(one["issued_at"]))

    async def document(self, credential: str) -> bytes:
        response = await self.http.get(f"/credentials/{credential}", auth=self.key)
        assert response.status_code == 200, response.text
        return response.content

    async def verify(self, document: bytes) -> dict[str, Any]:
        response = await self.http.post(
            "/verify", content=document, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def share(self, credential: str) -> str:
        """A share id that opens the credential."""
        response = await self.http.post(
            f"/credentials/{credential}/shares", json={"expires_at": None}, auth=self.key
        )
        assert response.status_code == 201, response.text
        return str(response.json()["share_url"].rpartition("/")[2])

    async def outcome(self, credential: str) -> str:
        """What a stranger is told of the credential."""
        return str((await self.verify(await self.document(credential)))["outcome"])


async def add_client(
    database: Database,
    tenant: str,
    scopes: Sequence[str] = ("credentials/read", "credentials/offer"),
) -> tuple[str, str]:
    """A client of the tenant; its name and secret."""
    name = f"client-{uuid4().hex[:8]}"
    connection = await database.connect()
    try:
        await connection.execute(
            "insert into credentials.api_client (name, tenant, secret_hash, scopes)"
            " values ($1, $2, $3, $4)",
            name,
            tenant,
            hash_secret("secret"),
            list(scopes),
        )
    finally:
        await connection.close()
    return name, "secret"
