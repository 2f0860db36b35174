"""Share links: who has one is shown the credential, until its end or until it is taken back.

A credential has none until somebody makes one for its holder. The id of a link is kept as it is,
not as a digest, so that the holder can be shown the links that there are; the documents that they
open stand in the same database.
"""

import secrets
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

from assay_credentials.holding.codes import CODE_CHARACTERS_MAX, new_code
from assay_credentials.holding.store import HoldingStore, Share
from assay_credentials.store import Row, Store

SHARES_MAX: Final = 50
"""Open links of one credential."""


async def shared(store: Store, share_id: str) -> Row | None:
    """The credential that a link opens; None when there is no such link, or it has ended.

    The row is that of `Store.find_credential`.
    """
    if not 0 < len(share_id) <= CODE_CHARACTERS_MAX or "\0" in share_id:
        return None
    return await store.find_shared(share_id)


async def certificate_share(store: Store, tenant: str, credential: UUID, made_by: str) -> str:
    """The share id that stands on certificates of the credential; made when there is none.

    What is printed has no end of its own; the holder may take the link back, and the next
    certificate gets another one. Two callers at once get the same.
    """
    holding = HoldingStore(store.connection)
    while True:
        found = await holding.certificate_share(tenant, credential)
        if found is not None:
            return found
        now = datetime.now(UTC)
        await holding.insert_share(
            tenant,
            credential,
            Share(
                uuid4(),
                new_code(secrets.token_bytes),
                "certificate",
                None,
                made_by,
                now,
                None,
                None,
            ),
        )
