"""The commands `assay issuer …`, as people type them."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from assay_cli.record_options import Json, Reason, print_json, run, say

if TYPE_CHECKING:
    # Not at run time: every start of the command would pay for it.
    from assay_credentials.keyring.procedures import Report

DEMO = "demo"
Tenant = Annotated[str, typer.Option(help="Whose issuer.")]
Issuer = Annotated[str, typer.Argument(help="Its short name; every tenant has `main`.")]
Key = Annotated[
    str, typer.Argument(help="Its verification method, or what stands behind the # (z6Mk…).")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, do nothing.")]


class DidMethod(StrEnum):
    """What an issuer's identifier is."""

    KEY = "key"
    WEB = "web"


class KeyKind(StrEnum):
    """Where a private key is kept."""

    FILE = "file"
    PKCS11 = "pkcs11"
    AWSKMS = "awskms"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(
        help="Issuers and their keys. Run it where the keys are, as the credentials service does.",
        no_args_is_help=True,
    )
    group.command("list")(list_issuers)
    group.command("put")(put)
    group.command("rotate")(rotate)
    group.command("remove-key")(remove_key)
    group.command("compromised")(compromised)
    app.add_typer(group, name="issuer")


def list_issuers(
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant.")] = None,
    as_json: Json = False,
) -> None:
    """Every issuer, and its keys: state, kind, where it is kept, verification method."""
    from assay_cli import issuers

    if as_json:
        print_json(lambda: issuers.listed(tenant))
        return
    found = run(lambda: issuers.listed(tenant))
    for one in found:
        typer.echo(f"{one['tenant']}/{one['issuer']}  {one['name'] or '-'}  {one['url'] or '-'}")
        for key in one["keys"]:
            typer.echo(f"  {key['state']:<11} {key['kind']:<6} {key['reference']}  {key['method']}")
    if not found:
        typer.echo("there is no issuer")


def put(
    issuer: Issuer,
    name: Annotated[str, typer.Option(help="How it is called in credentials.")],
    reason: Reason,
    tenant: Tenant = DEMO,
    url: Annotated[str | None, typer.Option(help="Its own page; https.")] = None,
    method: Annotated[
        DidMethod | None,
        typer.Option(help="key: for local use; web: the DID document is served by this service."),
    ] = None,
    keys: Annotated[
        KeyKind | None, typer.Option(help="Where keys are kept that are made from now on.")
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Describe an issuer, and make its first key where it has none.

    --method and --keys count for keys that are made from now on: `rotate` makes one.
    """
    from assay_cli import issuers

    say(
        lambda: issuers.put(
            issuer,
            tenant,
            reason,
            name=name,
            url=url,
            method=None if method is None else method.value,
            kind=None if keys is None else keys.value,
            dry_run=dry_run,
        )
    )


def rotate(
    issuer: Issuer,
    reason: Reason,
    tenant: Tenant = DEMO,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Sign with a new key from now on. What the old key signed holds, and stays verifiable."""
    from assay_cli import issuers

    _tell(run(lambda: issuers.rotated(issuer, tenant, reason, dry_run=dry_run)), as_json, dry_run)


def remove_key(
    key: Key,
    reason: Reason,
    tenant: Tenant = DEMO,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Take a key away that signs no more, and revoke all that it signed.

    Killed before the end, the same command goes on. Nothing is issued anew: for that there is
    `compromised`.
    """
    _take_back(key, reason, tenant, dry_run, as_json, is_compromised=False)


def compromised(
    key: Key,
    reason: Reason,
    tenant: Tenant = DEMO,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Somebody else may have a key: revoke all that it signed, and issue anew what is held.

    Where it signs, a new key takes its place first. Killed before the end, the same command goes
    on.
    """
    _take_back(key, reason, tenant, dry_run, as_json, is_compromised=True)


def _take_back(
    key: str, reason: str, tenant: str, dry_run: bool, as_json: bool, *, is_compromised: bool
) -> None:
    from rich.progress import Progress as Bar

    from assay_cli import issuers

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("revoking", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        def work() -> "Report":
            return issuers.taken_back(
                key,
                tenant,
                reason,
                is_compromised=is_compromised,
                dry_run=dry_run,
                progress=progress,
            )

        report = run(work)
    _tell(report, as_json, dry_run)


def _tell(report: "Report", as_json: bool, dry_run: bool) -> None:
    from assay_cli import issuers

    if as_json:
        print_json(report.as_json)
        return
    for line in issuers.lines(report, dry_run=dry_run):
        typer.echo(line)
