"""How the database merges two JSON objects: keys, order, and every value as it was written."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import jiter
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay_cli.stack import StackInfo
from assay_testing import drop_database, new_database

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
MERGE = "select ingest.merged_document($1, $2)"


@pytest.fixture(scope="module")
async def connection(
    servers: StackInfo, postgres_template: str
) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the role that merges."""
    database = await new_database(servers, postgres_template)
    opened = await database.connect("assay_ingest")
    try:
        yield opened
    finally:
        await opened.close()
        await drop_database(database)


def members(text: bytes) -> dict[str, bytes]:
    """The top-level members, in order, with the bytes of their values."""
    return {key: bytes(value) for key, value in _members.decode(text).items()}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("{}", "{}", "{}"),
        ('{"a":1}', "{}", '{"a":1}'),
        ("{}", '{"a":1}', '{"a":1}'),
        ('{"a":1,"b":2}', '{"a":3}', '{"a":3,"b":2}'),
        ('{"a":{"x":1,"y":2}}', '{"a":{"z":3}}', '{"a":{"z":3}}'),
        ('{"b":1,"a":2}', '{"d":3,"a":4,"c":5}', '{"b":1,"a":4,"d":3,"c":5}'),
        ('{"a":1}', '{"a":null}', '{"a":null}'),
        ('{"a":null}', '{"b":null}', '{"a":null,"b":null}'),
        # One character and its decomposed twin are two keys.
        ('{"\u00e9":1,"e\\u0301":2}', '{"\\u00e9":3}', '{"\u00e9":3,"e\u0301":2}'),
        ('{"":1," ":2}', '{"":3}', '{"":3," ":2}'),
        ('{"a\\"b\\\\":1}', '{"a\\"b\\\\":2}', '{"a\\"b\\\\":2}'),
        ('{"a":9007199254740993}', '{"b":0.10}', '{"a":9007199254740993,"b":0.10}'),
        ('{"a":1e400,"b":-0}', '{"c":1.0E+2}', '{"a":1e400,"b":-0,"c":1.0E+2}'),
        ('{"a":[1, 2]}', '{ "b" : { "c" : 1 } }', '{"a":[1, 2],"b":{ "c" : 1 }}'),
        ('{"a":"\\ud83d\\ude00"}', "{}", '{"a":"\\ud83d\\ude00"}'),
    ],
)
async def test_top_level_keys_are_replaced_or_added_and_values_keep_their_text(
    connection: asyncpg.Connection, old: str, new: str, expected: str
) -> None:
    """1.0.3 Communication 2.2 (XAPI-00183, XAPI-00184); jsonb would lose the digits of numbers."""
    merged = await connection.fetchval(MERGE, old.encode(), new.encode())
    assert merged.decode() == expected


# U+0000 is what `documents.content_of` keeps away from a merge.
keys = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | keys,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(keys, values, max_size=6)


async def test_any_two_objects_merge_as_dictionaries_do(connection: asyncpg.Connection) -> None:
    loop = asyncio.get_running_loop()

    def merged(old: bytes, new: bytes) -> bytes:
        asked = asyncio.run_coroutine_threadsafe(connection.fetchval(MERGE, old, new), loop)
        answer: bytes = asked.result(30)
        return answer

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(objects, objects)
    def check(old: dict[str, Any], new: dict[str, Any]) -> None:
        first, second = msgspec.json.encode(old), msgspec.json.encode(new)
        answer = merged(first, second)
        jiter.from_json(answer, catch_duplicate_keys=True)
        assert members(answer) == members(first) | members(second)
        assert list(members(answer)) == list(members(first) | members(second))

    await asyncio.to_thread(check)


async def test_a_large_object_merges_in_time(connection: asyncpg.Connection) -> None:
    """Not quadratic in the number of keys: with these settings the planner has no hash join."""
    await connection.execute("set enable_hashjoin = off; set enable_mergejoin = off")
    old = msgspec.json.encode({f"key {number}": number for number in range(40_000)})
    new = msgspec.json.encode({f"key {number}": -number for number in range(20_000, 60_000)})
    async with asyncio.timeout(10):
        merged = await connection.fetchval(MERGE, old, new)
    assert members(merged) == members(old) | members(new)
