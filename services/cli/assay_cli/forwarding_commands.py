"""The commands of `assay forwarding`, as people type them."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from assay_cli.errors import StackError
from assay_cli.stack import StackInfo

forwarding = typer.Typer(
    help="Where statements are forwarded to: other record stores, webhooks.", no_args_is_help=True
)

Tenant = Annotated[str, typer.Option(help="Whose statements.")]
Name = Annotated[str, typer.Argument(help="The target's name.")]


class TargetKind(StrEnum):
    """What may be forwarded to."""

    LRS = "lrs"
    WEBHOOK = "webhook"


def _reporting(work: Callable[[StackInfo], None]) -> None:
    try:
        work(StackInfo.from_environment())
    except StackError as error:
        console = Console(stderr=True)
        console.print(f"assay: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1) from None


@forwarding.command("add")
def add(
    name: Name,
    url: Annotated[str, typer.Option(help="https address: an LRS's xAPI endpoint, or a webhook.")],
    secret_file: Annotated[
        Path, typer.Option(help="File with the key's secret, or the webhook's signing secret.")
    ],
    kind: Annotated[TargetKind, typer.Option(help="What stands there.")] = TargetKind.LRS,
    user: Annotated[str | None, typer.Option(help="User of the key (lrs).")] = None,
    own_source: Annotated[
        str | None, typer.Option(help="Source as which that side sends to us; never sent back.")
    ] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only of these sources.")] = None,
    verb: Annotated[list[str] | None, typer.Option(help="Only with these verbs (IRIs).")] = None,
    activity_prefix: Annotated[
        list[str] | None, typer.Option(help="Only about activities whose IRI begins so.")
    ] = None,
    tenant: Tenant = "demo",
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="For ASSAY_FORWARD_HTTP_ALLOWED only.")
    ] = False,
) -> None:
    """Forward what is stored from now on. The same name again changes the target."""
    from assay_cli import forwarding as work
    from assay_ingest.forward_rules import Kind

    plan = work.Plan(
        tenant=tenant,
        name=name,
        kind=Kind(kind.value),
        url=url,
        user=user,
        secret_file=secret_file,
        own_source=own_source,
        sources=source or (),
        verbs=verb or (),
        activity_prefixes=activity_prefix or (),
        allow_http=allow_http,
    )
    _reporting(lambda stack: work.add(stack, plan))


@forwarding.command("list")
def list_targets(tenant: Tenant = "demo") -> None:
    """Each target: how much waits, how much is dead, and how it goes."""
    from assay_cli import forwarding as work

    _reporting(lambda stack: work.print_list(stack, tenant, Console(soft_wrap=True)))


@forwarding.command("remove")
def remove(name: Name, tenant: Tenant = "demo") -> None:
    """Take a target away, with what waits for it and its dead letters."""
    from assay_cli import forwarding as work

    _reporting(lambda stack: work.remove(stack, tenant, name))


@forwarding.command("dead")
def dead(
    name: Name,
    tenant: Tenant = "demo",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")] = 50,
) -> None:
    """What a target refused or did not take in all tries, with the reason."""
    from assay_cli import forwarding as work

    _reporting(lambda stack: work.print_dead(stack, tenant, name, limit, Console(soft_wrap=True)))


@forwarding.command("retry")
def retry(name: Name, tenant: Tenant = "demo") -> None:
    """Queue all dead letters of a target again, once what they died of is mended."""
    from assay_cli import forwarding as work

    _reporting(lambda stack: typer.echo(f"{work.retry(stack, tenant, name)} statements are queued"))
