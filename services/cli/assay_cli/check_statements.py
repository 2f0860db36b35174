"""Laws 1, 2 and 4 for statements: the log against what the projections made of it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec
from aiokafka.admin import AIOKafkaAdminClient

from assay_aggregator.copies import Copy
from assay_aggregator.errors import RecordUnreadable
from assay_aggregator.handle import read_record
from assay_cli.check_report import LawReport, Report
from assay_cli.check_source import Chunk, Database, Log
from assay_cli.processes import ADMIN_PRINCIPAL
from assay_cli.stack import StackInfo
from assay_ingest.intake import WHOLE_RECORD, Origin, take_in
from assay_ingest.mover import GROUP, VERSION_HEADER
from assay_ingest.versions import LATEST, negotiate
from assay_runtime.consume import Record
from assay_runtime.kafka import identify_log
from assay_runtime.settings import ServiceSettings
from assay_schemas.envelope import EnvelopeError, open_envelope
from assay_schemas.limits import Limits
from assay_schemas.topics import STATEMENTS, source_of_input

_split = msgspec.json.Decoder(list[msgspec.Raw])
_OK = "ok"
IDS_AT_ONCE = 5_000


class RecordUnusable(Exception):
    """The client's own record is not a list of ids."""


class Logged(NamedTuple):
    """One copy of a statement in the log; the fields are the columns of `compare_store`."""

    tenant: str
    id: UUID
    append_ms: int
    partition: int
    record_offset: int
    record_index: int
    stored_ms: int
    body_hash: bytes
    digest: bytes
    stored_known: bool


class Inbound(NamedTuple):
    """One statement of an input topic; the fields are the columns of `input_lost`."""

    tenant: str
    topic: str
    topic_id: str
    partition: int
    record_offset: int
    record_index: int
    id: UUID | None
    body_hash: bytes | None


async def check_log(
    report: Report, database: Database, log: Log, bounds: dict[int, tuple[int, int]]
) -> None:
    """Every copy below the watermark, against the store and the facts of the aggregator."""
    kept, record = report.laws[1], report.laws[4]
    found: Counter[str] = Counter()
    async for chunk in log.chunks(STATEMENTS, bounds):
        kept.count("records of the log", len(chunk.records))
        logged = [one for record_ in chunk.records for one in _logged(record_, chunk, kept)]
        await _compare(kept, database, "compare_store", logged, found)
        facts = [one for record_ in chunk.records for one in _facts(record_, chunk)]
        await _compare(record, database, "compare_facts", facts, found)
    numbers = sorted(bounds)
    firsts = await database.row(
        "count_firsts",
        numbers,
        [bounds[number][0] for number in numbers],
        [bounds[number][1] for number in numbers],
    )
    # A first copy that no record holds was invented; each in the log was counted once above.
    for projection, name in (("store", "compare_store"), ("aggregator", "compare_facts")):
        invented = firsts[projection] - found[name]
        if invented > 0:
            record.differ(f"rows of the {projection} that are not in the log", [], invented)
            record.differences.append(
                f"the {projection} has {firsts[projection]} first copies, the log {found[name]}"
            )
    low = {number: begin for number, (begin, _) in bounds.items() if begin > 0}
    if low:
        kept.not_looked_at.append(f"records that were deleted from the log, below {low}")


async def _compare(
    law: LawReport, database: Database, query: str, copies: Sequence[Logged], found: Counter[str]
) -> None:
    if not copies:
        return
    columns = [list(column) for column in zip(*copies, strict=True)]
    for row in await database.rows(query, *columns, STATEMENTS):
        verdict: str = row["verdict"]
        thing = "copies in the store" if query == "compare_store" else "facts derived anew"
        law.count(thing, row["copies"])
        if verdict.startswith("ok: first"):
            found[query] += row["copies"]
        if not verdict.startswith(_OK):
            law.differ(verdict, row["examples"], row["copies"])


def _logged(record: Record, chunk: Chunk, law: LawReport) -> Iterable[Logged]:
    """The copies of a record, cut from its own bytes."""
    try:
        opened = open_envelope(record.headers)
        raws = [] if opened.envelope.kind == "tick" else _split.decode(record.value or b"")
        pairs = list(zip(opened.ids, opened.hashes, raws, strict=True))
    except (EnvelopeError, msgspec.MsgspecError, ValueError) as error:
        place = f"{record.topic}/{record.partition}/{record.offset}"
        law.differ(f"a record of the log is not readable ({type(error).__name__})", [place])
        return
    for index, (statement, body_hash, raw) in enumerate(pairs):
        yield Logged(
            opened.envelope.tenant,
            statement,
            record.append_ms,
            record.partition,
            record.offset,
            index,
            record.stored_ms,
            body_hash,
            sha256(bytes(raw)).digest(),
            record.partition in chunk.stored_known,
        )


