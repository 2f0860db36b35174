"""The commands `assay accounts …`: people who sign, kept by an operator."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from assay_cli.errors import StackError
from assay_cli.record_options import Json, Reason, Tenant, print_table, run

Account = Annotated[str, typer.Argument(help="The account, of a-z, 0-9, dots, - and _.")]


class ServiceName(StrEnum):
    """Where people sign."""

    AGGREGATOR = "aggregator"
    CREDENTIALS = "credentials"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    accounts = typer.Typer(
        help="Accounts of people who sign rules, overrides, reviews, templates and awards.",
        no_args_is_help=True,
    )
    accounts.command("add")(add)
    accounts.command("list")(list_accounts)
    accounts.command("disable")(disable)
    accounts.command("reset")(reset)
    accounts.command("password")(password)
    app.add_typer(accounts, name="accounts")


def add(
    account: Account,
    name: Annotated[str, typer.Option(help="The person's name, as it is printed.")],
    tenant: Tenant,
    reason: Reason,
    role: Annotated[
        list[str] | None, typer.Option(help="What it may sign; again for each.")
    ] = None,
) -> None:
    """Add an account in every service where people sign, and print its temporary password, once.

    It signs after `password`. Who has an account in one of them gets it in the others.
    """
    from assay_cli import accounts
    from assay_runtime.accounts import NewAccount

    new = NewAccount(account, name, role or [])
    secret, services = run(lambda: accounts.add(tenant, reason, new))
    typer.echo(f"account             {account} of tenant {tenant} in {', '.join(services)}")
    typer.echo(f"temporary password  {secret}")
    typer.echo(f"Nothing can be signed with it: `assay accounts password {account}` changes it.")


def list_accounts(tenant: Tenant, as_json: Json = False) -> None:
    """Every account: service, name, roles, whether it was disabled or is locked."""
    from assay_cli import accounts

    found = [
        {**one, "roles": ",".join(one["roles"])} for one in run(lambda: accounts.listed(tenant))
    ]
    columns = ("account", "service", "name", "roles", "temporary", "disabled_at", "locked_until")
    print_table(found, columns, as_json)


def disable(account: Account, tenant: Tenant, reason: Reason) -> None:
    """Let an account sign no more. What it signed stays good; the name is not given again."""
    from assay_cli import accounts

    services = run(lambda: accounts.disable(tenant, reason, account))
    typer.echo(f"{account} of tenant {tenant} signs no more in {', '.join(services)}")


def reset(account: Account, tenant: Tenant, reason: Reason) -> None:
    """Give an account another temporary password, printed once; it is unlocked with that."""
    from assay_cli import accounts

    secret, services = run(lambda: accounts.reset(tenant, reason, account))
    typer.echo(f"temporary password  {secret}")
    typer.echo(f"in {', '.join(services)}")


def password(
    account: Account,
    old_file: Annotated[
        Path | None, typer.Option(help="Holds the password of now; else it is asked for.")
    ] = None,
    new_file: Annotated[
        Path | None, typer.Option(help="Holds the new password; else it is asked for.")
    ] = None,
    service: Annotated[
        ServiceName | None, typer.Option(help="Only there; else in every service of the stack.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Address of another such service.")] = None,
    user: Annotated[str | None, typer.Option(help="Name of the API client there.")] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="File that holds that client's secret.")
    ] = None,
) -> None:
    """Choose your own password, over HTTP: wrong ones are counted there."""
    from assay_cli.aggregator_door import AggregatorDoor
    from assay_cli.credentials_door import CredentialsDoor
    from assay_cli.stack import StackInfo

    doors = {ServiceName.AGGREGATOR: AggregatorDoor, ServiceName.CREDENTIALS: CredentialsDoor}

    def work() -> None:
        if url is not None and service is None:
            raise StackError("--url is the address of which service? say --service")
        old = _secret(old_file, "Password of now", confirm=False)
        new = _secret(new_file, "New password", confirm=True)
        stack = StackInfo.from_environment()
        for name, door_of in doors.items():
            if service not in (None, name):
                continue
            with door_of.chosen(stack, url=url, user=user, password_file=key_file) as door:
                try:
                    door.post(f"/accounts/{account}/password", {"old": old, "new": new})
                except StackError as error:
                    raise StackError(f"{name.value}: {error}") from error
            typer.echo(f"the password of {account} is changed in {name.value}")

    run(work)


def _secret(file: Path | None, question: str, *, confirm: bool) -> str:
    if file is None:
        asked: str = typer.prompt(question, hide_input=True, confirmation_prompt=confirm, err=True)
        return asked
    try:
        return file.read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise StackError(f"{file}: {error.strerror}") from error
