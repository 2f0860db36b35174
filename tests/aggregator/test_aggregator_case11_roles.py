"""Roles and what they ask for: from CASE documents and from CSV."""

import json
from typing import Any

import pytest

from assay_aggregator.errors import Refused
from assay_aggregator.frameworks.case_json import read_json
from assay_aggregator.frameworks.findings import Findings
from assay_aggregator.frameworks.roles import (
    StatedRole,
    check_slug,
    read_roles_csv,
    roles_of,
    slug_of,
)
from case_samples import association, roles_package, thing


def roles(package: dict[str, Any]) -> list[StatedRole]:
    return roles_of(read_json(json.dumps(package).encode()))


def asked(role: StatedRole) -> list[tuple[str | None, int | None]]:
    return [(one.uri, one.level) for one in role.wanted]


def test_the_roles_of_a_document_with_their_levels() -> None:
    (role,) = roles(roles_package())
    assert (role.role, role.name) == ("op1", "Operator")
    assert asked(role) == [("https://example.org/uri/a1", 2), ("https://example.org/uri/a2", 3)]


@pytest.mark.parametrize(
    ("extensions", "level"),
    [
        ({"urn:assay:case:level": 3}, 3),
        ({"urn:assay:case:level": "3"}, 3),
        ({"urn:assay:case:level": 0}, 0),
        ({"https://example.org/ns#requiredLevel": 2}, 2),
        ({"level": 2}, 2),
        ({"urn:assay:case:level": 2.5}, None),
        ({"urn:assay:case:level": -1}, None),
        ({"urn:assay:case:level": 1, "level": 2}, 1),
        ({"sublevels": 2}, None),
        ({}, None),
    ],
)
def test_where_the_level_of_an_association_stands(
    extensions: dict[str, Any], level: int | None
) -> None:
    package = roles_package({0xA1: 1})
    package["CFAssociations"][0]["extensions"] = extensions
    assert asked(roles(package)[0]) == [("https://example.org/uri/a1", level)]


def test_the_document_itself_may_be_the_role_and_other_associations_ask_for_nothing() -> None:
    package = roles_package({})
    package["CFAssociations"] = [
        association(0xB1, "hasSkillLevel", 2, 0xA1),
        association(0xB2, "isRelatedTo", 0x91, 0xA1),
        association(0xB3, "hasSkillLevel", 0x777, 0xA1),
    ]
    assert [one.role for one in roles(package)] == ["roles"]


def test_two_roles_of_one_short_name_are_refused() -> None:
    package = roles_package({0xA1: 1})
    package["CFItems"].append(thing(0x92, fullStatement="Other", humanCodingScheme="op1"))
    package["CFAssociations"].append(association(0xB1, "hasSkillLevel", 0x92, 0xA1))
    with pytest.raises(Refused, match="op1"):
        roles(package)


def test_short_names() -> None:
    assert slug_of("R01") == "r01"
    assert slug_of(" QC analyst (cell & flow) ") == "qc-analyst-cell-flow"
    assert check_slug("qc.analyst_2-b") == "qc.analyst_2-b"
    with pytest.raises(Refused):
        slug_of("***")
    for wrong in ("R01", "", "-a", "a b", "a" * 101):
        with pytest.raises(Refused):
            check_slug(wrong)


def test_a_csv_states_roles_whole() -> None:
    findings = Findings()
    text = (
        "Role,name,competency,level,note\n"
        "op1,Operator,GMP1,2,\n"
        'op1,,"https://example.org/uri/a2",,\n'
        "\n"
        "QA,QA associate,,\n"
    )
    first, second = read_roles_csv(text, findings)
    assert findings.listed == []
    assert [(one.reference, one.level) for one in first.wanted] == [
        ("GMP1", 2),
        ("https://example.org/uri/a2", None),
    ]
    assert (second.role, second.name, second.wanted) == ("qa", "QA associate", [])


@pytest.mark.parametrize(
    ("lines", "pointer"),
    [
        ("role,name\n", "line 1"),
        ("", "line 1"),
        ("role,name,competency,level\na b,A,GMP1,1\n", "line 2, column role"),
        ("role,name,competency,level\na,,GMP1,1\n", "line 2, column name"),
        ("role,name,competency,level\na,A,GMP1,1\na,B,GMP2,1\n", "line 3, column name"),
        ("role,name,competency,level\na,A,GMP1,high\n", "line 2, column level"),
        ("role,name,competency,level\na,A,GMP1,1.5\n", "line 2, column level"),
        ("role,name,competency,level\na,A,,1\n", "line 2, column competency"),
        ("role,name,competency,level\na,A,G,1\na,A,G,2\n", "line 3, column competency"),
        ('role,name,competency,level\na,"A', "line 2"),
    ],
)
def test_a_line_that_is_wrong_is_named_with_its_column(lines: str, pointer: str) -> None:
    findings = Findings()
    read_roles_csv(lines, findings)
    assert [(one.outcome, one.pointer) for one in findings.listed] == [("refused", pointer)]
