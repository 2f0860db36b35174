"""Merges of people, the outreach realm, why a credential was lost: the tables of docs/awards.md."""

import itertools
from uuid import UUID, uuid4

import orjson
import pytest

from assay_credentials.awarding import outreach
from assay_credentials.awarding.reasons import REASONS
from assay_credentials.records import Act, Records
from assay_runtime.consume import Record
from assay_schemas.events import CompetencyEvent, PersonMerged, PersonUnmerged
from assay_testing import Database
from credentials_awarding import WORKSHOP, Office, add_accounts, admin_of, merged, unmerged, work
from credentials_service import COMPETENCY, TENANT, Service, event, record


async def states(service: Service, person: UUID) -> list[str]:
    """Of the credentials that were made for this person, oldest first."""
    return [
        one["status"] for one in await service.credentials(person) if one["person"] == str(person)
    ]


async def set_realm(database: Database, people: list[UUID] | None, *, is_outreach: bool) -> None:
    """By the operator, as the owner role."""
    connection = await database.connect("assay_owner")
    try:
        async with connection.transaction():
            records = await Records.begin(connection, TENANT, Act("operator", "a school"))
            if people is None:
                await outreach.set_tenant(records, is_outreach=is_outreach)
            else:
                await outreach.set_people(records, people, is_outreach=is_outreach)
    finally:
        await connection.close()


def lost(person: UUID, sequence: int) -> CompetencyEvent:
    return event("withdrawn", person, sequence, status="not_started", reason="no_longer_evidence")


# Reasons


@pytest.mark.parametrize(
    ("kind", "reason", "status"),
    [
        ("suspended", "disqualified", "suspended"),
        ("under_review", "review", "suspended"),
        ("revoked", "later_failure", "revoked"),
        ("withdrawn", "voided", "suspended"),
    ],
)
async def test_the_learner_is_told_why_and_the_public_is_not(
    service: Service, kind: str, reason: str, status: str
) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (issued,) = await service.credentials(person)
    assert issued["reason"] is None
    await service.follow(event(kind, person, 2, reason=reason))
    (found,) = await service.credentials(person)
    assert (found["status"], found["reason"]) == (status, reason)
    assert found["reason_text"] == REASONS[reason]
    # Whoever holds the share link, the signed document, or the answer of the verifier.
    share = await service.share(found["id"])
    shown = await service.http.get(f"/credentials/{found['id']}/status?share={share}")
    verified = orjson.dumps(await service.verify(await service.document(found["id"]))).decode()
    lists = await service.pool.fetch("select document from credentials.status_list")
    for text in (
        shown.text,
        verified,
        (await service.document(found["id"])).decode(),
        *[row["document"].decode() for row in lists if row["document"] is not None],
    ):
        assert reason not in text
        assert REASONS[reason] not in text


async def test_what_takes_its_place_is_the_reason_of_a_superseded_one(service: Service) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    await service.follow(event("level_changed", person, 2, level=3))
    first, second = await service.credentials(person)
    assert (first["status"], first["reason"]) == ("superseded", "level_changed")
    assert second["reason"] is None


async def test_a_reinstated_credential_has_no_reason_any_more(service: Service) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    await service.follow(event("suspended", person, 2, reason="disqualified"))
    await service.follow(event("reinstated", person, 3))
    (found,) = await service.credentials(person)
    assert (found["status"], found["reason"]) == ("issued", None)


# Merges


async def test_a_merge_moves_the_credential_and_an_unmerge_gives_each_their_own(
    service: Service,
) -> None:
    person, kept = uuid4(), uuid4()
    await service.follow(event("achieved", person, 1))
    merge = await merged(service, person, kept)
    await service.follow(lost(person, 2), event("achieved", kept, 1))
    await work(service)
    assert await states(service, person) == ["superseded"]
    assert await states(service, kept) == ["issued"]
    # The kept person's list holds what was made for the other.
    listed = await service.credentials(kept)
    assert {one["person"] for one in listed} == {str(person), str(kept)}
    assert [one["reason"] for one in listed if one["person"] == str(person)] == ["merged"]
    assert await service.outcome(listed[0]["id"]) == "revoked"
    # And back.
    await unmerged(service, person, kept, merge)
    await service.follow(event("achieved", person, 3), lost(kept, 2))
    await work(service)
    assert await states(service, person) == ["superseded", "issued"]
    assert await states(service, kept) == ["suspended"]
    assert len(await service.credentials(kept)) == 1


async def test_without_a_credential_of_the_kept_person_the_other_is_suspended(
    service: Service,
) -> None:
    person, kept = uuid4(), uuid4()
    await service.follow(event("achieved", person, 1))
    merge = await merged(service, person, kept)
    await service.follow(lost(person, 2))
    await work(service)
    assert await states(service, person) == ["suspended"]
    await unmerged(service, person, kept, merge)
    await service.follow(event("achieved", person, 3))
    await work(service)
    assert await states(service, person) == ["issued"]


async def test_both_held_it_then_the_kept_persons_stays(service: Service) -> None:
    person, kept = uuid4(), uuid4()
    await service.follow(event("achieved", person, 1), event("achieved", kept, 1))
    await merged(service, person, kept)
    await service.follow(lost(person, 2))
    await work(service)
    assert await states(service, person) == ["superseded"]
    assert await states(service, kept) == ["issued"]
    assert (await service.credentials(kept))[0]["status"] in ("issued", "superseded")


