"""Inspection packs: the same question gives the same bytes, and no byte can change unseen."""

import asyncio
import csv
import hashlib
import io
import random
import zipfile
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from aggregator_inspection import Office, awarded, files_of, office_of, rows_of, ticked
from aggregator_service_driver import (
    COMPETENCY,
    TENANT,
    agent,
    day,
    identifier,
    post_award,
    rule,
    statement,
    theory_rule,
    void,
)
from assay_aggregator.audit import QUERIES as audit_queries
from assay_aggregator.inspection.store import QUERIES as inspection_queries
from assay_aggregator.inspection.verify import NoPack, verify
from assay_testing import Database


@pytest.fixture
async def office(postgres: Database) -> AsyncIterator[Office]:
    async with office_of(postgres) as made:
        yield made


async def test_a_pack_says_what_was_decided_and_why(office: Office) -> None:
    person = await awarded(office)
    files = files_of(await office.pack(person=str(person)))
    (cell,) = rows_of(files, "matrix")
    assert (cell["status"], cell["competency"]) == ("achieved", COMPETENCY)
    document = orjson.loads(files[f"people/{person}.json"])
    told = await office.driver.ask(
        "ada",
        as_of=datetime.fromisoformat(document["as_of"]),
        known_at=datetime.fromisoformat(document["known_at"]),
    )
    assert document["decisions"] == told["competencies"]
    evidence = {row["statement"]: row for row in rows_of(files, "evidence")}
    observed = evidence[str(identifier("s4"))]
    assert observed["used_for"] == [COMPETENCY]
    assert observed["modality"] == "in_person"
    assert observed["assessors"] == [str(await office.driver.person("ben"))]
    # The index names the body that was sent, by its SHA-256.
    sent = statement("s4", at=day(60), activity=observed["activity"], assessor="ben")
    assert observed["body_sha256"] == hashlib.sha256(orjson.dumps(sent)).hexdigest()
    (taken_back,) = rows_of(files, "voids")
    assert (taken_back["target"], taken_back["took_effect_for"]) == (str(identifier("s4")), [])
    (authority,) = rows_of(files, "authorisations")
    assert authority["scope"] == "gowning-b"
    assert {row["agent_key"] for row in rows_of(files, "links")} == {
        "account:https://id.example.org ada"
    }
    recorded = orjson.loads(files["rules/gowning-b.v1.json"])
    assert recorded["document"] == rule()
    actions = {row["action"] for row in rows_of(files, "audit")}
    assert {"link.added", "authorisation.added", "rule.recorded"} <= actions
    page = files[f"people/{person}.html"].decode()
    assert "unchanged since the original entry" in page
    assert "<script" not in page


async def named(office: Office, *, version: int, name: str, recorded_ms: int) -> None:
    """A version of a framework calls the competency so."""
    item = {"uri": COMPETENCY, "humanCodingScheme": "GMP1", "fullStatement": name}
    pool = office.driver.pool
    await pool.execute(
        "insert into aggregator.framework (tenant, framework, version, uri, title, hash, frame, "
        "findings, recorded_ms) values ($1, 'gmp', $2, 'urn:f', 'GMP', '\\x00', '{}', '[]', $3)",
        TENANT,
        version,
        recorded_ms,
    )
    await pool.execute(
        "insert into aggregator.framework_object (tenant, framework, version, section, position, "
        "identifier, body) values ($1, 'gmp', $2, 'CFItems', 0, 'i1', $3)",
        TENANT,
        version,
        orjson.dumps(item).decode(),
    )
    await pool.execute(
        "insert into aggregator.competency (tenant, competency, code, name, statement, framework, "
        "identifier, position, withdrawn) values ($1, $2, 'GMP1', $3, $3, 'gmp', 'i1', 0, false) "
        "on conflict (tenant, competency) do update set name = excluded.name",
        TENANT,
        COMPETENCY,
        name,
    )


