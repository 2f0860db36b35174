"""`assay rebuild`: opens what a rebuild needs, as the owner and as Kafka's admin, and tells of it.

In the local stack the settings come from the table of processes; elsewhere they are those of
`assay migrate`.
"""

import asyncio
import dataclasses
import json
from collections.abc import Callable
from types import TracebackType
from typing import Self

import asyncpg
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from assay_aggregator.rebuild.log import KafkaLog, LogSilent
from assay_aggregator.rebuild.replay import LogDiffers, Overtaken
from assay_aggregator.rebuild.run import AlreadyRunning, NotExchanged, Progress, Rebuild, Report
from assay_aggregator.rebuild.tables import BEFORE, FRESH, drop
from assay_cli.errors import StackError
from assay_cli.migration import AdministratorSettings
from assay_cli.processes import DATABASE, OWNER_ROLE
from assay_cli.rebuild_again import SentAgain
from assay_cli.secret_files import read_password
from assay_runtime.kafka import client_settings, identify_log
from assay_runtime.settings import ServiceSettings
from assay_schemas.topics import STATEMENTS

CONNECT_SECONDS = 15.0
FACTS_SHOWN = 10

_ABOUT = {
    "again": "sending again what is deleted from the log",
    "replay": "replaying the log",
    "facts": "comparing facts",
    "decisions": "deciding everybody anew",
    "exchange": "exchanging the tables",
}


def rebuild(console: Console, *, exchange: bool, anew: bool) -> Report:
    """Rebuild the aggregator's tables; raises StackError when that cannot be."""
    try:
        with _Bars(console) as bars:
            return asyncio.run(_rebuild(bars.tell, exchange=exchange, anew=anew))
    except (AlreadyRunning, NotExchanged, LogDiffers, Overtaken, LogSilent) as error:
        hint = " (assay rebuild aggregator --anew)" if isinstance(error, LogDiffers) else ""
        raise StackError(f"{error}{hint}") from error
    except (OSError, TimeoutError, KafkaError, asyncpg.PostgresError) as error:
        raise StackError(
            f"interrupted by {type(error).__name__}: {error}; called again, it goes on"
        ) from error


async def _rebuild(tell: Callable[[Progress], None], *, exchange: bool, anew: bool) -> Report:
    settings = _settings()
    connection = await _connect()
    try:
        identity = await asyncio.to_thread(identify_log, settings, STATEMENTS)
        log = await KafkaLog.open(client_settings(settings), STATEMENTS, identity)
        again = SentAgain(connection, settings)
        try:
            run = Rebuild(connection, log, again, tell)
            report = await run.run(exchange=exchange, anew=anew)
        finally:
            await again.close()
            await log.close()
        if report.exchanged:
            await asyncio.to_thread(again.forget)
        return report
    finally:
        await connection.close()


def _settings() -> ServiceSettings:
    """How to come in to Kafka, as its admin."""
    administrator = AdministratorSettings.of_this_place()
    return ServiceSettings(
        postgres_dsn=administrator.postgres_dsn,
        kafka_bootstrap=administrator.kafka_bootstrap,
        kafka_user=administrator.kafka_user,
        kafka_password_file=administrator.kafka_password_file,
        # A port is required of every service, and this one listens on none.
        http_port=1,
    )


async def _connect() -> asyncpg.Connection:
    administrator = AdministratorSettings.of_this_place()
    try:
        return await asyncpg.connect(
            administrator.postgres_dsn,
            user=OWNER_ROLE,
            database=DATABASE,
            password=read_password(administrator.secrets, "postgres", OWNER_ROLE),
            timeout=CONNECT_SECONDS,
            server_settings={"application_name": "assay-rebuild", "jit": "off", "timezone": "UTC"},
        )
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(f"cannot reach Postgres: {type(error).__name__}: {error}") from error


def clean(say: Callable[[str], None]) -> None:
    """Drop what runs left."""

    async def work() -> None:
        connection = await _connect()
        try:
            for schema in (FRESH, BEFORE):
                if await drop(connection, schema):
                    say(f"schema {schema} dropped")
            for topic in await asyncio.to_thread(SentAgain(connection, _settings()).forget):
                say(f"topic {topic} deleted")
        finally:
            await connection.close()

    asyncio.run(work())


class _Bars:
    """A bar for each phase, with rate and remaining time; lines where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._first: dict[str, int] = {}
        self._told = ""

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def tell(self, now: Progress) -> None:
        if now.phase not in self._tasks:
            self._tasks[now.phase] = self._bars.add_task(_ABOUT[now.phase], rate="")
            self._first[now.phase] = now.statements
        if not self._console.is_terminal and self._told != now.phase:
            self._told = now.phase
            self._console.print(_ABOUT[now.phase], highlight=False)
        task = self._tasks[now.phase]
        took = self._bars.tasks[task].elapsed
        rate = ""
        if now.statements and took:
            rate = f"{(now.statements - self._first[now.phase]) / took:,.0f} statements/s"
        self._bars.update(task, completed=now.done, total=now.total, rate=rate)


def show(report: Report, console: Console, *, as_json: bool, say: Callable[[str], None]) -> None:
    """What came of it."""
    if as_json:
        found = dataclasses.asdict(report)
        say(json.dumps({**found, "same": report.same}, indent=1))
        return

    def line(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    rate = report.statements / report.seconds if report.seconds else 0.0
    line(
        f"{report.statements:,} statements replayed, {report.people:,} people decided anew "
        f"in {report.seconds:,.1f} s: {rate:,.0f} statements/s"
    )
    if report.set_aside:
        line(f"{report.set_aside} records cannot be read and are set aside")
    if report.without_person:
        line(f"{report.without_person} agents in the log are linked to nobody: links were lost")
    for place in report.facts[:FACTS_SHOWN]:
        line(f"other facts than the log gives: {place}")
    if len(report.facts) > FACTS_SHOWN:
        line(f"... {len(report.facts):,} statements in all")
    for why, count in report.decisions.items():
        line(f"{count:,} decisions: {why}")
    if report.same:
        line("the tables are what the log says")
    if report.exchanged:
        line("exchanged; `assay rebuild clean` drops the tables of before")
        if report.decisions:
            line("the decisions that differ are marked and made anew now")
