"""Whom the service trusts: its own issuers, and those of the operator's list."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from assay_credentials.did import resolve_did_key
from assay_credentials.errors import CredentialsError
from assay_credentials.resolving.did_jwk import resolve_did_jwk
from assay_credentials.resolving.did_web import METHOD as DID_WEB
from assay_credentials.resolving.did_web import did_web_url
from assay_credentials.resolving.store import TrustEntry, TrustStore
from assay_credentials.verification.answer import TrustedIssuer

TEXT_CHARACTERS_MAX: Final = 500
ACHIEVEMENTS_MAX: Final = 2_000

Trusted = dict[str, str | TrustedIssuer]
"""As `verify.Trust`."""


class TrustRefused(CredentialsError):
    """An entry for the list of issuers breaks a rule; the text names the field."""


async def trusted_issuers(store: TrustStore, now: datetime) -> Trusted:
    """Everybody who is trusted at `now`.

    What an issuer of ours signs, this service issued by the tenant's templates; so it may issue
    any achievement. An entry of the list never changes what one of our own is called.
    """
    found: Trusted = {
        row["did"]: TrustedIssuer(
            name=row["name"],
            registry=row["registry"],
            registry_url=row["registry_url"],
            achievements=(None if row["achievements"] is None else frozenset(row["achievements"])),
        )
        for row in await store.trusted_issuers(now)
    }
    found.update(await store.own_issuers())
    return found


def checked_entry(
    did: str,
    *,
    name: str,
    registry: str | None,
    registry_url: str | None,
    achievements: Sequence[str],
    trusted_from: datetime | None,
    trusted_until: datetime | None,
    now: datetime,
    by: str,
    reason: str,
) -> TrustEntry:
    """An entry for the list; without achievements, for all. Raises TrustRefused."""
    _check_did(did)
    for field, text in (("name", name), ("registry", registry), ("reason", reason)):
        if text is not None and not 0 < len(text.strip()) <= TEXT_CHARACTERS_MAX:
            raise TrustRefused(f"{field}: must have 1 to {TEXT_CHARACTERS_MAX} characters")
    if registry_url is not None:
        _check_url(registry_url)
    if len(achievements) > ACHIEVEMENTS_MAX:
        raise TrustRefused(f"achievement: more than {ACHIEVEMENTS_MAX}")
    for one in achievements:
        if ":" not in one or any(character.isspace() for character in one):
            raise TrustRefused(f"achievement: {one!r} is no IRI")
    begins = now if trusted_from is None else trusted_from.replace(tzinfo=UTC)
    ends = None if trusted_until is None else trusted_until.replace(tzinfo=UTC)
    if ends is not None and ends <= begins:
        raise TrustRefused("until: must be later than the day from which the issuer is trusted")
    return TrustEntry(
        did=did,
        name=name.strip(),
        registry=registry,
        registry_url=registry_url,
        achievements=achievements or None,
        trusted_from=begins,
        trusted_until=ends,
        added_by=by,
        reason=reason,
    )


def _check_did(did: str) -> None:
    """Whether this service can look up the keys of a DID. Raises TrustRefused."""
    try:
        if did.startswith(DID_WEB):
            did_web_url(did)
            return
        key = resolve_did_key(f"{did}#{did.rpartition(':')[2]}") or resolve_did_jwk(f"{did}#0")
    except ValueError as error:
        raise TrustRefused(f"did: {error}") from error
    if key is None:
        raise TrustRefused("did: must be a did:web, did:key or did:jwk: no other can be verified")


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise TrustRefused(f"register-url: {error}") from error
    if parts.scheme != "https" or not parts.hostname or len(url) > TEXT_CHARACTERS_MAX:
        raise TrustRefused("register-url: must be an https address")
