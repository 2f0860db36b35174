"""A stored framework as the CFPackage that it was imported as, piece by piece.

A version never changes, so pages of one read in different transactions fit together, and no
connection is held while a slow reader takes them.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from assay_aggregator.frameworks.case_json import dump, read_json
from assay_aggregator.frameworks.case_shapes import DEFINITIONS, SECTIONS
from assay_aggregator.store import Row

PAGE_OBJECTS: Final = 1_000

# A page of a list after a position: rows with `position` and `body`.
Pages = Callable[[str, int], Awaitable[Sequence[Row]]]


async def package_text(frame: str, page: Pages) -> AsyncIterator[str]:
    """The package as JSON text. `frame` is the column; `page` gives up to PAGE_OBJECTS members."""
    shell: Mapping[str, Any] = read_json(frame.encode())
    yield "{"
    for number, (name, value) in enumerate(shell.items()):
        yield f"{',' if number else ''}{dump(name)}:"
        if name in SECTIONS:
            async for piece in _list(name, page):
                yield piece
        elif name == "CFDefinitions":
            yield "{"
            for inner, (key, one) in enumerate(value.items()):
                yield f"{',' if inner else ''}{dump(key)}:"
                if key in DEFINITIONS:
                    async for piece in _list(key, page):
                        yield piece
                else:
                    yield dump(one)
            yield "}"
        else:
            yield dump(value)
    yield "}"


async def _list(section: str, page: Pages) -> AsyncIterator[str]:
    yield "["
    after = -1
    while rows := await page(section, after):
        yield ("," if after >= 0 else "") + ",".join(row["body"] for row in rows)
        after = rows[-1]["position"]
        if len(rows) < PAGE_OBJECTS:
            break
    yield "]"


async def whole_package(frame: str, page: Pages) -> dict[str, Any]:
    """The package as a value, numbers as they were written."""
    pieces = [piece async for piece in package_text(frame, page)]
    package: dict[str, Any] = read_json("".join(pieces).encode())
    return package
