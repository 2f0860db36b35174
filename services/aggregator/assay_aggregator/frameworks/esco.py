"""ESCO 1.2 as the European Commission publishes it in CSV, made into two CFPackages.

The skills, with the groups above them, are a framework; the occupations, with ISCO groups above
them, are another, of the type `occupation`, whose associations `ext:esco.essential` and
`ext:esco.optional` lead to the skills. URIs are ESCO's own.
"""

from typing import Final

from assay_aggregator.frameworks.building import (
    Lines,
    Object,
    Table,
    association,
    document,
    item,
    link,
    link_to,
    package,
    rows_of,
)
from assay_aggregator.frameworks.findings import Findings

ATTRIBUTION: Final = "This service uses the ESCO classification of the European Commission."
SKILLS_URI: Final = "http://data.europa.eu/esco/concept-scheme/skills"
OCCUPATIONS_URI: Final = "http://data.europa.eu/esco/concept-scheme/occupations"
ISCO_PREFIX: Final = "http://data.europa.eu/esco/isco/C"
RELATIONS: Final = ("essential", "optional")

_LONG_AGO: Final = "1970-01-01T00:00:00+00:00"
_KINDS: Final = {"knowledge": "Knowledge", "skill/competence": "Skill"}


class _Esco:
    def __init__(self, lines: Lines, language: str, findings: Findings) -> None:
        self._lines = lines
        self._language = language
        self._findings = findings
        self.changed = _LONG_AGO

    def table(self, name: str, *columns: str) -> Table:
        return Table(f"{name}_{self._language}.csv", columns)

    def when(self, row_date: str) -> str:
        """A row's date as an instant; the greatest is that of the document."""
        text = row_date.strip()
        found = f"{text[:10]}T00:00:00+00:00" if len(text) >= 10 else _LONG_AGO
        self.changed = max(self.changed, found)
        return found

    def skills(self) -> dict[str, Object]:
        found: dict[str, Object] = {}
        table = self.table("skills", "conceptUri", "skillType", "preferredLabel")
        for _, row in rows_of(table, self._lines, self._findings):
            found[row["conceptUri"]] = item(
                row["conceptUri"],
                row["preferredLabel"],
                changed=self.when(row.get("modifiedDate", "")),
                CFItemType=_KINDS.get(row["skillType"], row["skillType"]),
                conceptKeywords=_labels(row.get("altLabels", "")),
                notes=row.get("description") or row.get("definition"),
                language=self._language,
            )
        return found

    def skill_groups(self, skills: dict[str, Object]) -> list[Object]:
        """Associations from skills and groups to what is broader; adds the groups to `skills`."""
        table = self.table("broaderRelationsSkillPillar", "conceptUri", "broaderUri")
        found: list[Object] = []
        names: dict[str, str] = {}
        for _, row in rows_of(table, self._lines, self._findings):
            narrow, broad = row["conceptUri"], row["broaderUri"]
            names.setdefault(narrow, row.get("conceptLabel", ""))
            names.setdefault(broad, row.get("broaderLabel", ""))
            found.append(
                association("isChildOf", link_to(narrow), link_to(broad), changed=_LONG_AGO)
            )
        for uri, name in names.items():
            # Releases before 1.2.1 do not name the groups in this file: those stay outside.
            if uri not in skills and name:
                skills[uri] = item(
                    uri, name, changed=_LONG_AGO, CFItemType="Group", language=self._language
                )
        return found

    def isco(self) -> dict[str, Object]:
        found: dict[str, Object] = {}
        table = self.table("ISCOGroups", "conceptUri", "code", "preferredLabel")
        for _, row in rows_of(table, self._lines, self._findings):
            found[row["conceptUri"]] = item(
                row["conceptUri"],
                row["preferredLabel"],
                changed=_LONG_AGO,
                humanCodingScheme=row["code"],
                CFItemType="ISCO group",
                notes=row.get("description"),
                language=self._language,
            )
        return found

    def occupations(self, items: dict[str, Object]) -> list[Object]:
        """Adds the occupations to `items`; their places below ISCO groups."""
        found: list[Object] = []
        table = self.table("occupations", "conceptUri", "iscoGroup", "preferredLabel", "code")
        for _, row in rows_of(table, self._lines, self._findings):
            one = items[row["conceptUri"]] = item(
                row["conceptUri"],
                row["preferredLabel"],
                changed=self.when(row.get("modifiedDate", "")),
                humanCodingScheme=row["code"],
                CFItemType="Occupation",
                conceptKeywords=_labels(row.get("altLabels", "")),
                notes=row.get("description") or row.get("definition"),
                language=self._language,
            )
            if row["iscoGroup"]:
                group = link_to(ISCO_PREFIX + row["iscoGroup"])
                found.append(association("isChildOf", link(one), group, changed=_LONG_AGO))
        return found

    def relations(self) -> list[Object]:
        found: list[Object] = []
        table = self.table("occupationSkillRelations", "occupationUri", "relationType", "skillUri")
        for line, row in rows_of(table, self._lines, self._findings):
            kind = row["relationType"]
            if kind not in RELATIONS:
                self._findings.add(
                    "refused",
                    f"{table.name}, line {line}, column relationType",
                    f"is one of {', '.join(RELATIONS)}",
                )
                continue
            found.append(
                association(
                    f"ext:esco.{kind}",
                    link_to(row["occupationUri"], row.get("occupationLabel", "")),
                    link_to(row["skillUri"], row.get("skillLabel", "")),
                    changed=_LONG_AGO,
                )
            )
        return found


def esco_packages(lines: Lines, findings: Findings, *, language: str = "en") -> list[Object]:
    """The packages of skills and, when the file is there, of occupations.

    Reads skills, broaderRelationsSkillPillar, occupations, ISCOGroups, occupationSkillRelations,
    each `<name>_<language>.csv`; the first must be there. What is wrong is found as `refused`.
    """
    esco = _Esco(lines, language, findings)
    if lines(f"skills_{language}.csv") is None:
        findings.add("refused", f"skills_{language}.csv", "is not there")
        return []
    skills = esco.skills()
    below = esco.skill_groups(skills)
    about = _about(SKILLS_URI, "ESCO skills and knowledge", esco, "competency", language)
    found = [package(about, list(skills.values()), below)]
    groups = esco.isco()
    below = [
        association("isChildOf", link(one), link_to(uri[:-1]), changed=_LONG_AGO)
        for uri, one in groups.items()
        if uri[:-1] in groups
    ]
    items = dict(groups)
    below += esco.occupations(items)
    if len(items) > len(groups):
        about = _about(OCCUPATIONS_URI, "ESCO occupations", esco, "occupation", language)
        found.append(package(about, list(items.values()), below + esco.relations()))
    return found


def _about(uri: str, title: str, esco: _Esco, kind: str, language: str) -> Object:
    return document(
        uri,
        changed=esco.changed,
        creator="European Commission",
        title=title,
        frameworkType=kind,
        officialSourceURL="https://esco.ec.europa.eu/",
        language=language,
        adoptionStatus="Adopted",
        notes=ATTRIBUTION,
    )


def _labels(text: str) -> list[str]:
    """Other names: one a line in some releases, between bars in others."""
    return [one.strip() for one in text.replace("|", "\n").splitlines() if one.strip()]
