"""Queries of what the projection keeps beside the statements themselves, inside its transaction.

`related` for the broad filters, references and what they lead to, attachments, definitions of
activities, names of agents. As in `store.Writer`, a method per query, and the driver's errors go
through. Rows come sorted by key.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from uuid import UUID

from assay_ingest.definitions import Named, Stated, merged
from assay_ingest.first import Key, order
from assay_ingest.records import Row, related_of, terms_via
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries
from assay_schemas.terms import StatementTerms, statement_terms

# So many referring statements are worked out at a time, for the sake of memory.
REFERRERS_AT_ONCE = 1_000
# Statements in one row of what is related: as many as fit into a row that is stored in one piece.
IDS_TOGETHER = 100


class IndexWriter:
    """Writes what is derived from statements. Each method does nothing where nothing is given."""

    def __init__(self) -> None:
        self._sql = load_queries("assay_ingest")

    async def insert_related(self, connection: Connection, rows: Iterable[Row]) -> None:
        kinds: dict[str, dict[tuple[str, UUID, int], list[str]]] = {}
        for row in rows:
            if row.related:
                tenant, statement_id = row.key
                text = statement_id.hex
                for kind, term in row.related:
                    together = kinds.setdefault(kind, {})
                    together.setdefault((tenant, term, row.stored_ms), []).append(text)
        # Nobody else writes a row with one of these ids, so no order is needed against others.
        for kind, together in kinds.items():
            places = [
                (*place, "{" + ",".join(ids[begin : begin + IDS_TOGETHER]) + "}")
                for place, ids in together.items()
                for begin in range(0, len(ids), IDS_TOGETHER)
            ]
            await connection.execute(self._sql["insert_related"], kind, *columns(places))

    async def insert_attachments(self, connection: Connection, rows: Iterable[Row]) -> None:
        places = sorted(
            (row.key.tenant, sha2, row.stored_ms, row.key.id)
            for row in rows
            for sha2 in row.attachments
        )
        if places:
            await connection.execute(self._sql["insert_attachments"], *columns(places))

    async def forget(
        self, connection: Connection, gone: Sequence[tuple[Key, int, StatementTerms]]
    ) -> None:
        """Take away what statements that are no longer the first have brought in."""
        related = sorted(
            (key.tenant, kind, term, stored_ms, key.id)
            for key, stored_ms, terms in gone
            for kind, term in related_of(terms)
        )
        if related:
            await connection.execute(self._sql["delete_related"], *columns(related))
        attachments = sorted(
            (key.tenant, sha2, stored_ms, key.id)
            for key, stored_ms, terms in gone
            for sha2 in terms.attachments
        )
        if attachments:
            await connection.execute(self._sql["delete_attachments"], *columns(attachments))
        referrers = [key for key, _, terms in gone if terms.statement_ref is not None]
        if referrers:
            referrers.sort(key=order)
            await connection.execute(self._sql["delete_refs"], *columns(referrers))
            await connection.execute(self._sql["delete_via"], *columns(referrers))

    async def insert_refs(self, connection: Connection, rows: Iterable[Row]) -> None:
        refs = sorted(
            (row.key.tenant, row.key.id, row.target) for row in rows if row.target is not None
        )
        if refs:
            await connection.execute(self._sql["insert_refs"], *columns(refs))

    async def find_referrers(
        self, connection: Connection, keys: Sequence[Key], depth_max: int
    ) -> set[Key]:
        """The statements that lead to one of `keys` in at most `depth_max` steps."""
        rows = await connection.fetch(
            self._sql["find_referrers"],
            [key.tenant for key in keys],
            [key.id for key in keys],
            depth_max,
        )
        return {Key(row["tenant"], row["id"]) for row in rows}

    async def renew_via(
        self, connection: Connection, referrers: Iterable[Key], depth_max: int
    ) -> None:
        """Write anew what each of `referrers` leads to."""
        keys = sorted(referrers, key=order)
        for begin in range(0, len(keys), REFERRERS_AT_ONCE):
            await self._renew_some(connection, keys[begin : begin + REFERRERS_AT_ONCE], depth_max)

    async def _renew_some(
        self, connection: Connection, keys: Sequence[Key], depth_max: int
    ) -> None:
        await connection.execute(self._sql["delete_via"], *columns(keys))
        chains = await connection.fetch(self._sql["find_chains"], *columns(keys), depth_max)
        if not chains:
            return
        wanted = sorted({(row["tenant"], row["via_stored_ms"], row["via"]) for row in chains})
        raws = await connection.fetch(self._sql["find_raws"], *columns(wanted))
        terms: dict[tuple[str, UUID], tuple[tuple[str, UUID], ...]] = {
            (row["tenant"], row["id"]): tuple(terms_via(statement_terms(row["raw"])))
            for row in raws
        }
        rows = sorted(
            (row["tenant"], kind, term, row["stored_ms"], row["id"], via_stored_ms, via)
            for row in chains
            for via_stored_ms, via in [(row["via_stored_ms"], row["via"])]
            for kind, term in terms[row["tenant"], via]
        )
        await connection.execute(self._sql["insert_via"], *columns(rows))

    async def put_definitions(
        self, connection: Connection, stated: Sequence[Stated], definitions_max: int
    ) -> None:
        """Keep what was stated of activities, and merge each one's definitions anew."""
        if not stated:
            return
        activities = {(one.tenant, one.activity): one.iri for one in stated}
        places = sorted(activities)
        await connection.execute(
            self._sql["lock_activities"],
            *columns([(*place, activities[place]) for place in places]),
        )
        await connection.execute(
            self._sql["put_definitions"],
            *columns(
                [
                    (one.tenant, one.activity, one.hash, one.stored_ms, one.id, text)
                    for one in stated
                    for text in [one.definition.decode()]
                ]
            ),
        )
        await connection.execute(self._sql["trim_definitions"], *columns(places), definitions_max)
        rows = await connection.fetch(self._sql["stated_definitions"], *columns(places))
        whole = [
            (*place, merged([row["definition"].encode() for row in some]).decode())
            for place, some in groupby(rows, key=lambda row: (row["tenant"], row["activity"]))
        ]
        await connection.execute(self._sql["put_activities"], *columns(whole))

    async def put_names(
        self, connection: Connection, named: Sequence[Named], names_max: int
    ) -> None:
        if not named:
            return
        await connection.execute(self._sql["put_names"], *columns(named))
        await connection.execute(
            self._sql["trim_names"],
            [one.tenant for one in named],
            [one.agent for one in named],
            names_max,
        )


def columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    """Rows turned into one list per column, as `unnest` wants them."""
    return [list(column) for column in zip(*rows, strict=True)]