async def test_the_same_question_has_the_same_bytes_whatever_came_later(office: Office) -> None:
    person = await awarded(office)
    known_at = day(61.5).isoformat()
    question = {"competency": COMPETENCY, "as_of": day(61).isoformat(), "known_at": known_at}
    await named(office, version=1, name="Gown for grade B", recorded_ms=1)
    before = await office.pack(**question)
    assert await office.pack(**question) == before
    assert rows_of(files_of(before), "matrix")[0]["name"] == "GMP1 Gown for grade B"
    # Later: a void that counts, another copy, another person, another name of hers, a taken-back
    # authorisation, another rule, and a new version of this one.
    driver = office.driver
    await driver.post("in_person", void("v2", "s4", at=day(63)), stored=day(63.1))
    other = statement("s2", at=day(33), activity="https://example.org/other")
    await driver.post("vr", other, stored=day(63.2))
    await post_award(driver, "cai", "c")
    async with driver.records() as records:
        await records.add_link(agent("a.lovelace"), person)
        await records.add_conflict(await records.put_person([agent("ben")]), person)
        await records.put_rule(theory_rule())
        await records.put_rule(rule(version=2, effective_from="2024-02-01"))
    await ticked(driver, 70)
    await named(office, version=2, name="Gowning", recorded_ms=2_000_000_000_000)
    assert await driver.status("ada") != "achieved"
    assert await office.pack(**question) == before


async def test_a_changed_record_is_flagged_on_the_printout(office: Office) -> None:
    person = await awarded(office)
    await office.driver.post("in_person", void("v2", "s4", at=day(63)), stored=day(63.1))
    await ticked(office.driver, 70)
    # What was decided at the log's last instant is not settled yet; one tick later it is.
    await ticked(office.driver, 71)
    files = files_of(await office.pack(person=str(person)))
    (cell,) = rows_of(files, "matrix")
    assert cell["changed_since_original"] is True
    history = rows_of(files, "history")
    entered = {row["stands"] for row in history if row["status"] == "achieved"}
    assert entered == {"changed"}
    assert [row["changed"] for row in history][-1] == ["status", "achieved_on", "expires_on"]
    page = files[f"people/{person}.html"].decode()
    assert "CHANGED since the original entry" in page
    assert "TAKEN BACK by" in page
    assert b"CHANGED since" in files["index.html"]
    took = {row["void"]: row["took_effect_for"] for row in rows_of(files, "voids")}
    assert took[str(identifier("v2"))] == [COMPETENCY]


async def test_a_pack_verifies_and_decides_again_from_itself(
    office: Office, tmp_path: Path
) -> None:
    person = await awarded(office)
    path = tmp_path / "pack.zip"
    path.write_bytes(await office.pack(person=str(person)))
    verdict = verify(path, recompute=True)
    assert verdict.findings == []
    assert verdict.decisions == 1
    # The system's own record says the same of what it handed out.
    events = (await office.get("/audit", action="inspection_pack.made")).json()["events"]
    assert [one["after"]["manifest_sha256"] for one in events] == [verdict.manifest_sha256]
    assert [one["actor"] for one in events] == ["inspector"]


async def test_every_flipped_byte_is_found(office: Office, tmp_path: Path) -> None:
    person = await awarded(office)
    pack = await office.pack(person=str(person))
    path = tmp_path / "pack.zip"
    places = random.Random(5).sample(range(len(pack)), 300)  # noqa: S311 - not a secret
    # The ends, too: the first bytes and the archive's own end are the likeliest to be left out.
    for place in (*places, *range(40), *range(len(pack) - 150, len(pack))):
        flipped = bytearray(pack)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        try:
            assert verify(path).findings, place
        except NoPack:
            continue


