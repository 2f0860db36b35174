"""The key of receipts, and what it signs: a file beside the issuers' keys, known by its public half
in the database."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import UUID

from assay_credentials.did import did_key, did_key_method
from assay_credentials.given import Given
from assay_credentials.keys import Signer, load_or_create_key_file
from assay_credentials.metrics import CredentialsMetrics
from assay_credentials.receipts.receipt import Receipt, read_receipt, receipt_content, sign_receipt
from assay_credentials.resolving.store import TrustStore
from assay_credentials.settings import CredentialsSettings
from assay_runtime.postgres import Pool

KEY_FILE: Final = ".receipts.pem"
"""Begins with a dot, as no name of a tenant does."""


class Receipts:
    """Signs receipts, and tells which are ours."""

    def __init__(
        self,
        *,
        pool: Pool,
        settings: CredentialsSettings,
        metrics: CredentialsMetrics,
        new_id: Callable[[], UUID],
    ) -> None:
        self._pool = pool
        self._folder = settings.signing_key_dir
        self._service = settings.public_url
        self._metrics = metrics
        self._new_id = new_id
        self._signer: Signer | None = None

    async def sign(self, given: Given) -> Receipt:
        """The receipt of a verification. Raises KeyFileRefused and OSError."""
        signer = self._signer
        if signer is None:
            signer = await asyncio.to_thread(_load, self._folder)
            # Known before it signs anything: what it signed can always be checked.
            async with self._pool.acquire() as connection:
                await TrustStore(connection).insert_receipt_key(
                    did_key(signer.public_key), did_key_method(signer.public_key)
                )
            self._signer = signer
        content = receipt_content(given, id=self._new_id(), service=self._service)
        self._metrics.receipts.inc()
        return sign_receipt(content, signer)

    async def read(self, jws: str) -> Receipt:
        """A receipt that this service signed. Raises NotAReceipt."""
        return read_receipt(jws, await self.keys())

    async def keys(self) -> dict[str, str]:
        """Method to DID of every key whose receipts are ours."""
        async with self._pool.acquire() as connection:
            return await TrustStore(connection).receipt_keys()


def _load(folder: Path) -> Signer:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return load_or_create_key_file(folder / KEY_FILE)
