"""RDF Dataset Canonicalization (RDFC-1.0, W3C Recommendation 2024-05-21) with a work budget.

A term is its N-Quads text: `<iri>`, `"literal"^^<type>`, `_:label`; the default graph is `""`.
What is signed is text, so nothing is gained by a class per term, and the canonical form of a quad
is a join.

The libraries disagree with the specification and with each other (PyLD on control characters and
on a blank node that stands twice in one quad; others on tied blank graph names), hence our own,
held to the W3C vectors and to `rdf-canonize` by a differential test.
"""

import hashlib
from collections.abc import Iterable
from itertools import permutations
from typing import Literal, NamedTuple

from assay_credentials.errors import CredentialsError

DEFAULT_WORK_BUDGET = 100_000
"""Steps (one related blank node hashed or placed) before giving up. A badge takes under 100; ties
of blank nodes cost the factorial of their number, so a hostile graph of a few kilobytes would
otherwise run for years.
"""

MAX_RECURSION = 150
"""Depth of Hash N-Degree Quads, which recurses once per blank node of a tied chain. Python's own
limit is 1000 frames for everything together."""

_ESCAPES = {
    **{code: f"\\u{code:04X}" for code in [*range(0x20), 0x7F]},
    8: "\\b",
    9: "\\t",
    10: "\\n",
    12: "\\f",
    13: "\\r",
    0x22: '\\"',
    0x5C: "\\\\",
}


class CanonicalisationBudgetExceeded(CredentialsError):
    """The dataset needs more work than allowed: it is hostile, or of a kind that credentials never
    are.
    """


class Quad(NamedTuple):
    """One statement; each component is N-Quads text, the default graph is the empty string."""

    subject: str
    predicate: str
    object: str
    graph: str


def literal(value: str, datatype: str, language: str | None = None) -> str:
    """The canonical N-Quads text of a literal (RDF 1.1 N-Quads, canonical form in RDFC-1.0 section
    5).
    """
    text = f'"{value.translate(_ESCAPES)}"'
    if language is not None:
        return f"{text}@{language}"
    if datatype == "http://www.w3.org/2001/XMLSchema#string":
        return text
    return f"{text}^^<{datatype}>"


def canonicalize(
    quads: Iterable[Quad],
    work_budget: int = DEFAULT_WORK_BUDGET,
    hash_name: Literal["sha256", "sha384"] = "sha256",
) -> str:
    """The canonical N-Quads document of a dataset: lines in code point order, each ended by a line
    feed.

    Two datasets give the same text exactly when they are equal up to the names of blank nodes.
    `hash_name` is SHA-256 in every cryptosuite for Ed25519. Raises CanonicalisationBudgetExceeded.
    """
    return _Canonicalizer(set(quads), work_budget, hash_name).run()


class _Issuer:
    """Names blank nodes in the order of asking (RDFC-1.0 section 4.5)."""

    def __init__(self, prefix: str, issued: dict[str, str] | None = None) -> None:
        self._prefix = prefix
        self.issued = issued if issued is not None else {}

    def issue(self, node: str) -> str:
        name = self.issued.get(node)
        if name is None:
            name = self.issued[node] = f"{self._prefix}{len(self.issued)}"
        return name

    def copy(self) -> "_Issuer":
        return _Issuer(self._prefix, dict(self.issued))


def _line(quad: Iterable[str]) -> str:
    return " ".join(term for term in quad if term) + " .\n"


def _is_blank(term: str) -> bool:
    return term.startswith("_:")


