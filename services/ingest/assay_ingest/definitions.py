"""What is known of activities and agents beside the statements: definitions and names. Pure.

Source: xAPI 1.0.3 Data 2.4.4.1 and Communication 2.5 (canonical definition), 2.4 (Person).

Every copy in the log counts, whoever is first, so that the order of arrival does not matter. Of a
definition is kept in which minute it was stated last, and by which copy first in that minute: the
definition that was stated later wins, and one that is stated again and again costs a write a
minute.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from hashlib import sha256
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from assay_ingest.records import Row, term

MINUTE_MILLISECONDS = 60_000

_Maps = dict[str, msgspec.Raw]
_properties = msgspec.json.Decoder(_Maps)
# Of these each entry is a part of its own: a language, or the key of an extension.
_BY_ENTRY = ("name", "description", "extensions")


# When something was stated, (stored_ms, statement id); ordered.
Stamp = tuple[int, UUID]


class Stated(NamedTuple):
    """A definition of an activity, and the copy that stands for it."""

    tenant: str
    activity: UUID
    hash: UUID
    stored_ms: int
    id: UUID
    iri: str
    definition: bytes


class Named(NamedTuple):
    """A name of an agent, and the first copy that used it."""

    tenant: str
    agent: UUID
    name_hash: UUID
    name: str
    stored_ms: int
    id: UUID


K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """What was written lately, at most `entries_max` entries.

    Notes count only after `commit`: what was rolled back is not known.
    """

    def __init__(self, entries_max: int) -> None:
        self._entries_max = entries_max
        self._known: OrderedDict[K, V] = OrderedDict()
        self._noted: dict[K, V] = {}

    def begin(self) -> None:
        """A new batch: what was noted for another one, and never committed, is dropped."""
        self._noted.clear()

    def find(self, key: K) -> V | None:
        """What is known under `key`, or noted in this batch."""
        noted = self._noted.get(key)
        if noted is not None:
            return noted
        return self._known.get(key)

    def note(self, key: K, value: V) -> None:
        self._noted[key] = value

    def commit(self) -> None:
        """The batch is kept."""
        for key, value in self._noted.items():
            self._known[key] = value
            self._known.move_to_end(key)
        self._noted.clear()
        while len(self._known) > self._entries_max:
            self._known.popitem(last=False)


RecentDefinitions = Recent[tuple[str, str, bytes], Stamp]
RecentNames = Recent[tuple[str, str, str], Stamp]


def new_definitions(rows: Iterable[Row], recent: RecentDefinitions) -> list[Stated]:
    """What `rows` state of activities that is not known yet, sorted by key, each once."""
    found: dict[tuple[str, str, bytes], Stamp] = {}
    for row in rows:
        for iri, definition in row.definitions:
            key = (row.key.tenant, iri, definition)
            stamp = (row.stored_ms, row.key.id)
            known = recent.find(key)
            if known is not None and not _stands_for(stamp, known):
                continue
            recent.note(key, stamp)
            found[key] = stamp
    return sorted(
        Stated(tenant, term(iri), _hash(definition), *stamp, iri, definition)
        for (tenant, iri, definition), stamp in found.items()
    )


def _stands_for(new: Stamp, known: Stamp) -> bool:
    """Whether `new` takes the place of `known`; `put_definitions` in queries.sql says the same."""
    minute = new[0] // MINUTE_MILLISECONDS
    of_known = known[0] // MINUTE_MILLISECONDS
    return new < known if minute == of_known else minute > of_known


def new_names(rows: Iterable[Row], recent: RecentNames) -> list[Named]:
    """Names of agents in `rows` that are not known yet, sorted by key, each once."""
    found: dict[tuple[str, str, str], Stamp] = {}
    for row in rows:
        for agent, name in row.names:
            stamp = (row.stored_ms, row.key.id)
            key = (row.key.tenant, agent, name)
            known = recent.find(key)
            if known is not None and stamp >= known:
                continue
            recent.note(key, stamp)
            found[key] = stamp
    return sorted(
        Named(tenant, term(agent), _hash(name.encode()), name, *stamp)
        for (tenant, agent, name), stamp in found.items()
    )


def merged(definitions: Sequence[bytes]) -> bytes:
    """One definition of all, given in the order in which they were stated.

    Every language of name and description and every extension is kept; of what was stated twice,
    and of every other property as a whole, the later holds. Values keep their spelling.
    """
    whole: _Maps = {}
    entries: dict[str, _Maps] = {name: {} for name in _BY_ENTRY}
    for definition in definitions:
        for name, value in _properties.decode(definition).items():
            if name in entries:
                entries[name] |= _properties.decode(value)
            else:
                whole[name] = value
    parts = {name: msgspec.Raw(msgspec.json.encode(some)) for name, some in entries.items() if some}
    return msgspec.json.encode(parts | whole)


def _hash(text: bytes) -> UUID:
    return UUID(bytes=sha256(text).digest()[:16])
