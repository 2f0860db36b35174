"""What the clauses in force lack for the next award, in words."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from assay_aggregator.attempts import SCORED, Attempt, Book, book_at, written
from assay_aggregator.decision import ClauseState, Missing
from assay_aggregator.rule import Rule, Tree
from assay_aggregator.timeline import Course, Items, Phase, solve


def clause_state(book: Book, chosen: list[Attempt] | None) -> ClauseState:
    """A clause as it stands with the attempts of its book."""
    value = book.value() if book.rules.policy in SCORED else None
    text = None if value is None else written(value)
    if book.rules.policy in SCORED:
        have, need = text or "none", str(book.rules.gte)
    else:
        have, need = str(min(len(book.helping()), book.rules.n)), str(book.rules.n)
    return ClauseState(chosen is not None, len(book.passing), len(book.all), text, have, need)


def missing_now(
    rule: Rule,
    course: Course,
    phase: Phase,
    renewal: Items,
    books: Mapping[str, Book],
    as_of: datetime,
    today: int,
) -> tuple[Missing, ...]:
    """What the clauses in force lack at as_of for an award."""
    clauses = rule.initial
    if phase == "renewal" and rule.renewal is not None:
        clauses, bound = rule.renewal, course.bound(phase)
        books = {
            name: book_at(clause, renewal[name], as_of, today, bound)
            for name, clause in clauses.evidence.items()
        }
    return tuple(_missing(clauses.requires, books))


def _missing(tree: Tree, books: Mapping[str, Book]) -> Iterator[Missing]:
    if isinstance(tree, str):
        if books[tree].chosen() is None:
            yield Missing((tree,), lack(tree, books[tree]))
        return
    unmet = [part for part in tree.parts if not _holds(part, books)]
    held = len(tree.parts) - len(unmet)
    if held >= tree.need:
        return
    if tree.need == len(tree.parts):
        for part in unmet:
            yield from _missing(part, books)
        return
    # Several ways lead on: one entry that names them all.
    ways = [list(_missing(part, books)) for part in unmet]
    names = dict.fromkeys(name for way in ways for one in way for name in one.clauses)
    texts = ["; ".join(one.text for one in way) for way in ways]
    yield Missing(tuple(names), f"{tree.need - held} of: ({') or ('.join(texts)})")


def _holds(tree: Tree, books: Mapping[str, Book]) -> bool:
    return solve(tree, lambda name: books[name].chosen() is not None) is not None


def lack(name: str, book: Book) -> str:
    """One sentence on what a clause that is not satisfied still needs."""
    rules, state = book.rules, clause_state(book, None)
    match rules.policy:
        case "any" | "count":
            text = f"{state.have} of {state.need} passes"
        case "first":
            text = "the first attempt did not pass" if book.all else "no attempt yet"
        case "latest":
            text = "the latest attempt did not pass" if book.all else "no attempt yet"
        case "n_of_last":
            text = f"{state.have} of {state.need} passes among the last {rules.m} attempts"
        case "consecutive":
            text = f"{state.have} of {state.need} passes in a row"
        case "n_mastery":
            text = f"{book.reaching} of {rules.n} scores of {rules.gte} or more"
        case "median" if state.value is None:
            text = f"{len(book.rated())} of {rules.n} ratings"
        case "median":
            text = f"median rating {state.have}, needs {state.need}"
        case _:
            text = f"{rules.policy.replace('_', ' ')} score {state.have}, needs {state.need}"
    if book.distinct > 1:
        text += f", with {book.distinct} different assessors"
    return f"{name}: {text}"
