"""The manifest: what a pack was asked, what made it, and the SHA-256 of each of its files. Pure."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from assay_aggregator.inspection.archive import Entry
from assay_aggregator.inspection.tables import json_bytes
from assay_aggregator.rule import ENGINE_VERSION

MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
PACK_SCHEMA: Final = "assay.inspection-pack/v1"
DISTRIBUTION: Final = "assay-records"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FileEntry(_Model):
    """One file of a pack."""

    name: str
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Versions(_Model):
    """What made a pack."""

    engine: str
    product: str


class Manifest(_Model):
    """`question` asked again gives the same pack, `competencies` are what it is about."""

    schema_: Literal["assay.inspection-pack/v1"] = Field(alias="schema")
    question: dict[str, Any]
    competencies: list[str]
    made_by: Versions
    counts: dict[str, int]
    files: list[FileEntry]


def versions() -> dict[str, str]:
    """Of the engine that decides, and of the product."""
    return {"engine": ENGINE_VERSION, "product": metadata.version(DISTRIBUTION)}


def manifest_bytes(
    question: Mapping[str, Any],
    competencies: Sequence[str],
    counts: Mapping[str, int],
    entries: Sequence[Entry],
) -> bytes:
    """The manifest of a pack whose other files are `entries`."""
    return json_bytes(
        {
            "schema": PACK_SCHEMA,
            "question": dict(question),
            "competencies": list(competencies),
            "made_by": versions(),
            "counts": dict(counts),
            "files": [entry.document() for entry in entries],
        }
    )


def sums_bytes(entries: Sequence[Entry]) -> bytes:
    """The file that `sha256sum -c` reads."""
    return "".join(f"{entry.sha256}  {entry.name}\n" for entry in entries).encode()
