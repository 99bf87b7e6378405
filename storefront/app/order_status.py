"""The status of an order, from the orders API."""

from urllib.parse import quote

from starlette.requests import Request

from app.apis import ApiError, ApiResponse
from app.pages import customer_token, site_of


async def read_status(request: Request, number: str) -> ApiResponse:
    """Return {order_number, status, reason_code?}, with Retry-After for an order in progress. Raises ``ApiError``.

    A customer who ordered as a guest and then signed in sees that order, too: the API gives it to callers without a session.
    """
    apis, path, token = site_of(request).apis, f"orders/{quote(number, safe='')}/status", await customer_token(request)
    try:
        return await apis.call("orders", "GET", path, token=token)
    except ApiError as error:
        if not token or error.status not in (403, 404):
            raise
        return await apis.call("orders", "GET", path)


async def is_failed(request: Request, number: str) -> bool:
    """True if the order has failed; False for another status, and while the API is unavailable."""
    try:
        return (await read_status(request, number)).body["status"] == "Failed"
    except ApiError:
        return False