async def test_a_pack_with_other_files_is_found(office: Office, tmp_path: Path) -> None:
    person = await awarded(office)
    files = files_of(await office.pack(person=str(person)))
    path = tmp_path / "pack.zip"

    def findings(changed: dict[str, bytes], *, recompute: bool = False) -> str:
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in changed.items():
                archive.writestr(name, data)
        return "\n".join(verify(path, recompute=recompute).findings)

    # Packed anew with nothing changed: only the seal is gone.
    assert findings(files, recompute=True).splitlines() == [
        "the archive bears no seal: it was packed anew, or cut short"
    ]
    assert "tables/voids.csv is missing" in findings(
        {name: data for name, data in files.items() if name != "tables/voids.csv"}
    )
    assert "extra.txt is not in the manifest" in findings({**files, "extra.txt": b"x"})
    assert "tables/voids.csv was changed" in findings({**files, "tables/voids.csv": b"x"})
    with pytest.raises(NoPack):
        findings({name: data for name, data in files.items() if name != "manifest.json"})
    # Somebody who makes the manifest fit, too, cannot make the evidence decide otherwise.
    name = f"people/{person}.json"
    document = orjson.loads(files[name])
    document["decisions"][0]["expires_on"] = "2030-01-01"
    forged = orjson.dumps(document)
    manifest = orjson.loads(files["manifest.json"])
    for one in manifest["files"]:
        if one["name"] == name:
            one |= {"bytes": len(forged), "sha256": hashlib.sha256(forged).hexdigest()}
    changed = {**files, name: forged, "manifest.json": orjson.dumps(manifest)}
    assert "decided otherwise from the evidence" in findings(changed, recompute=True)


async def test_the_sums_are_those_of_the_usual_tool(office: Office) -> None:
    files = files_of(await office.pack(person=str(await awarded(office))))
    lines = files["SHA256SUMS"].decode().splitlines()
    sums = {line[66:]: line[:64] for line in lines}
    assert set(sums) == set(files) - {"SHA256SUMS", "manifest.json"}
    for name, digest in sums.items():
        assert hashlib.sha256(files[name]).hexdigest() == digest


async def test_no_cell_is_run_as_a_formula(office: Office) -> None:
    await awarded(office)
    async with office.driver.records() as records:
        person = await records.put_person(
            [{"account": {"homePage": "https://example.org", "name": "=1+1"}}]
        )
        await records.add_link({"openid": "https://example.org/id"}, person)
    await ticked(office.driver, 63)
    files = files_of(await office.pack(person=str(person)))
    for name, data in files.items():
        if name.endswith(".csv"):
            for row in csv.reader(io.StringIO(data.decode())):
                assert not any(one.startswith(("=", "+", "-", "@")) for one in row), name


async def test_whom_a_pack_is_about(office: Office) -> None:
    ada = await awarded(office)
    driver = office.driver
    async with driver.records() as records:
        cai = await records.put_person([agent("cai")])
        await driver.pool.execute(
            "insert into aggregator.organisation (tenant, organisation, name, kind, parent) values "
            "($1, 'works', 'Works', 'organisation', null), ($1, 'site', 'Site', 'site', 'works')",
            TENANT,
        )
        await driver.pool.executemany(
            "insert into aggregator.employment (tenant, employment, person, organisation, role, "
            "valid_from, valid_to, recorded_ms) "
            "values ($1, gen_random_uuid(), $2, 'site', $3, $4, $5, 1)",
            [
                (TENANT, ada, "operator", day(0).date(), None),
                (TENANT, cai, "operator", day(0).date(), day(10).date()),
                (TENANT, cai, "lead", day(11).date(), None),
            ],
        )
    await ticked(driver, 63)

    async def people(**query: Any) -> set[str]:
        files = files_of(await office.pack(**query))
        return {name[7:-5] for name in files if name.startswith("people/") and ".json" in name}

    assert await people(role="operator") == {str(ada)}
    assert await people(role="operator", as_of=day(5).isoformat()) == {str(ada), str(cai)}
    assert await people(organisation="works") == {str(ada), str(cai)}
    assert await people(organisation="works", role="lead") == {str(cai)}
    # By competency alone: whoever has evidence. ben has none of his own.
    assert await people(competency=COMPETENCY) == {str(ada)}
    for wrong in (
        {"person": str(identifier("nobody"))},
        {"organisation": "nowhere"},
        {"role": "nobody-has"},
        {"competency": "https://example.org/none"},
    ):
        assert (await office.get("/inspection-pack", **wrong)).status_code == 404, wrong
    assert (await office.get("/inspection-pack", as_of="yesterday")).status_code == 400
    await post_award(driver, "dan", "d")
    await post_award(driver, "eve", "e")
    await ticked(driver, 64)
    too_many = await office.get("/inspection-pack")
    assert too_many.status_code == 400
    assert "more than 2 people" in too_many.json()["detail"]


