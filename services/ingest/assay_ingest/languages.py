"""Which one language of a language map a reader gets. Pure.

Source: xAPI 1.0.3 Communication 2.1.3 (language filtering for the canonical format: Accept-Language
is applied to each map for itself), RFC 9110 12.5.4, RFC 4647 3.3.1 and 3.4.
"""

import re
from collections.abc import Iterable

_RANGE = re.compile(
    r"\s*(\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*[qQ]=\s*([01](?:\.\d{0,3})?)\s*)?"
)
# A header may be long, and each range is compared with each tag.
_RANGES_MAX = 20


class Languages:
    """What a reader prefers, as the header Accept-Language says it; None when it was not sent."""

    def __init__(self, header: str | None) -> None:
        self._wanted: list[str] = []
        self._unwanted: set[str] = set()
        self._chosen: dict[tuple[str, ...], str] = {}
        weighted: list[tuple[float, str]] = []
        for part in (header or "").split(",")[:_RANGES_MAX]:
            # What is no language range is passed over: the header is a wish, not an order.
            match = _RANGE.fullmatch(part)
            if match is not None:
                weighted.append((min(float(match[2] or "1"), 1.0), match[1].lower()))
        weighted.sort(key=lambda one: -one[0])
        for weight, wanted in weighted:
            if weight == 0:
                self._unwanted.add(wanted)
            else:
                self._wanted.append(wanted)

    def choose(self, tags: Iterable[str]) -> str:
        """The tag of a map that fits best; the map holds at least one.

        A range takes a tag that it equals or begins (en takes en-GB), in the order of the reader's
        preference; then a longer range takes a shorter tag (en-GB takes en). Where nothing fits,
        the map's first entry is better than none.
        """
        tags = tuple(tags)
        if len(tags) == 1:
            return tags[0]
        chosen = self._chosen.get(tags)
        if chosen is None:
            chosen = self._chosen[tags] = self._best(tags)
        return chosen

    def _best(self, tags: tuple[str, ...]) -> str:
        by_lower = {tag.lower(): tag for tag in reversed(tags)}
        left = {low: tag for low, tag in by_lower.items() if not self._is_unwanted(low)}
        for wanted in self._wanted:
            if wanted in left:
                return left[wanted]
            begun = [tag for tag in tags if tag.lower().startswith(f"{wanted}-")]
            begun = [tag for tag in begun if tag.lower() in left]
            if begun:
                return begun[0]
        for wanted in self._wanted:
            shorter = wanted
            while "-" in shorter:
                shorter = shorter.rpartition("-")[0]
                if shorter in left:
                    return left[shorter]
        return next((tag for tag in tags if tag.lower() in left), tags[0])

    def _is_unwanted(self, tag: str) -> bool:
        return any(tag == one or tag.startswith(f"{one}-") for one in self._unwanted)
