"""The page that tells whether a receipt is ours: where the paper receipt leads to."""

from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Depends, Request, Response

from assay_credentials.callers import READ_COST, VERIFY_COST
from assay_credentials.forms import MULTIPART, URLENCODED, media_type_of, read_form
from assay_credentials.moments import parse_moment
from assay_credentials.pages.render import page
from assay_credentials.pages.route import page_route
from assay_credentials.receipts.receipt import NotAReceipt
from assay_runtime.problem import Problem

if TYPE_CHECKING:
    from assay_credentials.api import Api

FORM_BYTES_MAX: Final = 1024 * 1024
TEMPLATE: Final = "receipt.html"


def receipt_page_routes(api: "Api") -> APIRouter:
    router = APIRouter(route_class=page_route(api.settings), include_in_schema=False)

    @router.get("/verify/receipts", dependencies=[Depends(api.limited(READ_COST))])
    async def form(request: Request) -> Response:
        return page(request, api.settings, TEMPLATE, asked=False, receipt=None)

    @router.post("/verify/receipts/result", dependencies=[Depends(api.limited(VERIFY_COST))])
    async def result(request: Request) -> Response:
        if media_type_of(request) not in (MULTIPART, URLENCODED):
            raise Problem(415, "Wrong content type", detail="send the form of /verify/receipts")
        fields = await read_form(request, FORM_BYTES_MAX)
        given = fields.get("file") or fields.get("receipt", b"")
        try:
            receipt = await api.receipts.read(given.decode("utf-8", "replace"))
        except NotAReceipt:
            return page(request, api.settings, TEMPLATE, status=400, asked=True, receipt=None)
        content = receipt.content
        return page(
            request,
            api.settings,
            TEMPLATE,
            asked=True,
            receipt=content,
            at=parse_moment(str(content["checked_at"]), "checked_at"),
            jws=receipt.jws,
        )

    return router
