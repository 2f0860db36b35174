"""API clients: who asks, what they may do and how much of it.

A service's schema holds its own table `api_client`; a client comes in with a Basic key, or with a
bearer token of the operator's identity provider (`auth_oidc`). What was found good is remembered
for a short time under a keyed hash that exists in this process alone, so that a request costs one
look-up, the slow hash is paid once, and neither secret nor token is kept anywhere.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from assay_runtime.auth_keys import Comparer, hash_secret, new_secret
from assay_runtime.auth_limits import Limits, Meter
from assay_runtime.auth_oidc import Provider
from assay_runtime.auth_scopes import granted_by, shared
from assay_runtime.logs import fields
from assay_runtime.postgres import TRANSIENT, Pool
from assay_runtime.problem import Problem, not_allowed, not_authenticated
from assay_runtime.settings import AuthSettings
from assay_runtime.sql import load_queries

__all__ = ["Authenticator", "Client", "hash_secret", "new_secret"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Client:
    """An authenticated API client. `granted` is what its scopes allow, with what they include."""

    tenant: str
    name: str
    source: str | None
    scopes: frozenset[str]
    meter: Meter = field(default_factory=Meter, repr=False, compare=False)
    granted: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "granted", granted_by(self.scopes))

    def require(self, *scopes: str) -> None:
        """Raise a 403 problem unless one of `scopes` is granted (the first is named)."""
        if self.granted.isdisjoint(scopes):
            raise not_allowed(scopes[0])

    def may(self, scope: str) -> bool:
        """Whether the scope is granted."""
        return scope in self.granted


@dataclass(frozen=True, slots=True, repr=False)
class _Good:
    """A header that was found good: until when, and by which stored hash (None for a token)."""

    client: Client
    until: float
    stored: str | None


class Authenticator:
    """Finds the client of an Authorization header."""

    def __init__(
        self,
        pool: Pool,
        schema: str,
        settings: AuthSettings | None = None,
        provider: Provider | None = None,
    ) -> None:
        """`provider` is that of the settings unless one is given."""
        settings = settings or AuthSettings()
        if provider is None and settings.oidc_issuer_url is not None:
            provider = Provider(settings)
        self._pool = pool
        self._sql = load_queries("assay_runtime", schema=schema)
        self._settings = settings
        self._provider = provider
        self._keys: OrderedDict[bytes, _Good] = OrderedDict()
        self._tokens: OrderedDict[bytes, _Good] = OrderedDict()
        self._meters: dict[str, Meter] = {}
        self._pepper = secrets.token_bytes(32)
        self._looking: dict[bytes, asyncio.Task[Client]] = {}
        self.comparer = Comparer(
            parallel_max=settings.auth_hashes_parallel_max,
            waiting_max=settings.auth_hashes_waiting_max,
        )

    async def client(self, authorization: str | None) -> Client:
        """The client, or a problem: 401, 429 at its rate of requests, 503 when too busy.

        A revoked key, a taken scope or a changed limit is seen after `auth_cache_seconds`.
        """
        if authorization is None:
            raise not_authenticated("no Authorization header was sent")
        digest = hmac.digest(self._pepper, authorization.encode(), hashlib.sha256)
        good = self._keys.get(digest) or self._tokens.get(digest)
        now = time.monotonic()
        if good is not None and good.until > now:
            client = good.client
        else:
            client = await self._looked_up(digest, authorization)
        client.meter.take_request(now)
        return client

    def meters(self) -> Iterator[Meter]:
        """What the clients that came in since the start have used."""
        return iter(tuple(self._meters.values()))

    def __len__(self) -> int:
        """How many keys and tokens are remembered as good."""
        return len(self._keys) + len(self._tokens)

    async def _looked_up(self, digest: bytes, authorization: str) -> Client:
        """The client by the table; requests with one header at one time share the work."""
        looking = self._looking.get(digest)
        if looking is None:
            looking = asyncio.ensure_future(self._look_up(digest, authorization))
            self._looking[digest] = looking
            looking.add_done_callback(lambda done: self._looked(digest, done))
        # Shielded: who waits may go away, the others still want the answer.
        return await asyncio.shield(looking)

    def _looked(self, digest: bytes, done: "asyncio.Task[Client]") -> None:
        del self._looking[digest]
        if not done.cancelled():
            # Each of those who wait raises it; nobody may be left to, and that is no error.
            done.exception()

    async def _look_up(self, digest: bytes, authorization: str) -> Client:
        kind, _, credentials = authorization.partition(" ")
        is_token = kind.lower() == "bearer" and self._provider is not None
        # Apart, so that a client with ever new tokens pushes out no key.
        kept = self._tokens if is_token else self._keys
        try:
            if self._provider is not None and is_token:
                good = await self._by_token(self._provider, credentials.strip())
            else:
                good = await self._by_key(*_basic(authorization), kept.get(digest))
        except Problem:
            kept.pop(digest, None)
            raise
        kept[digest] = good
        kept.move_to_end(digest)
        if len(kept) > self._settings.auth_cache_entries_max:
            kept.popitem(last=False)
        await self._note_use(good.client)
        return good.client

    async def _by_key(self, name: str, secret: str, before: _Good | None) -> _Good:
        if before is None:
            with self.comparer.place():
                return await self._compared(await self._row(name), secret)
        # 1. It fitted a hash before. Where that is still there, it need not be made again, and who
        #    is known waits for nobody's wrong keys.
        row = await self._row(name)
        if row is None:
            raise not_authenticated("the key is not known")
        current, previous = row["secret_hash"], row["previous_secret_hash"]
        if before.stored is not None and before.stored in (current, previous):
            return self._good_of(row, before.stored)
        # 2. The hash is another one, and may be of the same secret: the seed hashes anew.
        with self.comparer.place():
            return await self._compared(row, secret)

    async def _row(self, name: str) -> Any:
        return await self._pool.fetchrow(self._sql["find_client"], name)

    async def _compared(self, row: Any, secret: str) -> _Good:
        hashes = (None, None) if row is None else (row["secret_hash"], row["previous_secret_hash"])
        fitting = await self.comparer.find(secret, *hashes)
        if row is None or fitting is None:
            raise not_authenticated("the key is not known")
        return self._good_of(row, fitting)

    def _good_of(self, row: Any, stored: str) -> _Good:
        seconds = self._settings.auth_cache_seconds
        if stored != row["secret_hash"]:
            # The key that was replaced works until its time is over, and not a cache longer.
            seconds = min(seconds, row["previous_seconds"])
        client = self._client(row, frozenset(row["scopes"]))
        return _Good(client, time.monotonic() + seconds, stored)

    async def _by_token(self, provider: Provider, text: str) -> _Good:
        token = await provider.token(text)
        row = await self._pool.fetchrow(
            self._sql["find_bound_client"], token.issuer, token.subject, token.party
        )
        if row is None:
            raise not_authenticated("the token's subject is not registered", is_token=True)
        client = self._client(row, shared(token.scopes, row["scopes"]))
        seconds = min(self._settings.auth_cache_seconds, token.expires_at - time.time())
        return _Good(client, time.monotonic() + seconds, None)

    def _client(self, row: Any, scopes: frozenset[str]) -> Client:
        settings = self._settings
        limits = Limits(
            requests_per_second=row["requests_per_second_max"]
            or settings.client_requests_per_second_max,
            statements_per_second=row["statements_per_second_max"]
            or settings.client_statements_per_second_max,
            statements_per_day=row["statements_per_day_max"]
            or settings.client_statements_per_day_max,
            burst_seconds=settings.client_burst_seconds,
        )
        now = time.monotonic()
        meter = self._meters.get(row["name"])
        if meter is None or meter.tenant != row["tenant"]:
            meter = Meter(row["tenant"], row["name"], limits, now)
            self._meters[row["name"]] = meter
        meter.limit(limits, now)
        return Client(row["tenant"], row["name"], row["source"], scopes, meter)

    async def _note_use(self, client: Client) -> None:
        """Write that the client was here: by look-ups only, and not more often than a setting."""
        now = time.monotonic()
        if now - client.meter.last_use_written < self._settings.auth_last_use_seconds:
            return
        client.meter.last_use_written = now
        try:
            await self._pool.execute(
                self._sql["note_use"], client.name, math.floor(self._settings.auth_last_use_seconds)
            )
        except TRANSIENT as error:
            # Whoever may come in is not sent away because this note cannot be made.
            log.warning("A last use was not written", extra=fields(error=type(error).__name__))


def _basic(authorization: str) -> tuple[str, str]:
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        raise not_authenticated("the Authorization header is not of the kind Basic")
    try:
        name, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        # Not Base64, not ASCII (both of the decoder), or not UTF-8.
        raise not_authenticated("the Authorization header is not readable") from None
    if not colon or "\0" in name:
        raise not_authenticated("the Authorization header holds no user and password")
    return name, secret
