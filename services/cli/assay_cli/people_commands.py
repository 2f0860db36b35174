"""The commands `assay people …`, as people type them."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from assay_cli.errors import StackError
from assay_cli.record_options import (
    From,
    Json,
    LocalZone,
    Reason,
    Tenant,
    To,
    day_of,
    fail,
    print_json,
    run,
    say,
    zone_of,
)


class Format(StrEnum):
    """What a roster may be written as."""

    CSV = "csv"
    ONEROSTER = "oneroster"


class RecordKind(StrEnum):
    """What has a last day."""

    EMPLOYMENT = "employment"
    MEMBERSHIP = "membership"


class AccountField(StrEnum):
    """Where OneRoster users have the name of their account."""

    SOURCED_ID = "sourcedId"
    USERNAME = "username"
    IDENTIFIER = "identifier"
    USER_MASTER_IDENTIFIER = "userMasterIdentifier"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    people = typer.Typer(
        help="Who is who: rosters, merges, collisions, employments, cohorts.", no_args_is_help=True
    )
    people.command("import")(import_roster)
    people.command("show")(show_person)
    people.command("merge")(merge)
    people.command("unmerge")(unmerge)
    people.command("merges")(merges)
    people.command("collisions")(collisions)
    people.command("set-aside")(set_aside)
    people.command("employ")(employ)
    people.command("enrol")(enrol)
    people.command("end")(end)
    people.command("take-back")(take_back)
    app.add_typer(people, name="people")


def import_roster(
    file: Annotated[
        Path, typer.Argument(exists=True, help="A CSV file; a folder or zip for oneroster.")
    ],
    tenant: Tenant,
    reason: Reason,
    form: Annotated[
        Format, typer.Option("--format", help="csv: ours, see docs/people.md; or OneRoster 1.2.")
    ] = Format.CSV,
    create: Annotated[
        bool, typer.Option("--create", help="Make organisations and cohorts only named.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, change nothing.")
    ] = False,
    faults: Annotated[
        Path | None, typer.Option(help="CSV file for every row that is left out, and why.")
    ] = None,
    home_page: Annotated[
        str | None, typer.Option(help="oneroster: home page of the accounts of users.")
    ] = None,
    account_field: Annotated[
        AccountField, typer.Option(help="oneroster: which field names the account.")
    ] = AccountField.SOURCED_ID,
    user_id: Annotated[
        list[str] | None,
        typer.Option(help="oneroster: TYPE=HOMEPAGE for a type of `userIds`; again for each."),
    ] = None,
    no_email: Annotated[
        bool, typer.Option("--no-email", help="oneroster: `email` is no identifier.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Import a roster: people with their identifiers, employments, cohorts.

    The same file again changes nothing. Exit code 0 when all is in, 1 when rows were left out, 2
    when it stopped.
    """
    from dataclasses import asdict

    from assay_aggregator.admin import Act
    from assay_aggregator.organisation.oneroster import Accounts
    from assay_cli import rosters
    from assay_cli.clients import operator
    from assay_cli.people_records import as_json as text_of
    from assay_runtime.settings import SettingsError

    try:
        wanted = rosters.Wanted(
            file=file,
            form=form.value,
            tenant=tenant,
            act=Act(operator(), reason),
            accounts=Accounts(
                home_page, account_field.value, _pairs(user_id or ()), by_email=not no_email
            ),
            create=create,
            dry_run=dry_run,
            faults=faults,
        )
        report = rosters.import_roster(wanted)
    except (StackError, SettingsError) as error:
        fail(error, code=2)
    typer.echo(text_of(asdict(report)) if as_json else rosters.told(report, dry_run=dry_run))
    raise typer.Exit(1 if report.faults else 0)


def show_person(person: UUID, tenant: Tenant, timezone: LocalZone = "Europe/London") -> None:
    """All that is recorded about a person: identifiers, merges, employments, authority; as JSON."""
    from assay_cli import people_records

    print_json(lambda: people_records.show_person(tenant, person, zone_of(timezone)))


def merge(
    kept: Annotated[UUID, typer.Argument(help="The person who stays.")],
    merged: Annotated[UUID, typer.Argument(help="The person found to be the same.")],
    tenant: Tenant,
    reason: Reason,
) -> None:
    """Two people are one: every record of MERGED becomes one of KEPT. Prints the merge's id."""
    from assay_cli import people_records

    say(lambda: people_records.merge_people(tenant, reason, kept, merged))


def unmerge(
    merge: Annotated[UUID, typer.Argument(help="The id of the merge.")],
    tenant: Tenant,
    reason: Reason,
) -> None:
    """Take a merge back: they are two people after all."""
    from assay_cli import people_records

    run(lambda: people_records.unmerge_people(tenant, reason, merge))


def merges(
    tenant: Tenant,
    person: Annotated[UUID | None, typer.Option(help="Only of this person.")] = None,
) -> None:
    """Every merge, also those that were taken back; as JSON."""
    from assay_cli import people_records

    print_json(lambda: people_records.list_merges(tenant, person))


def collisions(tenant: Tenant) -> None:
    """Agents who are two people on one day, and rosters that contradict the links; as JSON.

    Exit code 1 when there is one.
    """
    from assay_cli import people_records

    found = run(lambda: people_records.list_collisions(tenant))
    typer.echo(people_records.as_json(found))
    raise typer.Exit(1 if found else 0)


def set_aside(
    contradiction: Annotated[UUID, typer.Argument(help="The id of a roster's contradiction.")],
    tenant: Tenant,
    reason: Reason,
) -> None:
    """They are different people: the roster was wrong."""
    from assay_cli import people_records

    run(lambda: people_records.set_collision_aside(tenant, reason, contradiction))


def employ(
    person: UUID,
    organisation: str,
    tenant: Tenant,
    reason: Reason,
    role: Annotated[str | None, typer.Option(help="Of a-z, 0-9, - and _.")] = None,
    first: From = None,
    last: To = None,
) -> None:
    """A person works there, in a role, on these days. Prints the id of the record."""
    from assay_cli import people_records

    say(
        lambda: people_records.employ(
            tenant, reason, person, organisation, role, (day_of(first), day_of(last))
        )
    )


def enrol(
    person: UUID,
    cohort: str,
    tenant: Tenant,
    reason: Reason,
    first: From = None,
    last: To = None,
) -> None:
    """A person is in a cohort on these days. Prints the id of the record."""
    from assay_cli import people_records

    say(lambda: people_records.enrol(tenant, reason, person, cohort, (day_of(first), day_of(last))))


def end(
    kind: RecordKind,
    record: UUID,
    tenant: Tenant,
    reason: Reason,
    on: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The last day.")],
) -> None:
    """An employment or membership ends. Prints the id of the record that stands now."""
    from assay_cli import people_records

    say(lambda: people_records.end(tenant, reason, kind.value, record, on.date()))


def take_back(kind: RecordKind, record: UUID, tenant: Tenant, reason: Reason) -> None:
    """An employment or membership was recorded wrongly."""
    from assay_cli import people_records

    run(lambda: people_records.take_back(tenant, reason, kind.value, record))


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, home_page = text.partition("=")
        if not (name and equals and home_page):
            raise StackError(f"--user-id {text}: it has the form TYPE=HOMEPAGE")
        found[name] = home_page
    return found
