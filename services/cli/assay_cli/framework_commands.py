"""The commands `assay frameworks …` and `assay roles …`, as people type them."""

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from assay_cli.errors import StackError
from assay_cli.record_options import Json, Tenant, fail, run

if TYPE_CHECKING:
    from assay_aggregator.frameworks.findings import NotAFramework

T = TypeVar("T")

DEMO = "demo"
Why = Annotated[
    str | None, typer.Option(help="Kept in the audit trail; by default the file's name.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, do nothing.")]


class FrameworkForm(StrEnum):
    """What a framework may come as."""

    AUTO = "auto"
    CASE = "case"
    ESCO = "esco"
    ONET = "onet"


class ExportForm(StrEnum):
    """What a framework may be written as."""

    CASE = "case"
    CTDL_ASN = "ctdl-asn"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    frameworks = typer.Typer(
        help="Competency frameworks: CASE 1.1, ESCO, O*NET in; CASE, CTDL-ASN out.",
        no_args_is_help=True,
    )
    frameworks.command("import")(import_framework)
    frameworks.command("export")(export_framework)
    frameworks.command("list")(list_frameworks)
    frameworks.command("show")(show_framework)
    app.add_typer(frameworks, name="frameworks")
    roles = typer.Typer(help="Roles and the levels they ask for.", no_args_is_help=True)
    roles.command("import")(import_roles)
    roles.command("export")(export_roles)
    roles.command("list")(list_roles)
    roles.command("show")(show_role)
    app.add_typer(roles, name="roles")


