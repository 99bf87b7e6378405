"""Pages of an order's status."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.apis import ApiError, whole_number
from app.messages import message, notice
from app.order_status import read_status
from app.pages import render, site_of
from app.shop_pages import basket_id, order_of, read_basket

# Polling interval in seconds if the API returns none.
DEFAULT_RETRY_AFTER = 1
FINAL_STATUSES = ("Complete", "Failed")


async def order(request: Request) -> Response:
    """GET /orders/{number}: without scripts, the page reloads itself until the order reaches a final status.

    The page of a failed order reloads itself until the basket and the vouchers are given back.
    """
    status, retry_after = await _status(request)
    final = status["status"] in FINAL_STATUSES
    reason = status.get("reason_code", "")
    if status["status"] == "Complete":
        await _forget_checkout(request, status["order_number"])
    return await render(
        request,
        "order.html",
        order=status,
        final=final,
        reason=message(reason) if reason else "",
        notice=notice(request.query_params.get("message", "")),
        is_held=status["status"] == "Failed" and await _holds_basket(request, status["order_number"]),
        is_refunded=reason == "PROCESSING_FAILED",
        reload_after=max(2, retry_after),
    )


async def _holds_basket(request: Request, number: str) -> bool:
    """True while the visitor's basket names the order as in progress, and while the basket service is unavailable."""
    try:
        return order_of(await read_basket(request)) == number
    except ApiError:
        return True


async def _forget_checkout(request: Request, number: str) -> None:
    """Delete what was typed at the checkout of an order, as its vouchers are used; a failed order keeps it for the next try."""
    checkouts, identifier = site_of(request).checkouts, basket_id(request)
    stored = await checkouts.read(identifier) if identifier else None
    if stored and stored.get("order_number") == number:
        await checkouts.delete(identifier)


async def order_status(request: Request) -> Response:
    """GET /orders/{number}/status, for the page's script: {order_number, status, reason_code?} and Retry-After."""
    status, retry_after = await _status(request)
    headers = {"Cache-Control": "private, no-store"}
    if status["status"] not in FINAL_STATUSES:
        headers["Retry-After"] = str(retry_after)
    return JSONResponse(status, headers=headers)


async def _status(request: Request) -> tuple[dict[str, str], int]:
    """The status and the polling interval."""
    response = await read_status(request, request.path_params["number"])
    retry_after = whole_number(response.headers.get("retry-after", ""))
    return response.body, DEFAULT_RETRY_AFTER if retry_after is None else retry_after
