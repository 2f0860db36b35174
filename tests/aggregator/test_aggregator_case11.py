"""CASE 1.1: what is taken, what is repaired, what is refused; numbers and URIs as they came."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_aggregator.errors import Refused
from assay_aggregator.frameworks.case_check import check_package
from assay_aggregator.frameworks.case_json import Number, canonical, dump, read_json
from assay_aggregator.frameworks.findings import NotAFramework, as_findings, refuse_if
from assay_aggregator.frameworks.importing import check
from assay_aggregator.frameworks.packages import (
    frame_of,
    members,
    note_cycles,
    outside_nodes,
)
from case_samples import CHANGED, DOCUMENT, association, complete, link, minimal, thing, uuid


def read(value: Any) -> Any:
    return read_json(json.dumps(value).encode())


def found(value: Any) -> list[tuple[str, str]]:
    """(outcome, pointer) of every finding."""
    return [(one.outcome, one.pointer) for one in check_package(read(value)).findings.listed]


def put_together(package: Mapping[str, Any]) -> dict[str, Any]:
    """The package again, of its frame and the members as they are stored."""
    whole: dict[str, Any] = read_json(dump(frame_of(package)).encode())
    for one in members(package):
        place = whole if one.section in whole else whole["CFDefinitions"]
        assert len(place[one.section]) == one.position
        place[one.section].append(read_json(dump(one.body).encode()))
    return whole


@pytest.mark.parametrize("package", [minimal(), complete()])
def test_a_legal_package_is_taken_strictly_and_comes_out_byte_equal(
    package: dict[str, Any],
) -> None:
    value = read(package)
    checked = check(value, strict=True)
    assert list(checked.findings.of("repaired", "kept", "refused")) == []
    assert canonical(put_together(checked.package)) == canonical(value)
    # Canonical JSON of ours is that of the standard library where no number is special.
    assert json.loads(canonical(value)) == package


def test_numbers_stay_as_they_were_written() -> None:
    text = b'{"a":3,"b":3.0,"c":3.00,"d":1e2,"e":-0,"f":1E-400,"g":12345678901234567890123.0}'
    assert dump(read_json(text)).encode() == text
    assert canonical(read_json(b'{"b":3.0,"a":3}')) == b'{"a":3,"b":3.0}'
    assert Number("3") != Number("3.0")


def test_a_score_of_three_stays_three_through_the_check() -> None:
    text = json.dumps(complete()).replace('"score": 2', '"score": 3').encode()
    checked = check(read_json(text), strict=True)
    assert '"score":3,' in dump(checked.package)
    assert '"weight":1.0' in dump(checked.package)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b'{"a":1,"a":2}', "twice"),
        (b"{", "not JSON"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":"\\u0000"}', "U+0000"),
        (b'{"a":"\\ud800"}', "Unicode"),
        (b"\xff", "UTF-8"),
        (b"[" * 300 + b"]" * 300, "deeper"),
        (b"[" * 100_000, "deeper"),
    ],
)
def test_what_cannot_be_kept_is_no_json(text: bytes, says: str) -> None:
    with pytest.raises(Refused, match=says.replace("+", r"\+")):
        dump(read_json(text))


def test_the_text_of_an_escape_is_not_the_escape() -> None:
    assert read_json(b'"\\\\u0000"') == "\\u0000"


def changed(pointer: str, value: Any) -> dict[str, Any]:
    """The complete package with another value somewhere; `...` takes it away."""
    package = complete()
    *steps, last = pointer.strip("/").split("/")
    place: Any = package
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if value is ...:
        place.pop(last, None)
    elif isinstance(place, list):
        place[int(last)] = value
    else:
        place[last] = value
    return package


FAULTS: tuple[tuple[str, Any, str, Any], ...] = (
    # pointer, value put there, what comes of it, the value afterwards
    ("/CFDocument/creator", None, "repaired", "unknown"),
    ("/CFDocument/title", ..., "repaired", DOCUMENT),
    ("/CFDocument/lastChangeDateTime", None, "repaired", "1970-01-01T00:00:00+00:00"),
    ("/CFDocument/publisher", None, "repaired", ...),
    ("/CFDocument/subject", "Science", "repaired", ["Science"]),
    ("/CFDocument/statusStartDate", "2026-01-02T00:00:00Z", "repaired", "2026-01-02"),
    ("/CFDocument/statusStartDate", "2026-02-30", "kept", "2026-02-30"),
    ("/CFDocument/caseVersion", "1.0", "kept", "1.0"),
    ("/CFDocument/officialSourceURL", "no uri", "kept", "no uri"),
    ("/CFDocument/extensions", [], "repaired", {}),
    ("/CFItems/0/fullStatement", None, "repaired", "ASP"),
    ("/CFItems/0/lastChangeDateTime", None, "repaired", CHANGED),
    ("/CFItems/0/uri", None, "repaired", f"urn:uuid:{uuid(0xA1)}"),
    ("/CFItems/0/notes", None, "repaired", ...),
    ("/CFItems/0/humanCodingScheme", 12, "repaired", "12"),
    ("/CFItems/0/identifier", uuid(0xA1).upper(), "kept", uuid(0xA1).upper()),
    ("/CFItems/0/smartLevel", "1.1", "kept", "1.1"),
    ("/CFItems/0/CFDocumentURI", link(1), "kept", link(1)),
    ("/CFItems/0/educationLevel", [1], "kept", [1]),
    ("/CFAssociations/0/associationType", "isCousinOf", "kept", "isCousinOf"),
    ("/CFAssociations/0/sequenceNumber", 1.5, "kept", 1.5),
    ("/CFAssociations/0/sequenceNumber", "1", "kept", "1"),
    ("/CFRubrics/0/CFRubricCriteria/0/weight", "1", "kept", "1"),
    ("/CFRubrics", None, "repaired", ...),
    ("/CFDefinitions", [], "repaired", ...),
    ("/CFDefinitions/CFLicenses/0/licenseText", None, "repaired", "CC BY 4.0"),
    ("/CFDefinitions/CFItemTypes/0/description", None, "repaired", "Skill"),
    ("/CFThings", [1], "kept", [1]),
)


@pytest.mark.parametrize(("pointer", "value", "outcome", "after"), FAULTS)
def test_each_fault_is_reported_and_strictly_refused(
    pointer: str, value: Any, outcome: str, after: Any
) -> None:
    package = changed(pointer, value)
    assert found(package) == [(outcome, pointer)]
    with pytest.raises(NotAFramework, match=pointer):
        check(read(package), strict=True)
    checked = check(read(package), strict=False)
    assert json.loads(canonical(checked.package)) == changed(pointer, after)


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/CFDocument", None),
        ("/CFDocument/identifier", None),
        ("/CFDocument/title", ["a list"]),
        ("/CFItems", {"CFItem": []}),
        ("/CFItems/0", "an item"),
        ("/CFItems/0/identifier", [5]),
        ("/CFItems/0/identifier", "x" * 201),
        ("/CFItems/0/uri", "https://example.org/" + "x" * 2_000),
        ("/CFAssociations/0/originNodeURI", None),
        ("/CFAssociations/0/originNodeURI", {"title": "nowhere"}),
        ("/CFAssociations/0/associationType", None),
        ("/CFDefinitions", "all of them"),
    ],
)
def test_what_cannot_be_repaired_is_refused_in_either_way(pointer: str, value: Any) -> None:
    package = changed(pointer, value)
    if pointer == "/CFDocument/identifier":
        package["CFDocument"]["uri"] = None
    for strict in (True, False):
        with pytest.raises(NotAFramework) as caught:
            check(read(package), strict=strict)
        assert any(one.pointer.startswith(pointer) for one in caught.value.findings)


def test_the_wrappers_of_opensalt_are_taken_off() -> None:
    package = minimal()
    wrapped = {
        "CFPackage": {
            "CFDocument": {"CFDocument": package["CFDocument"]},
            "CFItems": [{"CFItem": one} for one in package["CFItems"]],
            "CFAssociations": package["CFAssociations"],
        }
    }
    assert found(wrapped) == [
        ("repaired", ""),
        ("repaired", "/CFDocument"),
        ("repaired", "/CFItems/0"),
        ("repaired", "/CFItems/1"),
    ]
    assert canonical(check(read(wrapped), strict=False).package) == canonical(read(package))
    with pytest.raises(NotAFramework):
        check(read(wrapped), strict=True)


def test_an_object_that_stands_twice_is_taken_once_and_two_of_one_identifier_are_refused() -> None:
    package = minimal()
    package["CFItems"].append(dict(package["CFItems"][0]))
    assert found(package) == [("repaired", "/CFItems/2")]
    assert len(check(read(package), strict=False).package["CFItems"]) == 2
    package["CFItems"][2]["fullStatement"] = "Something else"
    assert found(package) == [("refused", "/CFItems/2/identifier")]


def test_cycles_are_noted_and_do_not_stop_the_import() -> None:
    package = complete()
    package["CFAssociations"] += [
        association(0xF1, "isChildOf", 0xA1, 0xA2),
        association(0xF2, "precedes", 0xA1, 0xA1),
        association(0xF3, "isRelatedTo", 0xA1, 0xA2),
        association(0xF4, "isRelatedTo", 0xA2, 0xA1),
    ]
    checked = check(read(package), strict=True)
    rules = [one.rule for one in checked.findings.of("noted")]
    assert len(rules) == 2
    assert rules[0] in (
        "isChildOf goes round: ASP -> ASP2 -> ASP",
        "isChildOf goes round: ASP2 -> ASP -> ASP2",
    )
    assert rules[1] == "precedes goes round: ASP -> ASP"


def test_nodes_outside_the_package_are_found_and_the_document_is_a_node() -> None:
    package = complete()
    package["CFAssociations"].append(association(0xB9, "isChildOf", 0xA1, 1))
    assert outside_nodes(read(package)) == {
        uuid(0xFF): ["/CFAssociations/1/destinationNodeURI"],
    }


def test_many_findings_are_counted_but_not_all_listed() -> None:
    package = minimal()
    package["CFItems"] = [
        thing(number, fullStatement="a", smart=1) for number in range(1_000, 1_300)
    ]
    findings = check_package(read(package)).findings
    assert len(findings.listed) == 100
    assert findings.count("kept") == 300
    assert as_findings(findings.as_json()).as_json() == findings.as_json()
    with pytest.raises(NotAFramework, match="and 299 more"):
        refuse_if(findings, strict=True)


# Laws

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
numbers = st.sampled_from(["0", "3", "3.0", "-1.50", "1e3"]).map(Number)
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
POINTERS = sorted({one[0] for one in FAULTS})


@st.composite
def broken(draw: st.DrawFn) -> Any:
    """The complete package with up to three members replaced or taken away."""
    package = read(complete())
    for _ in range(draw(st.integers(0, 3))):
        place: Any = package
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            inner = place[key]
            if isinstance(inner, dict | list) and draw(st.booleans()):
                place = inner
                continue
            if isinstance(place, dict) and draw(st.booleans()):
                del place[key]
            else:
                place[key] = draw(anything)
            break
    return package


@given(broken())
def test_what_was_repaired_once_is_repaired(package: Any) -> None:
    first = check_package(package)
    if first.findings.count("refused"):
        return
    second = check_package(first.package)
    assert second.findings.count("repaired", "refused") == 0
    assert canonical(second.package) == canonical(first.package)
    # And whatever was let through can be stored, found by its nodes, and put together again.
    note_cycles(first.package, first.findings)
    outside_nodes(first.package)
    assert canonical(put_together(first.package)) == canonical(first.package)


@given(broken())
def test_what_strict_takes_it_does_not_change(package: Any) -> None:
    before = canonical(package)
    if check_package(package).findings.count("refused", "repaired", "kept"):
        with pytest.raises(NotAFramework):
            check(package, strict=True)
    else:
        assert canonical(check(package, strict=True).package) == before


@given(anything)
def test_json_is_read_as_it_is_written(value: Any) -> None:
    assert read_json(dump(value).encode()) == value
    assert canonical(read_json(canonical(value))) == canonical(value)
