"""What stands above single awards: merges of people, the outreach realm, the end of signed awards.

An award follows its own standing. Whether the person is of the outreach realm, or was found to be
another who holds a credential for the same, is asked each time that there is work for it
(`overruling`). What changes of that without an event is found by looking (`settle`), so that it
does not matter in which order things became known, or who was killed meanwhile.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from assay_credentials.awarding.store import AwardingStore
from assay_credentials.awards import Key, Overruled
from assay_runtime.logs import fields
from assay_runtime.postgres import TRANSIENT, Connection, Pool

log = logging.getLogger(__name__)

SETTLE_SECONDS: Final = 1.0
"""Between two looks. Each costs some reads by index."""

SETTLE_AWARDS_MAX: Final = 500
"""Given work in one transaction; the rest is found by the next look."""


async def overruling(connection: Connection, keys: Iterable[Key]) -> dict[Key, Overruled]:
    """Of the awards with these keys, those that something stands above."""
    return await AwardingStore(connection).overruling(keys)


async def settle(connection: Connection) -> int:
    """Give work to awards that should have another credential by now; to how many.

    1. Signed awards whose last day is over everywhere on Earth.
    2. Awards of a merged person with a credential, where the kept person has one for the same.
    3. Signed awards of a person whose merge was taken back, which have lost their credential by it.

    Runs in the caller's transaction.
    """
    store = AwardingStore(connection)
    found = 0
    for query in ("expire_signed", "supersede_merged", "restore_unmerged"):
        found += await store.give_work(query, SETTLE_AWARDS_MAX)
    return found


class Settler:
    """Looks again and again. `wake` tells the issuing workers."""

    def __init__(self, pool: Pool, wake: asyncio.Event) -> None:
        self._pool = pool
        self._wake = wake

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    found = await settle(connection)
            except TRANSIENT as error:
                log.warning(
                    "Settling awards was interrupted, will try again",
                    extra=fields(error=type(error).__name__),
                )
            else:
                if found:
                    self._wake.set()
            await asyncio.sleep(SETTLE_SECONDS)
