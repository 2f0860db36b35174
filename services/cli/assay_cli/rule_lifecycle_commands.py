"""The commands `assay rules draft|submit|preview|approve|…` and `assay accounts …`, as typed."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from assay_cli.errors import StackError
from assay_cli.stack import StackInfo

if TYPE_CHECKING:
    # Not at run time: every start of the command would pay for it.
    from assay_cli.aggregator_door import AggregatorDoor
    from assay_cli.rule_lifecycle import Signer

Rule = Annotated[str, typer.Argument(help="The rule's id.")]
Version = Annotated[int, typer.Argument(min=1, help="Which version.")]
Account = Annotated[str, typer.Option(help="The account that signs.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept in the audit trail.")]
MaybeReason = Annotated[str | None, typer.Option(help="Why; it is kept in the audit trail.")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="Holds the account's password; else it is asked for.")
]
Url = Annotated[str | None, typer.Option(help="Address of another aggregator.")]
User = Annotated[str | None, typer.Option(help="Name of the API client there.")]
KeyFile = Annotated[Path | None, typer.Option(help="File that holds that client's secret.")]
Json = Annotated[bool, typer.Option("--json", help="For scripts.")]


def register(rules: typer.Typer) -> None:
    """Add the commands to the group `rules`."""
    rules.command("draft")(draft)
    rules.command("submit")(submit)
    rules.command("preview")(preview)
    rules.command("approve")(approve)
    rules.command("return")(give_back)
    rules.command("withdraw")(withdraw)
    rules.command("retire")(retire)
    rules.command("list")(list_rules)
    rules.command("show")(show)
    rules.command("explain")(explain)


def draft(
    file: Annotated[Path, typer.Argument(help="The rule, JSON or YAML.")],
    account: Account,
    reason: Reason,
    meaning: Annotated[str, typer.Option(help="What the signature means.")] = "authorship",
    password_file: PasswordFile = None,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Write a draft, signed by its author. Another content of a version voids its signatures."""
    from assay_cli import rule_lifecycle

    def work(door: "AggregatorDoor") -> None:
        document = rule_lifecycle.read_rule(file)
        signer = _signer(account, meaning, password_file)
        rule_lifecycle.draft(door, document, signer, reason, typer.echo)

    _run(work, url, user, key_file)


def submit(
    rule: Rule,
    version: Version,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Put a draft up for review."""
    _step(rule, version, "submit", None, url, user, key_file)


def give_back(
    rule: Rule,
    version: Version,
    reason: Reason,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Send a version in review back to its author."""
    _step(rule, version, "return", reason, url, user, key_file)


def withdraw(
    rule: Rule,
    version: Version,
    reason: Reason,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Give up a version that is not in force yet."""
    _step(rule, version, "withdraw", reason, url, user, key_file)


def preview(
    rule: Rule,
    version: Version,
    output: Annotated[
        Path | None, typer.Option(help="Write each change as a line of JSON here.")
    ] = None,
    retire_on: Annotated[
        str | None, typer.Option(help="Not of a draft: of the end of a version on this day.")
    ] = None,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Who gains, who loses, who changes by a draft, computed on the live evidence."""
    from assay_cli import rule_lifecycle

    console = Console(soft_wrap=True)
    _run(
        lambda door: rule_lifecycle.preview(door, rule, version, console, output, retire_on),
        url,
        user,
        key_file,
    )


def approve(
    rule: Rule,
    version: Version,
    account: Account,
    content_hash: Annotated[
        str | None, typer.Option(help="Approve only this content; else that of now.")
    ] = None,
    preview_id: Annotated[
        str | None, typer.Option("--preview", help="On this preview; else on the last.")
    ] = None,
    meaning: Annotated[str, typer.Option(help="What the signature means.")] = "approval",
    reason: MaybeReason = None,
    password_file: PasswordFile = None,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Sign a version that somebody else wrote; with the last approval needed it gets into force."""
    from assay_cli import rule_lifecycle

    def work(door: "AggregatorDoor") -> None:
        rule_lifecycle.approve(
            door,
            rule,
            version,
            content_hash=content_hash,
            preview_id=preview_id,
            ask=lambda: _signer(account, meaning, password_file),
            reason=reason,
            say=typer.echo,
        )

    _run(work, url, user, key_file)


def retire(
    rule: Rule,
    version: Version,
    effective_to: Annotated[
        str, typer.Option(help="The first local day on which it decides no more: 2026-12-31.")
    ],
    account: Account,
    reason: Reason,
    meaning: Annotated[str, typer.Option(help="What the signature means.")] = "retirement",
    password_file: PasswordFile = None,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """End a version in force."""
    from assay_cli import rule_lifecycle

    def work(door: "AggregatorDoor") -> None:
        rule_lifecycle.retire(
            door,
            rule,
            version,
            effective_to=effective_to,
            ask=lambda: _signer(account, meaning, password_file),
            reason=reason,
            console=Console(soft_wrap=True),
        )

    _run(work, url, user, key_file)


def list_rules(
    as_json: Json = False, url: Url = None, user: User = None, key_file: KeyFile = None
) -> None:
    """Every version of every rule: state, whether it was approved, days, competency."""
    from assay_cli import rule_lifecycle

    _run(
        lambda door: rule_lifecycle.print_list(door, as_json=as_json, say=typer.echo),
        url,
        user,
        key_file,
    )


def show(
    rule: Rule,
    version: Version,
    as_json: Json = False,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """One version: its content, who wrote and approved it, its steps and previews."""
    from assay_cli import rule_lifecycle

    _run(
        lambda door: rule_lifecycle.print_one(door, rule, version, as_json=as_json, say=typer.echo),
        url,
        user,
        key_file,
    )


def explain(
    person: Annotated[str, typer.Argument(help="The person's id, or an xAPI agent as JSON.")],
    competency: Annotated[str | None, typer.Option(help="Only this one (its IRI).")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="On this day and time (RFC 3339); else now.")
    ] = None,
    known_at: Annotated[
        str | None, typer.Option(help="By what was known then (RFC 3339); else all.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
    user: User = None,
    key_file: KeyFile = None,
) -> None:
    """Say why one person has what they have: what counts, what not and why, what is missing."""
    from assay_cli import rule_lifecycle

    def work(door: "AggregatorDoor") -> None:
        one = rule_lifecycle.person_of(door, person) if person.startswith("{") else person
        question = {"competency": competency, "as_of": as_of, "known_at": known_at}
        rule_lifecycle.explain(door, one, question, as_json=as_json, say=typer.echo)

    _run(work, url, user, key_file)


def _step(
    rule: str,
    version: int,
    step: str,
    reason: str | None,
    url: str | None,
    user: str | None,
    key_file: Path | None,
) -> None:
    from assay_cli import rule_lifecycle

    _run(
        lambda door: rule_lifecycle.take_step(door, rule, version, step, reason, typer.echo),
        url,
        user,
        key_file,
    )


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


def _run(
    work: Callable[["AggregatorDoor"], object],
    url: str | None,
    user: str | None,
    key_file: Path | None,
) -> None:
    from assay_cli.aggregator_door import AggregatorDoor

    try:
        stack = StackInfo.from_environment()
        with AggregatorDoor.chosen(stack, url=url, user=user, password_file=key_file) as door:
            work(door)
    except StackError as error:
        _fail(error)


def _fail(error: Exception) -> NoReturn:
    Console(stderr=True).print(
        f"assay: {error}", style="red", highlight=False, markup=False, soft_wrap=True
    )
    raise typer.Exit(1)
