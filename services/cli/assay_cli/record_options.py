"""What the commands about records share: options, and how they run, print and fail."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console

from assay_cli.errors import StackError

if TYPE_CHECKING:
    # Not at run time: every start of the command would pay for it.
    from datetime import date
    from zoneinfo import ZoneInfo

T = TypeVar("T")

Tenant = Annotated[str, typer.Option(help="Whose records.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit trail.")]
Json = Annotated[bool, typer.Option("--json", help="For scripts.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])]
From = Annotated[
    datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day; open.")
]
To = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day; open.")]
OnDay = Annotated[
    datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="Only who was there then.")
]
LocalZone = Annotated[
    str,
    typer.Option(
        envvar="ASSAY_LOCAL_TIMEZONE", help="Where a record's time becomes a day (IANA name)."
    ),
]


def zone_of(name: str) -> "ZoneInfo":
    """The time zone. Raises StackError."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise StackError(f"{name} is not the name of a time zone") from error


def day_of(moment: datetime | None) -> "date | None":
    """The day of an option."""
    return None if moment is None else moment.date()


def print_table(found: list[dict[str, Any]], columns: tuple[str, ...], as_json: bool) -> None:
    """Lines of these columns, or JSON."""
    from assay_cli.people_records import as_json as text_of

    if as_json:
        typer.echo(text_of(found))
        return
    for one in found:
        typer.echo("  ".join("-" if one[name] is None else str(one[name]) for name in columns))
    if not found:
        typer.echo("there is none")


def print_json(work: Callable[[], object]) -> None:
    """Do it and print what it gives as JSON."""
    from assay_cli.people_records import as_json

    typer.echo(as_json(run(work)))


def say(work: Callable[[], object]) -> None:
    """Do it and print what it gives."""
    typer.echo(str(run(work)))


def run(work: Callable[[], T]) -> T:
    """Do it; what it refuses ends the command."""
    from assay_runtime.settings import SettingsError

    try:
        return work()
    except (StackError, SettingsError) as error:
        fail(error)


def fail(error: Exception, code: int = 1) -> NoReturn:
    """Say why on standard error, and end."""
    Console(stderr=True).print(
        f"assay: {error}", style="red", highlight=False, markup=False, soft_wrap=True
    )
    raise typer.Exit(code)
