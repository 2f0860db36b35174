"""Hypothesis strategies of valid statements of both versions, as documents for `json.dumps`.

    @given(statements("2.0.0"))

What they make keeps every rule of `xapi_rules.RULES`, at the edges of the formats too: all kinds of
objects, SubStatements, groups, attachments, contextAgents and contextGroups, interactions.
"""

import string
from datetime import datetime
from typing import Any

from hypothesis import strategies as st

from assay_schemas.statement import Version
from assay_schemas.xapi_checks import COMPONENT_LISTS

Document = dict[str, Any]
Documents = st.SearchStrategy[Document]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
_words = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
_numbers = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6).map(lambda number: round(number, 3))

iris = st.one_of(
    st.builds("https://{}.example.org/{}".format, _words, _words),
    st.builds("urn:uuid:{}".format, st.uuids()),
    st.builds("tag:example.org,2026:{}".format, _words),
    st.builds("http://example.org/{}?q=%20#é{}".format, _words, _words),
    st.builds("act:{}".format, _words),
)
_uuids = st.uuids(version=4).map(str)
uuids = _uuids | _uuids.map(str.upper) | st.just("12345678-1234-5678-1234-567812345678")
language_tags = st.sampled_from(
    [
        "en",
        "en-GB",
        "de-CH-1996",
        "cmn-Hans-CN",
        "es-419",
        "x-internal",
        "i-klingon",
        "I-KLINGON",
        "sl-rozaj",
    ]
)
language_maps = st.dictionaries(language_tags, texts, max_size=2)
timestamps = st.one_of(
    st.datetimes(datetime(1000, 1, 1)).map(lambda moment: moment.isoformat() + "Z"),
    st.sampled_from(
        [
            "2026-03-04T10:15:30+01:00", "2026-03-04T10:15:30.123456789Z", "2024-02-29T23:59:59Z",
            "2026-03-04T10:15:30", "2026-03-04T10:15Z", "20260304T101530Z", "2016-12-31T23:59:60Z",
            "2026-03-04 10:15:30-05:30", "2026-03-04t10:15:30,5z",
        ]
    ),
)  # fmt: skip
durations = st.one_of(
    st.sampled_from(
        ["P3Y1M29DT4H35M59.14S", "P4W", "P1Y", "PT0S", "P1.5D", "PT1,5S", "P1DT12H", "PT1M30.5S"]
    ),
    st.builds("PT{}H{}M{}S".format, st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)),
    st.builds("PT{}.{}S".format, st.integers(0, 9), st.integers(0, 999)),
)
addresses = st.builds("mailto:{}@{}.example.org".format, _words, _words) | st.just(
    "mailto:o'neil+x@localhost"
)


def _hexadecimal(*lengths: int) -> st.SearchStrategy[str]:
    return st.sampled_from(lengths).flatmap(
        lambda length: st.text(string.hexdigits, min_size=length, max_size=length)
    )


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | _numbers | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
extensions = st.dictionaries(iris, _json, max_size=2)

accounts = st.fixed_dictionaries({"homePage": iris, "name": texts.filter(bool)})
_identifiers = st.one_of(
    st.fixed_dictionaries({"mbox": addresses}),
    st.fixed_dictionaries({"mbox_sha1sum": _hexadecimal(40)}),
    st.fixed_dictionaries({"openid": iris}),
    st.fixed_dictionaries({"account": accounts}),
)


def _merged(*parts: Documents) -> Documents:
    def merge(documents: tuple[Document, ...]) -> Document:
        return {name: value for document in documents for name, value in document.items()}

    return st.tuples(*parts).map(merge)


agents = _merged(
    st.fixed_dictionaries({}, optional={"objectType": st.just("Agent"), "name": texts}),
    _identifiers,
)
_typed_agents = _merged(agents, st.just({"objectType": "Agent"}))
_group_part = st.fixed_dictionaries({"objectType": st.just("Group")}, optional={"name": texts})
_members = st.lists(agents, min_size=1, max_size=3)
groups = st.one_of(
    _merged(_group_part, st.fixed_dictionaries({"member": _members})),
    _merged(_group_part, st.fixed_dictionaries({}, optional={"member": st.just([])}), _identifiers),
    _merged(_group_part, st.fixed_dictionaries({"member": _members}), _identifiers),
)
actors = agents | groups
authorities = agents | st.fixed_dictionaries(
    {"objectType": st.just("Group"), "member": st.lists(agents, min_size=2, max_size=2)}
)

_components = st.lists(
    st.fixed_dictionaries({"id": texts}, optional={"description": language_maps}),
    max_size=3,
    unique_by=lambda one: str(one["id"]),
)


def _interaction(kind: str) -> Documents:
    lists = dict.fromkeys(COMPONENT_LISTS[kind], _components)
    return st.fixed_dictionaries(
        {"interactionType": st.just(kind)},
        optional={"correctResponsesPattern": st.lists(texts, max_size=2), **lists},
    )


