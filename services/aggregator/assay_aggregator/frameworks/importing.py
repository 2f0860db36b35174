"""Importing a framework, and stating what roles ask for. The caller owns the transaction.

1. the package is checked and repaired, or refused (`case_check`, pure);
2. the same content as the newest version changes nothing (`import_package`);
3. the objects are written, while consumers go on;
4. under the lock that holds batches back, as for every record: the version, what its competencies
   are called, the roles that it states, the audit entries.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from assay_aggregator.admin import COMPETENCY_BYTES_MAX, Act, Records
from assay_aggregator.errors import Refused
from assay_aggregator.frameworks import packages
from assay_aggregator.frameworks.case_check import Checked, check_package
from assay_aggregator.frameworks.case_json import canonical, dump
from assay_aggregator.frameworks.findings import Findings, refuse_if
from assay_aggregator.frameworks.roles import StatedRole, Wanted, check_slug, roles_of
from assay_aggregator.frameworks.store import FrameworkStore
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import Store
from assay_runtime.postgres import Connection

FRAMEWORKS_MAX: Final = 1_000
OBJECTS_MAX: Final = 500_000

ROLES_LOCK: Final = "roles"


@dataclass(frozen=True, slots=True)
class RoleChange:
    """A role, what it asked for and asks for: levels by competency. None before: it is new."""

    role: str
    name: str
    before: Mapping[str, int | None] | None
    after: Mapping[str, int | None]


@dataclass(slots=True)
class Imported:
    """What an import did, or would do."""

    framework: str
    version: int
    title: str
    changed: bool
    objects: Mapping[str, int]
    findings: Findings
    attribution: str | None = None
    competencies: int = 0
    withdrawn: int = 0
    roles: list[RoleChange] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "framework": self.framework,
            "version": self.version,
            "title": self.title,
            "changed": self.changed,
            "objects": dict(self.objects),
            "competencies": self.competencies,
            "withdrawn": self.withdrawn,
            "roles": [one.role for one in self.roles],
            "attribution": self.attribution,
            "findings": self.findings.as_json(),
        }


def check(value: Any, *, strict: bool) -> Checked:
    """The package as it is to be stored, and its findings. Raises NotAFramework."""
    checked = check_package(value)
    refuse_if(checked.findings, strict=strict)
    number = sum(1 for _ in packages.members(checked.package))
    if number > OBJECTS_MAX:
        raise Refused(f"a package holds up to {OBJECTS_MAX} objects, and this one {number}")
    packages.note_cycles(checked.package, checked.findings)
    return checked


async def import_package(
    connection: Connection,
    tenant: str,
    checked: Checked,
    act: Act,
    *,
    attribution: str | None = None,
    dry_run: bool = False,
) -> Imported:
    """Store a checked package as the newest version of its framework.

    Raises Refused, and with it nothing is to be committed.
    """
    (done,) = await import_packages(
        connection, tenant, [checked], act, attribution=attribution, dry_run=dry_run
    )
    return done


async def import_packages(
    connection: Connection,
    tenant: str,
    packages_checked: Sequence[Checked],
    act: Act,
    *,
    attribution: str | None = None,
    dry_run: bool = False,
) -> list[Imported]:
    """Store several checked packages, which may name each other's nodes. Raises Refused."""
    store = FrameworkStore(connection, tenant)
    for framework in sorted(packages.framework_of(one.package) for one in packages_checked):
        await store.lock(f"framework {framework}")
    waiting = [
        await _write_objects(store, one, attribution, dry_run=dry_run) for one in packages_checked
    ]
    changed = [one for one in waiting if one.done.changed]
    if changed:
        records = await Records.begin(Store(connection), RuleShelf(), tenant, act)
        for one in changed:
            await _bring_into_force(records, one, dry_run=dry_run)
    return [one.done for one in waiting]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A package whose objects are written; nothing refers to them yet."""

    package: packages.Package
    content: bytes
    done: Imported


async def _write_objects(
    store: FrameworkStore, checked: Checked, attribution: str | None, *, dry_run: bool
) -> _Waiting:
    package, findings = checked.package, checked.findings
    framework = packages.framework_of(package)
    newest = await store.newest(framework)
    content = hashlib.sha256(canonical(package)).digest()
    objects = list(packages.members(package))
    await _note_outside(store, package, findings)
    done = Imported(
        framework=framework,
        version=1 if newest is None else newest["version"] + 1,
        title=package["CFDocument"]["title"],
        changed=newest is None or newest["hash"] != content,
        objects=_counted(objects),
        findings=findings,
        attribution=attribution,
    )
    if newest is None and await store.count() >= FRAMEWORKS_MAX:
        raise Refused(f"a tenant keeps up to {FRAMEWORKS_MAX} frameworks")
    if newest is not None and not done.changed:
        done.version, done.attribution = newest["version"], newest["attribution"]
    elif not dry_run:
        await store.insert_objects(framework, done.version, objects)
    return _Waiting(package, content, done)


async def _bring_into_force(records: Records, one: _Waiting, *, dry_run: bool) -> None:
    store = FrameworkStore(records.store.connection, records.tenant)
    document = one.package["CFDocument"]
    if packages.holds_competencies(document):
        await _name_competencies(store, one.package, one.done, dry_run=dry_run)
    if packages.holds_roles(document):
        one.done.roles = await _roles_of_document(records, one.package, one.done, dry_run=dry_run)
    refuse_if(one.done.findings, strict=False)
    if not dry_run:
        await _record(store, records, one.package, one.done, one.content)


async def _record(
    store: FrameworkStore,
    records: Records,
    package: packages.Package,
    done: Imported,
    content: bytes,
) -> None:
    document = package["CFDocument"]
    await store.insert_framework(
        done.framework,
        done.version,
        (
            document["uri"],
            document["title"],
            packages.framework_type(document),
            done.attribution,
            content,
            dump(packages.frame_of(package)),
            dump(done.findings.as_json()),
            records.recorded_ms,
        ),
    )
    await records.audit(
        "framework.imported",
        f"framework:{done.framework}",
        after={
            "version": done.version,
            "title": done.title,
            "hash": content.hex(),
            "objects": dict(done.objects),
        },
    )


def _counted(objects: Sequence[packages.Member]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in objects:
        found[one.section] = found.get(one.section, 0) + 1
    return found


async def _note_outside(
    store: FrameworkStore, package: packages.Package, findings: Findings
) -> None:
    """Note what associations name and the package does not hold: elsewhere, or nowhere."""
    outside = packages.outside_nodes(package)
    known = await store.known_nodes(outside)
    for identifier, pointers in outside.items():
        rule = (
            "is a node of another framework here"
            if identifier in known
            else "is a node of no framework here"
        )
        for pointer in pointers:
            findings.add("noted", pointer, rule)


async def _name_competencies(
    store: FrameworkStore, package: packages.Package, done: Imported, *, dry_run: bool
) -> None:
    rows: dict[str, tuple[object, ...]] = {}
    for position, item in enumerate(package.get("CFItems") or ()):
        uri = item["uri"]
        if uri in rows:
            done.findings.add("noted", f"/CFItems/{position}/uri", "is that of an item before it")
            continue
        statement = item["fullStatement"]
        rows[uri] = (
            uri,
            packages.text_of(item, "humanCodingScheme"),
            packages.text_of(item, "abbreviatedStatement") or statement,
            statement,
            packages.text_of(item, "CFItemType"),
            str(item["identifier"]).lower(),
            position,
        )
    for row in await store.taken_competencies(done.framework, list(rows)):
        done.findings.add(
            "noted", "/CFItems", f"{row['competency']} is named by {row['framework']} already"
        )
    done.competencies = len(rows)
    if not dry_run:
        await store.put_competencies(done.framework, list(rows.values()))
        done.withdrawn = await store.withdraw_competencies(done.framework, list(rows))


async def _roles_of_document(
    records: Records, package: packages.Package, done: Imported, *, dry_run: bool
) -> list[RoleChange]:
    """State the document's roles; those that it states no more ask for nothing from now on."""
    store = FrameworkStore(records.store.connection, records.tenant)
    stated = roles_of(package)
    gone = set(await store.roles_of_framework(done.framework)) - {one.role for one in stated}
    for role, row in (await store.roles(gone)).items():
        stated.append(StatedRole(role, row["name"]))
    return await state_roles(
        records, stated, done.findings, framework=done.framework, dry_run=dry_run
    )


