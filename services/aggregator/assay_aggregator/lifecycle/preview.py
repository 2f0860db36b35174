"""Who gains, who loses and who changes by a rule version, on the live evidence.

Streamed: people in pages, each decided twice by the pure engine (`impact`), on one snapshot of the
tables. Nothing is changed but the preview's own rows.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from uuid import UUID

import orjson

from assay_aggregator.admin import hashes_of
from assay_aggregator.dates import format_instant, local_ordinal
from assay_aggregator.evidence import gather
from assay_aggregator.lifecycle.impact import KINDS, Impact, Moment, impacts, standing_document
from assay_aggregator.lifecycle.store import LifecycleStore, VersionKey, retirement_hash
from assay_aggregator.rule import Rule
from assay_aggregator.shelf import RuleShelf, retired, version_of
from assay_aggregator.store import Store

PAGE_PEOPLE: Final = 50
"""People decided between two messages of progress: their evidence is held at once, and the
transactions are idle meanwhile, so it must take far less than their idle timeout."""


@dataclass
class Preview:
    """What is found so far. `changes` are those of the last page alone."""

    key: VersionKey
    rule: Rule
    moment: Moment
    content_hash: str
    first_day: int
    people: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    changes: Sequence[Impact] = ()
    is_done: bool = False
    _hash: Any = field(default_factory=hashlib.sha256)

    def add(self, page: int, changes: Sequence[Impact]) -> None:
        """A page of people, and what changes for them."""
        self.people += page
        self.changes = changes
        for one in changes:
            self.counts.update(one.kinds)
            self._hash.update(orjson.dumps(one.document(), option=orjson.OPT_SORT_KEYS) + b"\n")

    @property
    def changes_hash(self) -> str:
        """Equal for equal changes: two previews on the same evidence say the same."""
        return str(self._hash.hexdigest())

    def document(self) -> dict[str, Any]:
        moment, rule = self.moment, self.rule
        return {
            "rule": rule.id,
            "version": rule.version,
            "content_hash": self.content_hash,
            "as_of": format_instant(moment.as_of),
            "starts_in_the_past": self.first_day < local_ordinal(moment.as_of, rule.zone),
            "people": self.people,
            "counts": {kind: self.counts[kind] for kind in KINDS},
        }


async def previewed(
    store: Store, shelf: RuleShelf, tenant: str, rule: Rule, retire_on: date | None = None
) -> AsyncIterator[Preview]:
    """The preview of a version, or of the end of one, page by page; the last one `is_done`.

    `store` stands on a snapshot (repeatable read) for as long as this runs.
    """
    greatest_ms, _ = await store.applied_through()
    key = VersionKey(tenant, rule.id, rule.version)
    first_day = rule.effective_from if retire_on is None else retire_on.toordinal()
    moment = Moment.of(rule, greatest_ms, first_day)
    version = version_of(rule, moment.known_at_ms)
    content_hash = rule.hash
    if retire_on is not None:
        version = version_of(retired(rule, first_day), moment.known_at_ms)
        content_hash = retirement_hash(key, rule.hash, retire_on)
    book = (await shelf.books(store, [tenant]))[tenant]
    others = [one for one in book.versions(rule.competency) if one.rule.version != rule.version]
    changed = book.with_versions(rule.competency, [*others, version])
    competencies = sorted({rule.competency, *changed.dependents(rule.competency)})
    looked_at = {one for name in competencies for one in (name, *changed.children(name))}
    found = Preview(key, rule, moment, content_hash, first_day)
    async for people in _pages(store, tenant, rule, sorted(looked_at)):
        wanted = {(tenant, person): competencies for person in people}
        changes: list[Impact] = []
        for known in (await gather(store, {tenant: changed}, wanted)).values():
            changes += impacts(known, (book, changed), competencies, moment)
            # The consumer of this process needs the loop, too.
            await asyncio.sleep(0)
        changes.sort(key=lambda one: (one.person, one.competency))
        found.add(len(people), changes)
        yield found
    found.changes, found.is_done = (), True
    yield found


async def _pages(
    store: Store, tenant: str, rule: Rule, competencies: Sequence[str]
) -> AsyncIterator[list[UUID]]:
    """Everybody whom the version, or a rule that looks at it, may concern; in order."""
    matches = list(rule.matches())
    cursor = await LifecycleStore(store.connection).people_concerned(
        tenant,
        competencies,
        hashes_of([match.verb for match in matches]),
        hashes_of([match.activity for match in matches]),
        bool(matches),
    )
    while rows := await cursor.fetch(PAGE_PEOPLE):
        yield [row["person"] for row in rows]


async def keep(store: Store, preview: UUID, actor: str, found: Preview) -> None:
    """Write a page of changes, or at the end the preview itself, in the caller's transaction."""
    tables, tenant = LifecycleStore(store.connection), found.key.tenant
    if found.changes:
        await tables.insert_preview_changes(tenant, preview, _columns(found.changes))
    if found.is_done:
        counts = {kind: found.counts[kind] for kind in KINDS}
        await tables.insert_preview(
            tenant,
            preview,
            found.rule.id,
            found.rule.version,
            found.content_hash,
            actor,
            found.moment.as_of_ms,
            found.moment.known_at_ms,
            found.people,
            orjson.dumps(counts).decode(),
            found.changes_hash,
        )


def _columns(changes: Sequence[Impact]) -> list[list[object]]:
    return [
        [one.person for one in changes],
        [one.competency for one in changes],
        [" ".join(one.kinds) for one in changes],
        [orjson.dumps(standing_document(one.before)).decode() for one in changes],
        [orjson.dumps(standing_document(one.after)).decode() for one in changes],
    ]
