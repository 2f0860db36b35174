"""The reference pages in `docs/`, made from the code: settings, metrics, topics, problem types.

`assay docs` writes them; a test holds what is committed to what the code says.
"""

import re
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from prometheus_client import CollectorRegistry
from pydantic.fields import FieldInfo

from assay_aggregator.metrics import AggregatorMetrics
from assay_aggregator.settings import AggregatorSettings, RelaySettings
from assay_credentials.metrics import CredentialsMetrics
from assay_credentials.settings import CredentialsSettings
from assay_ingest.export import COLUMNS, SCHEMA_VERSION
from assay_ingest.metrics import ForwardMetrics, IngestMetrics, MoverMetrics, StoreMetrics
from assay_ingest.settings import (
    ForwardSettings,
    IngestSettings,
    MoverSettings,
    StoreSettings,
)
from assay_runtime.metrics import ConsumerMetrics, RelayMetrics
from assay_runtime.problem import TYPE_PREFIX, default_slugs
from assay_runtime.settings import PREFIX, AuthSettings, ServiceSettings, Settings
from assay_schemas.statement_schemas import NOT_IN_THE_SCHEMAS
from assay_schemas.topics import TOPICS, input_topic
from assay_schemas.xapi_rules import RULES

_MADE = "<!-- Made by `assay docs` from the code. Change the code, then run it. -->\n"

_SETTINGS: tuple[tuple[str, type[ServiceSettings]], ...] = (
    ("ingest", IngestSettings),
    ("store", StoreSettings),
    ("mover", MoverSettings),
    ("forward", ForwardSettings),
    ("aggregator", AggregatorSettings),
    ("relay", RelaySettings),
    ("credentials", CredentialsSettings),
)
_SLUG = re.compile(r"""slug=(?P<quote>["'])(?P<slug>[a-z0-9-]+)(?P=quote)""")
_SERVICES = ("assay_runtime", "assay_ingest", "assay_aggregator", "assay_credentials")


def pages() -> dict[str, str]:
    """File name in `docs/` to text."""
    return {
        "settings.md": _settings_page(),
        "metrics.md": _metrics_page(),
        "topics.md": _topics_page(),
        "problems.md": _problems_page(),
        "export.md": _export_page(),
        "rules.md": _rules_page(),
    }


def write(folder: Path) -> list[Path]:
    """Write the pages; answers the files that changed."""
    folder.mkdir(exist_ok=True)
    changed = []
    for name, text in pages().items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            changed.append(file)
    return changed


def _settings_page() -> str:
    lines = [
        "# Settings",
        "",
        _MADE,
        "Environment variables, read once at start. Units stand in the names; secrets are given by",
        "the path of a file. A wrong value stops the process with the variable and the rule.",
        "",
        "`ASSAY_DATA` (`.assay`) and `ASSAY_PORT_BASE` (`8400`) place the local stack.",
        "",
        "## Every process",
        "",
        *_rows(ServiceSettings.model_fields.items()),
        "",
        "## Every process that lets API clients in (ingest, aggregator, credentials)",
        "",
        *_rows(AuthSettings.model_fields.items()),
    ]
    for name, settings in _SETTINGS:
        own = _without(settings, ServiceSettings, AuthSettings)
        lines += ["", f"## {name}", ""]
        lines += _rows(own) if own else ["Nothing of its own."]
    return "\n".join(lines) + "\n"


def _without(settings: type[Settings], *shared: type[Settings]) -> list[tuple[str, FieldInfo]]:
    """The fields of `settings` that none of the shared classes has."""
    others = {field for one in shared for field in one.model_fields}
    return [(field, info) for field, info in settings.model_fields.items() if field not in others]


def _rows(fields: Iterable[tuple[str, FieldInfo]]) -> list[str]:
    lines = ["| variable | default | limits | meaning |", "| --- | --- | --- | --- |"]
    for name, info in fields:
        default = "required" if info.is_required() else f"`{info.default}`"
        limits = ", ".join(
            f"{sign} {getattr(one, word)}"
            for one in info.metadata
            for word, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
            if getattr(one, word, None) is not None
        )
        about = info.description or name.replace("_", " ")
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {limits} | {about} |")
    return lines


