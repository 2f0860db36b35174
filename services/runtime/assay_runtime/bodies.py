"""Bodies of requests that change records: JSON, bounded, read into a model."""

from typing import Any, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ValidationError

from assay_runtime.problem import Problem
from assay_runtime.serve import read_body

Model = TypeVar("Model", bound=BaseModel)


async def json_body(request: Request, limit_bytes: int) -> Any:
    """The JSON body. Problems: 415, 413, 400."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "Wrong content type", detail="send application/json")
    body = await read_body(request, limit_bytes)
    if b"\\u0000" in body:
        raise Problem(400, "Bad request", detail="the character U+0000 cannot be kept")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "Bad request", detail=f"not JSON: {error.msg}") from None


async def parsed_body(request: Request, model: type[Model], limit_bytes: int) -> Model:
    """The body as a model. A 400 problem names each member and the rule it breaks."""
    try:
        return model.model_validate(await json_body(request, limit_bytes))
    except ValidationError as error:
        raise Problem(
            400,
            "Bad request",
            detail="a member of the body is missing or wrong",
            errors=[
                {
                    "pointer": "".join(f"/{part}" for part in one["loc"]),
                    "message": one["msg"],
                }
                for one in error.errors(include_url=False, include_input=False)
            ],
        ) from None
