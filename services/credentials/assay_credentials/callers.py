"""How fast one address may ask without a key: a token bucket for each, bounded in number.

The limit is of this process and of what it remembers. It keeps one caller from taking everything;
an attack from many addresses is for whatever stands before the service.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from assay_credentials.addresses import caller_of, networks_of
from assay_credentials.metrics import CredentialsMetrics
from assay_credentials.settings import CredentialsSettings
from assay_runtime.auth_limits import Bucket
from assay_runtime.problem import too_many_requests

VERIFY_COST: Final = 1.0
"""Of a request that verifies, signs or renders something: 10 ms of a core or more."""

READ_COST: Final = 0.1
"""Of a request that reads something by its id."""


class Callers:
    """The buckets of the addresses that asked lately."""

    def __init__(
        self,
        settings: CredentialsSettings,
        metrics: CredentialsMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = settings.public_requests_per_second_max
        self._burst_seconds = settings.public_burst_seconds
        self._addresses_max = settings.public_addresses_max
        self._proxies = networks_of(settings.trusted_proxies)
        self._metrics = metrics
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, peer: str | None, forwarded_for: Sequence[str], cost: float) -> None:
        """Count a request. Problem: 429 when there were too many from there."""
        caller = caller_of(peer, forwarded_for, self._proxies)
        now = self._clock()
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = Bucket(self._rate, self._burst_seconds, now)
            self._buckets[caller] = bucket
            if len(self._buckets) > self._addresses_max:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(caller)
        wait = bucket.take(cost, now)
        if wait:
            self._metrics.public_refused.inc()
            raise too_many_requests(
                "too many requests from one address; come again later, or use a key",
                slug="rate-limited",
                retry_seconds=wait,
            )
