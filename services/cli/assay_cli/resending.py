"""`assay rejected resend`: opens what the mover has, with its rights, and sends refusals again.

In the local stack the mover's settings come from the table of processes; elsewhere the command is
run where the mover runs, with its environment.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from aiokafka.errors import KafkaError
from rich.console import Console

from assay_cli.errors import StackError
from assay_cli.processes import BY_NAME
from assay_cli.stack import StackInfo
from assay_ingest.errors import IngestError
from assay_ingest.resend import Filters, Outcome, Place, Resender, Resent
from assay_ingest.settings import MoverSettings
from assay_runtime.kafka import identify_log
from assay_runtime.postgres import open_pool
from assay_runtime.produce import Producer, Unacknowledged
from assay_schemas.statement import Version
from assay_schemas.topics import STATEMENT_RECORD_BYTES, STATEMENTS

CONNECT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be sent again: the refusals at `coordinates`, or those that `filters` match."""

    tenant: str
    coordinates: Sequence[str] = ()
    filters: Filters | None = None
    limit: int = 1000
    mended: Path | None = None
    version: Version | None = None
    again: bool = False
    dry_run: bool = False


def settings_of_the_mover(environment: Mapping[str, str] | None = None) -> MoverSettings:
    """From the environment, or for the local stack when that names no database."""
    given = dict(os.environ if environment is None else environment)
    if "ASSAY_POSTGRES_DSN" not in given:
        given.update(StackInfo.from_environment(given).environment(BY_NAME["mover"]))
    settings = MoverSettings.from_environment(given)
    # Our transaction waits for the broker; the mover's own never does.
    seconds = max(
        settings.postgres_idle_in_transaction_seconds, 2 * settings.acknowledge_seconds + 10
    )
    return settings.model_copy(update={"postgres_idle_in_transaction_seconds": seconds})


def resend(wanted: Wanted, console: Console) -> int:
    """Send again and tell one line per refusal; the exit code: 1 when one is still refused.

    Raises StackError when the stack is away, or what is wanted cannot be.
    """
    mended = _bytes_of(wanted)
    try:
        outcomes = asyncio.run(_resend(wanted, mended, console))
    except (OSError, TimeoutError, asyncpg.PostgresError, KafkaError, IngestError) as error:
        raise StackError(f"the stack is away: {type(error).__name__}: {error}") from error
    except Unacknowledged as error:
        raise StackError(
            f"the log did not acknowledge ({error}): run it again, the ids stay the same"
        ) from error
    except (LookupError, ValueError) as error:
        raise StackError(str(error)) from error
    counts = {one: outcomes.count(one) for one in Outcome if one in outcomes}
    told = ", ".join(f"{count} {one}" for one, count in counts.items())
    console.print(told or "nothing to send again", highlight=False, markup=False)
    return 1 if Outcome.REFUSED in counts else 0


def _bytes_of(wanted: Wanted) -> bytes | None:
    if not wanted.coordinates and wanted.filters is None:
        raise StackError("say which: coordinates from `assay rejected list`, filters, or --all")
    if wanted.coordinates and wanted.filters is not None:
        raise StackError("coordinates stand alone: they need no filters")
    if wanted.mended is None:
        return None
    if len(wanted.coordinates) != 1:
        raise StackError("--file goes with the coordinates of one refusal")
    try:
        return wanted.mended.read_bytes()
    except OSError as error:
        raise StackError(f"--file {wanted.mended}: {error.strerror}") from error


async def _resend(wanted: Wanted, mended: bytes | None, console: Console) -> list[Outcome]:
    outcomes: list[Outcome] = []
    async with opened(settings_of_the_mover()) as resender:
        async for place in _places(resender, wanted):
            done = await resender.resend(
                wanted.tenant,
                place,
                mended=mended,
                version_of_old=wanted.version,
                again=wanted.again,
                dry_run=wanted.dry_run,
            )
            outcomes.append(done.outcome)
            console.print(_line(done), highlight=False, markup=False)
    return outcomes


@asynccontextmanager
async def opened(settings: MoverSettings, topic: str = STATEMENTS) -> AsyncIterator[Resender]:
    """A resender with pool and producer. Raises TimeoutError, KafkaError or OSError."""
    async with asyncio.timeout(CONNECT_SECONDS):
        identity = await asyncio.to_thread(identify_log, settings, topic)
        pool = await open_pool(settings, "assay-resend")
    producer = Producer(
        settings,
        acknowledge_seconds=settings.acknowledge_seconds,
        max_request_bytes=STATEMENT_RECORD_BYTES,
    )
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await producer.start()
        yield Resender(
            settings=settings,
            pool=pool,
            producer=producer,
            cluster_id=identity.cluster_id,
            topic=topic,
        )
    finally:
        await producer.stop()
        await pool.close()


async def _places(resender: Resender, wanted: Wanted) -> AsyncIterator[Place]:
    for coordinates in wanted.coordinates:
        if coordinates.startswith(f"{STATEMENTS}/"):
            raise ValueError(
                f"{coordinates} is of the log: only what an input topic held can be sent again; "
                "a client sends the statement under another id"
            )
        found = await resender.places_at(wanted.tenant, coordinates)
        if not found:
            raise LookupError(f"nothing of tenant {wanted.tenant} was refused at {coordinates}")
        for place in found:
            yield place
    left, after = wanted.limit, None
    while wanted.filters is not None and left > 0:
        page = await resender.places(wanted.tenant, wanted.filters, after=after)
        if not page:
            return
        for place in page[:left]:
            yield place
        left, after = left - len(page), page[-1]


def _line(done: Resent) -> str:
    parts = [done.place.coordinates, done.outcome.value]
    if done.at is not None:
        parts.append(f"at {done.at:%Y-%m-%dT%H:%M:%SZ}; --again sends it once more")
    if done.outcome is Outcome.REFUSED:
        parts.append(done.reason)
    parts += [str(one) for one in done.ids]
    parts += [f"{one.pointer or '/'}: {one.message}" for one in done.errors]
    return "  ".join(parts)
