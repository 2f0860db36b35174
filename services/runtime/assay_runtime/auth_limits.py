"""How much one client may do: requests and statements a second, statements a day.

A rate is a token bucket in this process, so a client of n processes has n times its rate. A quota
is counted here and added up in Postgres in the background (`Meter.pending`, `Meter.counted`): a
process knows what the others accepted one flush later, so a quota may be passed by at most what
the other processes accept within one interval.
"""

import math
import time
from dataclasses import dataclass

from assay_runtime.problem import too_many_requests

DAY_SECONDS = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one client; None is none."""

    requests_per_second: float | None = None
    statements_per_second: float | None = None
    statements_per_day: int | None = None
    burst_seconds: float = 10.0


class Bucket:
    """A token bucket that may go into debt: what comes in one piece is never too large for it.

    In any `t` seconds it lets through at most `burst + t * rate` and the piece that emptied it.
    """

    __slots__ = ("_at", "_burst", "_level", "_rate")

    def __init__(self, rate: float, burst_seconds: float, now: float) -> None:
        """`rate` is in pieces a second; `now` is a monotonic time in seconds."""
        self._rate = rate
        self._burst = rate * burst_seconds
        self._level = self._burst
        self._at = now

    def take(self, amount: float, now: float) -> float:
        """Take `amount`: 0.0 when it was taken, else the seconds after which to come again."""
        level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if level < 0:
            self._level = level
            return -level / self._rate
        self._level = level - amount
        return 0.0

    def changed(self, rate: float, burst_seconds: float) -> None:
        """Go on with another rate; what was taken stays taken."""
        self._rate = rate
        self._burst = rate * burst_seconds
        self._level = min(self._level, self._burst)


class Meter:
    """What one client does in this process, against its limits."""

    __slots__ = (
        "_limits",
        "_requests",
        "_statements",
        "is_counted",
        "last_use_written",
        "name",
        "requests_pending",
        "statements_pending",
        "statements_today",
        "tenant",
    )

    def __init__(
        self, tenant: str = "", name: str = "", limits: Limits | None = None, now: float = 0.0
    ) -> None:
        self.tenant = tenant
        self.name = name
        self.requests_pending = 0
        self.statements_pending = 0
        # Of the day and of all processes, as of the last flush.
        self.statements_today = 0
        self.is_counted = False
        # Monotonic time of the last note in the table; never is long ago.
        self.last_use_written = -math.inf
        self._limits = Limits()
        self._requests: Bucket | None = None
        self._statements: Bucket | None = None
        self.limit(limits or Limits(), now)

    def limit(self, limits: Limits, now: float) -> None:
        """Go by other limits from now on."""
        if limits == self._limits:
            return
        self._limits = limits
        burst = limits.burst_seconds
        self._requests = _bucket(self._requests, limits.requests_per_second, burst, now)
        self._statements = _bucket(self._statements, limits.statements_per_second, burst, now)

    def take_request(self, now: float) -> None:
        """Count a request; a 429 problem when there were too many."""
        if self._requests is not None:
            wait = self._requests.take(1, now)
            if wait:
                raise _too_fast("requests", self._limits.requests_per_second, wait)
        self.requests_pending += 1

    def take_statements(self, count: int) -> None:
        """Count statements that are about to be kept; a 429 problem when there were too many.

        Then none is counted. What the log does not acknowledge afterwards stays counted.
        """
        quota = self._limits.statements_per_day
        if quota is not None:
            left = quota - self.statements_today - self.statements_pending
            if count > left:
                raise too_many_requests(
                    f"the quota is {quota} statements a day (UTC), {max(left, 0)} are left",
                    slug="quota-reached",
                    retry_seconds=DAY_SECONDS - time.time() % DAY_SECONDS,
                )
        if self._statements is not None:
            wait = self._statements.take(count, time.monotonic())
            if wait:
                raise _too_fast("statements", self._limits.statements_per_second, wait)
        self.statements_pending += count

    def counted(self, requests: int, statements: int, statements_today: int) -> None:
        """So much of what was pending is in the table, whose sum for the day is now known."""
        self.requests_pending -= requests
        self.statements_pending -= statements
        self.statements_today = statements_today
        self.is_counted = True


def _bucket(old: Bucket | None, rate: float | None, burst: float, now: float) -> Bucket | None:
    if rate is None:
        return None
    if old is None:
        return Bucket(rate, burst, now)
    old.changed(rate, burst)
    return old


def _too_fast(what: str, rate: float | None, wait: float) -> Exception:
    return too_many_requests(
        f"the limit is {rate:g} {what} a second", slug="rate-limited", retry_seconds=wait
    )