def _metrics_page() -> str:
    lines = ["# Metrics", "", _MADE, "Served by each process at `/metrics` on its port."]
    for name, kinds in (
        ("ingest", (IngestMetrics,)),
        ("store", (StoreMetrics, ConsumerMetrics)),
        ("mover", (MoverMetrics,)),
        ("forward", (ForwardMetrics, ConsumerMetrics)),
        ("aggregator", (AggregatorMetrics, ConsumerMetrics)),
        ("relay", (RelayMetrics,)),
        ("credentials", (CredentialsMetrics, ConsumerMetrics, RelayMetrics)),
    ):
        registry = CollectorRegistry()
        for kind in kinds:
            kind.register(registry)
        lines += ["", f"## {name}", "", "| metric | kind | meaning |", "| --- | --- | --- |"]
        for family in sorted(registry.collect(), key=lambda one: one.name):
            shown = family.name + ("_total" if family.type == "counter" else "")
            lines.append(f"| `{shown}` | {family.type} | {family.documentation} |")
    return "\n".join(lines) + "\n"


def _topics_page() -> str:
    lines = [
        "# Topics",
        "",
        _MADE,
        "| topic | key | partitions | writers | readers | holds |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    example = input_topic("tenant", "source")
    for topic in (*TOPICS, example):
        name = topic.name.replace("tenant.source", "<tenant>.<source>")
        writers = ", ".join(topic.writers).replace("tenant-source", "<tenant>-<source>")
        readers = ", ".join(topic.readers)
        lines.append(
            f"| `{name}` | {topic.key} | {topic.partitions} | {writers} | {readers} "
            f"| {topic.about} |"
        )
    return "\n".join(lines) + "\n"


def _problems_page() -> str:
    slugs = set(default_slugs())
    for package in _SERVICES:
        for file in files(package).iterdir():
            if file.name.endswith(".py"):
                text = file.read_text(encoding="utf-8")
                slugs.update(found["slug"] for found in _SLUG.finditer(text))
    lines = [
        "# Problem types",
        "",
        _MADE,
        "Refusals are `application/problem+json` (RFC 9457). `type` is stable; `detail` is for",
        "people; `errors` names index, pointer and rule of each fault where there are several.",
        "",
        "| type |",
        "| --- |",
        *(f"| `{TYPE_PREFIX}{slug}` |" for slug in sorted(slugs)),
    ]
    return "\n".join(lines) + "\n"


def _rules_page() -> str:
    lines = [
        "# Rules of statements",
        "",
        _MADE,
        "What a refusal names as its `rule`. The sections are those of xAPI 1.0.3 part two (Data)",
        "and of IEEE 9274.1.1 (xAPI 2.0). A rule with a remark in the last column is one that our",
        "JSON Schemas do not hold, or not wholly: [validation](validation.md).",
        "",
        "| rule | what is judged ... | 1.0.3 | 2.0 | not in the JSON Schemas |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| `{name}` | {rule.expected.format(expects='of its type')} | {rule.section_1} "
            f"| {rule.section_2} | {NOT_IN_THE_SCHEMAS.get(name, '')} |"
            for name, rule in RULES.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _export_page() -> str:
    lines = [
        "# Export and import",
        "",
        _MADE,
        "`assay export --format jsonl|csv|parquet --output FILE` takes the filters of",
        "GET /statements, goes through the front door oldest first, and is complete through the",
        "moment that it tells at the end; `--since` with that moment gives what came later.",
        "",
        "- jsonl: each statement as it is answered with format=exact, in one line; a line break",
        "  between tokens becomes a space, no other byte changes.",
        "- csv (RFC 4180, UTF-8, with a head line) and parquet (zstd) have the columns below. In",
        "  csv an empty cell stands for none, and a free text that a spreadsheet would take for a",
        "  formula begins with an apostrophe.",
        "",
        "`assay import FILE` sends JSON lines through the front door, ids kept, in batches that",
        "are kept whole or not at all. `FILE.import.json` says how far it is, so a second run goes",
        "on; `FILE.rejected.jsonl` holds the lines that were refused, each with its reason; the",
        "rest goes on. A line without id gets one derived from its number and bytes. Authority and",
        "`stored` are those of the server that takes the statement (xAPI 1.0.3 Data 2.4.8, 2.4.9).",
        "Contents of attachments are in none of the formats.",
        "",
        f"## Columns (version {SCHEMA_VERSION}, also in parquet's metadata as `assay.export`)",
        "",
        "| column | type | holds |",
        "| --- | --- | --- |",
        *(f"| `{one.name}` | {one.type} | {one.about} |" for one in COLUMNS),
    ]
    return "\n".join(lines) + "\n"