async def test_one_pack_is_made_at_a_time(office: Office) -> None:
    person = str(await awarded(office))
    both = await asyncio.gather(*(office.get("/inspection-pack", person=person) for _ in range(2)))
    assert sorted(one.status_code for one in both) == [200, 503]
    (refused,) = (one for one in both if one.status_code == 503)
    assert refused.headers["retry-after"] == "30"
    # The place is free again, also after a question that could not be answered.
    assert (await office.get("/inspection-pack", role="nobody-has")).status_code == 404
    assert (await office.get("/inspection-pack", person=person)).status_code == 200


async def test_who_may_inspect(office: Office) -> None:
    person = await awarded(office)
    for path in ("/inspection-pack", "/audit"):
        assert (await office.get(path, "reader")).status_code == 403
    assert (await office.get("/inspection-pack", "admin", person=str(person))).status_code == 200
    foreign = await office.get("/inspection-pack", "stranger", person=str(person))
    assert foreign.status_code == 404
    assert (await office.get("/audit", "stranger")).json()["events"] == []


async def test_the_audit_trail_is_read_searched_and_reviewed(office: Office) -> None:
    await awarded(office)
    everything = (await office.get("/audit")).json()["events"]
    assert [one["event"] for one in everything] == sorted(one["event"] for one in everything)
    first = (await office.get("/audit", limit=2)).json()
    rest = (await office.get("/audit", after=first["next"])).json()
    assert first["events"] + rest["events"] == everything
    (made,) = (await office.get("/audit", action="rule.recorded")).json()["events"]
    assert (made["actor"], made["subject"]) == ("operator", "rule:gowning-b/1")
    assert (await office.get("/audit", subject=made["subject"])).json()["events"] == [made]
    assert (await office.get("/audit", actor="nobody")).json()["events"] == []
    assert (await office.get("/audit", until=made["at"])).json()["events"] == [
        one for one in everything if one["at"] < made["at"]
    ]
    last = everything[-1]["event"]
    body = {"first": 1, "last": last, "outcome": "no_findings", "reason": "monthly review"}
    answer = await office.post("/audit/reviews", body, "inspector")
    assert answer.status_code == 201
    (review,) = (await office.get("/audit", action="audit.reviewed")).json()["events"]
    assert (review["actor"], review["reason"]) == ("inspector", "monthly review")
    assert review["after"] == {"outcome": "no_findings", "events": len(everything)}
    for wrong in ({**body, "first": last + 9, "last": last + 9}, {**body, "reason": " "}):
        assert (await office.post("/audit/reviews", wrong, "inspector")).status_code == 400


async def test_changes_are_on_record_with_who_and_why(office: Office) -> None:
    ada = str(await awarded(office))
    body = {"agent": agent("a.l"), "person": ada, "from": "2026-01-01", "reason": "a second mail"}
    made = await office.post("/admin/links", body)
    link = made.json()["link"]
    missing = await office.http.delete(f"/admin/links/{link}", auth=("admin", "secret"))
    assert missing.status_code == 400
    query = {"reason": "it was not hers"}
    await office.http.delete(f"/admin/links/{link}", params=query, auth=("admin", "secret"))
    added, retracted = (await office.get("/audit", subject=f"link:{link}")).json()["events"]
    assert (added["actor"], added["action"]) == ("admin", "link.added")
    assert added["reason"] == "a second mail"
    assert added["after"] == {"person": ada, "from": "2026-01-01", "to": None}
    assert (retracted["action"], retracted["reason"]) == ("link.retracted", "it was not hers")
    assert retracted["before"] == added["after"]
    # The trail itself bears no address.
    assert "id.example.org" not in (await office.get("/audit")).text


@pytest.mark.usefixtures("office")
async def test_every_query_prepares_and_the_trail_cannot_be_rewritten(postgres: Database) -> None:
    connection = await postgres.connect("assay_aggregator")
    for queries in (inspection_queries, audit_queries):
        for name in queries.names():
            await connection.prepare(queries[name])
    for attempt in (
        "update aggregator.audit_event set reason = 'x'",
        "delete from aggregator.audit_event",
        "truncate aggregator.audit_event",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(attempt)
    assert await connection.fetchval("select count(*) from aggregator.audit_event")
    await connection.close()
