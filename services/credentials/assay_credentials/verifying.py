"""The use case of `POST /verify`: what can be said about a credential that somebody shows.

Nothing is ever fetched from an address in the document: lists of ours come from the database,
fresh; those of others "could not be checked".
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from assay_credentials.metrics import CredentialsMetrics
from assay_credentials.settings import CredentialsSettings
from assay_credentials.statuses import StatusLists, list_of_url, list_url
from assay_credentials.store import Store
from assay_credentials.verify import MAX_STATUS_ENTRIES, Result, Verification, verify_credential
from assay_runtime.postgres import Pool
from assay_runtime.problem import Problem, not_available

RETRY_SECONDS: Final = 1


class Verifier:
    """Verifies credentials, a bounded number at once."""

    def __init__(
        self,
        *,
        pool: Pool,
        lists: StatusLists,
        settings: CredentialsSettings,
        now: Callable[[], datetime],
        metrics: CredentialsMetrics,
    ) -> None:
        self._pool = pool
        self._lists = lists
        self._settings = settings
        self._now = now
        self._metrics = metrics
        self._slots = asyncio.Semaphore(settings.verify_tasks)
        self._inside = 0

    async def verify(self, body: bytes) -> Verification:
        """Problems: 400 when it is no JSON object, 503 when too many are waiting."""
        if self._inside >= self._settings.verify_waiting_max:
            raise not_available("too many credentials wait to be verified", retry_seconds=1)
        self._inside += 1
        try:
            async with self._slots:
                return await self._verify(body)
        finally:
            self._inside -= 1

    async def _verify(self, body: bytes) -> Verification:
        # Parsed here only to see which lists are needed; what is verified are the bytes.
        ours = set(_lists_of_ours(_parsed(body), self._settings.public_url))
        documents = await self._lists.documents(ours) if ours else {}
        served: dict[str, bytes] = {
            list_url(self._settings.public_url, one): document
            for one, document in documents.items()
        }
        async with self._pool.acquire() as connection:
            trusted = await Store(connection).trusted_issuers()
        # In a thread: a hostile document may take half a second.
        found = await asyncio.to_thread(
            verify_credential,
            body,
            now=self._now(),
            resolve_status=served.get,
            trusted_issuers=trusted,
        )
        self._metrics.verifications.labels(outcome=found.outcome.value).inc()
        for check in found.checks:
            if check.result is Result.COULD_NOT_CHECK:
                self._metrics.could_not_check.labels(check=check.name).inc()
        return found


def _parsed(body: bytes) -> dict[str, object]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "Bad request", detail=f"not JSON: {error.msg}") from None
    if not isinstance(document, dict):
        raise Problem(400, "Bad request", detail="a credential is a JSON object")
    return document


def _lists_of_ours(document: dict[str, object], public_url: str) -> Iterator[UUID]:
    entries = document.get("credentialStatus")
    entries = entries if isinstance(entries, list) else [entries]
    # More than that are not looked at by the verifier either.
    for entry in entries[:MAX_STATUS_ENTRIES]:
        if isinstance(entry, dict):
            found = list_of_url(public_url, entry.get("statusListCredential"))
            if found is not None:
                yield found
