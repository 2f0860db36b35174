"""The commands `assay sources …`: where statements come from, and what that says about them."""

from enum import StrEnum
from typing import Annotated

import typer

from assay_cli.record_options import Json, print_table, run

COLUMNS = ("tenant", "source", "modality", "vouches_for_assessors", "learner_controlled")


class Modality(StrEnum):
    """What evidence of a source is (competency/rules.md, `modality`)."""

    ONLINE = "online"
    VR = "vr"
    IN_PERSON = "in_person"
    WORKPLACE = "workplace"
    NONE = "none"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    sources = typer.Typer(
        help="Sources: the modality and rights of what they send.", no_args_is_help=True
    )
    sources.command("list")(list_sources)
    sources.command("put")(put)
    app.add_typer(sources, name="sources")


def list_sources(
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant.")] = None,
    as_json: Json = False,
) -> None:
    """Every source: tenant, name, modality (-: no evidence), vouches for assessors, learner's."""
    from assay_cli import sources

    print_table(run(lambda: sources.listed(tenant)), COLUMNS, as_json)


def put(
    source: Annotated[str, typer.Argument(help="Of a-z, 0-9, - and _.")],
    tenant: Annotated[str, typer.Option(help="Whose source it is; the tenant must be there.")],
    modality: Annotated[
        Modality, typer.Option(help="Of all its evidence; none: it yields no evidence.")
    ],
    vouches_for_assessors: Annotated[
        bool,
        typer.Option(
            "--vouches-for-assessors", help="It has checked who the assessor is whom it names."
        ),
    ] = False,
    learner_controlled: Annotated[
        bool, typer.Option("--learner-controlled", help="Its voids do not count.")
    ] = False,
) -> None:
    """Make a source, or change what it is for statements that come from now on."""
    from assay_cli import sources

    wanted = sources.Source(
        tenant=tenant,
        source=source,
        modality=None if modality is Modality.NONE else modality.value,
        vouches_for_assessors=vouches_for_assessors,
        learner_controlled=learner_controlled,
    )
    run(lambda: sources.put(wanted))
