"""How much is drawn and signed at once, and how much may wait for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from assay_runtime.problem import not_available

RETRY_SECONDS: Final = 1


class Gate:
    """Lets a bounded number work, and a bounded number wait."""

    def __init__(self, *, at_once: int, waiting_max: int) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._inside_max = at_once + waiting_max
        self._inside = 0

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """Problem: 503 when too many wait already."""
        if self._inside >= self._inside_max:
            raise not_available("too many files are being made", retry_seconds=RETRY_SECONDS)
        self._inside += 1
        try:
            async with self._slots:
                yield
        finally:
            self._inside -= 1