class _Canonicalizer:
    """The canonicalization state of RDFC-1.0 section 4.2; each method is one algorithm of it."""

    def __init__(self, quads: set[Quad], work_budget: int, hash_name: str) -> None:
        self._quads = quads
        self._new_hash = getattr(hashlib, hash_name)
        self._work_left = work_budget
        self._canonical = _Issuer("_:c14n")
        self._first_degree: dict[str, str] = {}
        self._mentions: dict[str, list[Quad]] = {}
        # Sorted, so that the work spent (and whether the budget suffices) is the same in every run.
        for quad in sorted(quads):
            for node in {term for term in quad if _is_blank(term)}:
                self._mentions.setdefault(node, []).append(quad)

    def run(self) -> str:
        """RDFC-1.0 section 4.4.3."""
        by_hash: dict[str, list[str]] = {}
        for node in self._mentions:
            by_hash.setdefault(self._hash_first_degree(node), []).append(node)
        for _, nodes in sorted(by_hash.items()):
            if len(nodes) == 1:
                self._canonical.issue(nodes[0])
        for _, nodes in sorted(by_hash.items()):
            if len(nodes) == 1:
                continue
            results: list[tuple[str, _Issuer]] = []
            for node in sorted(nodes):
                if node not in self._canonical.issued:
                    issuer = _Issuer("_:b")
                    issuer.issue(node)
                    results.append(self._hash_n_degree(node, issuer, depth=1))
            for _, issuer in sorted(results, key=lambda result: result[0]):
                for node in issuer.issued:
                    self._canonical.issue(node)
        names = self._canonical.issued
        return "".join(
            sorted(_line([names.get(term, term) for term in quad]) for quad in self._quads)
        )

    def _hash(self, text: str) -> str:
        return str(self._new_hash(text.encode()).hexdigest())

    def _hash_first_degree(self, node: str) -> str:
        """RDFC-1.0 section 4.6.3."""
        known = self._first_degree.get(node)
        if known is not None:
            return known
        lines = [
            _line([("_:a" if t == node else "_:z") if _is_blank(t) else t for t in quad])
            for quad in self._mentions[node]
        ]
        known = self._first_degree[node] = self._hash("".join(sorted(lines)))
        return known

    def _hash_related(self, related: str, quad: Quad, issuer: _Issuer, position: str) -> str:
        """RDFC-1.0 section 4.7.3."""
        self._spend()
        name = self._canonical.issued.get(related) or issuer.issued.get(related)
        predicate = "" if position == "g" else quad.predicate
        return self._hash(position + predicate + (name or self._hash_first_degree(related)))

    def _related_by_hash(self, node: str, issuer: _Issuer) -> dict[str, list[str]]:
        by_hash: dict[str, list[str]] = {}
        for quad in self._mentions[node]:
            for position, term in (("s", quad.subject), ("o", quad.object), ("g", quad.graph)):
                if _is_blank(term) and term != node:
                    related_hash = self._hash_related(term, quad, issuer, position)
                    by_hash.setdefault(related_hash, []).append(term)
        return by_hash

    def _hash_n_degree(self, node: str, issuer: _Issuer, depth: int) -> tuple[str, _Issuer]:
        """RDFC-1.0 section 4.8.3."""
        if depth > MAX_RECURSION:
            raise CanonicalisationBudgetExceeded(
                f"blank nodes are tied over a chain longer than {MAX_RECURSION}"
            )
        data = ""
        for related_hash, related in sorted(self._related_by_hash(node, issuer).items()):
            chosen_path, chosen_issuer = "", issuer
            for order in permutations(sorted(related)):
                found = self._path_of(order, issuer, chosen_path, depth)
                if found is not None and (not chosen_path or found[0] < chosen_path):
                    chosen_path, chosen_issuer = found
            data += related_hash + chosen_path
            issuer = chosen_issuer
        return self._hash(data), issuer

    def _path_of(
        self, order: tuple[str, ...], issuer: _Issuer, chosen_path: str, depth: int
    ) -> tuple[str, _Issuer] | None:
        """Steps 5.4.1 to 5.4.5 of section 4.8.3: one permutation; None once it cannot be chosen."""

        def hopeless() -> bool:
            return bool(chosen_path) and len(path) >= len(chosen_path) and path > chosen_path

        issuer = issuer.copy()
        path = ""
        to_visit: list[str] = []
        for node in order:
            self._spend()
            name = self._canonical.issued.get(node)
            if name is None:
                if node not in issuer.issued:
                    to_visit.append(node)
                name = issuer.issue(node)
            path += name
            if hopeless():
                return None
        for node in to_visit:
            self._spend()
            node_hash, visited = self._hash_n_degree(node, issuer, depth + 1)
            path += issuer.issue(node) + f"<{node_hash}>"
            issuer = visited
            if hopeless():
                return None
        return path, issuer

    def _spend(self) -> None:
        self._work_left -= 1
        if self._work_left < 0:
            raise CanonicalisationBudgetExceeded("the graph ties too many blank nodes together")
