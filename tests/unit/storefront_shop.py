"""Fake APIs of a shop for the checkout: a basket, quotations, vouchers and orders, as the orders API answers."""

import html
import re
from typing import Any

import httpx

from tests.unit.storefront_app import Browser, problem, sent

ADDRESS = {"name": "Ada Sample", "street": "Brick Lane 1", "postal_code": "10115", "city": "Berlin", "country": "DE"}
TYPED: dict[str, Any] = ADDRESS | {
    "region": "Mitte",
    "email": "ada@example.com",
    "card": "tok_declined",
    "delivery": "express",
}
NAMES = {"SP-1": "Tower", "SP-2": "Bridge"}
DELIVERY = {"economy": 0, "standard": 490, "express": 1490}


class Shop:
    """One basket; net prices in cents by SKU, vouchers by code. Tax is 19 % for DE, included, and 5 % for CA, excluded."""

    def __init__(self) -> None:
        self.items = {"SP-1": 2}
        self.prices = {"SP-1": 1000, "SP-2": 500}
        self.vouchers: dict[str, int] = {}
        self.used: dict[str, str] = {}
        self.ordered = ""
        self.basket_is_marked = True
        self.quotations: dict[str, dict[str, Any]] = {}
        self.orders: dict[str, tuple[dict[str, Any], str]] = {}
        # The session token of the customer who ordered, "" for a guest, by order number.
        self.owners: dict[str, str] = {}
        self.status = {"status": "Processing"}
        # One response each, by "<method> <service>/<path>", instead of the API's own.
        self.failing: dict[str, httpx.Response | Exception] = {}
        self.calls: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        call = f"{request.method} {request.url.host}{request.url.path.replace('/v1', '', 1)}"
        self.calls.append(call)
        failure = self.failing.pop(call, None)
        if isinstance(failure, Exception):
            raise failure
        if failure:
            return failure
        match request.method, request.url.host:
            case "GET", "basket":
                return self._basket(request.url.path.rpartition("/")[2])
            case _, "basket":
                return problem(409, "BASKET_ORDERED") if self.ordered else httpx.Response(201, json={})
            case "GET", "catalog":
                return httpx.Response(200, json={"name": NAMES[request.url.path.rpartition("/")[2]]})
            case "POST", "login":
                customer = sent(request)["email"].partition("@")[0]
                session = {"session_token": customer, "customer_id": customer, "roles": []}
                return httpx.Response(201, json=session | {"expires_at": "2099-01-01T00:00:00Z"})
            case "DELETE", "login":
                return httpx.Response(204)
            case "GET", "customers":
                return problem(404, "PROFILE_NOT_FOUND")
            case "GET", "orders":
                number = request.url.path.split("/")[3]
                if self.owners.get(number, _caller(request)) != _caller(request):
                    return problem(404, "ORDER_NOT_FOUND")
                return httpx.Response(200, json={"order_number": number} | self.status)
            case "POST", "orders" if call.endswith("quotations"):
                return self._quote(sent(request))
            case "POST", "orders":
                return self._order(sent(request), request.headers["idempotency-key"], _caller(request))
        raise AssertionError(call)

    def _basket(self, basket_id: str) -> httpx.Response:
        if not self.items:
            return problem(404, "BASKET_NOT_FOUND")
        lines = [{"sku": sku, "quantity": count, "unit_price": self.prices[sku]} for sku, count in self.items.items()]
        amount = sum(count * self.prices[sku] for sku, count in self.items.items())
        totals = {"lines": len(lines), "quantity": sum(self.items.values()), "amount": amount, "currency": "EUR"}
        state = (
            {"status": "ordered", "order_number": self.ordered}
            if self.ordered and self.basket_is_marked
            else {"status": "open"}
        )
        body = {"basket_id": basket_id, "version": 1, "items": lines, "totals": totals}
        return httpx.Response(200, json=body | state)

    def _quote(self, body: dict[str, Any]) -> httpx.Response:
        if self.ordered:
            return problem(409, "BASKET_ORDERED")
        if not self.items:
            return problem(422, "EMPTY_BASKET")
        for index, code in enumerate(body.get("voucher_codes", [])):
            code_problem = "VOUCHER_REDEEMED" if code in self.used else "VOUCHER_NOT_FOUND"
            if code in self.used or code not in self.vouchers:
                return problem(422, code_problem, errors=[{"pointer": f"/voucher_codes/{index}", "message": "[A-Z]"}])
        return httpx.Response(200, json=self.quotation(body))

    def quotation(self, body: dict[str, Any]) -> dict[str, Any]:
        """Store and return a quotation for a request."""
        include, rate = (False, 500) if body["ship_to"]["country"] == "CA" else (True, 1900)

        def tax(net: int) -> int:
            return (net * rate + 5000) // 10000

        method = body["delivery_method"]
        lines: list[dict[str, Any]] = []
        for sku, quantity in self.items.items():
            unit = self.prices[sku] + (tax(self.prices[sku]) if include else 0)
            lines.append(
                {
                    "sku": sku,
                    "name": NAMES[sku],
                    "quantity": quantity,
                    "unit_price": unit,
                    "line_total": quantity * unit,
                }
                | {"tax": quantity * tax(self.prices[sku]), "discount": 0}
            )
        delivery: dict[str, Any] = {"method": method, "tax": tax(DELIVERY[method])}
        delivery["amount"] = DELIVERY[method] + (delivery["tax"] if include else 0)
        tax_total = sum(line["tax"] for line in lines) + delivery["tax"]
        subtotal = sum(line["line_total"] for line in lines)
        total = subtotal + delivery["amount"] + (0 if include else tax_total)
        discounts = []
        for code in body.get("voucher_codes", []):
            amount = min(self.vouchers[code], total)
            total -= amount
            discounts.append(
                {"code_suffix": _suffix(code), "amount": amount, "forfeited": self.vouchers[code] - amount}
            )
        quotation_id = f"quotation-{len(self.quotations)}"
        view = {
            "quotation_id": quotation_id,
            "basket_id": body.get("basket_id", "b"),
            "basket_version": 1,
            "currency": "EUR",
            "lines": lines,
            "subtotal": subtotal,
            "discounts": discounts,
            "delivery": delivery,
            "tax_total": tax_total,
            "total": total,
            "prices_include_tax": include,
            "tax": {"source": "live", "rate_version": "1", "rates": [rate]},
            "expires_at": "2099-01-01T00:00:00Z",
        }
        self.quotations[quotation_id] = view | {"request": body}
        return view

    def _order(self, body: dict[str, Any], key: str, caller: str) -> httpx.Response:
        if key in self.orders:
            first, number = self.orders[key]
            accepted = httpx.Response(202, json={"order_number": number, "status": "Processing"})
            return accepted if first == body else problem(409, "IDEMPOTENCY_KEY_REUSED")
        quotation = self.quotations.get(body["quotation_id"])
        if not quotation:
            return problem(404, "QUOTATION_NOT_FOUND")
        if self.ordered:
            return problem(409, "BASKET_ORDERED")
        if changed := self._changed(quotation):
            return problem(409, "QUOTATION_CHANGED", quotation=changed)
        if quotation["total"] and not body.get("payment_token"):
            return problem(400, "INVALID_REQUEST", errors=[{"pointer": "/payment_token", "message": "is required"}])
        self.ordered = f"T10000000{len(self.orders) + 1}"
        self.orders[key], self.owners[self.ordered] = (body, self.ordered), caller
        return httpx.Response(202, json={"order_number": self.ordered, "status": "Processing"})

    def _changed(self, confirmed: dict[str, Any]) -> dict[str, Any] | None:
        request = confirmed["request"]
        codes = request.get("voucher_codes", [])
        rejected = [{"code_suffix": _suffix(code), "code": "VOUCHER_REDEEMED"} for code in codes if code in self.used]
        now = self.quotation(request | {"voucher_codes": [code for code in codes if code not in self.used]})
        same = all(now[name] == confirmed[name] for name in ("lines", "discounts", "delivery", "tax_total", "total"))
        return None if same else now | {"problems": [], "rejected_vouchers": rejected}