async def state_roles(
    records: Records,
    stated: Sequence[StatedRole],
    findings: Findings,
    *,
    framework: str | None = None,
    dry_run: bool = False,
) -> list[RoleChange]:
    """Let each role ask for exactly what is stated; the changes. Others stay as they are.

    What is wrong is found as `refused`, and nothing is to be committed then.
    """
    store = FrameworkStore(records.store.connection, records.tenant)
    await store.lock(ROLES_LOCK)
    names = [check_slug(one.role) for one in stated]
    held = await store.roles(names)
    asked = await store.requirements_of(names)
    competencies = await _Named.of(store, stated)
    changes: list[RoleChange] = []
    for one in stated:
        row = held.get(one.role)
        if framework is not None and row is not None and row["framework"] not in (None, framework):
            findings.add("refused", one.role, f"is a role of the framework {row['framework']}")
            continue
        after = competencies.levels(one, findings)
        standing = {row["competency"]: row for row in asked.get(one.role, ())}
        before = {competency: row["level"] for competency, row in standing.items()}
        if (
            row is not None
            and (row["name"], row["framework"]) == (one.name, framework)
            and before == after
        ):
            continue
        change = RoleChange(one.role, one.name, None if row is None else before, after)
        changes.append(change)
        if dry_run or findings.count("refused"):
            continue
        gone = [
            standing[competency]["requirement"]
            for competency, level in before.items()
            if competency not in after or after[competency] != level
        ]
        new = {
            competency: level
            for competency, level in after.items()
            if competency not in before or before[competency] != level
        }
        await store.put_role(one.role, one.name, framework)
        await store.retract_requirements(gone, records.recorded_ms)
        await store.insert_requirements(one.role, new, records.recorded_ms)
        await records.audit(
            "role.stated",
            f"role:{one.role}",
            before=None if row is None else {"name": row["name"], "requires": before},
            after={"name": one.name, "requires": dict(after)},
        )
    return changes


