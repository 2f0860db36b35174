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
from assay_ingest.metrics import IngestMetrics, MoverMetrics, StoreMetrics
from assay_ingest.settings import IngestSettings, MoverSettings, StoreSettings
from assay_runtime.metrics import ConsumerMetrics, RelayMetrics
from assay_runtime.problem import TYPE_PREFIX, default_slugs
from assay_runtime.settings import PREFIX, ServiceSettings
from assay_schemas.topics import TOPICS, input_topic

_MADE = "<!-- Made by `assay docs` from the code. Change the code, then run it. -->\n"

_SETTINGS: tuple[tuple[str, type[ServiceSettings]], ...] = (
    ("ingest", IngestSettings),
    ("store", StoreSettings),
    ("mover", MoverSettings),
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
    ]
    for name, settings in _SETTINGS:
        own = [
            (field, info)
            for field, info in settings.model_fields.items()
            if field not in ServiceSettings.model_fields
        ]
        lines += ["", f"## {name}", ""]
        lines += _rows(own) if own else ["Nothing of its own."]
    return "\n".join(lines) + "\n"


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
