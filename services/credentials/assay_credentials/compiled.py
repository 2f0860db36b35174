"""The canonical form of datasets that differ in a few texts only, worked out once. Pure.

RDFC-1.0 names a blank node by the hash of the statements that mention it. Most of them hold no
text that changes, so most hashes, and most of every line, are known before a dataset comes.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from assay_credentials.canonical import Quad

PLACEHOLDER: Final = "urn:assay:placeholder:"
"""A place is this, a number and a colon."""

_PLACE: Final = re.compile(rf"{PLACEHOLDER}(\d+):")
_CANONICAL: Final = "_:c14n"

Fill = Callable[[Sequence[str]], Any]


class CompiledDataset:
    """A dataset with places, to be filled with texts that need no escape in N-Quads."""

    def __init__(self, quads: Iterable[Quad]) -> None:
        self._quads = tuple(quads)
        places = max((_places(quad) for quad in self._quads), default=0)
        nodes = sorted({term for quad in self._quads for term in quad if _is_blank(term)})
        # One row of texts: those of the places, then the names of the nodes.
        self._column = {node: places + number for number, node in enumerate(nodes)}
        self._places = places
        self._fixed_lines: list[str] = []
        self._lines: list[tuple[str, Fill]] = []
        for quad in set(self._quads):
            pattern, fill = _compiled(quad, self._column)
            if fill is None:
                self._fixed_lines.append(pattern)
            else:
                self._lines.append((pattern, fill))
        self._fixed_hashes: dict[int, str] = {}
        self._hashed: dict[int, list[tuple[str, Fill | None]]] = {}
        for node, column in self._column.items():
            lines = [_compiled(terms, {}) for terms in _first_degree(node, set(self._quads))]
            if any(fill is not None for _, fill in lines):
                self._hashed[column - places] = lines
            else:
                self._fixed_hashes[column - places] = _sha256(line for line, _ in lines)

    def filled(self, values: Sequence[str]) -> list[Quad]:
        """The dataset with these texts."""
        return [_filled(quad, values) for quad in self._quads]

    def canonical(self, values: Sequence[str]) -> str | None:
        """Its canonical N-Quads document (RDFC-1.0 section 4.4.3).

        None when the texts make two nodes or two statements alike: then it takes the whole
        algorithm.
        """
        hashes = dict(self._fixed_hashes)
        for node, lines in self._hashed.items():
            hashes[node] = _sha256(
                pattern if fill is None else pattern % fill(values) for pattern, fill in lines
            )
        if len(set(hashes.values())) != len(hashes):
            return None
        names = [""] * len(hashes)
        for number, node in enumerate(sorted(hashes, key=hashes.__getitem__)):
            names[node] = f"{_CANONICAL}{number}"
        row = [*values, *names]
        text = [*self._fixed_lines, *(pattern % fill(row) for pattern, fill in self._lines)]
        if len(set(text)) != len(text):
            return None
        text.sort()
        return "".join(text)


def _compiled(terms: Iterable[str], nodes: Mapping[str, int]) -> tuple[str, Fill | None]:
    """A `%` pattern and what picks its texts from the row; a line as it is when it has none.

    `nodes` says in which columns of the row the names of nodes stand.
    """
    columns: list[int] = []

    def place(found: re.Match[str]) -> str:
        columns.append(int(found[1]))
        return "%s"

    parts: list[str] = []
    for term in terms:
        column = nodes.get(term)
        if column is None:
            parts.append(_PLACE.sub(place, term.replace("%", "%%")))
        else:
            columns.append(column)
            parts.append("%s")
    return (_line(parts), itemgetter(*columns)) if columns else (_line(terms), None)


def _first_degree(node: str, quads: Iterable[Quad]) -> list[list[str]]:
    """The statements that the node's hash is made of (RDFC-1.0 section 4.6.3)."""
    return [
        [("_:a" if term == node else "_:z") if _is_blank(term) else term for term in quad]
        for quad in quads
        if node in quad
    ]


def _line(terms: Iterable[str]) -> str:
    return " ".join(term for term in terms if term) + " .\n"


def _sha256(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _is_blank(term: str) -> bool:
    return term.startswith("_:")


def _places(quad: Quad) -> int:
    """One more than the highest number of a place in it."""
    found = [int(number) for term in quad for number in _PLACE.findall(term)]
    return max(found, default=-1) + 1


def _filled(quad: Quad, values: Sequence[str]) -> Quad:
    if not any(PLACEHOLDER in term for term in quad):
        return quad
    return Quad(*(_PLACE.sub(lambda found: values[int(found[1])], term) for term in quad))
