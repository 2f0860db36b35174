"""Routes whose refusals are pages, too."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from assay_credentials.pages.render import refusal
from assay_credentials.settings import CredentialsSettings
from assay_runtime.postgres import TRANSIENT
from assay_runtime.problem import Problem, not_available

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_WRONG_ADDRESS: Final = Problem(400, "Bad request", detail="a parameter is missing or wrong")


def page_route(settings: CredentialsSettings) -> type[APIRoute]:
    """The class of routes that people look at: what they refuse, they say in a page."""

    class PageRoute(APIRoute):
        def get_route_handler(self) -> _Handler:
            handle = super().get_route_handler()

            async def answered(request: Request) -> Response:
                try:
                    return await handle(request)
                except Problem as problem:
                    return refusal(request, settings, problem)
                except RequestValidationError:
                    return refusal(request, settings, _WRONG_ADDRESS)
                except TRANSIENT:
                    return refusal(request, settings, not_available("the database does not answer"))

            return answered

    return PageRoute
