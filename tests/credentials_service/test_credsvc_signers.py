"""Issuing with keys in a PKCS#11 token and in AWS KMS, and what is done when they do not answer."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from assay_credentials.issue import follow_awards
from assay_credentials.keyring.procedures import rotate
from assay_testing import Database
from credentials_service import Service, event
from issuer_service import bench_of, describe, keys_of
from kms_double import KmsDouble, Refusal, kms_double
from soft_token import soft_token


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[KmsDouble]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the test")
    with kms_double() as double:
        yield double


@pytest.fixture
async def boxed(postgres: Database, tmp_path: Path, kms: KmsDouble) -> AsyncIterator[Service]:
    """A service that knows every kind of box."""
    opened = await Service.open(
        postgres,
        tmp_path,
        environment={
            **soft_token().environment(),
            **kms.environment(),
            "ASSAY_AWSKMS_SECONDS": "2",
        },
    )
    try:
        yield opened
    finally:
        await opened.close()


async def test_a_rotation_moves_an_issuer_from_files_to_a_token_and_to_kms(
    boxed: Service, postgres: Database, kms: KmsDouble
) -> None:
    people = [uuid4() for _ in range(3)]
    await describe(boxed, postgres, kind="file")
    await boxed.follow(event("achieved", people[0], 1))
    for person, kind in zip(people[1:], ("pkcs11", "awskms"), strict=True):
        await describe(boxed, postgres, kind=kind)  # type: ignore[arg-type]  # of the two
        async with bench_of(boxed, postgres) as bench:
            await rotate(bench, "main")
        await boxed.follow(event("achieved", person, 1))
    assert [(key["kind"], key["state"]) for key in await keys_of(boxed)] == [
        ("file", "verify_only"),
        ("pkcs11", "verify_only"),
        ("awskms", "active"),
    ]
    # Both forms of a credential, and the status lists, were signed by what holds the key now.
    assert kms.asked.count("Sign") >= 2
    for person in people:
        (found,) = await boxed.credentials(person)
        assert await boxed.outcome(found["id"]) == "valid"


@pytest.mark.parametrize("is_open", [True, False])
async def test_while_a_key_does_not_answer_awards_wait_and_are_not_set_aside(
    boxed: Service, postgres: Database, kms: KmsDouble, is_open: bool
) -> None:
    await describe(boxed, postgres, kind="awskms")
    if is_open:
        await boxed.follow(event("achieved", uuid4(), 1))
    service = boxed if is_open else await _another(boxed)
    person = uuid4()
    await service.apply(event("achieved", person, 1))
    kms.refuse = Refusal("ThrottlingException")
    assert await follow_awards(service.shop()) == 1
    assert await service.credentials(person) == []
    row = await service.pool.fetchrow(
        "select failure, version <> done_version as waits from credentials.award where person = $1",
        person,
    )
    assert row is not None
    assert (row["failure"], row["waits"]) == (None, True)
    kms.refuse = None
    await service.follow()
    (found,) = await service.credentials(person)
    assert await service.outcome(found["id"]) == "valid"


async def _another(service: Service) -> Service:
    """The same, as a process that has not opened the key yet."""
    service.issuers = type(service.issuers)(service.settings)
    return service


async def test_what_kms_cannot_sign_as_a_jwt_is_issued_with_its_embedded_proof(
    boxed: Service, postgres: Database
) -> None:
    await describe(boxed, postgres, kind="awskms", name="Centre " + "x" * 190)
    person = uuid4()
    owner = await postgres.connect()
    try:
        await owner.execute(
            "insert into credentials.achievement"
            " (tenant, competency, name, description, criteria) values ('north', $1, 'n', $2, 'c')",
            event("achieved", person, 1).competency,
            "d" * 3000,
        )
    finally:
        await owner.close()
    await boxed.follow(event("achieved", person, 1))
    (found,) = await boxed.credentials(person)
    assert await boxed.outcome(found["id"]) == "valid"
    assert await boxed.pool.fetchval("select jwt from credentials.credential") is None