def _caller(request: httpx.Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def _suffix(code: str) -> str:
    return code.replace("-", "").upper()[-4:]


def browser(shop: Shop) -> Browser:
    """A browser with a basket."""
    client = Browser(shop)
    client.cookies.set("__Host-basket", "b" * 32)
    return client


def fields_of(page: httpx.Response) -> dict[str, Any]:
    """The fields of the checkout's form as a browser would send them, without a button."""
    form = page.text.partition('action="/checkout">')[2].partition("</form>")[0]
    fields: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        attributes = {name: html.unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
        if attributes.get("type") == "radio" and " checked" not in tag:
            continue
        fields.setdefault(attributes["name"], []).append(attributes["value"])
    fields["country"] = re.findall(r'<option value="(\w\w)" selected', form)
    return {name: values if name == "voucher" else values[0] for name, values in fields.items()}


def update(client: Browser, page: httpx.Response | None = None, **changes: Any) -> httpx.Response:
    """Press "Update summary" with an address and ``changes``, and follow the redirect."""
    fields = fields_of(page or client.get("/checkout")) | ADDRESS | {"email": "ada@example.com"} | changes
    response = client.post("/checkout", fields | {"action": "update"})
    return client.get("/checkout") if response.status_code == 303 else response


def buy(client: Browser, page: httpx.Response, **changes: Any) -> httpx.Response:
    """Press "Buy now" on a page."""
    return client.post("/checkout", fields_of(page) | {"action": "buy"} | changes)
