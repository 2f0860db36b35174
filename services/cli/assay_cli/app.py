"""The subcommands of `assay`. Each imports what it runs only when it is called."""

import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from assay_cli import (
    account_commands,
    award_commands,
    bench_commands,
    client_commands,
    emission_commands,
    forwarding_commands,
    framework_commands,
    inspection_commands,
    issuer_commands,
    key_commands,
    people_commands,
    place_commands,
    reading_commands,
    rebuild_commands,
    rule_commands,
    rule_lifecycle_commands,
    source_commands,
    template_commands,
    transfer_commands,
    trust_commands,
)
from assay_cli.errors import StackError
from assay_cli.processes import BY_NAME
from assay_cli.stack import StackInfo

HELP = """Assay: learning records in, competency decisions with reasons, verifiable credentials out.

ASSAY_DATA (default .assay) and ASSAY_PORT_BASE (default 8400) move the data and the ports of the
local stack, so that two stacks can run side by side.
"""

app = typer.Typer(
    help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
rules = typer.Typer(help="Work with competency rules.", no_args_is_help=True)
rejected = typer.Typer(help="Statements that were refused, with reasons.", no_args_is_help=True)
app.add_typer(rules, name="rules")
app.add_typer(rejected, name="rejected")


def _fail(error: StackError) -> NoReturn:
    console = Console(stderr=True)
    if error.detail:
        console.print(error.detail.rstrip(), highlight=False, markup=False, soft_wrap=True)
    console.print(f"assay: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(1)


def _stack() -> StackInfo:
    try:
        return StackInfo.from_environment()
    except StackError as error:
        _fail(error)


def _function(module: str, name: str) -> Callable[..., object]:
    """A function of a part of Assay, imported when it is needed."""
    try:
        found: Callable[..., object] = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        _fail(StackError(f"this installation of Assay holds no {module}"))
    return found


def _exit_with(code: object) -> NoReturn:
    raise typer.Exit(code if isinstance(code, int) else 0)


# --- the local stack


@app.command()
def up(
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when the stack is ready; it runs on.")
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(
            help=f"Start only these and what they need, separated by commas: {', '.join(BY_NAME)}."
        ),
    ] = None,
) -> None:
    """Start the local stack: PostgreSQL, Kafka and all services. Ctrl-C stops it.

    Data stays in ASSAY_DATA and is found again at the next start.
    """
    from assay_cli import up as stack_up

    # Not the ports of the last run: `up` listens where it is told to now.
    environment = {"ASSAY_PORT_BASE": "8400", **os.environ}
    console = Console(soft_wrap=True)
    try:
        stack = StackInfo.from_environment(environment)
        if detach:
            stack_up.start_detached(stack, only, console)
            _print_doors(console, stack)
            return

        def ready() -> None:
            # Detached, this goes to a log, where keys have no place; who waits for us prints them.
            if not stack_up.is_detached():
                _print_doors(console, stack)
                console.print("Ctrl-C stops all.", highlight=False)

        stack_up.run(stack, stack_up.chosen(only), console, ready)
    except StackError as error:
        _fail(error)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command()
def down() -> None:
    """Stop the local stack, also what a killed supervisor has left."""
    from assay_cli import up as stack_up

    try:
        stack_up.down(_stack(), typer.echo)
    except StackError as error:
        _fail(error)


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Say what is ready and where. Exit code 0 only when everything is healthy."""
    from assay_cli import status as stack_status

    stack = _stack()
    health = stack_status.look(stack)
    if as_json:
        typer.echo(json.dumps(stack_status.as_json(stack, health), indent=2))
    else:
        console = Console(soft_wrap=True)
        for name, missing in health.missing.items():
            text = "ready" if not missing else f"not ready: {missing}"
            console.print(f"{name:<12} {text}", highlight=False, markup=False)
        if health.healthy:
            _print_doors(console, stack)
    raise typer.Exit(0 if health.healthy else 1)


@app.command("secrets")
def make_secrets(
    directory: Annotated[Path, typer.Argument(help="A folder; made with mode 700.")],
) -> None:
    """Make a random password file (mode 600) for every account, where there is none yet.

    docker-compose.yml mounts this folder; the local stack makes its own in ASSAY_DATA/secrets.
    """
    from assay_cli.compose_secrets import make

    try:
        make(directory)
    except StackError as error:
        _fail(error)
    typer.echo(f"secrets are in {directory}")


def _print_doors(console: Console, stack: StackInfo) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, url in stack.urls.items():
        table.add_row(name, url)
    for name, key in stack.keys().items():
        table.add_row(f"key {name}", f"{key['user']}:{key['password']}")
    console.print(table)


# --- schema, topics, upkeep


@app.command()
def migrate(
    stage: Annotated[
        str, typer.Option(help="pre: before a deploy, post: after it, all: both.")
    ] = "all",
) -> None:
    """Make roles, run the SQL migrations, make topics, principals and access rules. Repeatable."""
    from assay_cli.migration import migrate_all

    _reporting(lambda: migrate_all(stage, typer.echo))


@app.command()
def maintain(
    what: Annotated[
        Literal["all", "attachments"], typer.Argument(help="All of it, or a part.")
    ] = "all",
) -> None:
    """Make the partitions ahead, delete records that every group has applied long ago, and collect
    attachments that no statement holds."""
    from assay_cli.upkeep import maintain_all, maintain_attachments

    work = maintain_all if what == "all" else maintain_attachments
    _reporting(lambda: work(typer.echo))


@app.command()
def seed() -> None:
    """Load the demo tenant, its framework, rules, sources and keys. Repeatable."""
    _exit_with(_function("assay_cli.seed", "run")(_stack()))


@app.command()
def docs(
    folder: Annotated[Path, typer.Argument(help="Where the pages go.")] = Path("docs"),
) -> None:
    """Write the reference pages (settings, metrics, topics, problem types) from the code."""
    from assay_cli.reference import write

    for file in write(folder):
        typer.echo(f"written {file}")


def _reporting(work: Callable[[], None]) -> None:
    """Run a command's work; errors of the families that it may raise are told without a trace."""
    from assay_runtime.broker import BrokerError
    from assay_runtime.migrate import MigrationError
    from assay_runtime.settings import SettingsError

    try:
        work()
    except (BrokerError, MigrationError, SettingsError) as error:
        _fail(StackError(str(error)))
    except StackError as error:
        _fail(error)


# --- the services: each blocks until SIGTERM or SIGINT


@app.command()
def ingest() -> None:
    """Serve xAPI over HTTP and write what was accepted to the log."""
    _function("assay_ingest.__main__", "run_ingest")()


@app.command()
def store() -> None:
    """Project the log of statements into Postgres."""
    _function("assay_ingest.__main__", "run_store")()


@app.command()
def mover() -> None:
    """Check what sources wrote to their input topics and move it into the log."""
    _function("assay_ingest.__main__", "run_mover")()


@app.command()
def forward() -> None:
    """Send statements on to other record stores and webhooks (see `assay forwarding`)."""
    _function("assay_ingest.forward_process", "run_forward")()


@app.command()
def aggregator() -> None:
    """Gather evidence, decide competencies, serve them."""
    _function("assay_aggregator.__main__", "run_aggregator")()


@app.command()
def relay() -> None:
    """Send competency events from the outbox to Kafka, in order."""
    _function("assay_aggregator.__main__", "run_relay")()


@app.command()
def credentials() -> None:
    """Issue, publish and verify credentials."""
    _function("assay_credentials.__main__", "run_credentials")()


# --- looking at a running stack


@app.command()
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Decide anew for all people, not for some that are drawn.")
    ] = False,
    seed: Annotated[
        str | None, typer.Option(help="Draw the people of an earlier check again.")
    ] = None,
    acknowledged: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A client's own record: the statement ids that it was told are kept, one a line.",
        ),
    ] = None,
) -> None:
    """Verify the laws on the running stack, up to one watermark.

    Exit code 0 when all is clean, 1 when a law is broken, 2 when it could not be checked.
    """
    _exit_with(
        _function("assay_cli.check", "run")(
            _stack(),
            as_json=as_json,
            everything=everything,
            seed=seed,
            acknowledged=acknowledged,
        )
    )


