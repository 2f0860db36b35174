"""The last status lists of a did:key that signs no more.

Its lists can be signed by nobody else: the DID is the key. So it signs each once more, for ten
years, and then never again; its private half can be destroyed.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import orjson

from assay_credentials.errors import CredentialsError
from assay_credentials.keyring.names import public_key_of
from assay_credentials.keyring.records import FoundKey, IssuerRecords
from assay_credentials.keyring.settings import KeyringSettings
from assay_credentials.keyring.signers import Signers
from assay_credentials.keys import Signer
from assay_credentials.proof import add_proof
from assay_credentials.status_list import build_status_list, status_bits
from assay_credentials.statuses import list_url
from assay_credentials.store import ListToSign, Store
from assay_runtime.postgres import Connection

FINAL_DAYS: Final = 3_652
"""Ten years: longer than a credential of ours lasts."""


async def finish_lists(
    connection: Connection,
    settings: KeyringSettings,
    tenant: str,
    key: FoundKey,
    *,
    now: datetime,
    all_set: bool,
) -> tuple[int, int]:
    """Sign each list for good; how many were, and how many could not be.

    With `all_set`, every place of a revocation list says "revoked": whoever else has the key could
    have taken a free one. A list that cannot be signed runs out, and what is on it then "could not
    be checked".
    """
    records = IssuerRecords(connection, tenant)
    signer = await asyncio.to_thread(_opened, settings, key)
    signed = left = 0
    for list_ in await records.lists_of_did(key.did):
        async with connection.transaction():
            store = Store(connection)
            await store.lock_lists([(tenant, list_)])
            found = await store.list_to_sign((tenant, list_))
            if found is None:
                continue
            until = now + timedelta(days=FINAL_DAYS)
            document: bytes | None = None
            if signer is not None:
                url = list_url(settings.public_url, list_)
                document = await asyncio.to_thread(
                    _signed, signer, key, url, found, now, until, all_set
                )
            await records.finish_list(list_, found.version, document, until)
        signed += document is not None
        left += document is None
    return signed, left


def _opened(settings: KeyringSettings, key: FoundKey) -> Signer | None:
    try:
        signer = Signers(settings).open(key.kind, key.reference)
    except (CredentialsError, OSError):
        # It may have been destroyed already, which is no mistake: the report says what follows.
        return None
    return signer if signer.public_key == public_key_of(key.method) else None


def _signed(
    signer: Signer,
    key: FoundKey,
    url: str,
    found: ListToSign,
    now: datetime,
    until: datetime,
    all_set: bool,
) -> bytes:
    everything = all_set and found.purpose == "revocation"
    unsigned = build_status_list(
        url=url,
        issuer=key.did,
        purpose=found.purpose,
        bits=status_bits(range(found.size) if everything else found.indexes, found.size),
        valid_from=now,
        valid_until=until,
    )
    return orjson.dumps(add_proof(unsigned, signer, verification_method=key.method, created=now))
