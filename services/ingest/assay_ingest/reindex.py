"""Statements that were stored before the search was complete get what it needs; for the owner.

Such a row has no authority, and an index that is empty otherwise finds it. The work is done in
small transactions, each of which holds up the store like a batch with references does, so that
nothing is missed between the two. A run that is broken off goes on where it was.
"""

from assay_ingest.definitions import Recent, Stamp, new_definitions, new_names
from assay_ingest.first import Coordinates, Key
from assay_ingest.index_store import IndexWriter, columns
from assay_ingest.projection import ProjectionLimits
from assay_ingest.records import Row, row_of
from assay_ingest.store import Writer
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries
from assay_schemas.envelope import Envelope
from assay_schemas.terms import statement_terms

STATEMENTS_AT_ONCE = 1_000


async def reindex(connection: Connection) -> int:
    """Index what is not indexed yet; how many statements that were."""
    count = 0
    while True:
        async with connection.transaction():
            done = await _some(connection)
        if not done:
            return count
        count += done


async def _some(connection: Connection) -> int:
    sql = load_queries("assay_ingest")
    limits = ProjectionLimits()
    await Writer().begin_batch(connection, has_references=True)
    found = await connection.fetch(sql["unindexed_statements"], STATEMENTS_AT_ONCE)
    if not found:
        return 0
    rows: list[Row] = [
        row_of(
            statement_terms(one["raw"]),
            Key(one["tenant"], one["id"]),
            Coordinates(
                one["append_ms"], one["partition"], one["record_offset"], one["record_index"]
            ),
            one["stored_ms"],
            one["body_hash"],
            one["raw"],
            # What the envelope said beyond this is not part of an index.
            Envelope(
                tenant=one["tenant"],
                source=one["source"],
                client=one["client"],
                xapi_version=one["version"],
            ),
        )
        for one in found
    ]
    index = IndexWriter()
    await index.insert_related(connection, rows)
    await index.insert_attachments(connection, rows)
    await index.insert_refs(connection, rows)
    keys = [row.key for row in rows]
    steps = limits.reference_steps_max
    leading_here = await index.find_referrers(connection, keys, steps)
    await index.renew_via(
        connection, leading_here | {row.key for row in rows if row.target is not None}, steps
    )
    definitions: Recent[tuple[str, str, bytes], Stamp] = Recent(0)
    names: Recent[tuple[str, str, str], Stamp] = Recent(0)
    await index.put_definitions(
        connection, new_definitions(rows, definitions), limits.definitions_per_activity_max
    )
    await index.put_names(connection, new_names(rows, names), limits.names_per_agent_max)
    await connection.execute(
        sql["set_authorities"],
        *columns([(row.key.tenant, row.stored_ms, row.key.id, row.authority) for row in rows]),
    )
    return len(rows)
