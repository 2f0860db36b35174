"""The commands `assay template …`, as people type them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay_cli.errors import StackError
from assay_cli.record_options import Json, Reason, fail
from assay_cli.stack import StackInfo

if TYPE_CHECKING:
    # Not at run time: every start of the command would pay for it.
    from assay_cli.credentials_door import CredentialsDoor
    from assay_cli.rule_lifecycle import Signer

Template = Annotated[str, typer.Argument(help="The template's short name.")]
Version = Annotated[int, typer.Argument(min=1, help="Which version.")]
Account = Annotated[str, typer.Option(help="The account that signs.")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="Holds the account's password; else it is asked for.")
]
Url = Annotated[str | None, typer.Option(help="Address of another credentials service.")]
User = Annotated[str | None, typer.Option(help="Name of the API client there.")]
KeyFile = Annotated[Path | None, typer.Option(help="File that holds that client's secret.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    group = typer.Typer(
        help="Templates: what the credential for a competency says and how it looks.",
        no_args_is_help=True,
    )
    group.command("list")(list_templates)
    group.command("show")(show)
    group.command("put")(put)
    group.command("approve")(approve)
    group.command("end")(end)
    group.command("preview")(preview)
    group.command("image")(image)
    app.add_typer(group, name="template")


def list_templates(
    template: Annotated[str | None, typer.Argument(help="Only this one.")] = None,
    as_json: Json = False,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Every version of every template: state, name, languages, competency, who."""
    from assay_cli import templates

    def work(door: "CredentialsDoor") -> None:
        found = list(templates.listed(door, template))
        if as_json:
            _print(found)
            return
        for one in found:
            typer.echo(templates.line(one))
        if not found:
            typer.echo("there is no template")

    _run(work, url, user, key_file)


def show(
    template: Template,
    version: Version,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """One version whole, as JSON."""
    _run(
        lambda door: _print(door.get(f"/templates/{template}/versions/{version}")),
        url,
        user,
        key_file,
    )


def put(
    template: Template,
    file: Annotated[Path, typer.Argument(help="The template, JSON or YAML.")],
    account: Account,
    reason: Reason,
    picture: Annotated[
        Path | None, typer.Option("--image", help="PNG or SVG; put first, and named in it.")
    ] = None,
    meaning: Annotated[str, typer.Option(help="What the signature means.")] = "authorship",
    password_file: PasswordFile = None,
    as_json: Json = False,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Propose the next version, signed by its author. The same content again changes nothing."""
    from assay_cli import templates

    def work(door: "CredentialsDoor") -> None:
        document = templates.read_document(file)
        if picture is not None:
            document["image"] = templates.put_image(door, picture)
        signer = _signer(account, meaning, password_file)
        _tell(templates.propose(door, template, document, signer, reason), as_json)

    _run(work, url, user, key_file)


def approve(
    template: Template,
    version: Version,
    account: Account,
    reason: Reason,
    content: Annotated[
        str | None, typer.Option(help="Only this content: the hash that was looked at.")
    ] = None,
    meaning: Annotated[str, typer.Option(help="What the signature means.")] = "approval",
    password_file: PasswordFile = None,
    as_json: Json = False,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Bring a version into force that somebody else proposed."""
    from assay_cli import templates

    def work(door: "CredentialsDoor") -> None:
        signer = _signer(account, meaning, password_file)
        _tell(templates.approve(door, template, version, signer, reason, content), as_json)

    _run(work, url, user, key_file)


def end(
    template: Template,
    version: Version,
    account: Account,
    reason: Reason,
    meaning: Annotated[str, typer.Option(help="What the signature means.")] = "retirement",
    password_file: PasswordFile = None,
    as_json: Json = False,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Withdraw a proposal, or retire the version in force. Credentials stay as they are."""
    from assay_cli import templates

    def work(door: "CredentialsDoor") -> None:
        signer = _signer(account, meaning, password_file)
        _tell(templates.end(door, template, version, signer, reason), as_json)

    _run(work, url, user, key_file)


def preview(
    template: Template,
    version: Annotated[int | None, typer.Argument(min=1, help="Which version.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A file that is not proposed yet, JSON or YAML.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Else the main one.")] = None,
    picture: Annotated[
        Path | None, typer.Option("--image", help="Write the rendered badge here (SVG or PNG).")
    ] = None,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """The credential of nobody, unsigned, as JSON; with --image how it looks."""
    from assay_cli import templates

    def work(door: "CredentialsDoor") -> None:
        document = None if file is None else templates.read_document(file)
        what = templates.Previewed(template, version, document, language)
        if picture is None:
            _print(templates.preview(door, what))
            return
        kind = picture.suffix.removeprefix(".").lower()
        if kind not in ("png", "svg"):
            raise StackError(f"--image {picture}: a name that ends in .png or .svg")
        drawn = templates.picture(door, what, kind)
        try:
            picture.write_bytes(drawn)
        except OSError as error:
            raise StackError(f"--image {picture}: {error.strerror}") from error

    _run(work, url, user, key_file)


def image(
    file: Annotated[Path, typer.Argument(help="PNG or SVG.")],
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Put a picture; what is printed is its name in a template."""
    from assay_cli import templates

    _run(lambda door: typer.echo(templates.put_image(door, file)), url, user, key_file)


def _signer(account: str, meaning: str, password_file: Path | None) -> "Signer":
    """Who signs; the password is asked for where no file holds it."""
    from assay_cli.rule_lifecycle import Signer

    if password_file is None:
        password: str = typer.prompt(f"Password of {account}", hide_input=True, err=True)
    else:
        try:
            password = password_file.read_text(encoding="utf-8").rstrip("\n")
        except OSError as error:
            raise StackError(f"--password-file {password_file}: {error.strerror}") from error
    return Signer(account, password, meaning)


def _tell(found: dict[str, Any], as_json: bool) -> None:
    from assay_cli import templates

    if as_json:
        _print(found)
    else:
        typer.echo(templates.line(found))


def _print(content: Any) -> None:
    import orjson

    typer.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())


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
