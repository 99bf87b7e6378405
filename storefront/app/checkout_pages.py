"""From a basket to an order, and the order's way until it is complete."""

import hashlib
import logging
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.apis import Refused
from app.pages import form_of, session_of, show, site_of, to
from app.shop_pages import basket_id, read_basket

# Tokens of the payment simulator; on AWS the provider's own page in the browser would give one.
CARDS = {"tok_ok": "A card that is accepted", "tok_declined": "A card that is declined"}
ADDRESS = ("name", "street", "postal_code", "city", "country")
# What is told while nothing is known, in seconds.
ADVICE = 1
FINAL = ("Complete", "Failed")
# What can be done about a refusal, by the API's code; any other is shown as the API says it.
WORDS = {
    "IDEMPOTENCY_KEY_REUSED": "This basket was ordered before, with other details. Nothing was ordered again. "
    "Look at your orders; to order more, change the basket first.",
}
CHANGED = "The basket has changed since this page was shown. This is what is in it now."

LOG = logging.getLogger(__name__)


async def checkout_form(request: Request) -> Response:
    """GET /checkout"""
    found = await read_basket(request)
    if not found["items"]:
        return to("/basket")
    session = await session_of(request)
    address = dict.fromkeys(ADDRESS, "") | {"country": "DE"}
    if session and session.customer_id:
        address |= await _known_address(request, session.customer_id, session.token)
    return await _form(request, found, address, form_key(found))


def form_key(basket: dict[str, Any]) -> str:
    """The Idempotency-Key of ordering a basket as it is: one state of a basket is one order, from all pages and tabs."""
    return hashlib.sha256(f"checkout {basket['basket_id']} {basket['version']}".encode()).hexdigest()


async def _known_address(request: Request, customer_id: str, token: str) -> dict[str, str]:
    try:
        profile = await site_of(request).apis.call("customers", "GET", f"customers/{customer_id}/profile", token=token)
    except Refused:
        # Typing an address is better than not buying.
        return {}
    known = profile.body.get("addresses") or [{}]
    return {name: known[0][name] for name in ADDRESS if name in known[0]}


async def _form(
    request: Request,
    found: dict[str, Any],
    address: dict[str, str],
    key: str,
    voucher: str = "",
    error: str = "",
    status: int = 200,
) -> Response:
    values = {"basket": found, "address": address, "cards": CARDS, "voucher": voucher, "error": error, "form_key": key}
    return await show(request, "checkout.html", status, **values)


async def place_order(request: Request) -> Response:
    """POST /checkout {address fields, card, voucher, form}

    What is ordered is what the form showed. The voucher is redeemed first, so that a voucher that is refused leaves no order.
    Sending the form again repeats both steps under the form's key: it redeems and orders nothing more.
    """
    form = await form_of(request)
    address = {name: str(form.get(name, "")).strip() for name in ADDRESS}
    voucher, session = str(form.get("voucher", "")).strip(), await session_of(request)
    found = await read_basket(request)
    if not found["items"]:
        return to("/basket")
    key = form_key(found)
    if form.get("form") != key:
        return await _form(request, found, address, key, voucher, CHANGED, 409)
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
        placed = await apis.call("orders", "POST", "orders", token=token, json=order, key=key)
    except Refused as error:
        if error.status in (400, 403, 404, 409, 410, 422):
            words = WORDS.get(error.code) or error.detail or error.code
            return await _form(request, found, address, key, voucher, words, error.status)
        raise
    number = str(placed.body["order_number"])
    if voucher:
        try:
            await apis.call("vouchers", "POST", redemptions, token=token, json={"order_number": number}, key=key)
        except Refused as error:
            # The order is placed and the voucher redeemed; only the note of the order's number is missing.
            LOG.warning("the redemption of a voucher does not name order %s: %s", number, error)
    response = to(f"/orders/{number}")
    site_of(request).basket.delete(response)
    return response


async def order(request: Request) -> Response:
    """GET /orders/{number}: reloads itself without scripts until the order has come to its end."""
    status, advice = await _status(request)
    final = status["status"] in FINAL
    return await show(request, "order.html", order=status, final=final, reload_after=max(2, advice))


async def order_status(request: Request) -> Response:
    """GET /orders/{number}/status, for the page's script: {order_number, status, reason_code?} and Retry-After."""
    status, advice = await _status(request)
    headers = {"Cache-Control": "private, no-store"}
    if status["status"] not in FINAL:
        headers["Retry-After"] = str(advice)
    return JSONResponse(status, headers=headers)


async def _status(request: Request) -> tuple[dict[str, str], int]:
    session = await session_of(request)
    token = session.token if session and session.customer_id else ""
    number = quote(request.path_params["number"], safe="")
    answer = await site_of(request).apis.call("orders", "GET", f"orders/{number}/status", token=token)
    advice = answer.headers.get("retry-after", "")
    return answer.body, int(advice) if advice.isdecimal() else ADVICE
