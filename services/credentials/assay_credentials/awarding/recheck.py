"""A stored credential, verified again as a stranger would, by the full path. Pure.

For `assay check`: what was signed must verify for ever, in each form in which it was given out, and
its bits must tell what became of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from assay_credentials.did import VerificationKey, resolve_did_key
from assay_credentials.errors import StatusListUnusable
from assay_credentials.intake import JsonObject
from assay_credentials.lifecycle import State, bits
from assay_credentials.verify import (
    Result,
    StatusList,
    Verification,
    open_status_list,
    verify_credential,
    verify_jwt,
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A credential in one of its forms: the signed document or its VC-JWT twin (or both), or a
    wallet's copy.
    """

    tenant: str
    credential: UUID
    state: State
    has_suspension: bool
    document: bytes
    jwt: str | None = None
    is_copy: bool = False
    key_is_gone: bool = False
    """Its key was removed or compromised, and may not have been there to sign its last lists."""


class Rechecker:
    """Verifies by what is known here: our own keys, our own lists, no network."""

    def __init__(
        self, methods: Mapping[str, VerificationKey], issuers: Mapping[str, str], now: datetime
    ) -> None:
        """`methods` are the keys that ever signed here, `issuers` their DIDs and names."""
        self._methods = methods
        self._issuers = issuers
        self._now = now
        self._lists: dict[str, StatusList] = {}

    def put_list(self, list_: UUID, document: bytes) -> str | None:
        """Verify a status list and keep it; what is wrong with it, if anything is."""
        url = str(orjson.loads(document).get("id"))
        if url.rpartition("/")[2] != str(list_):
            return f"{list_}: another list is kept in its place"
        try:
            self._lists[url] = open_status_list(
                document, url=url, now=self._now, resolve_key=self._key
            )
        except StatusListUnusable as error:
            return f"{list_}: {error}"
        return None

    def problem(self, stored: Stored) -> str | None:
        """What is wrong with it, if anything is."""
        found = verify_credential(
            stored.document,
            now=self._now,
            resolve_status=self._lists.get,
            trusted_issuers=self._issuers,
            resolve_key=self._key,
        )
        wrong = _wrong(stored, found)
        if wrong is None and stored.jwt is not None:
            wrong = self._twin(stored, stored.jwt, found.document)
        return wrong

    def _twin(self, stored: Stored, jwt: str, document: JsonObject | None) -> str | None:
        found = verify_jwt(
            jwt,
            now=self._now,
            resolve_status=self._lists.get,
            trusted_issuers=self._issuers,
            resolve_key=self._key,
        )
        wrong = _wrong(stored, found)
        if wrong is None and _unsigned(found.document) != _unsigned(document):
            wrong = "says something else than the document"
        return None if wrong is None else f"its VC-JWT: {wrong}"

    def _key(self, method: str) -> VerificationKey | None:
        return self._methods.get(method) or resolve_did_key(method)


def _wrong(stored: Stored, found: Verification) -> str | None:
    for one in found.checks:
        # Dates run out, and what the lists say is looked at below.
        if one.name not in ("dates", "status") and one.result is not Result.PASSED:
            return f"{one.name}: {one.detail}"
    document = found.document
    if document is None:
        return "it is not genuine"
    if str(document.get("id")).rpartition("/")[2] != str(stored.credential):
        return "it is another credential"
    # The verifier has found the entries sound, or says so of each.
    entries: Any = document.get("credentialStatus", [])
    listed: list[JsonObject] = entries if isinstance(entries, list) else [entries]
    purposes = [one["statusPurpose"] for one in listed]
    results = [one for one in found.checks if one.name == "status"]
    if len(purposes) != len(results) or len(purposes) != 1 + stored.has_suspension:
        return "it has other status entries than places"
    expected = bits(stored.state, has_suspension=stored.has_suspension)
    for purpose, one in zip(purposes, results, strict=True):
        if one.result is Result.COULD_NOT_CHECK:
            if stored.key_is_gone and stored.state == "revoked":
                continue
            return f"{purpose}: {one.detail}"
        if (one.result is Result.FAILED) != (purpose in expected):
            return f"it is {stored.state}, and its {purpose} list says otherwise"
    return None


def _unsigned(document: JsonObject | None) -> JsonObject | None:
    if document is None:
        return None
    return {name: value for name, value in document.items() if name != "proof"}
