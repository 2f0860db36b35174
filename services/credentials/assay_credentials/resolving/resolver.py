"""Where keys and status lists come from: our database for what is ours, other hosts for the rest.

The verifier is pure and asks for names; what it asked for is looked up here, and it runs again. So
only what it needs is fetched, and of a document with a bad signature no status list ever is.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import orjson

from assay_credentials.did import VerificationKey, resolve_did_key
from assay_credentials.errors import DocumentRefused
from assay_credentials.keyring.documents import did_document
from assay_credentials.moments import parse_moment
from assay_credentials.resolving.did_jwk import resolve_did_jwk
from assay_credentials.resolving.did_web import METHOD as DID_WEB
from assay_credentials.resolving.did_web import did_web_url, keys_of_document
from assay_credentials.resolving.fetching import CREDENTIAL_TYPES, DID_TYPES, Fetcher
from assay_credentials.resolving.store import TrustStore
from assay_credentials.statuses import StatusLists, list_of_url, list_url
from assay_runtime.postgres import Pool

NAMES_MAX: Final = 64
"""Keys and lists that are looked up for one verification. A credential needs 3, a transcript of
many issuers some more."""

LIST_SECONDS: Final = 300.0
"""How long a status list that names no `ttl` may be told again (Bitstring Status List 1.0, 2.2)."""


@dataclass
class Known:
    """What has been looked up for one verification. Not shared between verifications."""

    keys: dict[str, VerificationKey | ValueError | None] = field(default_factory=dict)
    removed: dict[str, VerificationKey | None] = field(default_factory=dict)
    """Of the names in `keys`, those that an issuer of ours has removed: in `keys` they are none."""
    lists: dict[str, bytes | None] = field(default_factory=dict)


class Asking:
    """The resolvers of one run of the verifier: they tell what is known, and note what is not."""

    def __init__(self, known: Known, *, with_removed: bool = False) -> None:
        self._known = known
        self._with_removed = with_removed
        self.methods: set[str] = set()
        self.lists: set[str] = set()

    def resolve_key(self, method: str) -> VerificationKey | None:
        """As `did.ResolveKey`."""
        for pure in (resolve_did_key, resolve_did_jwk):
            key = pure(method)
            if key is not None:
                return key
        if method not in self._known.keys:
            self.methods.add(method)
            return None
        if self._with_removed and method in self._known.removed:
            return self._known.removed[method]
        found = self._known.keys[method]
        if isinstance(found, ValueError):
            raise found
        return found

    def resolve_status(self, url: str) -> bytes | None:
        """As `verify.ResolveStatus`."""
        if url not in self._known.lists:
            self.lists.add(url)
        return self._known.lists.get(url)


class Resolver:
    """Looks up what a verifier asked for."""

    def __init__(
        self,
        *,
        pool: Pool,
        lists: StatusLists,
        fetcher: Fetcher,
        public_url: str,
        now: Callable[[], datetime],
    ) -> None:
        self._pool = pool
        self._lists = lists
        self._fetcher = fetcher
        self._public_url = public_url
        self._own = urlsplit(public_url).netloc.lower()
        self._now = now

    async def learn(self, known: Known, methods: Iterable[str], lists: Iterable[str]) -> None:
        """Look up what is not known yet. What is over the limit stays unknown."""
        methods, lists = set(methods), set(lists)
        left = NAMES_MAX - len(known.keys) - len(known.lists)
        wanted = sorted(methods - known.keys.keys())[: max(left, 0)]
        urls = sorted(lists - known.lists.keys())[: max(left - len(wanted), 0)]
        # A name that is dropped here is known as what could not be looked up.
        known.keys.update(dict.fromkeys(methods - known.keys.keys()))
        known.lists.update(dict.fromkeys(lists - known.lists.keys()))
        by_did: dict[str, list[str]] = {}
        for method in wanted:
            # Of other methods the key is told without asking anybody, or not at all.
            if method.startswith(DID_WEB):
                by_did.setdefault(method.partition("#")[0], []).append(method)
        ours = await self._own_keys(by_did)
        ours_lists = await self._own_lists(urls)
        known.lists.update(ours_lists)
        # Not in a task group: what fails is an answer, and none of these raises.
        await asyncio.gather(
            *(self._learn_did(known, did, names, ours) for did, names in by_did.items()),
            *(self._learn_list(known, url) for url in urls if url not in ours_lists),
        )

    async def _own_keys(self, dids: Iterable[str]) -> dict[str, dict[str, bool]]:
        names = list(dids)
        if not names:
            return {}
        async with self._pool.acquire() as connection:
            return await TrustStore(connection).own_keys(names)

    async def _own_lists(self, urls: Iterable[str]) -> dict[str, bytes | None]:
        """Of the lists with our addresses, what they are now; None for one that there is not."""
        ours = {list_of_url(self._public_url, url): url for url in urls}
        ids = [one for one in ours if one is not None]
        documents = await self._lists.documents(ids) if ids else {}
        return {list_url(self._public_url, one): documents.get(one) for one in ids}

    async def _learn_did(
        self, known: Known, did: str, methods: list[str], ours: dict[str, dict[str, bool]]
    ) -> None:
        keys: dict[str, VerificationKey | None] | None
        try:
            if did in ours:
                # Before its address is looked at: on a machine for trying out that may be an IP
                # address, which no did:web of others may be.
                removed = {method for method, is_removed in ours[did].items() if is_removed}
                known.removed.update(self._own_document(did, removed.intersection(methods)))
                keys = self._own_document(did, ours[did].keys() - removed)
            else:
                keys = await self._fetch_keys(did, did_web_url(did))
        except ValueError as error:
            known.keys.update(dict.fromkeys(methods, error))
            return
        if keys is None:
            return
        for method in methods:
            known.keys[method] = (
                keys[method]
                if method in keys
                else ValueError(f"{did} has no key of this name that holds today")
            )

    def _own_document(self, did: str, methods: Iterable[str]) -> dict[str, VerificationKey | None]:
        """What the document that we serve says, if it holds these keys."""
        return keys_of_document(did, did_document(did, sorted(methods)), self._now())

    async def _fetch_keys(self, did: str, url: str) -> dict[str, VerificationKey | None] | None:
        """None when the document could not be had. Raises ValueError when it is not the DID's."""
        if urlsplit(url).netloc.lower() == self._own:
            raise ValueError(f"{did} has no key here that holds today")
        body = await self._fetcher.get(url, DID_TYPES, _as_long_as_we_like)
        if body is None:
            return None
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(document, dict):
            return None
        return keys_of_document(did, document, self._now())

    async def _learn_list(self, known: Known, url: str) -> None:
        known.lists[url] = await self._fetcher.get(
            url, CREDENTIAL_TYPES, lambda body: list_lifetime(body, self._now())
        )


