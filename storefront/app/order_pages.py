"""Pages of an order's status."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.apis import ApiError, whole_number
from app.messages import message
from app.pages import customer_token, render, site_of
from app.shop_pages import basket_id

# Polling interval in seconds if the API returns none.
DEFAULT_RETRY_AFTER = 1
FINAL_STATUSES = ("Complete", "Failed")


async def order(request: Request) -> Response:
    """GET /orders/{number}: without scripts, the page reloads itself until the order reaches a final status."""
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
        is_refunded=reason == "PROCESSING_FAILED",
        reload_after=max(2, retry_after),
    )


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
    """The status and the polling interval.

    A customer who ordered as a guest and then signed in sees that order, too: the API gives it to callers without a session.
    """
    number, token = quote(request.path_params["number"], safe=""), await customer_token(request)
    apis, path = site_of(request).apis, f"orders/{number}/status"
    try:
        response = await apis.call("orders", "GET", path, token=token)
    except ApiError as error:
        if not token or error.status not in (403, 404):
            raise
        response = await apis.call("orders", "GET", path)
    retry_after = whole_number(response.headers.get("retry-after", ""))
    return response.body, DEFAULT_RETRY_AFTER if retry_after is None else retry_after
