"""The commands `assay organisations|cohorts|authorisations …`, as people type them."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer

from assay_cli.record_options import (
    Day,
    Json,
    LocalZone,
    OnDay,
    Reason,
    Tenant,
    day_of,
    print_json,
    print_table,
    run,
    zone_of,
)


class OrganisationKind(StrEnum):
    """What an organisation is."""

    ORGANISATION = "organisation"
    SITE = "site"
    CENTRE = "centre"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    organisations = typer.Typer(help="Employers, sites, training centres.", no_args_is_help=True)
    organisations.command("list")(list_organisations)
    organisations.command("show")(show_organisation)
    organisations.command("add")(add_organisation)
    app.add_typer(organisations, name="organisations")
    cohorts = typer.Typer(
        help="Cohorts: apprenticeships with their standard and dates.", no_args_is_help=True
    )
    cohorts.command("list")(list_cohorts)
    cohorts.command("show")(show_cohort)
    cohorts.command("add")(add_cohort)
    app.add_typer(cohorts, name="cohorts")
    authorisations = typer.Typer(help="Who may assess what.", no_args_is_help=True)
    authorisations.command("list")(list_authorisations)
    app.add_typer(authorisations, name="authorisations")


def list_organisations(
    tenant: Tenant,
    kind: Annotated[OrganisationKind | None, typer.Option(help="Only of this kind.")] = None,
    as_json: Json = False,
) -> None:
    """Every organisation: name of ours, kind, parent, name."""
    from assay_cli import people_records

    found = run(
        lambda: people_records.list_organisations(tenant, None if kind is None else kind.value)
    )
    print_table(found, ("organisation", "kind", "parent", "name"), as_json)


def show_organisation(organisation: str, tenant: Tenant, as_of: OnDay = None) -> None:
    """An organisation and who works there; as JSON."""
    from assay_cli import people_records

    print_json(lambda: people_records.show_organisation(tenant, organisation, day_of(as_of)))


def add_organisation(
    organisation: Annotated[str, typer.Argument(help="Of a-z, 0-9, - and _.")],
    name: Annotated[str, typer.Argument(help="As people call it.")],
    tenant: Tenant,
    reason: Reason,
    kind: OrganisationKind = OrganisationKind.ORGANISATION,
    parent: Annotated[str | None, typer.Option(help="What it is a part of.")] = None,
) -> None:
    """Make or change an organisation."""
    from assay_cli import people_records

    wanted = {"organisation": organisation, "name": name, "kind": kind.value, "parent": parent}
    run(lambda: people_records.put_organisation(tenant, reason, wanted))


def list_cohorts(
    tenant: Tenant,
    standard: Annotated[str | None, typer.Option(help="Only with this standard.")] = None,
    as_json: Json = False,
) -> None:
    """Every cohort: name of ours, standard, dates, name."""
    from assay_cli import people_records

    found = run(lambda: people_records.list_cohorts(tenant, standard))
    print_table(found, ("cohort", "standard", "starts_on", "ends_on", "name"), as_json)


def show_cohort(cohort: str, tenant: Tenant, as_of: OnDay = None) -> None:
    """A cohort and who is in it; as JSON."""
    from assay_cli import people_records

    print_json(lambda: people_records.show_cohort(tenant, cohort, day_of(as_of)))


def add_cohort(
    cohort: Annotated[str, typer.Argument(help="Of a-z, 0-9, - and _.")],
    name: Annotated[str, typer.Argument(help="As people call it.")],
    tenant: Tenant,
    reason: Reason,
    standard: Annotated[
        str | None, typer.Option(help="The apprenticeship standard, such as ST0248.")
    ] = None,
    starts_on: Day = None,
    ends_on: Day = None,
) -> None:
    """Make or change a cohort."""
    from assay_cli import people_records

    wanted = {
        "cohort": cohort,
        "name": name,
        "standard": standard,
        "starts_on": day_of(starts_on),
        "ends_on": day_of(ends_on),
    }
    run(lambda: people_records.put_cohort(tenant, reason, wanted))


def list_authorisations(
    tenant: Tenant,
    person: Annotated[UUID | None, typer.Option(help="Only of this assessor.")] = None,
    scope: Annotated[str | None, typer.Option(help="Only for this scope.")] = None,
    retracted: Annotated[
        bool, typer.Option("--retracted", help="Also those that were taken back.")
    ] = False,
    timezone: LocalZone = "Europe/London",
    as_json: Json = False,
) -> None:
    """Who may assess what, from when to when, recorded when, and whether that was later."""
    from assay_cli import people_records

    found = run(
        lambda: people_records.list_authorisations(
            tenant, person, scope, retracted=retracted, zone=zone_of(timezone)
        )
    )
    columns = (
        "authorisation", "assessor", "scope", "from", "to", "first_recorded", "back_dated"
    )  # fmt: skip
    print_table(found, columns, as_json)