def import_framework(
    path: Annotated[
        str,
        typer.Argument(help="A CFPackage (JSON; - is standard input), or a folder or zip of CSV."),
    ],
    tenant: Tenant = DEMO,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse what CASE 1.1 does not allow; repair nothing.")
    ] = False,
    reason: Why = None,
    form: Annotated[
        FrameworkForm, typer.Option("--format", help="auto looks at what there is.")
    ] = FrameworkForm.AUTO,
    language: Annotated[str, typer.Option(help="ESCO: which files, as in skills_en.csv.")] = "en",
    release: Annotated[
        str | None, typer.Option(help="O*NET: the release, for its attribution, as 30.1.")
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import a framework; the same content again changes nothing, another is a new version.

    Every repair is told. Exit code 0 when it is imported, 1 when it is refused.
    """
    from assay_aggregator.admin import Act
    from assay_cli import frameworks
    from assay_cli.clients import operator

    wanted = frameworks.Wanted(
        path=None if path == "-" else Path(path),
        tenant=tenant,
        act=Act(operator(), reason or f"imported from {_name(path)}"),
        form=None if form is FrameworkForm.AUTO else form.value,
        strict=strict,
        dry_run=dry_run,
        language=language,
        release=release,
    )
    done = _run(lambda: frameworks.import_frameworks(wanted), as_json)
    if as_json:
        _print([one.as_json() for one in done])
        return
    for one in done:
        for line in frameworks.told(one, dry_run=dry_run):
            typer.echo(line)


def export_framework(
    framework: Annotated[str, typer.Argument(help="The identifier of its CFDocument.")],
    tenant: Tenant = DEMO,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file; standard output by default.")
    ] = None,
    form: Annotated[ExportForm, typer.Option("--format", help="Written as.")] = ExportForm.CASE,
) -> None:
    """Write the newest version of a framework, as it was imported."""
    from assay_cli import frameworks

    def work() -> None:
        if output is None:
            frameworks.export_framework(tenant, framework, form.value, _to_standard_output)
            return
        try:
            with output.open("w", encoding="utf-8") as file:
                frameworks.export_framework(tenant, framework, form.value, _writer(file.write))
        except OSError as error:
            raise StackError(f"cannot write {output}: {error}") from error

    _run(work)


def list_frameworks(tenant: Tenant = DEMO, as_json: Json = False) -> None:
    """Every framework: identifier, version, type, title, and the attribution it asks for."""
    from assay_cli import frameworks

    found = _run(lambda: frameworks.list_frameworks(tenant))
    if as_json:
        _print(found)
        return
    for one in found:
        kind = one["framework_type"] or "-"
        typer.echo(f"{one['framework']}  version {one['version']}  {kind}  {one['title']}")
        if one["attribution"] is not None:
            typer.echo(f"  {one['attribution']}")
    if not found:
        typer.echo("no framework is imported")


def show_framework(
    framework: Annotated[str, typer.Argument(help="The identifier of its CFDocument.")],
    tenant: Tenant = DEMO,
) -> None:
    """A framework's document, how much it holds, and what its import found; as JSON."""
    from assay_cli import frameworks

    _print(_run(lambda: frameworks.show_framework(tenant, framework)))


def import_roles(
    path: Annotated[
        Path, typer.Argument(help="CSV (role, name, competency, level) or a CFPackage of roles.")
    ],
    tenant: Tenant = DEMO,
    reason: Why = None,
    dry_run: DryRun = False,
) -> None:
    """State roles whole: what a role of the file asks for no more is taken back.

    Exit code 0 when it is done, 1 when something is wrong: then nothing is changed.
    """
    from assay_aggregator.admin import Act
    from assay_cli import frameworks
    from assay_cli.clients import operator

    act = Act(operator(), reason or f"imported from {path.name}")
    changes = _run(lambda: frameworks.import_roles(path, tenant, act, dry_run=dry_run))
    for one in changes:
        typer.echo(frameworks.told_role(one))
    if not changes:
        typer.echo("nothing is changed: the roles ask for this already")
    elif dry_run:
        typer.echo("nothing is changed: this was a dry run")


def export_roles(tenant: Tenant = DEMO) -> None:
    """Write every role as the CSV that `assay roles import` reads."""
    from assay_cli import frameworks

    def work() -> None:
        roles = [frameworks.show_role(tenant, one["role"]) for one in frameworks.list_roles(tenant)]
        frameworks.write_roles_csv(roles, _to_standard_output)

    _run(work)


def list_roles(tenant: Tenant = DEMO, as_json: Json = False) -> None:
    """Every role: short name, how many competencies it asks for, name."""
    from assay_cli import frameworks

    found = _run(lambda: frameworks.list_roles(tenant))
    if as_json:
        _print(found)
        return
    for one in found:
        typer.echo(f"{one['role']:<12} {one['requirements']:>4}  {one['name']}")
    if not found:
        typer.echo("there is no role")


def show_role(
    role: Annotated[str, typer.Argument(help="Its short name.")],
    tenant: Tenant = DEMO,
    as_json: Json = False,
) -> None:
    """What a role asks for: code, level, competency."""
    from assay_cli import frameworks

    found = _run(lambda: frameworks.show_role(tenant, role))
    if as_json:
        _print(found)
        return
    typer.echo(f"{found['role']}  {found['name']}")
    for one in found["requirements"]:
        level = "any level" if one["level"] is None else f"level {one['level']}"
        typer.echo(f"  {one['code'] or '-':<8} {level:<9}  {one['name'] or one['competency']}")


def _run(work: Callable[[], T], as_json: bool = False) -> T:
    from assay_aggregator.errors import Refused
    from assay_aggregator.frameworks.findings import NotAFramework

    def refusing() -> T:
        try:
            return work()
        except NotAFramework as error:
            _refused(error, as_json)
        except Refused as error:
            raise StackError(str(error)) from error

    return run(refusing)


def _refused(error: "NotAFramework", as_json: bool) -> NoReturn:
    if as_json:
        _print({"refused": [one.as_json() for one in error.findings]})
    else:
        for one in error.findings:
            typer.echo(f"{one.pointer or '/'}  {one.rule}", err=True)
    fail(error)


def _print(content: Any) -> None:
    import orjson

    typer.echo(orjson.dumps(content, default=str, option=orjson.OPT_INDENT_2).decode())


def _to_standard_output(text: str) -> None:
    sys.stdout.write(text)


def _writer(write: Callable[[str], int]) -> Callable[[str], None]:
    def written(text: str) -> None:
        write(text)

    return written


def _name(path: str) -> str:
    return "standard input" if path == "-" else Path(path).name
