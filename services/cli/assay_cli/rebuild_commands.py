"""The commands `assay rebuild …`, as people type them."""

from typing import Annotated

import typer
from rich.console import Console

from assay_cli.errors import StackError


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    rebuild = typer.Typer(
        help="Make tables anew from the log, compare, exchange. See docs/rebuild.md.",
        no_args_is_help=True,
    )
    rebuild.command("aggregator")(aggregator)
    rebuild.command("clean")(clean)
    app.add_typer(rebuild, name="rebuild")


def aggregator(
    compare_only: Annotated[
        bool, typer.Option("--compare-only", help="Compare, and exchange nothing.")
    ] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Forget a run that was begun; else it goes on.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Rebuild the facts of the aggregator from the log while it serves.

    Everybody is decided anew from the fresh facts. Tables and log are compared, then exchanged; a
    decision that differs is made by the ordinary road. Killed, it goes on at the next call. Exit
    code 0 when done, 1 with --compare-only when something differs.
    """
    from assay_cli import rebuilding

    console = Console(stderr=as_json, soft_wrap=True)
    try:
        report = rebuilding.rebuild(console, exchange=not compare_only, anew=anew)
    except StackError as error:
        Console(stderr=True, soft_wrap=True).print(
            f"assay: {error}", style="red", highlight=False, markup=False
        )
        raise typer.Exit(2) from None
    rebuilding.show(report, console, as_json=as_json, say=typer.echo)
    raise typer.Exit(1 if compare_only and not report.same else 0)


def clean() -> None:
    """Drop what a rebuild left: tables that were begun, and those of before an exchange."""
    from assay_cli import rebuilding

    try:
        rebuilding.clean(typer.echo)
    except StackError as error:
        Console(stderr=True, soft_wrap=True).print(
            f"assay: {error}", style="red", highlight=False, markup=False
        )
        raise typer.Exit(2) from None
