"""Forms: multipart and urlencoded, bounded, read once."""

from collections.abc import AsyncIterator
from typing import Final

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from assay_runtime.problem import Problem
from assay_runtime.serve import read_body

MULTIPART: Final = "multipart/form-data"
URLENCODED: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 10
FILES_MAX: Final = 1


def media_type_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_form(request: Request, limit_bytes: int) -> dict[str, bytes]:
    """The fields of a form; of a field that stands twice, the last. A file is a field.

    Problems: 413 over the limit, 400 for what is no form.
    """
    body = await read_body(request, limit_bytes)

    async def stream() -> AsyncIterator[bytes]:
        yield body
        yield b""

    try:
        if media_type_of(request) == MULTIPART:
            form = await MultiPartParser(
                request.headers,
                stream(),  # type: ignore[arg-type] # any iterator does, it is only walked
                max_files=FILES_MAX,
                max_fields=FIELDS_MAX,
                max_part_size=limit_bytes,
            ).parse()
        else:
            form = await FormParser(request.headers, stream()).parse()  # type: ignore[arg-type]
    except (MultiPartException, KeyError, ValueError) as error:
        raise Problem(400, "Bad request", detail=f"not a form: {error}") from None
    fields: dict[str, bytes] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            fields[name] = await value.read()
            await value.close()
        else:
            fields[name] = value.encode()
    return fields
