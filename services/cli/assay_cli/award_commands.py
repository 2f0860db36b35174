"""The commands `assay awards …` and `assay outreach …`, as people type them."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from assay_cli.errors import StackError
from assay_cli.record_options import Json, Reason, Tenant, fail, run
from assay_cli.stack import StackInfo

if TYPE_CHECKING:
    # Not at run time: every start of the command would pay for it.
    from assay_cli.credentials_door import CredentialsDoor
    from assay_cli.rule_lifecycle import Signer

Award = Annotated[UUID, typer.Argument(help="The award's id.")]
Account = Annotated[str, typer.Option(help="The account that signs.")]
Meaning = Annotated[str, typer.Option(help="What the signature means; the same for both people.")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="Holds the account's password; else it is asked for.")
]
Url = Annotated[str | None, typer.Option(help="Address of another credentials service.")]
User = Annotated[str | None, typer.Option(help="Name of the API client there.")]
KeyFile = Annotated[Path | None, typer.Option(help="File that holds that client's secret.")]
MEANING = "award"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    awards = typer.Typer(
        help="Awards and withdrawals by two people, for one or for thousands.",
        no_args_is_help=True,
    )
    awards.command("propose")(propose)
    awards.command("approve")(approve)
    awards.command("cancel")(cancel)
    awards.command("list")(list_awards)
    awards.command("report")(report)
    awards.command("withdraw")(withdraw)
    awards.command("approve-withdrawal")(approve_withdrawal)
    app.add_typer(awards, name="awards")
    outreach = typer.Typer(
        help="The outreach realm, where only taking part is certified.", no_args_is_help=True
    )
    outreach.command("add")(outreach_add)
    outreach.command("remove")(outreach_remove)
    outreach.command("list")(outreach_list)
    app.add_typer(outreach, name="outreach")


def propose(
    competency: Annotated[str, typer.Argument(help="IRI of the competency, or of what it was.")],
    account: Account,
    reason: Reason,
    achieved: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First valid day.")],
    timezone: Annotated[
        str, typer.Option(envvar="ASSAY_LOCAL_TIMEZONE", help="Of the days (IANA name).")
    ],
    person: Annotated[list[UUID] | None, typer.Option(help="Whose; again for each.")] = None,
    people: Annotated[Path | None, typer.Option(help="File of people's ids, one a line.")] = None,
    cohort: Annotated[str | None, typer.Option(help="Who is in this cohort on that day.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose cohort.")] = "demo",
    expires: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last valid day; none: for ever.")
    ] = None,
    level: Annotated[int | None, typer.Option(min=1, help="On the competency's scale.")] = None,
    request: Annotated[
        str | None, typer.Option(help="A badge of participation: who asked for it.")
    ] = None,
    meaning: Meaning = MEANING,
    password_file: PasswordFile = None,
    as_json: Json = False,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Propose an award; nothing is issued until another person approves it."""
    from assay_cli import awards

    def work(door: "CredentialsDoor") -> None:
        who = awards.people_of(person or [], people, cohort, tenant, achieved.date())
        wanted = {
            "kind": "competency" if request is None else "participation",
            "competency": competency,
            "people": [str(one) for one in who],
            "achieved_on": achieved.date().isoformat(),
            "expires_on": None if expires is None else expires.date().isoformat(),
            "timezone": timezone,
            "level": level,
            "request": request,
            "reason": reason,
            "signature": _signer(account, meaning, password_file).body(),
        }
        found = door.post("/awards", wanted)
        if as_json:
            _print(found)
            return
        typer.echo(f"award {found['award']} of {found['people']} people is proposed by {account}")

    _run(work, url, user, key_file)


