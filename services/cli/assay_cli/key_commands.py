"""The commands `assay keys …`, as people type them."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from assay_cli.errors import StackError

Tenant = Annotated[str, typer.Option(help="Whose list it is.")]
Json = Annotated[bool, typer.Option("--json", help="For scripts.")]
Time = Annotated[
    datetime | None, typer.Option(help="In UTC, as 2026-03-01 or 2026-03-01T10:00:00.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    keys = typer.Typer(
        help="Public keys by which a signature of a statement is that of an assessor.",
        no_args_is_help=True,
    )
    keys.command("add")(add)
    keys.command("list")(list_keys)
    keys.command("revoke")(revoke)
    app.add_typer(keys, name="keys")


def add(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="An RSA public key as PEM.")
    ],
    tenant: Tenant,
    agent: Annotated[
        str, typer.Option(help='Whose it is, as JSON: {"mbox": "mailto:a@example.org"}.')
    ],
    key_id: Annotated[
        str | None, typer.Option(help="The `kid` of its signatures; its thumbprint by default.")
    ] = None,
    valid_from: Time = None,
    valid_to: Time = None,
) -> None:
    """Register a key. It counts for statements whose timestamp is in its time: from now on, when
    --valid-from says nothing else, and for ever without --valid-to."""
    from assay_cli import signing_keys

    _run(
        lambda: signing_keys.add(
            file.read_text(encoding="utf-8", errors="replace"),
            tenant,
            agent,
            key_id=key_id,
            valid_from=valid_from,
            valid_to=valid_to,
            say=typer.echo,
        )
    )


def list_keys(tenant: Tenant, as_json: Json = False) -> None:
    """Every key of a tenant: id, agent, from when to when it counts, and when it was revoked."""
    from assay_cli import signing_keys

    _run(lambda: signing_keys.print_list(tenant, as_json=as_json, say=typer.echo))


def revoke(key_id: Annotated[str, typer.Argument(help="Its id.")], tenant: Tenant) -> None:
    """Let a key count no more for what is sent from now on, whatever its timestamp says.

    What was accepted before stays as it was. The key is not registered again.
    """
    from assay_cli import signing_keys

    _run(lambda: signing_keys.revoke(key_id, tenant, say=typer.echo))


def _run(work: Callable[[], None]) -> None:
    from assay_runtime.settings import SettingsError

    try:
        work()
    except (StackError, SettingsError) as error:
        _fail(error)


def _fail(error: Exception) -> NoReturn:
    Console(stderr=True).print(
        f"assay: {error}", style="red", highlight=False, markup=False, soft_wrap=True
    )
    raise typer.Exit(1)
