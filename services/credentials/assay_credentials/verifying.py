"""The use case of `POST /verify`: what can be said about a credential that somebody shows.

What a document names is looked up by `resolving`: ours in the database, fresh; the rest by guarded
requests to other hosts, or "could not be checked". Of a link, only ours is followed, and that by
reading the database.
"""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from assay_credentials.did import ResolveKey
from assay_credentials.downloads.unbake import NothingInside, extract_credential
from assay_credentials.given import Credential, File, Given, Link, NotUnderstood, Source, read_given
from assay_credentials.holding.shares import shared
from assay_credentials.metrics import CredentialsMetrics
from assay_credentials.resolving.resolver import Asking, Known, Resolver
from assay_credentials.resolving.store import TrustStore
from assay_credentials.resolving.trust import trusted_issuers
from assay_credentials.settings import CredentialsSettings
from assay_credentials.statuses import list_of_url
from assay_credentials.store import Store
from assay_credentials.verification.answer import Trust
from assay_credentials.verify import (
    MAX_STATUS_ENTRIES,
    Outcome,
    ResolveStatus,
    Result,
    Verification,
    verify_credential,
)
from assay_runtime.postgres import Pool
from assay_runtime.problem import Problem, not_available, not_found
from assay_runtime.serve import too_large

RETRY_SECONDS: Final = 1

ROUNDS_MAX: Final = 4
"""Keys, status lists, the keys of status lists, and the answer."""

T = TypeVar("T")


class Means(NamedTuple):
    """What the verifier needs beside the document; its fields are arguments of `verify_*`."""

    now: datetime
    resolve_key: ResolveKey
    resolve_status: ResolveStatus
    trusted_issuers: Trust


