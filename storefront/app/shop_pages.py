"""Pages of products and the basket."""

import hashlib
import re
import secrets
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from app.apis import ApiError, whole_number
from app.messages import notice
from app.order_status import is_failed
from app.pages import form_of, local_path, render, see_other, site_of

_BASKET_ID = re.compile(r"[A-Za-z0-9_-]{22,64}")
BASKET_SECONDS = 30 * 86_400
MAX_QUERY = 100


async def home(request: Request) -> Response:
    """GET /"""
    page = await _products(request, {})
    return await render(request, "home.html", products=page["items"][:8])


async def products(request: Request) -> Response:
    """GET /products?query=&page_token="""
    query = request.query_params.get("query", "").strip()[:MAX_QUERY]
    token = request.query_params.get("page_token", "")
    page = await _products(request, {"query": query} if query else {}, token)
    return await render(
        request, "products.html", products=page["items"], query=query, next_token=page.get("next_page_token", "")
    )


async def _products(request: Request, search: dict[str, str], token: str = "") -> dict[str, Any]:
    query = search | ({"page_token": token} if token else {})
    return (await site_of(request).apis.call("catalog", "GET", "products", query=query)).body


async def product(request: Request) -> Response:
    """GET /products/{sku}"""
    path = f"products/{quote(request.path_params['sku'], safe='')}"
    item = (await site_of(request).apis.call("catalog", "GET", path)).body
    message = notice(request.query_params.get("message", ""))
    return await render(request, "product.html", product=item, message=message, form_key=secrets.token_urlsafe(18))


# --- basket ---


def order_of(basket: dict[str, Any]) -> str:
    """The number of the order in progress of a basket, "" if there is none."""
    return str(basket.get("order_number") or "") if basket.get("status") == "ordered" else ""


def basket_id(request: Request) -> str:
    """Return the visitor's basket id, or "" if the cookie is missing or not a basket id."""
    value = site_of(request).basket.read(request)
    return value if _BASKET_ID.fullmatch(value) else ""


def basket_digest(request: Request) -> str:
    """Names the visitor's basket in forms, which must not have the id: it gives access to the basket. "" without a basket."""
    identifier = basket_id(request)
    return hashlib.sha256(f"form of {identifier}".encode()).hexdigest() if identifier else ""


async def forget_basket(request: Request, response: Response) -> None:
    """Delete the basket's cookie, and what was typed at the checkout of the basket."""
    site_of(request).basket.delete(response)
    if identifier := basket_id(request):
        await site_of(request).checkouts.delete(identifier)


async def read_basket(request: Request) -> dict[str, Any]:
    """Return {basket_id, version, items: [{sku, quantity, unit_price}], totals, status?, order_number?}.

    Without a basket, items and totals are empty. ``order_number`` is the order in progress of a basket with status ``ordered``.
    """
    identifier = basket_id(request)
    empty: dict[str, Any] = {"items": [], "totals": {"lines": 0, "quantity": 0, "amount": 0, "currency": "EUR"}}
    if not identifier:
        return empty
    try:
        return (await site_of(request).apis.call("basket", "GET", f"baskets/{quote(identifier, safe='')}")).body
    except ApiError as error:
        if error.status == 404:
            return empty
        raise


async def basket(request: Request) -> Response:
    """GET /basket"""
    content = await read_basket(request)
    names = await site_of(request).names.of(item["sku"] for item in content["items"])
    message = notice(request.query_params.get("message", ""))
    number = order_of(content)
    return await render(
        request,
        "basket.html",
        basket=content,
        names=names,
        message=message,
        order_number=number,
        is_failed=bool(number) and await is_failed(request, number),
    )


async def add_to_basket(request: Request) -> Response:
    """POST /basket {sku, quantity, form}; ``form`` is the Idempotency-Key, so that a repeated form adds one item."""
    form = await form_of(request)
    sku, quantity = str(form.get("sku", "")), str(form.get("quantity", "1"))
    identifier = basket_id(request) or secrets.token_urlsafe(24)
    line = {"sku": sku, "quantity": whole_number(quantity) or 0}
    try:
        await site_of(request).apis.call(
            "basket", "POST", f"baskets/{quote(identifier, safe='')}/items", json=line, key=str(form.get("form", ""))
        )
    except ApiError as error:
        if error.status in (400, 404, 409, 422):
            return see_other(f"/products/{quote(sku, safe='')}?message={error.code}")
        raise
    response = see_other("/basket")
    site_of(request).basket.set(response, identifier, BASKET_SECONDS)
    return response


async def change_basket(request: Request) -> Response:
    """POST /basket/items/{sku} {quantity}; 0 removes the line."""
    form, identifier = await form_of(request), basket_id(request)
    if not identifier:
        return see_other("/basket?message=BASKET_NOT_FOUND")
    quantity = whole_number(str(form.get("quantity", "")))
    path = f"baskets/{quote(identifier, safe='')}/items/{quote(request.path_params['sku'], safe='')}"
    apis = site_of(request).apis
    try:
        if quantity == 0:
            await apis.call("basket", "DELETE", path)
        else:
            await apis.call("basket", "PATCH", path, json={"quantity": -1 if quantity is None else quantity})
    except ApiError as error:
        if error.status in (400, 404, 409, 412, 422):
            return see_other(f"/basket?message={error.code}")
        raise
    response = see_other(local_path(str(form.get("next", "")), "/basket"))
    # The API keeps the basket for as long as this from each change.
    site_of(request).basket.set(response, identifier, BASKET_SECONDS)
    return response
