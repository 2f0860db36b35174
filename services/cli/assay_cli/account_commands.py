"""The commands `assay accounts …`: people who sign, kept by an operator."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay_cli.errors import StackError
from assay_cli.record_options import Json, Reason, Tenant, print_table, run

if TYPE_CHECKING:
    # Not at run time: every start of the command would pay for it.
    from assay_aggregator.admin import Records
    from assay_aggregator.organisation.store import PeopleStore

Account = Annotated[str, typer.Argument(help="The account, of a-z, 0-9, dots, - and _.")]
PAGE = 500


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    accounts = typer.Typer(
        help="Accounts of people who sign rules, overrides and reviews.", no_args_is_help=True
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
    """Add an account and print its temporary password, once. It signs after `password`."""
    from assay_aggregator import accounts
    from assay_aggregator.accounts import NewAccount
    from assay_cli.people_records import change
    from assay_runtime.auth_keys import new_secret

    secret = new_secret()

    async def work(records: "Records") -> None:
        await accounts.add(records, NewAccount(account, name, role or []), secret)

    run(lambda: change(tenant, reason, work))
    typer.echo(f"account             {account} of tenant {tenant}")
    typer.echo(f"temporary password  {secret}")
    typer.echo(f"Nothing can be signed with it: `assay accounts password {account}` changes it.")


def list_accounts(tenant: Tenant, as_json: Json = False) -> None:
    """Every account: name, roles, whether it was disabled or is locked."""
    from assay_aggregator import accounts
    from assay_cli.people_records import read

    async def work(store: "PeopleStore") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while page := await accounts.listed(
            store.connection,
            tenant,
            after=found[-1]["account"] if found else None,
            limit=PAGE,
        ):
            found += page
        return found

    found = [{**one, "roles": ",".join(one["roles"])} for one in run(lambda: read(tenant, work))]
    columns = ("account", "name", "roles", "temporary", "disabled_at", "locked_until")
    print_table(found, columns, as_json)


def disable(account: Account, tenant: Tenant, reason: Reason) -> None:
    """Let an account sign no more. What it signed stays good; the name is not given again."""
    from assay_aggregator import accounts
    from assay_cli.people_records import change

    async def work(records: "Records") -> None:
        await accounts.disable(records, account)

    run(lambda: change(tenant, reason, work))
    typer.echo(f"{account} of tenant {tenant} signs no more")


def reset(account: Account, tenant: Tenant, reason: Reason) -> None:
    """Give an account another temporary password, printed once; it is unlocked with that."""
    from assay_aggregator import accounts
    from assay_cli.people_records import change

    async def work(records: "Records") -> str:
        return await accounts.reset_password(records, account)

    typer.echo(f"temporary password  {run(lambda: change(tenant, reason, work))}")


def password(
    account: Account,
    old_file: Annotated[
        Path | None, typer.Option(help="Holds the password of now; else it is asked for.")
    ] = None,
    new_file: Annotated[
        Path | None, typer.Option(help="Holds the new password; else it is asked for.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Address of another aggregator.")] = None,
    user: Annotated[str | None, typer.Option(help="Name of the API client there.")] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="File that holds that client's secret.")
    ] = None,
) -> None:
    """Choose your own password, over HTTP: wrong ones are counted there."""
    from assay_cli.aggregator_door import AggregatorDoor
    from assay_cli.stack import StackInfo

    def work() -> None:
        old = _secret(old_file, "Password of now", confirm=False)
        new = _secret(new_file, "New password", confirm=True)
        stack = StackInfo.from_environment()
        with AggregatorDoor.chosen(stack, url=url, user=user, password_file=key_file) as door:
            door.post(f"/accounts/{account}/password", {"old": old, "new": new})

    run(work)
    typer.echo(f"the password of {account} is changed")


def _secret(file: Path | None, question: str, *, confirm: bool) -> str:
    if file is None:
        asked: str = typer.prompt(question, hide_input=True, confirmation_prompt=confirm, err=True)
        return asked
    try:
        return file.read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise StackError(f"{file}: {error.strerror}") from error