class _Named:
    """The competencies that roles speak of, by URI, identifier and code."""

    def __init__(self) -> None:
        self._uris: set[str] = set()
        self._by_identifier: dict[str, str] = {}
        self._by_code: dict[str, list[str]] = {}

    @classmethod
    async def of(cls, store: FrameworkStore, stated: Sequence[StatedRole]) -> "_Named":
        found = cls()
        references = {one.reference for role in stated for one in role.wanted}
        references |= {one.uri for role in stated for one in role.wanted if one.uri is not None}
        for row in await store.competencies_named(references):
            found._uris.add(row["competency"])
            found._by_identifier[row["identifier"]] = row["competency"]
            if row["code"] is not None and not row["withdrawn"]:
                found._by_code.setdefault(row["code"], []).append(row["competency"])
        return found

    def levels(self, role: StatedRole, findings: Findings) -> dict[str, int | None]:
        found: dict[str, int | None] = {}
        for one in role.wanted:
            competency = self._competency(one, findings)
            if competency is None:
                continue
            if found.setdefault(competency, one.level) != one.level:
                findings.add("refused", one.place, f"asks for another level of {competency}")
        return found

    def _competency(self, wanted: Wanted, findings: Findings) -> str | None:
        reference = wanted.reference
        if reference in self._uris:
            return reference
        if reference in self._by_identifier:
            return self._by_identifier[reference]
        if len((wanted.uri or reference).encode()) > COMPETENCY_BYTES_MAX:
            findings.add("refused", wanted.place, f"is longer than {COMPETENCY_BYTES_MAX} bytes")
            return None
        if wanted.uri is not None:
            if wanted.uri not in self._uris:
                findings.add("noted", wanted.place, "asks for a competency of no framework here")
            return wanted.uri
        coded = self._by_code.get(reference, [])
        if len(coded) == 1:
            return coded[0]
        if coded:
            findings.add(
                "refused", wanted.place, "is the code of several competencies; give the URI"
            )
        elif ":" in reference:
            findings.add("noted", wanted.place, "asks for a competency of no framework here")
            return reference
        else:
            findings.add("refused", wanted.place, "is no code or URI of a competency")
        return None
