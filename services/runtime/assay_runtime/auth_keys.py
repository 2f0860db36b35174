"""Secrets of clients: made, hashed for storage by argon2, and compared with a bound on the work."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from assay_runtime.problem import not_available

SECRET_BYTES = 32

# Keys are random, 32 bytes: the cost of the hash guards a leaked table, so the least is enough.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def new_secret() -> str:
    """A secret for a new client: 32 random bytes as text."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_secret(secret: str) -> str:
    """The form in which a secret is stored."""
    return _HASHER.hash(secret)


class Comparer:
    """Compares secrets with stored hashes, a few at a time; more than so many waiting are refused.

    A comparison takes about 15 ms of a core and 19 MiB, so whoever sends wrong keys would else
    hold the whole machine.
    """

    def __init__(self, *, parallel_max: int, waiting_max: int) -> None:
        self._turn = asyncio.Semaphore(parallel_max)
        self._waiting_max = waiting_max
        self._dummy = _HASHER.hash(secrets.token_urlsafe(SECRET_BYTES))
        self._waiting = 0
        # For metrics and tests: comparisons made, and the most that were ever made at once.
        self.compared = 0
        self.parallel_peak = 0
        self._parallel = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue, held from before the look-up. A 503 problem when it is full."""
        if self._waiting >= self._waiting_max:
            raise not_available("too many keys are being checked", retry_seconds=1)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def find(self, secret: str, *stored: str | None) -> str | None:
        """Which of two stored hashes `secret` fits, if any; None stands for no hash.

        A wrong secret costs two comparisons, whether there are two hashes, one or none: neither
        the name of a client nor that its key is being rotated can be found by time.
        """
        async with self._turn:
            self._parallel += 1
            self.parallel_peak = max(self.parallel_peak, self._parallel)
            try:
                for one in stored:
                    self.compared += 1
                    if await asyncio.to_thread(fits, one or self._dummy, secret) and one:
                        return one
                return None
            finally:
                self._parallel -= 1


def fits(stored: str, secret: str) -> bool:
    """Whether a secret fits a stored hash; takes about 15 ms, so call it in a thread."""
    try:
        return _HASHER.verify(stored, secret)
    except (VerificationError, InvalidHashError):
        return False
