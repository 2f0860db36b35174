"""ESCO and O*NET files become CASE packages; a framework becomes CTDL-ASN."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from assay_aggregator.errors import Refused
from assay_aggregator.frameworks.building import identifier_of
from assay_aggregator.frameworks.case_json import Number, canonical, dump, read_json
from assay_aggregator.frameworks.ctdl import CONTEXT, ctdl_of
from assay_aggregator.frameworks.esco import ATTRIBUTION, esco_packages
from assay_aggregator.frameworks.findings import Findings
from assay_aggregator.frameworks.importing import check
from assay_aggregator.frameworks.onet import attribution, onet_packages
from assay_aggregator.frameworks.packages import outside_nodes
from case_samples import association, complete, roles_package, uuid

DATA = Path(__file__).with_name("data")
SKILL = "http://data.europa.eu/esco/skill/00000000-0000-4000-8000-00000000000"
OCCUPATION = "http://data.europa.eu/esco/occupation/00000000-0000-4000-8000-000000000011"

Lines = Callable[[str], Iterable[str] | None]


def lines_of(folder: str, changes: Mapping[str, str | None] | None = None) -> Lines:
    """The files of a folder; in `changes` other texts, or None for a file that is not there."""

    def lines(name: str) -> Iterable[str] | None:
        if changes is not None and name in changes:
            text = changes[name]
            return None if text is None else text.splitlines(keepends=True)
        file = DATA / folder / name
        return file.read_text().splitlines(keepends=True) if file.exists() else None

    return lines


def refused(findings: Findings) -> list[str]:
    return [one.pointer for one in findings.of("refused")]


def by_uri(package: Mapping[str, Any]) -> dict[str, Any]:
    return {one["uri"]: one for one in package["CFItems"]}


def edges(package: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (one["originNodeURI"]["uri"], one["associationType"], one["destinationNodeURI"]["uri"])
        for one in package["CFAssociations"]
    ]


def test_esco_becomes_a_framework_of_skills_and_one_of_occupations() -> None:
    findings = Findings()
    skills, occupations = esco_packages(lines_of("esco"), findings)
    assert refused(findings) == []
    items = by_uri(skills)
    assert items[SKILL + "1"]["fullStatement"] == "put on a sterile gown"
    assert items[SKILL + "1"]["conceptKeywords"] == ["gown up", "dress for a clean room"]
    assert items[SKILL + "1"]["notes"] == "Made up for tests:\nputting on a gown."
    assert items[SKILL + "2"]["CFItemType"] == "Knowledge"
    assert items[SKILL + "9"]["fullStatement"] == "working in clean rooms"
    assert edges(skills) == [
        (SKILL + "1", "isChildOf", SKILL + "9"),
        (SKILL + "2", "isChildOf", SKILL + "9"),
    ]
    assert skills["CFDocument"]["lastChangeDateTime"] == "2024-01-15T00:00:00+00:00"
    assert occupations["CFDocument"]["frameworkType"] == "occupation"
    isco = "http://data.europa.eu/esco/isco/C3"
    assert edges(occupations) == [
        (isco + "1", "isChildOf", isco),
        (OCCUPATION, "isChildOf", isco + "1"),
        (OCCUPATION, "ext:esco.essential", SKILL + "1"),
        (OCCUPATION, "ext:esco.optional", SKILL + "2"),
        (OCCUPATION, "ext:esco.optional", SKILL + "8"),
    ]
    assert {one["notes"] for one in (skills["CFDocument"], occupations["CFDocument"])} == {
        ATTRIBUTION
    }
    # What comes of it is CASE 1.1, and the same files give the same package.
    for package in (skills, occupations):
        assert check(read_json(dump(package).encode()), strict=True).findings.counts == {}
    again = esco_packages(lines_of("esco"), Findings())
    assert [canonical(one) for one in again] == [canonical(skills), canonical(occupations)]
    assert outside_nodes(occupations).keys() == {
        identifier_of(SKILL + number) for number in ("1", "2", "8")
    }


def test_esco_groups_that_are_not_named_stay_outside() -> None:
    text = f"conceptType,conceptUri,broaderType,broaderUri\nS,{SKILL}1,G,{SKILL}9\n"
    lines = lines_of("esco", {"broaderRelationsSkillPillar_en.csv": text})
    skills, _ = esco_packages(lines, Findings())
    assert SKILL + "9" not in by_uri(skills)
    assert edges(skills) == [(SKILL + "1", "isChildOf", SKILL + "9")]


def test_esco_skills_alone_are_enough_and_other_languages_have_other_files() -> None:
    missing = dict.fromkeys(("occupations_en.csv", "broaderRelationsSkillPillar_en.csv"))
    (skills,) = esco_packages(lines_of("esco", missing), Findings())
    assert skills["CFAssociations"] == []
    findings = Findings()
    assert esco_packages(lines_of("esco"), findings, language="de") == []
    assert refused(findings) == ["skills_de.csv"]


@pytest.mark.parametrize(
    ("name", "text", "pointer"),
    [
        ("skills_en.csv", "conceptUri,skillType\n", "skills_en.csv, line 1"),
        ("skills_en.csv", "conceptUri,skillType,preferredLabel\na,b\n", "skills_en.csv, line 2"),
        ("skills_en.csv", 'conceptUri,skillType,preferredLabel\na,"b', "skills_en.csv, line 2"),
        (
            "occupationSkillRelations_en.csv",
            "occupationUri,relationType,skillUri\na,maybe,b\n",
            "occupationSkillRelations_en.csv, line 2, column relationType",
        ),
    ],
)
def test_a_table_that_is_wrong_is_refused_with_its_line(name: str, text: str, pointer: str) -> None:
    findings = Findings()
    esco_packages(lines_of("esco", {name: text}), findings)
    assert refused(findings) == [pointer]


def test_onet_becomes_skills_and_occupations_with_the_numbers_as_written() -> None:
    findings = Findings()
    skills, occupations = onet_packages(lines_of("onet"), findings, release="30.1")
    assert refused(findings) == []
    assert [one["humanCodingScheme"] for one in skills["CFItems"]] == ["2.A.1.a", "2.B.3.k"]
    (occupation,) = occupations["CFItems"]
    assert occupation["notes"] == 'Work in clean rooms. Say "sterile" often.'
    first, second = occupations["CFAssociations"]
    assert first["extensions"] == {
        "urn:assay:onet:importance": Number("3.10"),
        "urn:assay:onet:level": Number("3.00"),
        "urn:assay:onet:recommend-suppress": True,
    }
    assert second["extensions"] == {"urn:assay:onet:importance": Number("2.00")}
    assert '"urn:assay:onet:importance":3.10,' in dump(occupations)
    assert "O*NET 30.1 Database" in skills["CFDocument"]["notes"]
    assert "CC BY 4.0" in attribution(None)
    for package in (skills, occupations):
        assert check(read_json(dump(package).encode()), strict=True).findings.counts == {}


def test_onet_needs_both_files_and_numbers() -> None:
    findings = Findings()
    assert onet_packages(lines_of("onet", {"Occupation Data.txt": None}), findings) == []
    assert refused(findings) == ["Occupation Data.txt"]
    text = (DATA / "onet" / "Skills.txt").read_text().replace("3.10", "much")
    findings = Findings()
    onet_packages(lines_of("onet", {"Skills.txt": text}), findings)
    assert refused(findings) == ["Skills.txt, line 2, column Data Value"]


def test_ctdl_asn_says_what_case_says() -> None:
    package = complete()
    package["CFDocument"]["language"] = "en-GB"
    package["CFAssociations"].append(association(0xB7, "precedes", 0xA1, 0xA2))
    exported = ctdl_of(read_json(dump(package).encode()), "Shown where it is loaded.")
    assert exported["@context"] == CONTEXT
    framework, first, second = exported["@graph"]
    home, one, two = (
        package["CFDocument"]["uri"],
        "https://example.org/uri/a1",
        "https://example.org/uri/a2",
    )
    assert framework["@id"] == exported["@id"] == home
    assert framework["@type"] == "ceasn:CompetencyFramework"
    assert framework["ceasn:name"] == {"en-GB": "ATMP practice"}
    assert framework["ceasn:hasTopChild"] == [one]
    assert framework["ceasn:publicationStatusType"] == "publicationStatus:Published"
    assert framework["ceasn:rights"] == {"en-GB": "Shown where it is loaded."}
    assert first == {
        "@id": one,
        "@type": "ceasn:Competency",
        "ceterms:ctid": f"ce-{uuid(0xA1)}",
        "ceasn:competencyText": {"en-GB": "Work aseptically"},
        "ceasn:codedNotation": "ASP",
        "ceasn:competencyCategory": {"en-GB": "Skill"},
        "ceasn:conceptKeyword": {"en-GB": ["aseptic"]},
        "ceasn:inLanguage": ["en-GB"],
        "ceasn:dateModified": "2026-01-05T09:00:00+00:00",
        "ceasn:isPartOf": [home],
        "ceasn:isTopChildOf": home,
        "ceasn:hasChild": [two],
        "ceasn:exactAlignment": ["https://example.org/uri/ff"],
    }
    assert second["ceasn:isChildOf"] == [one]
    assert second["ceasn:prerequisiteAlignment"] == [one]
    assert "ceasn:isTopChildOf" not in second


def test_children_of_the_document_are_the_top_in_their_sequence() -> None:
    package = complete()
    package["CFAssociations"] = [
        association(0xB1, "isChildOf", 0xA2, 1, sequenceNumber=1),
        association(0xB2, "isChildOf", 0xA1, 1, sequenceNumber=2),
    ]
    framework = ctdl_of(read_json(dump(package).encode()))["@graph"][0]
    assert framework["ceasn:hasTopChild"] == [
        "https://example.org/uri/a2",
        "https://example.org/uri/a1",
    ]


def test_a_framework_of_roles_has_no_ctdl_asn() -> None:
    with pytest.raises(Refused, match="competencies"):
        ctdl_of(read_json(dump(roles_package()).encode()))
