"""API clients: Basic keys, hashed for storage by argon2, verified once and cached safely.

A service's schema holds its own table `api_client` (tenant, name, secret_hash, source, scopes,
revoked_at). A verified key is remembered for a short time under a keyed hash that exists in this
process alone, so that the slow hash is paid once and the secret is kept nowhere.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from assay_runtime.postgres import Pool
from assay_runtime.problem import not_allowed, not_authenticated
from assay_runtime.sql import load_queries

# Keys are random, 32 bytes: the cost of the hash guards a leaked table, so the least is enough.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_CACHE_ENTRIES = 10_000
_PARALLEL_HASHES = 2


@dataclass(frozen=True, slots=True)
class Client:
    """An authenticated API client."""

    tenant: str
    name: str
    source: str | None
    scopes: frozenset[str]

    def require(self, *scopes: str) -> None:
        """Raise a 403 problem unless the client holds one of `scopes` (the first is named)."""
        if self.scopes.isdisjoint(scopes):
            raise not_allowed(scopes[0])


@dataclass(frozen=True, slots=True)
class _Cached:
    client: Client
    until: float


def new_secret() -> str:
    """A secret for a new client: 32 random bytes as text."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """The form in which a secret is stored."""
    return _HASHER.hash(secret)


class Authenticator:
    """Finds the client of an Authorization header."""

    def __init__(self, pool: Pool, schema: str, *, cache_seconds: float = 30.0) -> None:
        self._pool = pool
        self._sql = load_queries("assay_runtime", schema=schema)
        self._cache_seconds = cache_seconds
        self._cache: OrderedDict[bytes, _Cached] = OrderedDict()
        self._pepper = secrets.token_bytes(32)
        self._hashing = asyncio.Semaphore(_PARALLEL_HASHES)
        self._dummy = _HASHER.hash(secrets.token_urlsafe(32))

    async def client(self, authorization: str | None) -> Client:
        """The client, or a 401 problem. A revoked key works for at most `cache_seconds` more."""
        if authorization is None:
            raise not_authenticated("no Authorization header was sent")
        digest = hmac.digest(self._pepper, authorization.encode(), hashlib.sha256)
        cached = self._cache.get(digest)
        if cached is not None and cached.until > time.monotonic():
            return cached.client
        name, secret = _basic(authorization)
        client = await self._verify(name, secret)
        self._cache[digest] = _Cached(client, time.monotonic() + self._cache_seconds)
        if len(self._cache) > _CACHE_ENTRIES:
            self._cache.popitem(last=False)
        return client

    async def _verify(self, name: str, secret: str) -> Client:
        row = await self._pool.fetchrow(self._sql["find_client"], name)
        # An unknown name costs the same as a wrong secret, so that names cannot be found by time.
        stored = self._dummy if row is None else row["secret_hash"]
        async with self._hashing:
            matches = await asyncio.to_thread(_matches, stored, secret)
        if row is None or not matches:
            raise not_authenticated("the key is not known")
        return Client(
            tenant=row["tenant"],
            name=row["name"],
            source=row["source"],
            scopes=frozenset(row["scopes"]),
        )


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


def _matches(stored: str, secret: str) -> bool:
    try:
        return _HASHER.verify(stored, secret)
    except (VerificationError, InvalidHashError):
        return False
