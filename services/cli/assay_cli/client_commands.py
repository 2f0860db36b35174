"""The commands `assay clients …`, as people type them."""

import os
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from assay_cli.errors import StackError

Name = Annotated[str, typer.Argument(help="The client: the user of Basic.")]
Tenant = Annotated[str, typer.Option(help="Whose client it is.")]
Json = Annotated[bool, typer.Option("--json", help="For scripts.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    clients = typer.Typer(
        help="API clients: keys, tokens, scopes, limits, and who changed them.",
        no_args_is_help=True,
    )
    clients.command("add")(add)
    clients.command("list")(list_clients)
    clients.command("rotate")(rotate)
    clients.command("revoke")(revoke)
    clients.command("audit")(audit)
    app.add_typer(clients, name="clients")


def add(
    name: Annotated[str, typer.Argument(help="Of a-z, 0-9, - and _; or <tenant>.<name>.")],
    tenant: Tenant,
    scope: Annotated[
        list[str], typer.Option(help="What it may do; again for each. See docs/clients.md.")
    ],
    source: Annotated[
        str | None, typer.Option(help="Where its statements come from; who writes needs one.")
    ] = None,
    create: Annotated[
        bool, typer.Option("--create", help="Make the tenant and the source when they are not.")
    ] = False,
    subject: Annotated[
        str | None, typer.Option(help="No secret: tokens with this `sub` are the client's.")
    ] = None,
    authorized_party: Annotated[
        str | None, typer.Option(help="No secret: tokens with this `azp` or `client_id` are.")
    ] = None,
    issuer: Annotated[
        str | None, typer.Option(help="Whose tokens; ASSAY_OIDC_ISSUER_URL by default.")
    ] = None,
    requests_per_second: Annotated[
        float | None, typer.Option(min=0.001, help="Limit, in each process.")
    ] = None,
    statements_per_second: Annotated[
        float | None, typer.Option(min=0.001, help="Limit, in each process.")
    ] = None,
    statements_per_day: Annotated[
        int | None, typer.Option(min=1, help="Quota from midnight to midnight, UTC.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add a client in every service that its scopes ask for, and print its secret, once.

    With --subject or --authorized-party it has no secret, but comes in with access tokens of the
    OpenID provider.
    """
    from assay_cli import clients
    from assay_ingest.clients import Wanted
    from assay_runtime.auth_clients import Allowance

    def work() -> None:
        wanted = Wanted(
            tenant=tenant,
            name=name,
            source=source,
            scopes=tuple(scope),
            bound=clients.bound_of(
                subject, authorized_party, issuer or os.environ.get("ASSAY_OIDC_ISSUER_URL")
            ),
            allowance=Allowance(requests_per_second, statements_per_second, statements_per_day),
        )
        clients.add(wanted, create=create, as_json=as_json, say=typer.echo)

    _run(work)


def list_clients(
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant.")] = None,
    as_json: Json = False,
) -> None:
    """Every client: tenant, name, source, scopes, state, and when it was last used."""
    from assay_cli import clients

    _run(lambda: clients.print_list(tenant, as_json=as_json, say=typer.echo))


def rotate(
    name: Name,
    tenant: Tenant,
    overlap_hours: Annotated[
        float, typer.Option(min=0, help="So long the secret of before works too; 0: no more.")
    ] = 24.0,
    as_json: Json = False,
) -> None:
    """Give a client another secret and print it, once; for a time both work."""
    from assay_cli import clients

    _run(
        lambda: clients.rotate(tenant, name, overlap_hours * 3600, as_json=as_json, say=typer.echo)
    )


def revoke(name: Name, tenant: Tenant, as_json: Json = False) -> None:
    """Let a client in no more, in any service, from ASSAY_AUTH_CACHE_SECONDS later at the latest.

    The name is not given again.
    """
    from assay_cli import clients

    _run(lambda: clients.revoke(tenant, name, as_json=as_json, say=typer.echo))


def audit(
    tenant: Tenant,
    client: Annotated[str | None, typer.Option(help="Only of this client.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many entries.")] = 100,
    as_json: Json = False,
) -> None:
    """Who added, rotated and revoked which client when, the newest first."""
    from assay_cli import clients

    _run(lambda: clients.print_audit(tenant, client, limit, as_json=as_json, say=typer.echo))


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
