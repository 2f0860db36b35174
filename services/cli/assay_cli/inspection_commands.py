"""The commands `assay inspect …` and `assay audit …`, as people type them."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay_cli.record_options import Json, fail, run
from assay_cli.stack import StackInfo

if TYPE_CHECKING:
    # Not at run time: every start of the command would pay for it.
    from assay_cli.aggregator_door import AggregatorDoor

Url = Annotated[str | None, typer.Option(help="Address of another server's aggregator.")]
User = Annotated[str | None, typer.Option(help="Name of the API client at that server.")]
PasswordFile = Annotated[Path | None, typer.Option(help="File that holds the client's secret.")]
Key = Annotated[str, typer.Option(help="Demo key of the local stack.")]


class AuditFormat(StrEnum):
    """What the audit trail may be printed as."""

    TEXT = "text"
    JSONL = "jsonl"
    CSV = "csv"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    inspect = typer.Typer(help="Evidence for inspectors, in one file.", no_args_is_help=True)
    inspect.command("pack")(pack)
    inspect.command("verify")(verify)
    audit = typer.Typer(help="Who changed what, when and why.", no_args_is_help=True)
    audit.command("list")(list_audit)
    audit.command("review")(review_audit)
    app.add_typer(inspect, name="inspect")
    app.add_typer(audit, name="audit")


def pack(
    output: Annotated[Path, typer.Option("--output", "-o", help="The zip file to write.")],
    person: Annotated[list[str] | None, typer.Option(help="A person's id; again for each.")] = None,
    role: Annotated[str | None, typer.Option(help="Who has this role on the day.")] = None,
    organisation: Annotated[
        str | None, typer.Option(help="Who is employed there, or in what belongs to it.")
    ] = None,
    competency: Annotated[
        list[str] | None, typer.Option(help="Only this competency (IRI); again for each.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="The day in question, RFC 3339.")] = None,
    known_at: Annotated[
        str | None, typer.Option(help="What was known at this time; by default all.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why; kept in the audit trail.")] = None,
    as_json: Json = False,
    key: Key = "admin",
    url: Url = None,
    user: User = None,
    password_file: PasswordFile = None,
) -> None:
    """Fetch an inspection pack: decisions, why, evidence, rules, authority, audit, in one zip.

    The same question gives the same bytes. The pack holds identifiers of people: keep it so.
    """
    from assay_cli.inspection import fetch_pack, told

    query = [
        *(("person", one) for one in person or ()),
        *(("competency", one) for one in competency or ()),
        *(
            (name, value)
            for name, value in (
                ("role", role),
                ("organisation", organisation),
                ("as_of", as_of),
                ("known_at", known_at),
                ("reason", reason),
            )
            if value is not None
        ),
    ]
    with run(lambda: _door(key, url, user, password_file)) as door:
        verdict = run(lambda: fetch_pack(door, query, output))
    if as_json:
        typer.echo(json.dumps(verdict.document(), indent=2))
        return
    typer.echo(f"{output} is written and verified")
    for line in told(verdict):
        typer.echo(line)


def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The pack.")],
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Make every decision again, from the pack alone.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find any change in a pack: a flipped byte, a missing or added file. Needs no server.

    Exit code 0 when all is as it was made, 1 when something was changed, 2 when it is no pack.
    """
    from assay_cli.errors import StackError
    from assay_cli.inspection import told, verify_pack

    try:
        verdict = verify_pack(file, recompute=recompute)
    except StackError as error:
        fail(error, code=2)
    if as_json:
        typer.echo(json.dumps(verdict.document(), indent=2))
    else:
        for line in told(verdict):
            typer.echo(line)
    raise typer.Exit(0 if verdict.good else 1)


def list_audit(
    subject: Annotated[str | None, typer.Option(help="Only about this, as `<kind>:<id>`.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only by this client or account.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this, such as link.added.")] = None,
    since: Annotated[str | None, typer.Option(help="At this time or later, RFC 3339.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time.")] = None,
    form: Annotated[AuditFormat, typer.Option("--format", help="How to print.")] = AuditFormat.TEXT,
    key: Key = "admin",
    url: Url = None,
    user: User = None,
    password_file: PasswordFile = None,
) -> None:
    """Print the audit trail, oldest first."""
    from assay_cli.inspection import audit_events, audit_lines

    filters = {
        "subject": subject,
        "actor": actor,
        "action": action,
        "since": since,
        "until": until,
    }
    with run(lambda: _door(key, url, user, password_file)) as door:
        run(lambda: audit_lines(audit_events(door, filters), form.value))


def review_audit(
    first: Annotated[int, typer.Argument(min=1, help="Number of the first event that was read.")],
    last: Annotated[int, typer.Argument(min=1, help="Number of the last one.")],
    reason: Annotated[str, typer.Option(help="What the review was for, and what it found.")],
    findings: Annotated[
        bool, typer.Option("--findings/--no-findings", help="Whether anything was found.")
    ],
    key: Key = "admin",
    url: Url = None,
    user: User = None,
    password_file: PasswordFile = None,
) -> None:
    """Put on record that somebody read a part of the audit trail, and with what outcome."""
    body = {
        "first": first,
        "last": last,
        "outcome": "findings" if findings else "no_findings",
        "reason": reason,
    }
    with run(lambda: _door(key, url, user, password_file)) as door:
        answer = run(lambda: door.post("/audit/reviews", body))
    typer.echo(f"the review of {answer['events']} events is on record")


def _door(
    key: str, url: str | None, user: str | None, password_file: Path | None
) -> "AggregatorDoor":
    from assay_cli.aggregator_door import AggregatorDoor

    return AggregatorDoor.chosen(
        StackInfo.from_environment(), url=url, user=user, password_file=password_file, key=key
    )
