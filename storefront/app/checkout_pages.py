"""Pages of the checkout and of an order's status."""

import hashlib
import logging
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.apis import ApiError
from app.pages import form_of, render, see_other, session_of, site_of
from app.shop_pages import basket_id, read_basket

# Tokens of the payment simulator; a real provider's page in the browser would issue one.
CARDS = {"tok_ok": "A card that is accepted", "tok_declined": "A card that is declined"}
ADDRESS = ("name", "street", "postal_code", "city", "country")
# Polling interval in seconds if the API returns none.
DEFAULT_RETRY_AFTER = 1
FINAL_STATUSES = ("Complete", "Failed")
# Messages for customers by error code; for other codes the page shows the API's detail.
MESSAGES = {
    "IDEMPOTENCY_KEY_REUSED": "This basket was already ordered with other details. Nothing was ordered again. "
    "Check your orders; to order more, change the basket first.",
}
BASKET_CHANGED = "The basket has changed since you opened this page. Please check it and submit the order again."

LOG = logging.getLogger(__name__)


async def checkout_form(request: Request) -> Response:
    """GET /checkout"""
    basket = await read_basket(request)
    if not basket["items"]:
        return see_other("/basket")
    session = await session_of(request)
    address = dict.fromkeys(ADDRESS, "") | {"country": "DE"}
    if session and session.customer_id:
        address |= await _profile_address(request, session.customer_id, session.token)
    return await _form(request, basket, address, form_key(basket))


def form_key(basket: dict[str, Any]) -> str:
    """Return the Idempotency-Key of an order: one version of a basket is one order, from all pages and tabs."""
    return hashlib.sha256(f"checkout {basket['basket_id']} {basket['version']}".encode()).hexdigest()


async def _profile_address(request: Request, customer_id: str, token: str) -> dict[str, str]:
    try:
        profile = await site_of(request).apis.call("customers", "GET", f"customers/{customer_id}/profile", token=token)
    except ApiError:
        # The customer can still type an address.
        return {}
    addresses = profile.body.get("addresses") or [{}]
    return {name: addresses[0][name] for name in ADDRESS if name in addresses[0]}


async def _form(
    request: Request,
    basket: dict[str, Any],
    address: dict[str, str],
    key: str,
    voucher: str = "",
    error: str = "",
    status: int = 200,
) -> Response:
    values = {"basket": basket, "address": address, "cards": CARDS, "voucher": voucher, "error": error, "form_key": key}
    return await render(request, "checkout.html", status, **values)


async def submit_order(request: Request) -> Response:
    """POST /checkout {address fields, card, voucher, form}

    Orders only the basket version that the form showed. Redeems the voucher first, so that a refused voucher leaves no order.
    A repeated form repeats both steps with the form's idempotency key, so it redeems and orders nothing more.
    """
    form = await form_of(request)
    address = {name: str(form.get(name, "")).strip() for name in ADDRESS}
    voucher, session = str(form.get("voucher", "")).strip(), await session_of(request)
    basket = await read_basket(request)
    if not basket["items"]:
        return see_other("/basket")
    key = form_key(basket)
    if form.get("form") != key:
        return await _form(request, basket, address, key, voucher, BASKET_CHANGED, 409)
    order = {
        "basket_id": basket_id(request),
        "customer_id": session.customer_id if session and session.customer_id else "guest",
        "payment_token": str(form.get("card", "")),
        "ship_to": {name: text for name, text in address.items() if text},
    }
    apis, token = site_of(request).apis, session.token if session and session.customer_id else ""
    redemptions = f"vouchers/{quote(voucher, safe='')}/redemptions"
    try:
        if voucher:
            await apis.call("vouchers", "POST", redemptions, token=token, json={}, key=key)
        response = await apis.call("orders", "POST", "orders", token=token, json=order, key=key)
    except ApiError as error:
        if error.status in (400, 403, 404, 409, 410, 422):
            message = MESSAGES.get(error.code) or error.detail or error.code
            return await _form(request, basket, address, key, voucher, message, error.status)
        raise
    number = str(response.body["order_number"])
    if voucher:
        try:
            await apis.call("vouchers", "POST", redemptions, token=token, json={"order_number": number}, key=key)
        except ApiError as error:
            # The order is accepted and the voucher redeemed; only the redemption's order number is missing.
            LOG.warning("the redemption of a voucher does not name order %s: %s", number, error)
    redirect = see_other(f"/orders/{number}")
    site_of(request).basket.delete(redirect)
    return redirect


async def order(request: Request) -> Response:
    """GET /orders/{number}: without scripts, the page reloads itself until the order reaches a final status."""
    status, retry_after = await _status(request)
    final = status["status"] in FINAL_STATUSES
    return await render(request, "order.html", order=status, final=final, reload_after=max(2, retry_after))


async def order_status(request: Request) -> Response:
    """GET /orders/{number}/status, for the page's script: {order_number, status, reason_code?} and Retry-After."""
    status, retry_after = await _status(request)
    headers = {"Cache-Control": "private, no-store"}
    if status["status"] not in FINAL_STATUSES:
        headers["Retry-After"] = str(retry_after)
    return JSONResponse(status, headers=headers)


async def _status(request: Request) -> tuple[dict[str, str], int]:
    session = await session_of(request)
    token = session.token if session and session.customer_id else ""
    number = quote(request.path_params["number"], safe="")
    response = await site_of(request).apis.call("orders", "GET", f"orders/{number}/status", token=token)
    retry_after = response.headers.get("retry-after", "")
    return response.body, int(retry_after) if retry_after.isdecimal() else DEFAULT_RETRY_AFTER