async def test_a_merge_of_a_merged_person_is_followed_to_its_end(service: Service) -> None:
    one, two, three = uuid4(), uuid4(), uuid4()
    await service.follow(event("achieved", one, 1))
    await merged(service, one, two)
    await merged(service, two, three)
    await service.follow(lost(one, 2), event("achieved", three, 1))
    await work(service)
    assert await states(service, one) == ["superseded"]
    assert {one["person"] for one in await service.credentials(three)} == {str(one), str(three)}


async def test_other_people_and_competencies_stay_as_they_are(service: Service) -> None:
    person, kept, other = uuid4(), uuid4(), uuid4()
    await service.follow(
        event("achieved", person, 1),
        event("achieved", other, 1),
        event("achieved", kept, 1, competency=WORKSHOP),
    )
    await merged(service, person, kept)
    await work(service)
    assert await states(service, person) == ["issued"]
    assert await states(service, other) == ["issued"]


def told(kind: type[PersonMerged] | type[PersonUnmerged], ids: tuple[UUID, UUID, UUID]) -> Record:
    merge, person, kept = ids
    made = kind(
        event_id=uuid4(),
        tenant=TENANT,
        merge=merge,
        person=person,
        kept=kept,
        sequence=1,
        at="2026-04-01T09:30:00Z",
    )
    return record(made.model_dump_json().encode())


async def test_the_order_in_which_things_became_known_does_not_matter(service: Service) -> None:
    """Merge and events are of different partitions: every order that there may be."""
    results = set()
    for order in itertools.permutations(range(3)):
        person, kept = uuid4(), uuid4()
        await service.follow(event("achieved", person, 1))
        things = [
            told(PersonMerged, (uuid4(), person, kept)),
            record(lost(person, 2).model_dump_json().encode()),
            record(event("achieved", kept, 1).model_dump_json().encode()),
        ]
        for number in order:
            await service.apply_records([things[number]])
            await work(service)
        results.add((*await states(service, person), "|", *await states(service, kept)))
    assert results == {("superseded", "|", "issued")}


async def test_a_merge_that_was_taken_back_stays_so_when_it_is_told_again(
    service: Service,
) -> None:
    ids = (uuid4(), uuid4(), uuid4())
    await service.apply_records([told(PersonMerged, ids), told(PersonUnmerged, ids)])
    await service.apply_records([told(PersonMerged, ids)])
    row = await service.pool.fetchrow("select is_retracted from credentials.person_merge")
    assert row is not None
    assert row["is_retracted"]


async def test_a_signed_award_of_a_merged_person(service: Service, postgres: Database) -> None:
    await add_accounts(service)
    office = Office(service, await admin_of(postgres))
    person, kept = uuid4(), uuid4()
    award = await office.award(person)
    merge = await merged(service, person, kept)
    await work(service)
    # It was signed for that person, and stands until the kept one has it, too.
    assert await states(service, person) == ["issued"]
    await service.follow(event("achieved", kept, 1, competency=WORKSHOP))
    await work(service)
    assert await states(service, person) == ["superseded"]
    # Nobody is awarded as who they are no more.
    refused = await office.award(person, competency=COMPETENCY)
    assert await office.statuses(refused) == {str(person): "refused"}
    await unmerged(service, person, kept, merge)
    await work(service)
    assert await states(service, person) == ["superseded", "issued"]
    assert await office.statuses(award) == {str(person): "issued"}


# The outreach realm


@pytest.mark.parametrize("whole", [False, True])
async def test_in_the_outreach_realm_nothing_is_issued_but_participation(
    service: Service, postgres: Database, whole: bool
) -> None:
    await add_accounts(service)
    office = Office(service, await admin_of(postgres))
    pupil = uuid4()
    await set_realm(postgres, None if whole else [pupil], is_outreach=True)
    await service.follow(event("achieved", pupil, 1))
    await work(service)
    assert await service.credentials(pupil) == []
    refused = await office.award(pupil)
    assert await office.statuses(refused) == {str(pupil): "refused"}
    assert await service.credentials(pupil) == []
    # Asked for by the school.
    award = await office.award(
        pupil, kind="participation", request="the pupil's school", expires_on=None
    )
    assert await office.statuses(award) == {str(pupil): "issued"}
    (found,) = await service.credentials(pupil)
    assert found["kind"] == "participation"
    assert await service.outcome(found["id"]) == "valid"
    document = orjson.loads(await service.document(found["id"]))
    achievement = document["credentialSubject"]["achievement"]
    assert achievement["achievementType"] == "ext:Participation"
    assert "alignment" not in achievement
    assert "resultDescription" not in achievement
    assert "result" not in document["credentialSubject"]


async def test_who_comes_into_the_realm_has_credentials_suspended_until_leaving_it(
    service: Service, postgres: Database
) -> None:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    await set_realm(postgres, [person], is_outreach=True)
    await work(service)
    (found,) = await service.credentials(person)
    assert (found["status"], found["reason"]) == ("suspended", "outreach")
    await set_realm(postgres, [person], is_outreach=False)
    await work(service)
    assert await states(service, person) == ["issued"]
    events = await service.pool.fetch("select action from credentials.audit_event order by event")
    assert [one["action"] for one in events] == [
        "outreach.person_added",
        "outreach.person_removed",
    ]
