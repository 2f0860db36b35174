"""Who signs: one key file per tenant, and the public half in the database."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from assay_credentials.badge import Issuer
from assay_credentials.did import did_key, did_key_method
from assay_credentials.errors import IssuerKeyMissing
from assay_credentials.keys import Signer, load_key_file, load_or_create_key_file
from assay_credentials.store import Store


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """The key that a tenant signs with now."""

    tenant: str
    did: str
    method: str
    signer: Signer


class Issuers:
    """The keys of this process. A tenant's first credential makes its key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: dict[str, IssuerKey] = {}

    async def key(self, store: Store, tenant: str) -> IssuerKey:
        """The tenant's key; made and made known when the tenant never had one.

        Raises IssuerKeyMissing when it had one and the file is not there, KeyFileRefused for a
        file that others may read, and OSError.
        """
        held = self._keys.get(tenant)
        if held is not None:
            return held
        known = await store.issuer_keys(tenant)
        signer = await asyncio.to_thread(self._load, tenant, bool(known))
        did, method = did_key(signer.public_key), did_key_method(signer.public_key)
        key = IssuerKey(tenant, did, method, signer)
        if did in {row["did"] for row in known}:
            self._keys[tenant] = key
        else:
            # The file comes first: a key that is known always has its private half. It is kept in
            # mind only when it is read back, since this transaction may still be undone.
            await store.insert_issuer_key(tenant, did, method)
        return key

    async def key_of(self, store: Store, tenant: str, did: str) -> IssuerKey:
        """The tenant's key, which must be the one of this DID. Raises IssuerKeyMissing, too."""
        key = await self.key(store, tenant)
        if key.did != did:
            raise IssuerKeyMissing(f"tenant {tenant}: the key of {did} is not in its key file")
        return key

    def _load(self, tenant: str, known: bool) -> Signer:
        path = self._folder / f"{tenant}.pem"
        if not known:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return load_or_create_key_file(path)
        try:
            return load_key_file(path)
        except FileNotFoundError:
            raise IssuerKeyMissing(
                f"tenant {tenant} has signed before, but its key file {path.name} is not in the "
                "folder of keys"
            ) from None


async def profiles(store: Store, keys: list[IssuerKey]) -> dict[str, Issuer]:
    """By tenant: what a credential shows of its issuer."""
    named = await store.issuers(key.tenant for key in keys)
    found = {}
    for key in keys:
        name, url = named.get(key.tenant, (key.tenant, None))
        found[key.tenant] = Issuer(id=key.did, name=name, url=url)
    return found