@app.command()
def demo(
    seed: Annotated[int, typer.Option(help="The same seed tells the same story.")] = 1,
    learners: Annotated[int, typer.Option(min=10, help="How many learners take part.")] = 120,
) -> None:
    """Play a training programme through the front doors and tell what came of it."""
    _exit_with(_function("assay_cli.demo", "run")(_stack(), seed=seed, learners=learners))


@app.command()
def validate(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="JSON (one statement or an array) or JSON Lines; - is standard input.",
        ),
    ],
    version: Annotated[
        Literal["1.0.3", "2.0.0", "both"], typer.Option(help="By the rules of which xAPI.")
    ] = "2.0.0",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line: errors, then a summary.")
    ] = False,
    lines: Annotated[
        bool, typer.Option("--lines", help="Read JSON Lines, whatever the names and first lines.")
    ] = False,
    max_bytes: Annotated[
        int, typer.Option(min=1, help="The most that is held of a file, or of a line, at once.")
    ] = 64 * 1024 * 1024,
) -> None:
    """Print every fault of files of xAPI statements: place, rule, section. Needs no stack.

    Exit code 0 when all are valid, 1 when one is not, 2 when a file could not be read.
    """
    from assay_cli.validate import Judge
    from assay_schemas.statement_schemas import VERSIONS

    judge = Judge(
        out=typer.echo,
        complain=lambda text: typer.echo(text, err=True),
        max_bytes=max_bytes,
        versions=VERSIONS if version == "both" else (version,),
        as_json=as_json,
        lines=lines,
    )
    raise typer.Exit(judge.run(files))


@rejected.command("list")
def rejected_list(
    tenant: Annotated[str, typer.Option(help="Whose rejected statements.")] = "demo",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")] = 50,
) -> None:
    """The newest refusals: when, coordinates, source, statement id, reason."""
    from assay_cli.refusals import print_list

    _reporting(lambda: print_list(_stack(), tenant, limit, Console(soft_wrap=True)))


@rejected.command("show")
def rejected_show(
    coordinates: Annotated[str, typer.Argument(help="topic/partition/offset/index, from `list`.")],
    tenant: Annotated[str, typer.Option(help="Whose rejected statement.")] = "demo",
) -> None:
    """One refusal: coordinates, reason, each fault, and the original bytes."""
    from assay_cli.refusals import print_one

    _reporting(lambda: print_one(_stack(), tenant, coordinates, Console(soft_wrap=True)))


transfer_commands.register(app, rejected)
app.add_typer(forwarding_commands.forwarding, name="forwarding")
app.add_typer(emission_commands.emission, name="emission")
client_commands.register(app)
key_commands.register(app)
inspection_commands.register(app)
framework_commands.register(app)
people_commands.register(app)
place_commands.register(app)
reading_commands.register(app)
source_commands.register(app)
rebuild_commands.register(app)
rule_commands.register(rules)
rule_lifecycle_commands.register(rules)
account_commands.register(app)
award_commands.register(app)
issuer_commands.register(app)
template_commands.register(app)
trust_commands.register(app)
bench_commands.register(app)
