"""Around a signature: the key is held while it signs, and what it signed is read as a stranger
would, before anybody sees it.
"""

from datetime import datetime
from typing import Final

from assay_credentials.errors import SelfCheckFailed
from assay_credentials.issuers import IssuerKey
from assay_credentials.keyring.store import KeyringStore
from assay_credentials.verify import Result, verify_credential
from assay_runtime.postgres import Connection
from assay_runtime.refusals import Contradiction

_BEFORE: Final = frozenset({"form", "contexts", "terms", "signature"})
"""What must have passed. Dates and status are not of this document's making alone: what it wraps
may have expired, and the list that it names is another document.
"""


def self_checked(document: bytes, key: IssuerKey, now: datetime) -> bytes:
    """The document. Raises SelfCheckFailed when it is not genuine, or breaks its format."""
    found = verify_credential(
        document,
        now=now,
        resolve_status=lambda _: None,
        trusted_issuers={key.did: key.did},
        resolve_key=key.resolve,
    )
    passed = {one.name for one in found.checks if one.result is Result.PASSED}
    broken = [one for one in found.checks if one.name == "schema" and one.result is Result.FAILED]
    if found.issuer != key.did or not passed >= _BEFORE or broken:
        last = broken[0] if broken else found.checks[-1]
        raise SelfCheckFailed(f"what was signed does not verify: {last.name}: {last.detail}")
    return document


async def require_signing_key(connection: Connection, key: IssuerKey) -> None:
    """Keep the key from being removed until the transaction ends. Raises Contradiction when it was
    removed already.
    """
    named = (key.tenant, key.method)
    if named not in await KeyringStore(connection).lock_signing_keys([named]):
        raise Contradiction("the issuer's key was removed just now: ask again")
