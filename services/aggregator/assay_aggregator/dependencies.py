"""Which competencies a rule looks at beside its own evidence, and in which order to decide them."""

from collections.abc import Iterable, Mapping, Sequence

from assay_aggregator.rule import Child, Prerequisite, Rule


class RuleCycle(ValueError):
    """Rules look at each other in a circle, so that none of them can be decided first."""


def depends_on(rule: Rule) -> frozenset[str]:
    """The competencies that a rule looks at: its prerequisites and the children of its roll-up."""
    children = () if rule.rollup is None else rule.rollup.children
    return frozenset(
        [one.competency for one in rule.prerequisites] + [one.competency for one in children]
    )


def closure(rules: Mapping[str, Sequence[Rule]], wanted: Iterable[str]) -> tuple[str, ...]:
    """The competencies wanted and all that their rules look at, each after what it looks at.

    `rules` gives the versions of each competency. Competencies without rules are left out: nobody
    ever has one. Raises RuleCycle.
    """
    order: dict[str, None] = {}
    path: dict[str, None] = {}
    # Twice on the stack: to go into a competency, and to leave it when all below it are done.
    waiting = [(competency, True) for competency in sorted(set(wanted), reverse=True)]
    while waiting:
        competency, entering = waiting.pop()
        if not entering:
            del path[competency]
            order[competency] = None
        elif competency in path:
            names = [*path, competency]
            circle = " -> ".join(names[names.index(competency) :])
            raise RuleCycle(f"rules look at each other in a circle: {circle}")
        elif competency not in order and rules.get(competency):
            path[competency] = None
            waiting.append((competency, False))
            others = {other for rule in rules[competency] for other in depends_on(rule)}
            waiting += [(other, True) for other in sorted(others, reverse=True)]
    return tuple(order)


def dependents(rules: Iterable[Rule]) -> dict[str, frozenset[str]]:
    """For each competency, those whose rules look at it, directly or through others."""
    direct: dict[str, set[str]] = {}
    for rule in rules:
        for other in depends_on(rule):
            direct.setdefault(other, set()).add(rule.competency)
    found: dict[str, frozenset[str]] = {}
    for competency in direct:
        reached: set[str] = set()
        waiting = [competency]
        while waiting:
            for one in direct.get(waiting.pop(), ()):
                if one not in reached:
                    reached.add(one)
                    waiting.append(one)
        found[competency] = frozenset(reached)
    return found


def find_cycles(rules: Iterable[Rule]) -> list[tuple[str, ...]]:
    """Every circle of competencies among the rules, each as its members in the order they look.

    Each circle is found once, beginning with its smallest member; circles that share members may
    be reported as one. An empty list: the rules can be decided in some order.
    """
    edges: dict[str, set[str]] = {}
    for rule in rules:
        edges.setdefault(rule.competency, set()).update(depends_on(rule))
    found: dict[tuple[str, ...], None] = {}
    done: set[str] = set()
    for start in sorted(edges):
        path: list[str] = []
        waiting: list[tuple[str, bool]] = [(start, True)]
        while waiting:
            competency, entering = waiting.pop()
            if not entering:
                done.add(path.pop())
                continue
            if competency in path:
                circle = path[path.index(competency) :]
                turn = circle.index(min(circle))
                found[(*circle[turn:], *circle[:turn])] = None
                continue
            if competency in done or competency not in edges:
                continue
            path.append(competency)
            waiting.append((competency, False))
            waiting += [(other, True) for other in sorted(edges[competency], reverse=True)]
    return list(found)


def unreachable(rules: Iterable[Rule]) -> list[tuple[Rule, str, str]]:
    """What a rule asks of others that their rules never give: (rule, pointer, reason).

    Only levels of rules that are among `rules` are judged; a roll-up of the weakest may have any.
    """
    known = list(rules)
    highest: dict[str, int | None] = {}
    for rule in known:
        if rule.rollup is not None and rule.rollup.method == "weakest":
            highest[rule.competency] = None
            continue
        top = rule.levels[-1].number if rule.levels else 0
        held = highest.get(rule.competency, 0)
        highest[rule.competency] = None if held is None else max(held, top)
    found: list[tuple[Rule, str, str]] = []
    for rule in known:
        children = () if rule.rollup is None else rule.rollup.children
        asked: list[tuple[str, int, Prerequisite | Child]] = [
            *(("/prerequisites", index, one) for index, one in enumerate(rule.prerequisites)),
            *(("/rollup/children", index, child) for index, child in enumerate(children)),
        ]
        for place, index, one in asked:
            top_level = highest.get(one.competency)
            if one.level is not None and top_level is not None and one.level > top_level:
                reason = f"level {one.level} cannot be reached: {one.competency} has no such level"
                found.append((rule, f"{place}/{index}/level", reason))
    return found
