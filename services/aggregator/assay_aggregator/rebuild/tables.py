"""The tables that a rebuild makes, and the store that writes to them instead of the live ones."""

import re
from importlib.resources import files
from typing import Final

import asyncpg

from assay_aggregator.store import QUERIES, Row, Store
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries

FRESH: Final = "aggregator_rebuild"
BEFORE: Final = "aggregator_before"
REBUILD: Final = load_queries("assay_aggregator", file="rebuild")

# What follows from the log alone. People, links, authority and rules are records; decisions and
# what was told of them are history: both are kept, and read where they are.
TABLES: Final = ("statement_fact", "fact_conflict", "fact_agent", "void", "quarantine")

# Where a run has come to in the log; it is not exchanged.
_BOOKKEEPING: Final = ("applied",)
_ANY: Final = "|".join((*TABLES, *_BOOKKEEPING))
_COMMENT: Final = re.compile(r"^\s*--.*$", re.MULTILINE)
_OF_TABLE: Final = re.compile(
    r"(?:create\s+table\s+|create\s+(?:unique\s+)?index\s+\w+\s+on\s+|"
    rf"grant\s+[^;]*?\s+on\s+)aggregator\.(?P<table>{_ANY})\b"
)
_NAMED: Final = re.compile(rf"\baggregator\.(?=(?:{'|'.join(TABLES)})\b)")


def definition() -> str:
    """The part of `schema.sql` that makes the fresh tables: tables, indexes and rights."""
    text = files("assay_aggregator").joinpath("sql", "schema.sql").read_text(encoding="utf-8")
    wanted = [
        one.strip() for one in _COMMENT.sub("", text).split(";") if _OF_TABLE.match(one.strip())
    ]
    return ";\n".join(one.replace("aggregator.", f"{FRESH}.") for one in wanted) + ";"


async def make_tables(connection: Connection) -> None:
    """The schema and its empty tables, inside the caller's transaction."""
    await connection.execute(f"create schema {FRESH}")
    await connection.execute(definition())
    await connection.execute(REBUILD["make_bookkeeping"])


async def analyse(connection: Connection) -> None:
    """Let the planner know the fresh tables: readers of the live ones meet them all at once."""
    for name in TABLES:
        await connection.execute(f"analyze {FRESH}.{name}")


async def drop(connection: asyncpg.Connection, schema: str) -> bool:
    """Drop what a run left; whether there was anything."""
    there = await connection.fetchval("select to_regnamespace($1) is not null", schema)
    await connection.execute(f"drop schema if exists {schema} cascade")
    return bool(there)


async def exchange_tables(connection: Connection) -> None:
    """The fresh tables become the live ones, those of before stay in BEFORE.

    Inside the caller's transaction; waits until nobody reads or writes the live ones.
    """
    await connection.execute(f"drop schema if exists {BEFORE} cascade")
    await connection.execute(f"create schema {BEFORE}")
    names = ", ".join(f"aggregator.{name}" for name in TABLES)
    await connection.execute(f"lock table {names} in access exclusive mode")
    for name in TABLES:
        await connection.execute(f"alter table aggregator.{name} set schema {BEFORE}")
        await connection.execute(f"alter table {FRESH}.{name} set schema aggregator")
    await connection.execute(f"drop schema {FRESH} cascade")


class FreshStore(Store):
    """The queries of the aggregator, with the fresh tables in place of the live ones.

    Everything that is not in TABLES is read and written where it is.
    """

    async def _fetch(self, name: str, *arguments: object) -> list[Row]:
        rows: list[Row] = await self._connection.fetch(_TEXTS[name], *arguments)
        return rows

    async def _row(self, name: str, *arguments: object) -> Row | None:
        row: Row | None = await self._connection.fetchrow(_TEXTS[name], *arguments)
        return row

    async def _execute(self, name: str, *arguments: object) -> int:
        tag: str = await self._connection.execute(_TEXTS[name], *arguments)
        count = tag.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0


_TEXTS: Final = {name: _NAMED.sub(f"{FRESH}.", QUERIES[name]) for name in QUERIES.names()}
