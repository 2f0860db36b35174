"""The commands `assay export|import` and `assay rejected resend`, as people type them."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from assay_cli.errors import StackError
from assay_cli.stack import StackInfo

if TYPE_CHECKING:
    # Not at run time: every start of the command would pay for it.
    from assay_schemas.statement import Version

Url = Annotated[
    str | None,
    typer.Option(help="Address of another server's xAPI, such as https://a.example/xapi."),
]
User = Annotated[str | None, typer.Option(help="Name of the API client at that server.")]
PasswordFile = Annotated[Path | None, typer.Option(help="File that holds the client's secret.")]


class Format(StrEnum):
    """What an export may be written as."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class XapiVersion(StrEnum):
    """The versions that a statement may be held to."""

    V1_0_3 = "1.0.3"
    V2_0_0 = "2.0.0"


def register(app: typer.Typer, rejected: typer.Typer) -> None:
    """Add the commands to `app` and to its group `rejected`."""
    app.command("export")(export_statements)
    app.command("import")(import_statements)
    rejected.command("resend")(resend_rejected)


def export_statements(
    form: Annotated[
        Format, typer.Option("--format", help="jsonl: as recorded; csv, parquet: a table.")
    ] = Format.JSONL,
    output: Annotated[str, typer.Option(help="A file; - is standard output.")] = "-",
    agent: Annotated[str | None, typer.Option(help="Agent or identified group, as JSON.")] = None,
    verb: Annotated[str | None, typer.Option(help="IRI of a verb.")] = None,
    activity: Annotated[str | None, typer.Option(help="IRI of an activity.")] = None,
    registration: Annotated[str | None, typer.Option(help="A registration's UUID.")] = None,
    since: Annotated[str | None, typer.Option(help="Stored after this time, ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option(help="Stored at this time or before.")] = None,
    related_agents: Annotated[
        bool, typer.Option("--related-agents", help="--agent matches wherever it stands.")
    ] = False,
    related_activities: Annotated[
        bool, typer.Option("--related-activities", help="--activity matches wherever it stands.")
    ] = False,
    key: Annotated[str, typer.Option(help="Demo key of the local stack.")] = "reader",
    url: Url = None,
    user: User = None,
    password_file: PasswordFile = None,
) -> None:
    """Write statements to a file, oldest first, complete up to one moment that is told at the end.

    The filters are those of GET /statements. Voided statements are left out, as there. The columns
    of csv and parquet are listed in docs/export.md.
    """
    from assay_cli.counting import Counter
    from assay_cli.exporting import export, output_to
    from assay_cli.xapi_door import Address, Door

    given = {
        "agent": agent,
        "verb": verb,
        "activity": activity,
        "registration": registration,
        "since": since,
        "until": until,
        "related_agents": "true" if related_agents else None,
        "related_activities": "true" if related_activities else None,
    }
    filters = {name: value for name, value in given.items() if value is not None}
    try:
        address = Address.chosen(
            StackInfo.from_environment(), key=key, url=url, user=user, password_file=password_file
        )
        with Door(address) as door, output_to(output, form.value) as writer:
            done = export(door, writer, filters, Counter("statements"))
    except StackError as error:
        _fail(error)
    typer.echo(
        f"{done.statements} statements, complete through {done.through}; "
        f"what comes later: --since {done.through}",
        err=True,
    )


def import_statements(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="JSON lines, one statement each.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every line, send nothing, write nothing.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew, whatever was done before.")
    ] = False,
    batch: Annotated[int, typer.Option(min=1, max=1000, help="Statements per request.")] = 200,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="At most so many statements a second.")
    ] = None,
    xapi_version: Annotated[
        XapiVersion, typer.Option(help="Version of statements that state none.")
    ] = XapiVersion.V2_0_0,
    key: Annotated[str, typer.Option(help="Demo key of the local stack.")] = "online",
    url: Url = None,
    user: User = None,
    password_file: PasswordFile = None,
) -> None:
    """Send a file of statements to a server, ids kept. Run it again to go on where it stopped.

    Lines that the server refuses go to FILE.rejected.jsonl with the reason, and the rest goes on.
    Exit code 0 when all is in, 1 when lines were refused, 2 when it stopped and can go on.
    """
    from assay_cli.counting import Counter
    from assay_cli.importing import Import, check_file
    from assay_cli.xapi_door import Address, Door

    version = _version(xapi_version)
    try:
        if dry_run:
            lines, at_fault = check_file(
                file, default=version, say=lambda text: typer.echo(text, err=True)
            )
            typer.echo(f"{lines} lines, {at_fault} at fault")
            raise typer.Exit(1 if at_fault else 0)
        address = Address.chosen(
            StackInfo.from_environment(), key=key, url=url, user=user, password_file=password_file
        )
        with Door(address) as door:
            work = Import(
                file,
                door,
                default=version,
                batch_statements=batch,
                rate_per_second=rate,
                counter=Counter("lines"),
            )
            done = work.run(restart=restart)
    except StackError as error:
        _fail(error, code=2)
    rest = f", {done.rejected} in {work.rejected_file}" if done.rejected else ""
    typer.echo(f"{done.kept} of {done.kept + done.rejected} lines are kept{rest}")
    raise typer.Exit(1 if done.rejected else 0)


def resend_rejected(
    coordinates: Annotated[
        list[str] | None, typer.Argument(help="topic/partition/offset/index, from `list`.")
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose rejected statements.")] = "demo",
    file: Annotated[
        Path | None, typer.Option(help="Mended bytes, for one refusal.", exists=True)
    ] = None,
    source: Annotated[str | None, typer.Option(help="Only those of this source.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only those with this reason.")] = None,
    since: Annotated[str | None, typer.Option(help="Refused after this time, ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option(help="Refused at this time or before.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that were not sent again yet.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many of those.")] = 1000,
    xapi_version: Annotated[
        XapiVersion | None, typer.Option(help="Hold them to this version, whatever was stated.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Even if it was sent before (coordinates only).")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and tell, send nothing, mark nothing.")
    ] = False,
) -> None:
    """Send refused statements of input topics once more, mended or after the reason is gone.

    They pass the same checks under the same ids, so that sending twice is sending once, and are
    marked with the time. Exit code 1 when one is still refused; it stays as it was.
    """
    from assay_cli.resending import Wanted, resend
    from assay_ingest.resend import Filters
    from assay_runtime.settings import SettingsError

    try:
        filters = Filters(source, reason, _moment("--since", since), _moment("--until", until))
        code = resend(
            Wanted(
                tenant=tenant,
                coordinates=coordinates or (),
                filters=filters if everything or filters != Filters() else None,
                limit=limit,
                mended=file,
                version=None if xapi_version is None else _version(xapi_version),
                again=again,
                dry_run=dry_run,
            ),
            Console(soft_wrap=True),
        )
    except StackError as error:
        _fail(error)
    except SettingsError as error:
        _fail(StackError(str(error)))
    raise typer.Exit(code)


def _moment(name: str, text: str | None) -> datetime | None:
    from assay_schemas.xapi_types import parse_timestamp

    try:
        return None if text is None else parse_timestamp(text)
    except ValueError as error:
        raise StackError(f"{name}: {text!r} is {error}") from None


def _version(chosen: XapiVersion) -> "Version":
    return "1.0.3" if chosen is XapiVersion.V1_0_3 else "2.0.0"


def _fail(error: StackError, code: int = 1) -> NoReturn:
    Console(stderr=True).print(
        f"assay: {error}", style="red", highlight=False, markup=False, soft_wrap=True
    )
    raise typer.Exit(code)