def _as_long_as_we_like(_: bytes) -> float:
    return float("inf")


def list_lifetime(body: bytes, now: datetime) -> float:
    """For how many seconds a status list may be told again: its own `ttl` (in milliseconds), and
    not beyond its `validUntil`.

    It is read before the signature is checked, so it may be anybody's: it only makes us ask again.
    """
    document = _claims(body)
    subject = document.get("credentialSubject")
    ttl = subject.get("ttl") if isinstance(subject, dict) else None
    seconds = LIST_SECONDS
    if isinstance(ttl, int | float) and not isinstance(ttl, bool):
        seconds = max(0.0, ttl / 1000)
    until = document.get("validUntil")
    if isinstance(until, str):
        try:
            seconds = min(
                seconds, max(0.0, (parse_moment(until, "validUntil") - now).total_seconds())
            )
        except DocumentRefused:
            return 0.0
    return seconds


def _claims(body: bytes) -> dict[str, object]:
    """The JSON object of a credential or VC-JWT; an empty one for anything else."""
    try:
        if not body.lstrip().startswith(b"{"):
            payload = body.strip().split(b".")[1]
            body = base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
        document = orjson.loads(body)
    except (orjson.JSONDecodeError, binascii.Error, IndexError):
        return {}
    return document if isinstance(document, dict) else {}
