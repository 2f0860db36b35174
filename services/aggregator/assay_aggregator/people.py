"""People: which person an agent is, as records say it.

Pure. Links are records with two periods: the local dates on which they hold, and the log's time
from which they were known (`recorded_ms`) until they were taken back (`retracted_ms`).
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from uuid import UUID

from assay_aggregator.world import IdentityLink, Valid


@lru_cache(maxsize=100_000)
def text_hash(text: str) -> UUID:
    """The form in which agent keys and IRIs are indexed: the first 16 bytes of their SHA-256.

    An identifier of 12 kB breaks a btree index, and an index holds no address in plain text.
    """
    return UUID(bytes=hashlib.sha256(text.encode()).digest()[:16])


@dataclass(frozen=True, slots=True)
class Recorded:
    """When a record holds (local dates, inclusive, None is open) and when it was known (ms)."""

    valid_from: date | None = None
    valid_to: date | None = None
    recorded_ms: int | None = None
    retracted_ms: int | None = None

    def known(self, known_at_ms: int) -> bool:
        """Whether the record stood at that time of the log."""
        return (self.recorded_ms is None or self.recorded_ms <= known_at_ms) and (
            self.retracted_ms is None or self.retracted_ms > known_at_ms
        )

    def valid(self) -> Valid:
        """As the engine takes it; what was known is settled already, so nothing is said of it."""
        return Valid(_ordinal(self.valid_from), _ordinal(self.valid_to))


@dataclass(frozen=True, slots=True)
class Link:
    """An agent's key belongs to a person.

    An automatic link was made when the agent was first seen.
    """

    key: str
    person: UUID
    automatic: bool
    period: Recorded


def effective_links(links: Iterable[Link], known_at_ms: int) -> list[IdentityLink]:
    """The links that stood at `known_at_ms`.

    An automatic link holds on the days that no other standing link of the agent covers: so an
    account that was handed over keeps its past, and a link that was taken back leaves no gap.
    """
    by_key: dict[str, list[Link]] = {}
    for link in links:
        if link.period.known(known_at_ms):
            by_key.setdefault(link.key, []).append(link)
    found: list[IdentityLink] = []
    for key, standing in by_key.items():
        stated = [link for link in standing if not link.automatic]
        found.extend(IdentityLink(key, str(link.person), link.period.valid()) for link in stated)
        gaps = list(uncovered([link.period.valid() for link in stated]))
        found.extend(
            IdentityLink(key, str(link.person), gap)
            for link in standing
            if link.automatic
            for gap in gaps
        )
    return found


def uncovered(covered: Sequence[Valid]) -> Iterator[Valid]:
    """The periods between and around the given ones."""
    start: int | None = None
    for period in sorted(covered, key=lambda one: (one.valid_from or 0, one.valid_to or 0)):
        before = None if period.valid_from is None else period.valid_from - 1
        if before is not None and (start is None or start <= before):
            yield Valid(start, before)
        if period.valid_to is None:
            return
        start = max(start or 0, period.valid_to + 1)
    yield Valid(start, None)


def next_change_ms(periods: Iterable[Recorded], known_at_ms: int) -> int | None:
    """The next time of the log at which one of the records begins or ends to be known."""
    times = [
        at
        for period in periods
        for at in (period.recorded_ms, period.retracted_ms)
        if at is not None and at > known_at_ms
    ]
    return min(times, default=None)


def _ordinal(day: date | None) -> int | None:
    return None if day is None else day.toordinal()
