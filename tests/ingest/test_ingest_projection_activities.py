"""What statements say of activities and agents beside themselves: definitions and names."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_ingest.definitions import Recent, merged
from assay_ingest.projection import ProjectionLimits
from assay_testing import Database
from ingest_samples import record, statement
from ingest_world import World, new_projection, world_on

MINUTE = 60_000


@pytest.fixture
async def world(postgres: Database) -> AsyncIterator[World]:
    async with world_on(postgres) as made:
        yield made


def defined(number: int, definition: dict[str, Any], **more: Any) -> dict[str, Any]:
    sent = statement(UUID(int=number, version=4), **more)
    sent["object"] = {"id": "http://e.org/a", "definition": definition}
    return sent


async def definition(world: World) -> Any:
    text = await world.store.fetchval("select definition::text from ingest.activity")
    return json.loads(text)


async def test_languages_add_up_and_what_is_stated_later_holds(world: World) -> None:
    await world.apply(
        [
            record([defined(2, {"name": {"en": "Two", "de": "Zwei"}})], append_ms=MINUTE),
            record([defined(1, {"name": {"en": "One", "fr": "Un"}, "type": "urn:t"})], append_ms=5),
        ]
    )
    assert await definition(world) == {
        "name": {"en": "Two", "fr": "Un", "de": "Zwei"},
        "type": "urn:t",
    }


async def test_a_definition_that_is_stated_again_later_holds_again(world: World) -> None:
    one, two = {"name": {"en": "One"}}, {"name": {"en": "Two"}}
    for number, said in enumerate((one, two, one)):
        await world.apply([record([defined(number + 1, said)], append_ms=MINUTE * number)])
        assert await definition(world) == said


async def test_every_place_of_an_activity_counts_and_numbers_keep_their_spelling(
    world: World,
) -> None:
    sent = statement(UUID(int=1, version=4))
    sent["context"] = {
        "contextActivities": {
            "parent": [{"id": "http://e.org/p", "definition": {"name": {"en": "Course"}}}]
        }
    }
    made = record([sent], append_ms=1)
    assert made.value is not None
    text = made.value.replace(b'{"en": "Course"}', b'{"en":"C"},"extensions":{"urn:x":1.50e400}')
    text = text.replace(b'{"en":"Course"}', b'{"en":"C"},"extensions":{"urn:x":1.50e400}')
    fields = {name: getattr(made, name) for name in type(made).__dataclass_fields__}
    await world.apply([type(made)(**{**fields, "value": text})])
    row = await world.store.fetchrow("select iri, definition::text as text from ingest.activity")
    assert row is not None
    assert row["iri"] == "http://e.org/p"
    assert "1.50e400" in row["text"]


async def test_what_is_known_costs_no_query_until_the_next_minute(world: World) -> None:
    asked: list[str] = []

    def note(query: asyncpg.connection.LoggedQuery) -> None:
        asked.append(query.query)

    world.store.add_query_logger(note)
    said = {"name": {"en": "One"}}
    for number, at in enumerate((0, 1, MINUTE - 1, MINUTE)):
        asked.clear()
        await world.apply([record([defined(number + 1, said)], append_ms=at, offset=number)])
        is_written = any("activity_definition" in query for query in asked)
        assert is_written == (at in (0, MINUTE)), at


async def test_what_was_rolled_back_is_not_known(world: World) -> None:
    said = record([defined(1, {"name": {"en": "One"}})], append_ms=0)
    undone = world.store.transaction()
    await undone.start()
    await world.projection.apply(world.store, [said])
    await undone.rollback()
    await world.apply([said])
    assert await definition(world) == {"name": {"en": "One"}}


async def test_definitions_and_names_are_bounded(world: World) -> None:
    limits = ProjectionLimits(definitions_per_activity_max=2, names_per_agent_max=2)
    bounded = World(world.store, world.reader, new_projection(limits))
    for number in (3, 1, 5, 2, 4):
        said = defined(number, {"name": {f"x-{number}": "n"}})
        said["actor"] = {"mbox": "mailto:a@example.org", "name": f"Name {number}"}
        await bounded.apply([record([said], append_ms=number * MINUTE, offset=number)])
    names = await world.store.fetch("select name from ingest.agent_name order by name")
    assert [row["name"] for row in names] == ["Name 1", "Name 2"]
    assert await definition(world) == {"name": {"x-4": "n", "x-5": "n"}}


async def test_a_name_may_be_of_any_length_and_belongs_to_its_agent(world: World) -> None:
    long = "ä" * 20_000
    sent = statement(UUID(int=1, version=4))
    sent["actor"] = {
        "objectType": "Group",
        "member": [{"mbox": "mailto:a@example.org", "name": long}],
    }
    await world.apply([record([sent], append_ms=1)])
    assert await world.store.fetchval("select name from ingest.agent_name") == long


texts = st.dictionaries(st.sampled_from(["en", "de", "fr"]), st.text(max_size=5))
parts = st.fixed_dictionaries(
    {},
    optional={
        "name": texts,
        "description": texts,
        "type": st.text(max_size=5),
        "choices": st.lists(st.integers(), max_size=2),
        "extensions": st.dictionaries(st.sampled_from(["urn:a", "urn:b"]), st.integers()),
    },
)


@given(st.lists(parts, min_size=1, max_size=4))
def test_merging_is_the_fold_of_its_parts_and_can_be_done_in_steps(
    said: list[dict[str, Any]],
) -> None:
    expected: dict[str, Any] = {}
    for one in said:
        for name, value in one.items():
            if name in ("name", "description", "extensions"):
                if value:
                    expected[name] = expected.get(name, {}) | value
            else:
                expected[name] = value
    texts_said = [json.dumps(one).encode() for one in said]
    assert json.loads(merged(texts_said)) == expected
    assert json.loads(merged([merged(texts_said[:-1]), texts_said[-1]])) == expected


def test_what_is_remembered_is_bounded_and_counts_after_the_commit() -> None:
    recent: Recent[int, int] = Recent(2)
    for number in range(3):
        recent.note(number, number)
    recent.begin()
    assert recent.find(0) is None
    for number in range(3):
        recent.note(number, number)
    recent.commit()
    assert [recent.find(number) for number in range(3)] == [None, 1, 2]
