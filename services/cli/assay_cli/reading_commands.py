"""The command `assay report …`: the matrix, gaps and what expires as files."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from assay_cli.record_options import run
from assay_cli.stack import StackInfo

Url = Annotated[str | None, typer.Option(help="Address of another server's aggregator.")]
User = Annotated[str | None, typer.Option(help="Name of the API client at that server.")]
PasswordFile = Annotated[Path | None, typer.Option(help="File that holds the client's secret.")]
Key = Annotated[str, typer.Option(help="Demo key of the local stack.")]


class Report(StrEnum):
    """What there is as a file."""

    MATRIX = "matrix"
    ROLES = "roles"
    GAPS = "gaps"
    EXPIRING = "expiring"
    READINESS = "readiness"
    GAPS_BY_ORGANISATION = "gaps-by-organisation"


PATHS = {
    Report.MATRIX: "/matrix",
    Report.ROLES: "/matrix/roles",
    Report.GAPS: "/gaps",
    Report.EXPIRING: "/expiring",
    Report.READINESS: "/readiness",
    Report.GAPS_BY_ORGANISATION: "/gaps/by-organisation",
}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("report")(report)


def report(
    name: Annotated[Report, typer.Argument(help="Which one.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A file .csv or .xlsx.")],
    role: Annotated[str | None, typer.Option(help="Who has this role on the day.")] = None,
    organisation: Annotated[
        str | None, typer.Option(help="Who is employed there, or in what belongs to it.")
    ] = None,
    cohort: Annotated[str | None, typer.Option(help="Who belongs to this cohort.")] = None,
    competency: Annotated[
        list[str] | None, typer.Option(help="Only this competency (IRI); again for each.")
    ] = None,
    status: Annotated[
        list[str] | None, typer.Option(help="Who has this status in one; again for each.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="A day, or a time in RFC 3339.")] = None,
    known_at: Annotated[str | None, typer.Option(help="What was known at this time.")] = None,
    key: Key = "admin",
    url: Url = None,
    user: User = None,
    password_file: PasswordFile = None,
) -> None:
    """Write the training matrix, gaps, what expires, or readiness into a file (docs/reading.md)."""
    from assay_cli.aggregator_door import AggregatorDoor
    from assay_cli.reports import fetch_report

    options: dict[str, list[str | None]] = {
        "role": [role],
        "organisation": [organisation],
        "cohort": [cohort],
        "competency": [*(competency or ())],
        "status": [*(status or ())],
        "as_of": [as_of],
        "known_at": [known_at],
    }
    query = [(option, one) for option, many in options.items() for one in many if one is not None]

    def work() -> None:
        with AggregatorDoor.chosen(
            StackInfo.from_environment(), url=url, user=user, password_file=password_file, key=key
        ) as door:
            fetch_report(door, PATHS[name], query, output)

    run(work)
