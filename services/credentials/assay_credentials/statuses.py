"""Status lists: signed after a change is committed, and again before they run out."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import orjson

from assay_credentials.errors import CredentialsError
from assay_credentials.issuers import IssuerKey, Issuers
from assay_credentials.metrics import CredentialsMetrics
from assay_credentials.proof import add_proof
from assay_credentials.settings import CredentialsSettings
from assay_credentials.status_list import build_status_list, status_bits
from assay_credentials.store import ListKey, ListToSign, Row, Store
from assay_runtime.logs import fields
from assay_runtime.postgres import TRANSIENT, Pool

log = logging.getLogger(__name__)

IDLE_SECONDS: Final = 0.25
"""Another process may have changed a list: nobody wakes this one for that."""

ROUND_LISTS: Final = 100


def list_url(public_url: str, list_: UUID) -> str:
    return f"{public_url}/status/{list_}"


def list_of_url(public_url: str, url: object) -> UUID | None:
    """The list of one of our own addresses; None for any other."""
    prefix = f"{public_url}/status/"
    if not isinstance(url, str) or not url.startswith(prefix):
        return None
    try:
        found = UUID(url.removeprefix(prefix))
    except ValueError:
        return None
    return found if list_url(public_url, found) == url else None


class StatusLists:
    """Signs lists and hands them out. `wake` is set when a list may have changed."""

    def __init__(
        self,
        *,
        pool: Pool,
        issuers: Issuers,
        settings: CredentialsSettings,
        now: Callable[[], datetime],
        metrics: CredentialsMetrics,
    ) -> None:
        self._pool = pool
        self._issuers = issuers
        self._settings = settings
        self._valid = timedelta(seconds=settings.status_list_valid_seconds)
        self._now = now
        self._metrics = metrics
        self._signing = asyncio.Lock()
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Sign what changed until cancelled."""
        while True:
            self.wake.clear()
            try:
                signed = await self.sign_due()
            except TRANSIENT as error:
                self._metrics.retries.inc()
                log.warning(
                    "Signing status lists was interrupted, will try again",
                    extra=fields(error=type(error).__name__),
                )
                await asyncio.sleep(0.1)
                continue
            if signed:
                # Changes of the next moment are signed together.
                await asyncio.sleep(self._settings.status_settle_seconds)
                continue
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self.wake.wait()
            except TimeoutError:
                continue

    async def sign_due(self) -> int:
        """Sign every list that changed or is in the second half of its time; how many were."""
        async with self._pool.acquire() as connection:
            due = await Store(connection).due_lists(self._now() + self._valid / 2, ROUND_LISTS)
        signed = 0
        for key in due:
            signed += await self._try_to_sign(key) is not None
        return signed

    async def _try_to_sign(self, key: ListKey) -> bytes | None:
        try:
            return await self._sign(key)
        except CredentialsError as error:
            log.error(
                "A status list cannot be signed",
                extra=fields(tenant=key[0], list=key[1], error=type(error).__name__),
            )
            return None

    async def documents(self, lists: Iterable[UUID]) -> dict[UUID, bytes]:
        """The lists as they are now: one with a committed change is signed before it is given.

        One that cannot be signed is left out: an old one must not pass for "not revoked".
        """
        found: dict[UUID, bytes] = {}
        for row in await self._find(list(lists)):
            document = row["document"] if row["is_fresh"] else await self._fresh(row["list"])
            if document is not None:
                found[row["list"]] = document
        return found

    async def _fresh(self, list_: UUID) -> bytes | None:
        async with self._signing:
            # Somebody may have signed it while this one waited.
            for row in await self._find([list_]):
                if row["is_fresh"]:
                    document: bytes | None = row["document"]
                    return document
                return await self._try_to_sign((row["tenant"], list_))
        return None

    async def served(self, list_: UUID) -> bytes | None:
        """The list as it was last signed; one that is new is signed now. None: there is none."""
        for row in await self._find([list_]):
            document: bytes | None = row["document"]
            return await self._fresh(list_) if document is None else document
        return None

    async def _find(self, lists: list[UUID]) -> list[Row]:
        async with self._pool.acquire() as connection:
            return await Store(connection).find_lists(lists)

    async def _sign(self, key: ListKey) -> bytes | None:
        """The list as it is now, signed; None when there is none.

        No transaction is open while it signs; of two that sign at once, the newer is served.
        """
        async with self._pool.acquire() as connection:
            store = Store(connection)
            found = await store.list_to_sign(key)
            if found is None:
                return None
            issuer = await self._issuers.key_of(store, key[0], found.did)
        valid_from = self._now()
        valid_until = valid_from + self._valid
        document = await asyncio.to_thread(
            self._signed, key, found, issuer, valid_from, valid_until
        )
        async with self._pool.acquire() as connection:
            await Store(connection).publish_list(key, found.version, document, valid_until)
        self._metrics.lists_signed.inc()
        return document

    def _signed(
        self,
        key: ListKey,
        found: ListToSign,
        issuer: IssuerKey,
        valid_from: datetime,
        valid_until: datetime,
    ) -> bytes:
        unsigned = build_status_list(
            url=list_url(self._settings.public_url, key[1]),
            issuer=issuer.did,
            purpose=found.purpose,
            bits=status_bits(found.indexes, found.size),
            valid_from=valid_from,
            valid_until=valid_until,
        )
        return orjson.dumps(
            add_proof(
                unsigned, issuer.signer, verification_method=issuer.method, created=valid_from
            )
        )
