"""Trees of `requires`: reading them, and whether one follows from another."""

from collections.abc import Collection, Iterator, Mapping
from itertools import product
from typing import Final

from assay_aggregator.rule_errors import Problem
from assay_aggregator.rule_model import Branch, Tree

_MAX_DEPTH: Final = 20
_OPERATORS: Final = ("all", "any", "at_least")
# Whether one tree follows from another is tried out with every choice of the clauses they name.
_MAX_TRIED: Final = 10


def read_tree(
    node: object, known: Collection[str], pointer: str, problems: list[Problem], depth: int = 0
) -> Tree | None:
    """A `requires` tree over the names of clauses; None after adding what is wrong with it."""
    if isinstance(node, str):
        if node in known:
            return node
        problems.append(unknown_clause(pointer, node))
        return None
    if depth > _MAX_DEPTH:
        problems.append(Problem(pointer, f"is nested deeper than {_MAX_DEPTH} levels"))
        return None
    if not isinstance(node, Mapping) or len(node) != 1 or next(iter(node)) not in _OPERATORS:
        reason = "must be a clause name, {all: […]}, {any: […]} or {at_least: {n, of: […]}}"
        problems.append(Problem(pointer, reason))
        return None
    op, value = next(iter(node.items()))
    pointer = f"{pointer}/{op}"
    parts, count = value, None
    if op == "at_least":
        if not isinstance(value, Mapping) or set(value) != {"n", "of"}:
            problems.append(Problem(pointer, "must be {n, of: […]}"))
            return None
        parts, count = value["of"], value["n"]
        pointer = f"{pointer}/of"
    if not isinstance(parts, list) or not parts:
        problems.append(Problem(pointer, "must be a list with at least one part"))
        return None
    read = [
        read_tree(part, known, f"{pointer}/{index}", problems, depth + 1)
        for index, part in enumerate(parts)
    ]
    need = {"all": len(parts), "any": 1}.get(op, count)
    if type(need) is not int or not 1 <= need <= len(parts):
        problems.append(Problem(pointer.removesuffix("/of") + "/n", "must be from 1 to the parts"))
        return None
    done = tuple(part for part in read if part is not None)
    return Branch(op, need, done) if len(done) == len(read) else None


def unknown_clause(pointer: str, name: str) -> Problem:
    """The problem of a name that no clause has."""
    return Problem(pointer, f"there is no clause `{name}` in evidence")


def names_of(tree: Tree) -> Iterator[str]:
    """The clauses that a tree names, as often as it does."""
    if isinstance(tree, str):
        yield tree
        return
    for part in tree.parts:
        yield from names_of(part)


def holds(tree: Tree, satisfied: Collection[str]) -> bool:
    """Whether a tree holds when these clauses are satisfied."""
    if isinstance(tree, str):
        return tree in satisfied
    return sum(holds(part, satisfied) for part in tree.parts) >= tree.need


def follows(tree: Tree, given: Tree) -> bool:
    """True when `tree` holds wherever `given` does, as far as that is tried out."""
    names = sorted({*names_of(tree), *names_of(given)})
    if len(names) > _MAX_TRIED:
        return tree == given
    for choice in product((False, True), repeat=len(names)):
        satisfied = {name for name, chosen in zip(names, choice, strict=True) if chosen}
        if holds(given, satisfied) and not holds(tree, satisfied):
            return False
    return True