def _facts(record: Record, chunk: Chunk) -> Iterable[Logged]:
    """The facts of a record, as the aggregator's own pure code derives them."""
    try:
        copies: list[Copy] = [copy for copy, _ in read_record(record)]
    except RecordUnreadable:
        # Named by the store's side of the check, and set aside by the consumer.
        return
    for copy in copies:
        yield Logged(
            copy.tenant,
            copy.id,
            copy.append_ms,
            copy.partition,
            copy.record_offset,
            copy.record_index,
            copy.stored_ms,
            copy.body_hash,
            sha256(copy.fact).digest(),
            record.partition in chunk.stored_known,
        )


async def check_projections(report: Report, database: Database) -> None:
    """Law 2 within the tables: one row for each identity, and both projections agree."""
    law = report.laws[2]
    counts = await database.row("count_identities")
    for thing in ("keys", "statements", "facts", "conflicts"):
        law.count(thing, counts[thing])
    for query, what in (
        ("keys_without_statement", "a key without its statement"),
        ("statements_without_key", "a statement that its key does not point to"),
        ("agents_without_statement", "an agent's index entry without its statement"),
    ):
        law.differ(what, await database.places(query))
    numbers = sorted(report.limits)
    highs = [report.limits[number] for number in numbers]
    law.differ(
        "store and aggregator do not agree which copy is first, or when it was stored",
        await database.settled("projections_differ", numbers, highs),
    )


async def committed_input(stack: StackInfo) -> dict[tuple[str, int], int]:
    """(topic, partition) to the offset that the mover has committed."""
    admin = AIOKafkaAdminClient(**stack.kafka(ADMIN_PRINCIPAL).aiokafka())
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(GROUP)
    finally:
        await admin.close()
    return {(place.topic, place.partition): one.offset for place, one in offsets.items()}


async def check_input(
    report: Report,
    stack: StackInfo,
    database: Database,
    log: Log,
    committed: dict[tuple[str, int], int],
) -> None:
    """Every input record that the mover has committed is in the log, or among the refusals."""
    law = report.laws[1]
    there = await log.partitions()
    for topic in sorted({topic for topic, _ in committed}):
        if topic not in there:
            law.not_looked_at.append(f"{topic}: the topic is gone")
            continue
        ids = identify_log(admin_settings(stack), topic)
        bounds = {
            number: (begin, min(end, committed.get((topic, number), 0)))
            for number, (begin, end) in (await log.bounds(topic)).items()
        }
        async for chunk in log.chunks(topic, bounds):
            law.count("input records", len(chunk.records))
            inbound = [
                one
                for record in chunk.records
                for one in _inbound(record, ids.cluster_id, ids.topic_id)
            ]
            columns = [list(column) for column in zip(*inbound, strict=True)]
            law.differ(
                "an input record that was moved is neither kept nor refused",
                await database.places("input_lost", *columns),
            )


def _inbound(record: Record, cluster_id: str, topic_id: str) -> Iterable[Inbound]:
    tenant, source = source_of_input(record.topic)
    del source
    at = (tenant, record.topic, topic_id, record.partition, record.offset)
    version = negotiate(
        dict(record.headers).get(VERSION_HEADER, LATEST.encode()).decode("ascii", "replace")
    )
    if version is None:
        return [Inbound(*at, WHOLE_RECORD, None, None)]
    origin = Origin(cluster_id, topic_id, record.topic, record.partition, record.offset)
    intake = take_in(record.value, origin, version=version, limits=Limits())
    return [
        *(Inbound(*at, one.index, one.id, one.checked.comparison_hash) for one in intake.taken),
        *(Inbound(*at, one.index, None, None) for one in intake.refused),
    ]


def admin_settings(stack: StackInfo) -> ServiceSettings:
    """How the runtime's own helpers come in as the admin of Kafka."""
    return ServiceSettings(
        postgres_dsn=stack.dsn(),
        kafka_bootstrap=stack.kafka_bootstrap,
        kafka_user=ADMIN_PRINCIPAL,
        kafka_password_file=stack.kafka_password_file(ADMIN_PRINCIPAL),
        http_port=1,
    )


async def check_acknowledged(report: Report, database: Database, file: Path | None) -> None:
    """The ids of a client's own record, one per line: each is in both projections."""
    law = report.laws[1]
    if file is None:
        law.not_looked_at.append(
            "what clients were told: give a client's own record, --acknowledged FILE"
        )
        return
    with file.open(encoding="utf-8") as lines:
        while batch := list(islice(lines, IDS_AT_ONCE)):
            try:
                ids = [UUID(line.strip()) for line in batch if line.strip()]
            except ValueError:
                raise RecordUnusable(f"{file}: a line is not the id of a statement") from None
            law.count("ids of a client's record", len(ids))
            law.differ(
                "acknowledged to a client, but", await database.places("acknowledged_lost", ids)
            )
