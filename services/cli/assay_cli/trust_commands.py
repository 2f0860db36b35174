"""The commands `assay trust …`, as people type them."""

from datetime import datetime
from typing import Annotated

import typer

from assay_cli.record_options import From, Json, print_table, run, say

Did = Annotated[str, typer.Argument(help="The issuer: a did:web, did:key or did:jwk.")]
Why = Annotated[str, typer.Option("--reason", help="Why; kept with the entry.")]
COLUMNS = ("did", "name", "registry", "achievements", "trusted_from", "trusted_until", "removed_at")


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    trust = typer.Typer(
        help="Issuers beside our own that the verifier knows, as a register has them.",
        no_args_is_help=True,
    )
    trust.command("add")(add)
    trust.command("list")(list_trusted)
    trust.command("remove")(remove)
    app.add_typer(trust, name="trust")


def add(
    did: Did,
    name: Annotated[str, typer.Option(help="How the register calls it; shown to whoever asks.")],
    reason: Why,
    registry: Annotated[
        str | None, typer.Option("--register", help="The register that lists it.")
    ] = None,
    registry_url: Annotated[
        str | None, typer.Option("--register-url", help="Its entry there, an https address.")
    ] = None,
    achievement: Annotated[
        list[str] | None,
        typer.Option(help="Id or alignment (CASE URI) that it may issue; again for each; or all."),
    ] = None,
    first: From = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Trusted before this day.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the entry, do nothing.")
    ] = False,
) -> None:
    """Trust an issuer: its credentials are no more "issuer unknown"."""
    from assay_cli import trust

    say(
        lambda: trust.add(
            did,
            name=name,
            registry=registry,
            registry_url=registry_url,
            achievements=achievement or [],
            first=first,
            until=until,
            reason=reason,
            dry_run=dry_run,
        )
    )


def list_trusted(
    with_removed: Annotated[
        bool, typer.Option("--all", help="Those that were removed, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Every issuer of the list. Our own are trusted without standing on it."""
    from assay_cli import trust

    print_table(run(lambda: trust.listed(with_removed=with_removed)), COLUMNS, as_json)


def remove(did: Did, reason: Why) -> None:
    """Trust an issuer no more. The entry stays on record."""
    from assay_cli import trust

    say(lambda: trust.remove(did, reason=reason))
