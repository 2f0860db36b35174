"""`assay awards` and `assay accounts` without a stack; accounts of both services on a database."""

from datetime import date
from pathlib import Path
from uuid import UUID

import pytest

from assay_aggregator.admin import Act
from assay_cli.accounts import add_in, everywhere, places
from assay_cli.awards import people_of, told
from assay_cli.errors import StackError
from assay_runtime.accounts import NewAccount
from assay_runtime.refusals import Unknown
from assay_testing import Database

TODAY = date(2026, 3, 2)
ONE, TWO = UUID(int=1), UUID(int=2)


def test_people_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "people.txt"
    file.write_text(f"{ONE}\n\n  {TWO}\n", encoding="utf-8")
    assert people_of([], file, None, "demo", TODAY) == [ONE, TWO]


def test_a_file_with_something_else_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "people.txt"
    file.write_text(f"{ONE}\nada@example.org\n", encoding="utf-8")
    with pytest.raises(StackError, match="line 2") as refused:
        people_of([], file, None, "demo", TODAY)
    assert "ada" not in str(refused.value)


@pytest.mark.parametrize("cohort", [None, "spring"])
def test_it_is_said_for_whom_and_once(cohort: str | None) -> None:
    people = [] if cohort is None else [ONE]
    with pytest.raises(StackError, match="one of them"):
        people_of(people, None, cohort, "demo", TODAY)


def test_what_an_approval_did_is_told_in_lines() -> None:
    found = {"awarded": 3, "already_holds": 1, "refused": 0, "counts": {"issued": 2, "failed": 1}}
    lines = [line.split() for line in told(found)]
    assert lines == [
        ["awarded", "3"],
        ["already", "held", "1"],
        ["refused", "0"],
        ["issued", "2"],
        ["failed", "1"],
    ]


async def test_an_account_is_made_in_both_services_with_the_roles_of_each(
    postgres: Database,
) -> None:
    connection = await postgres.connect("assay_owner")
    try:
        async with connection.transaction():
            found = await places(connection, "north", Act("operator", "new people"))
            new = NewAccount("ada", "Ada Byron", ["rule_author", "award"])
            _, services = await add_in(found, new)
            assert services == ["aggregator", "credentials"]
            with pytest.raises(StackError, match="taken"):
                await add_in(found, new)
            with pytest.raises(StackError, match="no role"):
                await add_in(found, NewAccount("ben", "Ben", ["everything"]))
        rows = {
            service: await connection.fetchrow(
                f"select roles, temporary from {service}.account"  # noqa: S608
            )
            for service in ("aggregator", "credentials")
        }
        assert {name: row["roles"] for name, row in rows.items() if row is not None} == {
            "aggregator": ["rule_author"],
            "credentials": ["award"],
        }
        assert all(row is not None and row["temporary"] for row in rows.values())
        # Who had an account before the other service signed, gets one there.
        await connection.execute("delete from credentials.account")
        async with connection.transaction():
            found = await places(connection, "north", Act("operator", "again"))
            _, services = await add_in(found, new)
            assert services == ["credentials"]
            done = await everywhere(
                found, "ada", lambda one: one.accounts.disable(one.records, "ada")
            )
            assert done == ["aggregator", "credentials"]
            with pytest.raises(Unknown):
                await everywhere(found, "nobody", lambda one: one.accounts.disable(one.records, ""))
        for service in ("aggregator", "credentials"):
            actions = await connection.fetch(
                f"select action, actor from {service}.audit_event order by event"  # noqa: S608
            )
            assert actions[-1]["action"] == "account.disabled"
            assert actions[-1]["actor"] == "operator"
    finally:
        await connection.close()
