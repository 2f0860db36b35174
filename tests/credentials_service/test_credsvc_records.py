"""Records that cannot be read, keys that are gone, lists that run out."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import orjson
import pytest

from assay_credentials import admin
from assay_credentials.errors import EventUnreadable
from assay_credentials.handle import read_event
from assay_credentials.store import Store
from assay_testing import Database
from credentials_service import TENANT, Service, event, record


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"tenant": "../x"}, "tenant"),
        ({"competency": "https://e.example/" + "c" * 2000}, "competency"),
        ({"sequence": 0}, "sequence"),
        ({"person": "Ada Lovelace"}, "person"),
        ({"type": "competency.achieved/v2"}, "union_tag_invalid"),
    ],
)
def test_an_event_that_is_none_is_named_without_what_it_holds(
    changed: dict[str, object], why: str
) -> None:
    document = orjson.loads(event("achieved", uuid4(), 1).model_dump_json()) | changed
    with pytest.raises(EventUnreadable, match=why) as raised:
        read_event(record(orjson.dumps(document)))
    assert "Ada" not in str(raised.value)


@pytest.mark.parametrize("value", [None, b"", b"[]", b"{"])
def test_a_record_without_an_event_is_unreadable(value: bytes | None) -> None:
    with pytest.raises(EventUnreadable):
        read_event(record(value))


async def test_a_lost_key_is_never_replaced_by_a_new_one(
    service: Service, postgres: Database, tmp_path: Path
) -> None:
    first, second = uuid4(), uuid4()
    await service.follow(event("achieved", first, 1))
    (one,) = await service.credentials(first)
    path = service.settings.signing_key_dir / f"{TENANT}.pem"
    kept = path.read_bytes()
    path.unlink()
    # A new process, which has not read the key yet.
    again = await Service.open(postgres, tmp_path)
    try:
        await again.follow(event("achieved", second, 1), event("withdrawn", first, 2))
        assert not path.exists()
        assert await again.credentials(second) == []
        failure = await again.pool.fetchval(
            "select failure from credentials.award where person = $1", second
        )
        assert failure.startswith("IssuerKeyMissing")
        # The bit is set, but the list that shows it cannot be signed: nobody is told "valid".
        assert await again.outcome(one["id"]) == "could_not_check"
        path.write_bytes(kept)
        path.chmod(0o600)
        owner = await postgres.connect()
        try:
            assert await admin.retry_failed(owner) == 1
        finally:
            await owner.close()
        await again.follow()
        assert len(await again.credentials(second)) == 1
        assert await again.outcome(one["id"]) == "suspended"
    finally:
        await again.close()


async def test_a_key_whose_first_transaction_was_undone_is_made_known_by_the_next(
    service: Service,
) -> None:
    person = uuid4()
    await service.apply(event("achieved", person, 1))
    async with service.pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        await service.issuers.key(Store(connection), TENANT)
        await undone.rollback()
    await service.follow()
    (one,) = await service.credentials(person)
    assert await service.outcome(one["id"]) == "valid"


async def test_a_list_is_signed_again_before_it_runs_out(service: Service) -> None:
    start = datetime.now(UTC)
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    assert await service.lists.sign_due() == 2
    (one,) = await service.credentials(person)
    for minutes, signed in ((29, 0), (31, 2), (31, 0), (62, 2)):
        service.now.append(start + timedelta(minutes=minutes))
        assert await service.lists.sign_due() == signed, minutes
        assert await service.outcome(one["id"]) == "valid"
    # Nobody signed for too long: that is no "not revoked".
    service.now.append(start + timedelta(hours=5))
    assert await service.outcome(one["id"]) == "could_not_check"


async def test_a_full_list_is_closed_and_goes_on_being_served(service: Service) -> None:
    first, second = uuid4(), uuid4()
    await service.follow(event("achieved", first, 1))
    await service.pool.execute("update credentials.status_list set allocated = size")
    await service.follow(event("achieved", second, 1))
    lists = await service.pool.fetch(
        "select purpose, is_open, allocated = size as is_full from credentials.status_list"
    )
    assert sorted((row["purpose"], row["is_open"], row["is_full"]) for row in lists) == [
        ("revocation", False, True),
        ("revocation", True, False),
        ("suspension", False, True),
        ("suspension", True, False),
    ]
    await service.follow(event("withdrawn", first, 2))
    found = [(await service.credentials(person))[0]["id"] for person in (first, second)]
    assert [await service.outcome(one) for one in found] == ["suspended", "valid"]


async def test_two_rounds_sign_a_list_with_all_changes_of_both(service: Service) -> None:
    people = [uuid4() for _ in range(3)]
    await service.follow(*(event("achieved", person, 1) for person in people))
    await service.follow(*(event("withdrawn", person, 2) for person in people))
    assert await service.lists.sign_due() == 2
    assert await service.lists.sign_due() == 0
    for person in people:
        (one,) = await service.credentials(person)
        assert await service.outcome(one["id"]) == "suspended"