class Verifier:
    """Verifies credentials, a bounded number at once."""

    def __init__(
        self,
        *,
        pool: Pool,
        resolver: Resolver,
        settings: CredentialsSettings,
        now: Callable[[], datetime],
        metrics: CredentialsMetrics,
    ) -> None:
        self._pool = pool
        self._resolver = resolver
        self._settings = settings
        self._now = now
        self._metrics = metrics
        self._slots = asyncio.Semaphore(settings.verify_tasks)
        self._inside = 0

    async def verify_given(self, content: bytes) -> Given:
        """What can be said about a credential, a link to one, or a file that holds one.

        Problems: 400 for what is none of these, 404 for a link of ours that leads nowhere, 413
        for a credential that is too long, 503 when too many are waiting.
        """
        async with self._room():
            try:
                found = read_given(content, self._settings.public_url)
                source: Source = "text"
                if isinstance(found, Link):
                    source, found = "link", await self._shared(found)
                elif isinstance(found, File):
                    source, found = found.kind, await self._unpacked(found)
            except NotUnderstood as error:
                raise Problem(400, "Bad request", detail=str(error)) from None
            if len(found.text) > self._settings.verify_bytes_max:
                raise too_large(self._settings.verify_bytes_max)
            credential = found
            methods, lists = _named(credential, self._settings.public_url)
            verification = await self._settle(
                lambda means: verify_credential(credential.text, **means._asdict()),
                methods=methods,
                lists=lists,
                instead=lambda found: found.outcome is Outcome.REVOKED,
            )
        self.count(verification)
        return Given(
            verification=verification,
            text=credential.text.decode("utf-8", "replace"),
            kind=credential.kind,
            source=source,
            given_sha256=hashlib.sha256(content).hexdigest(),
            credential_sha256=hashlib.sha256(credential.text).hexdigest(),
            checked_at=self._now(),
            document=verification.document,
        )

    async def settle(
        self,
        run: Callable[[Means], T],
        *,
        methods: Iterable[str] = (),
        lists: Iterable[str] = (),
    ) -> T:
        """What the pure `run` answers once everything that it asked for has been looked up.

        It runs in a thread, several times. Keys and status lists that are known to be needed are
        given as `methods` and `lists`, and save a run. Problem: 503 when too many are waiting.
        """
        async with self._room():
            return await self._settle(run, methods=methods, lists=lists)

    @property
    def metrics(self) -> CredentialsMetrics:
        return self._metrics

    def now(self) -> datetime:
        """The moment by which everything is judged."""
        return self._now()

    def count(self, found: Verification) -> None:
        """Count what was answered."""
        self._metrics.verifications.labels(outcome=found.outcome.value).inc()
        for check in found.checks:
            if check.result is Result.COULD_NOT_CHECK:
                self._metrics.could_not_check.labels(check=check.name).inc()

    @asynccontextmanager
    async def _room(self) -> AsyncIterator[None]:
        if self._inside >= self._settings.verify_waiting_max:
            raise not_available(
                "too many credentials wait to be verified", retry_seconds=RETRY_SECONDS
            )
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    async def _settle(
        self,
        run: Callable[[Means], T],
        *,
        methods: Iterable[str],
        lists: Iterable[str],
        instead: Callable[[T], bool] | None = None,
    ) -> T:
        """`instead` says which answer counts when keys that we removed are taken for good: all that
        they signed is revoked, and that says more than "not genuine"; any other answer would let
        whoever has such a key sign anew.
        """
        known = Known()
        async with self._pool.acquire() as connection:
            trusted = await trusted_issuers(TrustStore(connection), self._now())
        await self._resolver.learn(known, methods, lists)
        found = await self._rounds(run, known, trusted)
        if instead is not None and known.removed:
            other = await self._rounds(run, known, trusted, with_removed=True)
            if instead(other):
                return other
        return found

    async def _rounds(
        self,
        run: Callable[[Means], T],
        known: Known,
        trusted: Trust,
        *,
        with_removed: bool = False,
    ) -> T:
        for _ in range(ROUNDS_MAX):
            asking = Asking(known, with_removed=with_removed)
            means = Means(self._now(), asking.resolve_key, asking.resolve_status, trusted)
            # A slot is held while it computes, and not while another host lets us wait. In a
            # thread: a hostile document may take half a second.
            async with self._slots:
                found = await asyncio.to_thread(run, means)
            if not asking.methods and not asking.lists:
                break
            await self._resolver.learn(known, asking.methods, asking.lists)
        return found

    async def _shared(self, link: Link) -> Credential:
        async with self._pool.acquire() as connection:
            row = await shared(Store(connection), link.share)
        if row is None or link.credential not in (None, row["credential"]):
            raise not_found("there is no such credential")
        return Credential(row["document"], "json")

    async def _unpacked(self, file: File) -> Credential:
        """The credential in a file. Raises NotUnderstood."""
        try:
            async with self._slots:
                found = await asyncio.to_thread(extract_credential, file.content)
        except NothingInside as error:
            raise NotUnderstood(str(error)) from None
        return Credential(found.content, "jwt" if found.is_jwt else "json")


def _named(credential: Credential, public_url: str) -> tuple[set[str], set[str]]:
    """Keys, and status lists of ours, that a credential names: looking them up first saves runs.

    What else it needs, the verifier says once it has found the signature good.
    """
    if credential.kind == "jwt":
        kid = _json_object(_unpadded(credential.text.partition(b".")[0])).get("kid")
        return ({kid} if isinstance(kid, str) else set()), set()
    document = _json_object(credential.text)
    methods = {
        proof["verificationMethod"]
        for proof in _first(document.get("proof"))
        if isinstance(proof.get("verificationMethod"), str)
    }
    lists = {
        entry["statusListCredential"]
        for entry in _first(document.get("credentialStatus"))
        if list_of_url(public_url, entry.get("statusListCredential")) is not None
    }
    return methods, lists


def _first(values: object) -> Iterator[dict[str, Any]]:
    """As many as the verifier looks at, where they are objects."""
    for value in (values if isinstance(values, list) else [values])[:MAX_STATUS_ENTRIES]:
        if isinstance(value, dict):
            yield value


def _json_object(text: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _unpadded(text: bytes) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return b""
