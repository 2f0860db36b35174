"""Named queries from a file in a package's folder `sql`.

A query begins with a line `-- name: <name>`; it ends where the next one begins.
"""

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: *([a-z][a-z0-9_]*) *$", re.MULTILINE)
_SCHEMA = re.compile(r"[a-z][a-z0-9_]*")


class UnknownQuery(KeyError):
    """The code asks for a query that the file does not hold."""


class Queries:
    """The queries of one file; `queries["name"]` is the SQL text."""

    def __init__(self, text: str) -> None:
        parts = _NAME.split(text)
        names, bodies = parts[1::2], parts[2::2]
        if len(set(names)) != len(names):
            raise ValueError("two queries have the same name")
        self._texts = {name: body.strip() for name, body in zip(names, bodies, strict=True)}

    def __getitem__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            raise UnknownQuery(name) from None

    def names(self) -> tuple[str, ...]:
        return tuple(self._texts)


def load_queries(package: str, *, file: str = "queries", schema: str | None = None) -> Queries:
    """Read `<package>/sql/<file>.sql`; `{schema}` stands for `schema` where it is given."""
    text = files(package).joinpath("sql", f"{file}.sql").read_text(encoding="utf-8")
    if schema is not None:
        if _SCHEMA.fullmatch(schema) is None:
            raise ValueError(f"not the name of a schema: {schema}")
        text = text.replace("{schema}", schema)
    return Queries(text)
