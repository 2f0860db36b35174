"""Makes CFPackages of other forms of framework: identifiers follow from URIs, so twice is once."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from assay_aggregator.frameworks.findings import Findings

# The lines of a file by its name; None when there is none.
Lines = Callable[[str], Iterable[str] | None]
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """A file of rows: its name and the columns that must be there."""

    name: str
    columns: tuple[str, ...]
    delimiter: str = ","
    quoted: bool = True


def rows_of(
    table: Table, lines: Lines, findings: Findings
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """(line, row by column). What is wrong is found as `refused`, with file and line.

    Without the file there are no rows.
    """
    source = lines(table.name)
    if source is None:
        return
    reader = csv.reader(
        source,
        delimiter=table.delimiter,
        quoting=csv.QUOTE_MINIMAL if table.quoted else csv.QUOTE_NONE,
        strict=table.quoted,
    )
    try:
        header = next(reader, [])
        for column in table.columns:
            if column not in header:
                findings.add("refused", f"{table.name}, line 1", f"the column {column} is missing")
                return
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                findings.add(
                    "refused",
                    f"{table.name}, line {reader.line_num}",
                    "has another number of fields than the first line",
                )
                continue
            yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        findings.add(
            "refused", f"{table.name}, line {reader.line_num}", f"is not readable: {error}"
        )


def identifier_of(uri: str) -> str:
    return str(uuid5(NAMESPACE_URL, uri))


def document(uri: str, *, changed: str, **members: Any) -> Object:
    return {
        "identifier": identifier_of(uri),
        "uri": uri,
        **{name: value for name, value in members.items() if value not in (None, "", [])},
        "lastChangeDateTime": changed,
        "caseVersion": "1.1",
    }


def item(uri: str, statement: str, *, changed: str, **members: Any) -> Object:
    return {
        "identifier": identifier_of(uri),
        "uri": uri,
        "fullStatement": statement,
        **{name: value for name, value in members.items() if value not in (None, "", [])},
        "lastChangeDateTime": changed,
    }


def link(one: Mapping[str, Any]) -> Object:
    """A link to an item or a document."""
    title = one.get("humanCodingScheme") or one.get("title") or one.get("fullStatement")
    return {"title": title or one["uri"], "identifier": one["identifier"], "uri": one["uri"]}


def link_to(uri: str, title: str = "") -> Object:
    """A link to what another package holds, or none."""
    return {"title": title or uri, "identifier": identifier_of(uri), "uri": uri}


def association(
    kind: str, origin: Object, destination: Object, *, changed: str, **members: Any
) -> Object:
    """`origin` and `destination` are links."""
    identifier = identifier_of(f"{origin['uri']} {kind} {destination['uri']}")
    return {
        "identifier": identifier,
        "uri": f"urn:uuid:{identifier}",
        "associationType": kind,
        "originNodeURI": origin,
        "destinationNodeURI": destination,
        **members,
        "lastChangeDateTime": changed,
    }


def package(about: Object, items: Sequence[Object], associations: Sequence[Object]) -> Object:
    return {"CFDocument": about, "CFItems": list(items), "CFAssociations": list(associations)}
