"""Clients, as an operator or a tenant's manager keeps them: added, rotated, revoked, all noted.

Each change is one transaction: the row in every service that must know the client, and the entry
in `client_audit` that says who did what. A secret leaves this module once, in what `add` and
`rotate` answer; only its hash is kept.
"""

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import msgspec

from assay_ingest.errors import ClientInvalid, ClientNotFound, ClientTaken
from assay_runtime.addresses import is_guarded
from assay_runtime.auth_clients import Allowance, Bound, ClientRows, KnownClient, NewClient
from assay_runtime.auth_keys import hash_secret, new_secret
from assay_runtime.auth_scopes import INGEST, ScopeUnknown, checked, granted_by, services_of
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries
from assay_schemas.topics import is_slug

OVERLAP_SECONDS = 24 * 60 * 60
OVERLAP_SECONDS_MAX = 90 * 24 * 60 * 60
CLAIMS = ("sub", "azp")
_CLAIM_CHARACTERS_MAX = 255
_ISSUER_CHARACTERS_MAX = 2000
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A client that somebody asks for. Without `bound` it gets a secret."""

    tenant: str
    name: str
    source: str | None
    scopes: tuple[str, ...]
    bound: Bound | None = None
    allowance: Allowance = field(default_factory=Allowance)


@dataclass(frozen=True, slots=True)
class Issued:
    """What came of it. `secret` is told here and never again; a bound client has none."""

    tenant: str
    name: str
    services: tuple[str, ...]
    secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what to which client, and when."""

    entry: int
    at: datetime
    tenant: str
    actor: str
    action: str
    client: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a client did on one day."""

    client: str
    requests: int
    statements: int


def check(wanted: Wanted) -> Wanted:
    """The client as it can be added, its scopes sorted. Raises ClientInvalid naming the member."""
    check_name(wanted.tenant, wanted.name)
    try:
        scopes = checked(wanted.scopes)
    except ScopeUnknown as error:
        raise ClientInvalid(str(error), parameter="scopes") from None
    if not scopes:
        raise ClientInvalid("a client needs a scope at the least", parameter="scopes")
    if wanted.source is None and "statements/write" in granted_by(frozenset(scopes)):
        raise ClientInvalid("who may write statements belongs to a source", parameter="source")
    _check_bound(wanted.bound)
    for name in ("requests_per_second_max", "statements_per_second_max", "statements_per_day_max"):
        limit = getattr(wanted.allowance, name)
        if limit is not None and not (math.isfinite(limit) and 0 < limit < 2**53):
            raise ClientInvalid(f"{name} must be above 0", parameter=name)
    return Wanted(wanted.tenant, wanted.name, wanted.source, scopes, wanted.bound, wanted.allowance)


def check_name(tenant: str, name: str) -> None:
    """A name is a slug, or `<tenant>.<slug>` with its own tenant. Raises ClientInvalid."""
    before, dot, after = name.partition(".")
    if not (is_slug(before) and (is_slug(after) if dot else True)):
        raise ClientInvalid(
            "a name is 1 to 40 of a-z, 0-9, '-' and '_', after '<tenant>.' or alone",
            parameter="name",
        )
    if dot and before != tenant:
        raise ClientInvalid("before the dot stands the client's own tenant", parameter="name")


def check_overlap(seconds: float) -> None:
    """How long both secrets work. Raises ClientInvalid."""
    if not 0 <= seconds <= OVERLAP_SECONDS_MAX:
        raise ClientInvalid(
            f"the overlap is 0 to {OVERLAP_SECONDS_MAX} seconds", parameter="overlap_seconds"
        )


def _check_bound(bound: Bound | None) -> None:
    if bound is None:
        return
    if len(bound.issuer) > _ISSUER_CHARACTERS_MAX or not is_guarded(bound.issuer):
        raise ClientInvalid("the issuer must be an https address", parameter="issuer")
    if bound.claim not in CLAIMS:
        raise ClientInvalid(f"a token is bound by {' or '.join(CLAIMS)}", parameter="claim")
    value = bound.value
    if not 0 < len(value) <= _CLAIM_CHARACTERS_MAX or _CONTROL.search(value):
        raise ClientInvalid(
            f"{bound.claim} is 1 to {_CLAIM_CHARACTERS_MAX} characters, none of them a control",
            parameter=bound.claim,
        )


class Clients:
    """The use cases, over a connection that may write into the schemas it is used for."""

    def __init__(self, connection: Connection, actor: str) -> None:
        """`actor` is who asks, as the audit says it: "operator:<user>" or "client:<name>"."""
        self._connection = connection
        self._actor = actor
        self._sql = load_queries("assay_ingest")

    async def add(self, wanted: Wanted) -> Issued:
        """Add a client. Raises ClientInvalid and ClientTaken."""
        wanted = check(wanted)
        secret = None if wanted.bound is not None else new_secret()
        services = services_of(wanted.scopes)
        new = NewClient(
            tenant=wanted.tenant,
            name=wanted.name,
            source=wanted.source,
            scopes=wanted.scopes,
            secret_hash=None if secret is None else await asyncio.to_thread(hash_secret, secret),
            bound=wanted.bound,
            allowance=wanted.allowance,
        )
        async with self._connection.transaction():
            await self._require_source(wanted)
            for service in services:
                if not await self._rows(service).add(new):
                    raise ClientTaken(
                        "the name was used before, or the token's subject has a client already"
                    )
            await self._note(
                wanted.tenant,
                "add",
                wanted.name,
                source=wanted.source,
                scopes=wanted.scopes,
                services=services,
                bound=wanted.bound,
                allowance=wanted.allowance,
            )
        return Issued(wanted.tenant, wanted.name, services, secret)

    async def rotate(self, tenant: str, name: str, overlap_seconds: float) -> Issued:
        """Give a client another secret; that of before works for `overlap_seconds` more.

        One that was being replaced already works no more. Raises ClientInvalid, ClientNotFound.
        """
        check_overlap(overlap_seconds)
        secret = new_secret()
        secret_hash = await asyncio.to_thread(hash_secret, secret)
        async with self._connection.transaction():
            client = await self.living(tenant, name)
            if not client.has_secret:
                raise ClientInvalid("this client comes in by tokens only", parameter="name")
            # Where an operator wrote the row by another way than `add`, it may stand in fewer.
            services = [
                service
                for service in client.services
                if await self._rows(service).rotate(tenant, name, secret_hash, overlap_seconds)
            ]
            if INGEST not in services:
                raise ClientNotFound("there is no such client")
            await self._note(
                tenant, "rotate", name, services=services, overlap_seconds=overlap_seconds
            )
        return Issued(tenant, name, tuple(services), secret)

    async def revoke(
        self, tenant: str, name: str, services: Sequence[str] | None = None
    ) -> tuple[str, ...]:
        """Take a client's right to come in, in `services` or wherever it is known; where it was.

        A process that remembers its key lets it in for `auth_cache_seconds` more. Raises
        ClientNotFound when it was revoked before.
        """
        async with self._connection.transaction():
            client = await self.living(tenant, name)
            revoked = [
                service
                for service in services or client.services
                if await self._rows(service).revoke(tenant, name)
            ]
            await self._note(tenant, "revoke", name, services=revoked)
        return tuple(revoked)

    async def living(self, tenant: str, name: str) -> KnownClient:
        """A client that is not revoked. Raises ClientNotFound."""
        # A name with a NUL is none, and the database would say so by an error.
        client = None if "\0" in name else await self._rows(INGEST).find(tenant, name)
        if client is None or client.revoked_at is not None:
            raise ClientNotFound("there is no such client")
        return client

    async def listed(
        self, tenant: str | None, *, after: tuple[str, str] = ("", ""), limit: int = 100
    ) -> Sequence[KnownClient]:
        """Clients of a tenant, or of all with None, revoked ones too, by tenant and name."""
        return await self._rows(INGEST).listed(tenant, after=after, limit=limit)

    async def audit(
        self,
        tenant: str,
        *,
        client: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Entry]:
        """What was done, the newest first."""
        rows = await self._connection.fetch(self._sql["list_audit"], tenant, client, before, limit)
        decode = msgspec.json.decode
        return [Entry(**{**dict(row), "detail": decode(row["detail"])}) for row in rows]

    async def usage(self, tenant: str, day: date) -> list[Usage]:
        """What each client of the tenant did on a day (UTC), as far as it is added up."""
        rows = await self._connection.fetch(self._sql["list_usage"], tenant, day)
        return [Usage(**dict(row)) for row in rows]

    def _rows(self, service: str) -> ClientRows:
        return ClientRows(self._connection, service)

    async def _require_source(self, wanted: Wanted) -> None:
        if wanted.source is None:
            return
        found = await self._connection.fetchrow(
            self._sql["find_source"], wanted.tenant, wanted.source
        )
        if found is None:
            raise ClientInvalid("the tenant has no such source", parameter="source")

    async def _note(self, tenant: str, action: str, client: str, **detail: Any) -> None:
        await self._connection.execute(
            self._sql["add_audit"],
            tenant,
            self._actor,
            action,
            client,
            msgspec.json.encode(detail).decode(),
        )
