"""The loop around `issue.follow_awards`."""

import asyncio
import logging
from typing import Final

from assay_credentials.issue import Workshop, follow_awards
from assay_runtime.logs import fields
from assay_runtime.postgres import TRANSIENT

log = logging.getLogger(__name__)

IDLE_SECONDS: Final = 0.25
"""Somebody else's consumer may have brought work: nobody wakes this process for that."""


class IssuingWorker:
    """One worker. `wake` is set when there may be work."""

    def __init__(self, shop: Workshop, wake: asyncio.Event) -> None:
        self._shop = shop
        self._wake = wake

    async def run(self) -> None:
        """Issue until cancelled."""
        while True:
            self._wake.clear()
            try:
                taken = await follow_awards(self._shop)
            except TRANSIENT as error:
                self._shop.metrics.retries.inc()
                log.warning(
                    "Issuing was interrupted, will try again",
                    extra=fields(error=type(error).__name__),
                )
                await asyncio.sleep(0.1)
                continue
            if taken:
                continue
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue
