"""Importing rosters: files to records, and decisions anew."""

import csv
import zipfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from aggregator_service_driver import (
    COMPETENCY,
    TENANT,
    Driver,
    agent,
    award,
    day,
    driver_of,
    with_records,
)
from assay_aggregator.admin import Act, Records
from assay_aggregator.organisation.collisions import collisions, set_aside
from assay_aggregator.organisation.importing import BATCH_ROWS, Report
from assay_aggregator.organisation.oneroster import Accounts
from assay_aggregator.organisation.store import PeopleStore
from assay_cli.rosters import Wanted, run, told
from assay_testing import Database

HOME = "https://id.example.org"
TABLES = (
    "person",
    "identity_link",
    "employment",
    "cohort_member",
    "organisation",
    "cohort",
    "identity_contradiction",
)


@pytest.fixture
async def driver(postgres: Database) -> AsyncIterator[Driver]:
    async with driver_of(postgres) as driver:
        await with_records(driver)
        yield driver


async def load(driver: Driver, file: Path, **options: Any) -> Report:
    def begin() -> AbstractAsyncContextManager[Records]:
        return driver.records()

    wanted = Wanted(
        file=file, form=options.pop("form", "csv"), tenant=TENANT, act=Act("op", "why"), **options
    )
    report = await run(wanted, begin)
    assert told(report, dry_run=wanted.dry_run)
    return report


async def counts(driver: Driver) -> dict[str, int]:
    return {
        table: await driver.pool.fetchval(f"select count(*) from aggregator.{table}")  # noqa: S608
        for table in TABLES
    }


def roster(path: Path, *rows: str) -> Path:
    path.write_text("identifiers,organisation,role,from,to,cohort\n" + "\n".join(rows) + "\n")
    return path


async def test_a_roster_joins_accounts_and_what_they_did_is_decided_anew(
    driver: Driver, tmp_path: Path
) -> None:
    for source, made, stored in award("ada"):
        name = "ada-vr" if source == "vr" else "ada"
        await driver.post(source, {**made, "actor": agent(name)}, stored=stored)
    await driver.decide()
    assert await driver.status("ada") == "in_progress"
    file = roster(
        tmp_path / "r.csv",
        f"{HOME}|ada {HOME}|ada-vr,acme,technician,2026-01-05,,intake-1",
        f"{HOME}|ben,acme,trainer,,,",
    )
    report = await load(driver, file, create=True)
    assert (report.rows, report.faults, report.employments, report.memberships) == (2, 0, 2, 1)
    for partition in range(3):
        await driver.tick(day(62), partition=partition)
    await driver.decide()
    assert await driver.status("ada", COMPETENCY) == "achieved"


async def test_the_same_file_again_changes_nothing_and_a_dry_run_neither(
    driver: Driver, tmp_path: Path
) -> None:
    # More than one batch, and a person who comes back in a later one.
    rows = [f"{HOME}|p{n} mailto:p{n}@example.org,acme,,2026-01-01,,c1" for n in range(BATCH_ROWS)]
    file = roster(tmp_path / "r.csv", *rows, "mailto:p0@example.org,acme,trainer,,,c2")
    before = await counts(driver)
    tried = await load(driver, file, create=True, dry_run=True)
    assert await counts(driver) == before
    first = await load(driver, file, create=True)
    # A dry run says what the import does, also across batches.
    assert asdict(tried) == asdict(first)
    assert (first.people, first.links) == (BATCH_ROWS, 2 * BATCH_ROWS)
    after = await counts(driver)
    again = await load(driver, file, create=True)
    assert await counts(driver) == after
    assert (again.unchanged, again.employments, again.links) == (BATCH_ROWS + 1, 0, 0)
    events = await driver.pool.fetch(
        "select subject from aggregator.audit_event where action = 'roster.imported'"
    )
    assert len(events) == 2


async def test_faults_are_told_with_line_and_column_and_the_rest_goes_on(
    driver: Driver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = roster(
        tmp_path / "r.csv",
        f"{HOME}|ada,,,,,",
        "nobody,,,,,",
        f"{HOME}|new,nowhere,,,,",
        f"{HOME}|ada {HOME}|ben,,,,,",
        f"{HOME}|cai mailto:cai@example.org,,,,,",
    )
    # with_records knows ada and ben: something is stated about both.
    async with driver.records() as records:
        await records.put_person([agent("ada"), agent("ada-b")])
        await records.put_person([agent("ben"), agent("ben-b")])
    out = tmp_path / "faults.csv"
    report = await load(driver, file, faults=out)
    assert (report.rows, report.faults, report.people) == (5, 3, 1)
    with out.open(newline="") as opened:
        told_rows = [(row["line"], row["column"]) for row in csv.DictReader(opened)]
    assert told_rows == [("3", "identifiers"), ("4", "organisation"), ("5", "identifiers")]
    assert "r.csv:4 organisation: there is no organisation nowhere" in capsys.readouterr().err
    # The contradiction waits until somebody has looked; the same roster does not add another.
    await load(driver, file)
    async with driver.pool.acquire() as connection:
        page, _ = await collisions(PeopleStore(connection, TENANT), None, 10)
    (one,) = page
    assert (one["kind"], one["place"]) == ("roster", "r.csv:5")
    assert set(one["people"]) == {await driver.person("ada"), await driver.person("ben")}
    async with driver.records() as records:
        await set_aside(records, one["contradiction"])
    async with driver.pool.acquire() as connection:
        page, _ = await collisions(PeopleStore(connection, TENANT), None, 10)
    assert page == []


ONEROSTER = {
    "manifest.csv": (
        "propertyName,value\nmanifest.version,1.0\noneroster.version,1.2\nfile.orgs,bulk\n"
        "file.classes,bulk\nfile.users,bulk\nfile.roles,bulk\nfile.enrollments,bulk\n"
    ),
    "orgs.csv": (
        "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\n"
        "acme-1,,,Site 1,department,,acme\nacme,,,Acme,local,,\n"
    ),
    "classes.csv": (
        "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,"
        "location,schoolSourcedId,termSourcedIds\nk1,,,Intake,,,,scheduled,,acme,\n"
    ),
    "users.csv": (
        "sourcedId,status,dateLastModified,enabledUser,username,givenName,familyName,email\n"
        "u1,,,true,ada,Ada,L,ada@example.org\n"
    ),
    "roles.csv": (
        "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,"
        "orgSourcedId,userProfileSourcedId\nr1,,,u1,primary,student,2025-09-01,,acme-1,\n"
    ),
    "enrollments.csv": (
        "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,"
        "primary,beginDate,endDate\ne1,{status},,k1,acme,u1,student,true,2025-09-01,\n"
    ),
}


async def test_oneroster_from_a_folder_and_a_zip(driver: Driver, tmp_path: Path) -> None:
    folder, archive = tmp_path / "roster", tmp_path / "roster.zip"
    folder.mkdir()
    for name, text in ONEROSTER.items():
        (folder / name).write_text(text.replace("{status}", "active"))
    with zipfile.ZipFile(archive, "w") as packed:
        for name, text in ONEROSTER.items():
            packed.writestr(name, text.replace("{status}", "tobedeleted"))
    accounts = Accounts(HOME, "username")
    tried = await load(driver, folder, form="oneroster", accounts=accounts, dry_run=True)
    first = await load(driver, folder, form="oneroster", accounts=accounts)
    assert asdict(tried) == asdict(first)
    assert (first.organisations, first.cohorts, first.employments, first.memberships) == (
        2,
        1,
        1,
        1,
    )
    # The account is known to be ada; the mailbox is new.
    assert (first.links, first.people, first.faults) == (1, 0, 0)
    # The zip withdraws the enrolment and says nothing else new.
    second = await load(driver, archive, form="oneroster", accounts=accounts)
    assert (second.taken_back, second.employments, second.links, second.faults) == (1, 0, 0, 0)
    async with driver.pool.acquire() as connection:
        store = PeopleStore(connection, TENANT)
        organisation = await store.find_organisation("acme-1")
        ada = await driver.person("ada")
        links = [row["agent_key"] for row in await store.links_of_person(ada)]
    assert organisation is not None
    assert organisation["parent"] == "acme"
    assert f"account:{HOME} ada" in links
    assert "mbox:mailto:ada@example.org" in links
