"""The commands `assay emission …`, as people type them."""

from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from assay_cli.errors import StackError

emission = typer.Typer(
    help="Competency events once more, as xAPI statements of the source `assay`.",
    no_args_is_help=True,
)

Tenant = Annotated[str, typer.Option(help="Whose events.")]


@emission.command("on")
def on(
    home_page: Annotated[
        str,
        typer.Option(help="IRI: of the accounts by which people without an agent are spoken of."),
    ],
    tenant: Tenant = "demo",
) -> None:
    """Have events told as statements from now on; made for it are source, topic and right."""
    from assay_cli import emission as work

    _reporting(lambda: work.turn_on(tenant, home_page, typer.echo))


@emission.command("off")
def off(tenant: Tenant = "demo") -> None:
    """Have events told as statements no more; what was told stays."""
    from assay_cli import emission as work

    _reporting(lambda: work.turn_off(tenant, typer.echo))


@emission.command("list")
def list_emissions(
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """The tenants whose events become statements."""
    from assay_cli import emission as work

    _reporting(lambda: work.print_list(as_json=as_json, say=typer.echo))


def _reporting(work: Callable[[], None]) -> None:
    from assay_runtime.settings import SettingsError

    try:
        work()
    except (StackError, SettingsError, ValueError) as error:
        Console(stderr=True).print(
            f"assay: {error}", style="red", highlight=False, markup=False, soft_wrap=True
        )
        raise typer.Exit(1) from None
