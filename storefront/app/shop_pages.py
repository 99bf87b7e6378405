"""Browse, search, look at a product, and fill a basket."""

import re
import secrets
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from app.apis import Refused
from app.pages import form_of, own_path, show, site_of, to

_BASKET_ID = re.compile(r"[A-Za-z0-9_-]{22,64}")
BASKET_SECONDS = 30 * 86_400
MAX_QUERY = 100


async def home(request: Request) -> Response:
    """GET /"""
    page = await _products(request, {})
    return await show(request, "home.html", products=page["items"][:8])


async def products(request: Request) -> Response:
    """GET /products?query=&page_token="""
    query = request.query_params.get("query", "").strip()[:MAX_QUERY]
    token = request.query_params.get("page_token", "")
    page = await _products(request, {"query": query} if query else {}, token)
    return await show(
        request, "products.html", products=page["items"], query=query, next_token=page.get("next_page_token", "")
    )


async def _products(request: Request, search: dict[str, str], token: str = "") -> dict[str, Any]:
    asked = search | ({"page_token": token} if token else {})
    return (await site_of(request).apis.call("catalog", "GET", "products", query=asked)).body


async def product(request: Request) -> Response:
    """GET /products/{sku}"""
    path = f"products/{quote(request.path_params['sku'], safe='')}"
    found = (await site_of(request).apis.call("catalog", "GET", path)).body
    message = request.query_params.get("message", "")
    return await show(request, "product.html", product=found, message=message, form_key=secrets.token_urlsafe(18))


# --- basket ---


def basket_id(request: Request) -> str:
    """The reader's basket, "" if they have none yet or the cookie holds what no basket can have as id."""
    kept = site_of(request).basket.read(request)
    return kept if _BASKET_ID.fullmatch(kept) else ""


async def read_basket(request: Request) -> dict[str, Any]:
    """The basket: {basket_id, version, items: [{sku, quantity, unit_price}], totals}; without one only no items and totals."""
    identifier = basket_id(request)
    empty: dict[str, Any] = {"items": [], "totals": {"lines": 0, "quantity": 0, "amount": 0, "currency": "EUR"}}
    if not identifier:
        return empty
    try:
        return (await site_of(request).apis.call("basket", "GET", f"baskets/{quote(identifier, safe='')}")).body
    except Refused as error:
        if error.status == 404:
            return empty
        raise


async def basket(request: Request) -> Response:
    """GET /basket"""
    found = await read_basket(request)
    names = await site_of(request).names.of(item["sku"] for item in found["items"])
    message = request.query_params.get("message", "")
    return await show(request, "basket.html", basket=found, names=names, message=message)


async def add_to_basket(request: Request) -> Response:
    """POST /basket {sku, quantity, form}; ``form`` makes a form that is sent twice one item."""
    form = await form_of(request)
    sku, quantity = str(form.get("sku", "")), str(form.get("quantity", "1"))
    identifier = basket_id(request) or secrets.token_urlsafe(24)
    line = {"sku": sku, "quantity": int(quantity) if quantity.isdecimal() else 0}
    try:
        await site_of(request).apis.call(
            "basket", "POST", f"baskets/{quote(identifier, safe='')}/items", json=line, key=str(form.get("form", ""))
        )
    except Refused as error:
        if error.status in (400, 404, 409, 422):
            return to(f"/products/{quote(sku, safe='')}?message={error.code}")
        raise
    response = to("/basket")
    site_of(request).basket.set(response, identifier, BASKET_SECONDS)
    return response


async def change_basket(request: Request) -> Response:
    """POST /basket/items/{sku} {quantity}; 0 takes the line out."""
    form = await form_of(request)
    quantity = str(form.get("quantity", ""))
    path = f"baskets/{quote(basket_id(request), safe='')}/items/{quote(request.path_params['sku'], safe='')}"
    apis = site_of(request).apis
    try:
        if quantity == "0":
            await apis.call("basket", "DELETE", path)
        else:
            await apis.call("basket", "PATCH", path, json={"quantity": int(quantity) if quantity.isdecimal() else -1})
    except Refused as error:
        if error.status in (400, 404, 409, 412, 422):
            return to(f"/basket?message={error.code}")
        raise
    return to(own_path(str(form.get("next", "")), "/basket"))
