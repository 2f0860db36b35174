"""Who signs: the issuers of a tenant, the key of each, and the public halves in the database."""

import asyncio
from dataclasses import dataclass
from typing import Final

from assay_credentials.badge import Issuer
from assay_credentials.did import VerificationKey
from assay_credentials.errors import IssuerKeyMissing, IssuerUnknown
from assay_credentials.keyring.names import (
    MAIN,
    did_of,
    method_of,
    public_key_of,
    reference_for,
)
from assay_credentials.keyring.settings import KeyringSettings
from assay_credentials.keyring.signers import Signers
from assay_credentials.keyring.store import KeyringStore, KnownKey, Signing
from assay_credentials.keys import Signer
from assay_credentials.store import Store

PURPOSES: Final = frozenset({"assertionMethod", "authentication"})


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """The key that an issuer signs with now. `signer` may take its time: use it in a thread."""

    tenant: str
    issuer: str
    did: str
    method: str
    """Its verification method: a URL whose fragment is the public key."""
    signer: Signer
    name: str
    """How the issuer is called."""
    url: str | None = None

    @property
    def profile(self) -> Issuer:
        """What a credential shows of its issuer."""
        return Issuer(self.did, self.name, self.url)

    def resolve(self, method: str) -> VerificationKey | None:
        """As `did.ResolveKey`, for checking what it has just signed: this one key, no other."""
        if method != self.method:
            return None
        return VerificationKey(self.did, self.signer.public_key, "Ed25519", PURPOSES)


class Issuers:
    """The keys of this process. Which of them signs, is asked of the database each time: an
    operator may have rotated it meanwhile.
    """

    def __init__(self, settings: KeyringSettings) -> None:
        self._public_url = settings.public_url
        self._signers = Signers(settings)

    async def key(self, store: Store, tenant: str, issuer: str = MAIN) -> IssuerKey:
        """The issuer's key; made and made known when it never had one.

        Raises IssuerUnknown for an issuer that nobody has described (the tenant's own, `main`,
        needs no description), IssuerKeyMissing when it had a key and that is not there,
        KeyFileRefused for a file that others may read, SignerUnavailable when what holds the key
        does not answer, and OSError.
        """
        keyring = KeyringStore(store.connection)
        found = await keyring.signing_key(tenant, issuer)
        if found.key is not None:
            return await self._opened(tenant, found, found.key)
        if found.keys:
            raise IssuerKeyMissing(f"issuer {issuer} of {tenant} has no key that signs")
        if found.name is None and issuer != MAIN:
            raise IssuerUnknown(f"tenant {tenant} has no issuer {issuer}")
        return await self._first(keyring, tenant, issuer)

    async def locked_key(self, store: Store, tenant: str, issuer: str = MAIN) -> IssuerKey:
        """As `key`; and nobody removes the key before the transaction ends, so that what is signed
        in it and written down is among what a removal revokes.
        """
        while True:
            key = await self.key(store, tenant, issuer)
            if await KeyringStore(store.connection).lock_signing_keys([(tenant, key.method)]):
                return key

    async def key_of(self, store: Store, tenant: str, did: str) -> IssuerKey:
        """The key that signs for a DID of the tenant. Raises as `key` does."""
        found = await KeyringStore(store.connection).key_of_did(tenant, did)
        if found is None or found.key is None:
            raise IssuerKeyMissing(f"tenant {tenant}: no key signs for {did}")
        return await self._opened(tenant, found, found.key)

    async def _first(self, keyring: KeyringStore, tenant: str, issuer: str) -> IssuerKey:
        """The key comes first, then its row: one that is known always has its private half."""
        await keyring.lock_issuer(tenant, issuer)
        found = await keyring.signing_key(tenant, issuer)
        if found.key is not None:
            # Somebody else was first.
            return await self._opened(tenant, found, found.key)
        kind = found.new_kind or "file"
        reference = reference_for(kind, tenant, issuer, 0)
        signer = await asyncio.to_thread(self._signers.make, kind, reference)
        did = did_of(found.new_method or "key", signer.public_key, self._public_url, tenant, issuer)
        key = KnownKey(issuer, did, method_of(did, signer.public_key), kind, reference)
        await keyring.insert_key(tenant, key)
        return _issuer_key(tenant, found, key, signer)

    async def _opened(self, tenant: str, found: Signing, key: KnownKey) -> IssuerKey:
        signer = self._signers.held(key.kind, key.reference)
        if signer is None:
            signer = await asyncio.to_thread(self._signers.open, key.kind, key.reference)
        if signer.public_key != public_key_of(key.method):
            raise IssuerKeyMissing(
                f"{key.reference} ({key.kind}) holds another key than the one that issuer "
                f"{key.issuer} of {tenant} signs with"
            )
        return _issuer_key(tenant, found, key, signer)


def _issuer_key(tenant: str, found: Signing, key: KnownKey, signer: Signer) -> IssuerKey:
    # The tenant's own issuer is called by its name until somebody says another.
    name = found.name or (tenant if key.issuer == MAIN else key.issuer)
    return IssuerKey(tenant, key.issuer, key.did, key.method, signer, name, found.url)