definitions = _merged(
    st.fixed_dictionaries(
        {},
        optional={
            "name": language_maps,
            "description": language_maps,
            "type": iris,
            "moreInfo": iris,
            "extensions": extensions,
        },
    ),
    st.just({}) | st.sampled_from(sorted(COMPONENT_LISTS)).flatmap(_interaction),
)
activities = st.fixed_dictionaries(
    {"id": iris}, optional={"objectType": st.just("Activity"), "definition": definitions}
)
statement_refs = st.fixed_dictionaries({"objectType": st.just("StatementRef"), "id": uuids})
verbs = st.fixed_dictionaries({"id": iris}, optional={"display": language_maps})


@st.composite
def scores(draw: st.DrawFn) -> Document:
    """A score whose numbers are in order; each of them may be missing."""
    low, middle, high = sorted(draw(st.lists(_numbers, min_size=3, max_size=3, unique=True)))
    whole = {"scaled": draw(st.floats(-1, 1)), "min": low, "raw": middle, "max": high}
    names = draw(st.sets(st.sampled_from(sorted(whole))))
    # A tiny fraction has more digits than a score may have here.
    whole["scaled"] = round(whole["scaled"], 6)
    return {name: whole[name] for name in whole if name in names}


results = st.fixed_dictionaries(
    {},
    optional={
        "score": scores(),
        "success": st.booleans(),
        "completion": st.booleans(),
        "response": texts,
        "duration": durations,
        "extensions": extensions,
    },
)
_context_activities = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("parent", "grouping", "category", "other"), activities | st.lists(activities, max_size=2)
    ),
)


def _relevant(kind: str, part: str, who: Documents) -> st.SearchStrategy[list[Document]]:
    one = st.fixed_dictionaries(
        {"objectType": st.just(kind), part: who},
        optional={"relevantTypes": st.lists(iris, min_size=1, max_size=2)},
    )
    return st.lists(one, max_size=2)


def contexts(version: Version, *, of_activity: bool) -> Documents:
    """Contexts of statements whose object is an Activity, or is not."""
    properties: dict[str, st.SearchStrategy[Any]] = {
        "registration": uuids,
        "instructor": actors,
        "team": groups,
        "contextActivities": _context_activities,
        "language": language_tags,
        "statement": statement_refs,
        "extensions": extensions,
    }
    if of_activity:
        properties |= {"revision": texts, "platform": texts}
    if version != "1.0.3":
        properties["contextAgents"] = _relevant("contextAgent", "agent", agents)
        properties["contextGroups"] = _relevant("contextGroup", "group", groups)
    return st.fixed_dictionaries({}, optional=properties)


attachments = _merged(
    st.fixed_dictionaries(
        {
            "display": language_maps,
            "length": st.integers(0, 2**40),
            "sha2": _hexadecimal(56, 64, 96, 128),
        },
        optional={"description": language_maps, "fileUrl": iris},
    ),
    st.one_of(
        st.fixed_dictionaries(
            {
                "usageType": iris,
                "contentType": st.sampled_from(
                    [
                        "text/plain; charset=utf-8",
                        "image/jpeg",
                        "application/vnd.x+json",
                        "font/woff2",
                        'a/b; c="d"',
                    ]
                ),
            }
        ),
        st.just(
            {
                "usageType": "http://adlnet.gov/expapi/attachments/signature",
                "contentType": "application/octet-stream",
            }
        ),
    ),
)


def _body(version: Version, objects: Documents, *, of_activity: bool) -> Documents:
    return st.fixed_dictionaries(
        {"actor": actors, "verb": verbs, "object": objects},
        optional={
            "result": results,
            "context": contexts(version, of_activity=of_activity),
            "timestamp": timestamps,
            "attachments": st.lists(attachments, max_size=2),
        },
    )


def _plain(version: Version) -> list[Documents]:
    """What a statement and a SubStatement both may be, one strategy for each kind of object."""
    return [
        _body(version, activities, of_activity=True),
        _body(version, _typed_agents | groups, of_activity=False),
        _body(version, statement_refs, of_activity=False),
    ]


def sub_statements(version: Version) -> Documents:
    return _merged(st.just({"objectType": "SubStatement"}), st.one_of(_plain(version)))


def statements(version: Version) -> Documents:
    """Valid statements of `version`."""
    versions = ["1.0", "1.0.0", "1.0.3", "1.0.3-rc.1"] + (["2.0.0"] if version != "1.0.3" else [])
    voiding = _merged(
        _body(version, statement_refs, of_activity=False),
        st.just({"verb": {"id": "http://adlnet.gov/expapi/verbs/voided"}}),
    )
    with_sub = _body(version, sub_statements(version), of_activity=False)
    only = st.fixed_dictionaries(
        {},
        optional={
            "id": uuids,
            "stored": timestamps,
            "version": st.sampled_from(versions),
            "authority": authorities,
        },
    )
    return _merged(st.one_of(*_plain(version), with_sub, voiding), only)