def approve(
    award: Award,
    account: Account,
    meaning: Meaning = MEANING,
    follow: Annotated[
        bool, typer.Option(help="Show how far it is, until everybody has the credential.")
    ] = True,
    password_file: PasswordFile = None,
    as_json: Json = False,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Sign as the second person: the credentials are issued."""
    from assay_cli import awards

    def work(door: "CredentialsDoor") -> None:
        signer = _signer(account, meaning, password_file)
        found = door.post(f"/awards/{award}/approve", {"signature": signer.body()})
        if follow:
            found = {**found, "counts": awards.follow(door, award, found["awarded"])}
        if as_json:
            _print(found)
            return
        for line in awards.told(found):
            typer.echo(line)

    _run(work, url, user, key_file)


def cancel(
    award: Award, reason: Reason, url: Url = None, user: User = None, key_file: KeyFile = None
) -> None:
    """Give up an award that nobody has approved."""
    _run(lambda door: door.post(f"/awards/{award}/cancel", {"reason": reason}), url, user, key_file)
    typer.echo(f"award {award} is given up")


def list_awards(
    as_json: Json = False, url: Url = None, user: User = None, key_file: KeyFile = None
) -> None:
    """Every award by hand: state, people, what, who."""
    from assay_cli import awards

    def work(door: "CredentialsDoor") -> None:
        found = list(awards.pages(door, "/awards", "awards"))
        if as_json:
            _print(found)
            return
        for one in found:
            typer.echo(
                f"{one['award']}  {one['state']}  {one['people']} people  {one['competency']}  "
                f"{one['proposed_by']}, {one['approved_by'] or '-'}"
            )
        if not found:
            typer.echo("there is none")

    _run(work, url, user, key_file)


def report(
    award: Award,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="CSV file; standard output by default.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Of every person what came of it: issued, already holds, refused and why; as CSV."""
    from assay_cli import awards

    _run(lambda door: awards.report(door, award, output, as_json=as_json), url, user, key_file)


def withdraw(
    award: Award,
    account: Account,
    reason: Reason,
    person: Annotated[UUID | None, typer.Option(help="Of this person; else of everybody.")] = None,
    meaning: Meaning = "withdrawal",
    password_file: PasswordFile = None,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Propose to take an award back; another person approves it."""

    def work(door: "CredentialsDoor") -> None:
        body = {
            "person": None if person is None else str(person),
            "reason": reason,
            "signature": _signer(account, meaning, password_file).body(),
        }
        found = door.post(f"/awards/{award}/withdrawals", body)
        typer.echo(f"withdrawal {found['withdrawal']} is proposed by {account}")

    _run(work, url, user, key_file)


def approve_withdrawal(
    withdrawal: Annotated[UUID, typer.Argument(help="The withdrawal's id.")],
    account: Account,
    meaning: Meaning = "withdrawal",
    password_file: PasswordFile = None,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Sign as the second person: the credentials are revoked."""

    def work(door: "CredentialsDoor") -> None:
        body = {"signature": _signer(account, meaning, password_file).body()}
        found = door.post(f"/awards/withdrawals/{withdrawal}/approve", body)
        typer.echo(f"taken back of {found['people']} people")

    _run(work, url, user, key_file)


def outreach_add(
    tenant: Tenant,
    reason: Reason,
    person: Annotated[list[UUID] | None, typer.Option(help="Whom; again for each.")] = None,
    whole: Annotated[bool, typer.Option("--whole-tenant", help="Everybody.")] = False,
) -> None:
    """People, or a whole tenant, come into the realm; what they hold is suspended."""
    _outreach(tenant, reason, person or [], whole=whole, is_outreach=True)


def outreach_remove(
    tenant: Tenant,
    reason: Reason,
    person: Annotated[list[UUID] | None, typer.Option(help="Whom; again for each.")] = None,
    whole: Annotated[bool, typer.Option("--whole-tenant", help="The tenant itself.")] = False,
) -> None:
    """They leave the realm, and have back what they hold."""
    _outreach(tenant, reason, person or [], whole=whole, is_outreach=False)


def outreach_list(tenant: Tenant, as_json: Json = False) -> None:
    """Whether the tenant is of the realm, and which people are."""
    from assay_cli import awards

    found = run(lambda: awards.outreach(tenant))
    if as_json:
        _print(found)
        return
    if found["whole_tenant"]:
        typer.echo("the whole tenant")
    for one in found["people"]:
        typer.echo(f"{one['person']}  since {one['added_at']:%Y-%m-%d}  by {one['added_by']}")
    if not found["whole_tenant"] and not found["people"]:
        typer.echo("there is none")


def _outreach(
    tenant: str, reason: str, people: list[UUID], *, whole: bool, is_outreach: bool
) -> None:
    from assay_cli import awards

    if whole == bool(people):
        fail(StackError("say --person, or --whole-tenant"))
    changed = run(
        lambda: awards.set_outreach(tenant, reason, people, whole=whole, is_outreach=is_outreach)
    )
    typer.echo(f"{changed} changed")


def _signer(account: str, meaning: str, password_file: Path | None) -> "Signer":
    """Who signs; the password is asked for where no file holds it."""
    from assay_cli.template_commands import _signer as signer_of

    return signer_of(account, meaning, password_file)


def _print(content: Any) -> None:
    import orjson

    typer.echo(orjson.dumps(content, default=str, option=orjson.OPT_INDENT_2).decode())


def _run(
    work: Callable[["CredentialsDoor"], object],
    url: str | None,
    user: str | None,
    key_file: Path | None,
) -> None:
    from assay_cli.credentials_door import CredentialsDoor

    try:
        stack = StackInfo.from_environment()
        with CredentialsDoor.chosen(stack, url=url, user=user, password_file=key_file) as door:
            work(door)
    except StackError as error:
        fail(error)
