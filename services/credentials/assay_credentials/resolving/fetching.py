"""Fetching what a document of a stranger names: guarded, bounded, and kept for a while.

Whoever shows us a document chooses the address. So: https only, names resolved once and every
address of them public, no redirect followed, time and size limited, only the media types that are
asked for, and nothing is sent but the address itself (`assay_runtime.outgoing`).
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import httpx

from assay_credentials.metrics import CredentialsMetrics
from assay_credentials.resolving.kept import Found, Kept
from assay_credentials.settings import CredentialsSettings
from assay_runtime.outgoing import (
    AddressRefused,
    Guard,
    NoAnswer,
    Outgoing,
    Resolve,
    check_url,
    resolve_by_system,
)

FAILURE_SECONDS: Final = 10.0
"""An address that did not answer well is not asked again for so long."""

URL_CHARACTERS_MAX: Final = 2_000
ANY_HOST: Final = "*"

DID_TYPES: Final = frozenset(
    {"application/did", "application/did+json", "application/did+ld+json"}
    | {"application/json", "application/ld+json"}
)
CREDENTIAL_TYPES: Final = frozenset(
    {"application/vc", "application/vc+jwt", "application/jwt", "application/vc+ld+json"}
    | {"application/json", "application/ld+json"}
)

Lifetime = Callable[[bytes], float]
"""From a body to the seconds for which its origin lets it be told again."""


def hosts_of(text: str) -> frozenset[str]:
    """The hosts of a setting: names, or name:port, with commas between."""
    return frozenset(part for part in (one.strip().lower() for one in text.split(",")) if part)


class Fetcher:
    """Gets documents from other hosts. Never raises for what a host answers."""

    def __init__(
        self,
        settings: CredentialsSettings,
        metrics: CredentialsMetrics,
        *,
        resolve: Resolve = resolve_by_system,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._hosts = hosts_of(settings.fetch_hosts)
        self._private_hosts = hosts_of(settings.fetch_private_hosts)
        self._own = httpx.URL(settings.public_url).netloc.decode("ascii").lower()
        guard = Guard(
            request_seconds=settings.fetch_seconds,
            answer_bytes_max=settings.fetch_bytes_max,
            ca_file=settings.fetch_ca_file,
        )
        self._outgoing = Outgoing(guard, resolve=resolve)
        self._private = Outgoing(
            Guard(
                request_seconds=guard.request_seconds,
                answer_bytes_max=guard.answer_bytes_max,
                allow_http=True,
                allow_private=True,
                ca_file=guard.ca_file,
            ),
            resolve=resolve,
        )
        self._kept = Kept(
            entries_max=settings.fetch_cache_entries_max,
            bytes_max=settings.fetch_cache_bytes_max,
            clock=clock,
        )
        self._slots = asyncio.Semaphore(settings.fetch_parallel_max)
        self._waiting = 0

    async def close(self) -> None:
        await self._kept.close()
        await self._outgoing.close()
        await self._private.close()

    async def get(self, url: str, types: frozenset[str], lifetime: Lifetime) -> bytes | None:
        """What is served at `url` as one of `types`; None when it could not be had.

        It is told again for `lifetime` seconds, at most `fetch_cache_seconds`.
        """
        outgoing = self._client(url)
        if outgoing is None:
            self._metrics.fetches.labels(result="refused").inc()
            return None
        return await self._kept.get(url, lambda: self._fetch(outgoing, url, types, lifetime))

    def _client(self, url: str) -> Outgoing | None:
        """Who may ask `url`; None: nobody."""
        if len(url) > URL_CHARACTERS_MAX:
            return None
        try:
            # Parsed as it will be asked: two parsers could see two hosts.
            parsed = check_url(url, self._private.guard)
        except AddressRefused:
            return None
        netloc, host = parsed.netloc.decode("ascii").lower(), parsed.host.lower()
        # What is ours is read from the database: a request to ourselves could wait for ourselves.
        if netloc == self._own:
            return None
        if netloc in self._private_hosts:
            return self._private
        if ANY_HOST in self._hosts or host in self._hosts or netloc in self._hosts:
            return self._outgoing
        return None

    async def _fetch(
        self, outgoing: Outgoing, url: str, types: frozenset[str], lifetime: Lifetime
    ) -> Found:
        # Slow hosts must not gather a queue before those that answer.
        if self._waiting >= self._settings.fetch_waiting_max:
            self._metrics.fetches.labels(result="busy").inc()
            return Found(None, 0)
        self._waiting += 1
        try:
            async with self._slots:
                result, body = await self._ask(outgoing, url, types)
        finally:
            self._waiting -= 1
        self._metrics.fetches.labels(result=result).inc()
        if body is None:
            return Found(None, FAILURE_SECONDS)
        return Found(body, min(lifetime(body), self._settings.fetch_cache_seconds))

    async def _ask(
        self, outgoing: Outgoing, url: str, types: frozenset[str]
    ) -> tuple[str, bytes | None]:
        headers = {
            "Accept": ", ".join(sorted(types)),
            # A short answer can unpack to a long one, so none is packed.
            "Accept-Encoding": "identity",
            "User-Agent": "assay",
        }
        try:
            answer = await outgoing.get(url, headers=headers)
        except AddressRefused:
            return "refused", None
        except NoAnswer:
            return "no_answer", None
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        encoding = answer.headers.get("content-encoding", "identity").strip().lower()
        if answer.status != 200:
            return "status", None
        if media_type not in types or encoding != "identity":
            return "type", None
        if not answer.is_whole:
            return "too_large", None
        return "ok", answer.body
