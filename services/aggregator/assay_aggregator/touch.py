"""Which rules a statement may touch: the question asked of every statement that comes in.

The answer errs on one side only: a rule that is left out cannot be changed by the statement.
A void touches what its target touches; the caller asks about the target.
"""

from collections.abc import Callable, Iterable, Sequence

from assay_aggregator.fact import Fact
from assay_aggregator.prepare import matches
from assay_aggregator.rule import Match, Rule
from assay_aggregator.vocabulary import LAUNCHED

_Entry = tuple[Match, str]


Term = tuple[str, str | None]
"""A verb, and the activity that it must be about; None is any."""


def relevant_terms(rule: Rule) -> frozenset[Term] | None:
    """By which verbs and activities to look for all statements that the rule can look at.

    Voids are left aside, and so is the activity where a match names none. None when a match names
    no verb: then any statement may be looked at. A roll-up looks at none.
    """
    if rule.rollup is not None:
        return frozenset()
    terms: set[Term] = {(LAUNCHED, None)}
    for match in rule.matches():
        if match.verb is None:
            return None
        activities = (None,) if match.activity is None else match.activity
        terms.update((verb, activity) for verb in match.verb for activity in activities)
    return frozenset(terms)


def touches(rules: Sequence[Rule]) -> Callable[[Fact], frozenset[str]]:
    """A function from a fact to the ids of the rules that it may touch.

    It is an index: by verb and activity where a match names both, else by the one that it names,
    so that a statement about something else costs a few look-ups whatever the number of rules.
    """
    exact: dict[tuple[str, str], list[_Entry]] = {}
    by_verb: dict[str, list[_Entry]] = {}
    by_activity: dict[str, list[_Entry]] = {}
    others: list[_Entry] = []
    for rule in rules:
        for match in dict.fromkeys(rule.matches()):
            entry = (match, rule.id)
            if match.verb is not None and match.activity is not None:
                for verb in match.verb:
                    for activity in match.activity:
                        exact.setdefault((verb, activity), []).append(entry)
            elif match.verb is not None:
                for verb in match.verb:
                    by_verb.setdefault(verb, []).append(entry)
            elif match.activity is not None:
                for activity in match.activity:
                    by_activity.setdefault(activity, []).append(entry)
            else:
                others.append(entry)
    modes = [(rule.id, _modes(rule)) for rule in rules if rule.rollup is None]
    nothing: tuple[_Entry, ...] = ()

    def touched(fact: Fact) -> frozenset[str]:
        verb, activity = fact.verb, fact.activity or ""
        found: set[str] = set()
        candidates: Iterable[_Entry]
        for candidates in (
            exact.get((verb, activity), nothing),
            by_verb.get(verb, nothing),
            by_activity.get(activity, nothing),
            others,
        ):
            for match, rule_id in candidates:
                if rule_id not in found and matches(match, fact):
                    found.add(rule_id)
        if verb == LAUNCHED and fact.launch_mode is not None:
            # A mode that every clause accepts excludes nothing, so it changes nothing.
            found.update(rule_id for rule_id, ok in modes if fact.launch_mode not in ok)
        return frozenset(found)

    return touched


def _modes(rule: Rule) -> frozenset[str]:
    """The launch modes that all clauses of the rule accept."""
    sets = [rule.initial] if rule.renewal is None else [rule.initial, rule.renewal]
    accepted = [clause.launch_modes for one in sets for clause in one.evidence.values()]
    return frozenset.intersection(*accepted)
