"""Reservations of the commerce platform's stock, and its sales.

reservation {order_number, lines: [{sku, quantity, unit_price?, currency?}], expires_at, customer_id?, attempt, state};
state reserved, released or committed. The same reservation is in the inventory of each of its products
(``partners.domain.inventory``), and changes together with it.

An order may be attempted several times. A request of an attempt that is released or committed, or that has a later one, is
late and has no effect.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from partners.domain import inventory
from partners.domain.inventory import Reservation
from partners.domain.operations import Call, Document, Operation, Outcome, Related, id_key
from partners.domain.rules import different_content, get, not_found
from partners.domain.schemas import CURRENCY, ID, array_of, check_id, integer, invalid, object_of, string
from setpieces.http_refusal import HttpRefusal

# A transaction of DynamoDB has up to 100 writes: these products and the reservation.
MAX_LINES = 99
QUANTITY = integer(1, 100_000)
TIME = {
    "type": "string",
    "maxLength": 40,
    "pattern": r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})\Z",
}
LINE = object_of({"sku": ID, "quantity": QUANTITY}, {"unit_price": integer(0), "currency": CURRENCY}, closed=True)
RESERVATION = object_of(
    {"lines": array_of(LINE, 1, MAX_LINES), "expires_at": TIME},
    {"customer_id": string(128, 1), "attempt": integer(0)},
    closed=True,
)
RESERVED, RELEASED, COMMITTED = "reserved", "released", "committed"

Products = Mapping[str, Document]


def get_stock(call: Call, product: Document | None) -> Outcome:
    if product is None:
        raise not_found("product")
    return Outcome(200, {"sku": call.ids["sku"], **asdict(inventory.count_pieces(product, call.now))})


def get_reservation(call: Call, stored: Document | None) -> Outcome:
    return get("reservation", stored)


def put_reservation(call: Call, stored: Document | None, products: Products) -> Outcome:
    """Reserve all lines or none: 201, then 200 for the same lines; a later ``expires_at`` renews.

    An order of which an earlier attempt was committed has its pieces: 200. Raises ``HttpRefusal`` 409 OUT_OF_STOCK with the
    ``lines`` that cannot be reserved, DIFFERENT_CONTENT, and RESERVATION_CLOSED for a late request.
    """
    _check_one_line_each(call.body["lines"])
    order_number = call.ids["order_number"]
    reservation: Document = {"order_number": order_number, "attempt": 0, **call.body, "state": RESERVED}
    _check_not_late(stored, reservation["attempt"])
    if stored and stored["state"] != RELEASED:
        _check_same(reservation, stored)
        if stored["state"] == COMMITTED:
            return Outcome(200, stored)
        latest = max(stored["expires_at"], reservation["expires_at"], key=_parse_time)
        reservation |= {"lines": stored["lines"], "expires_at": latest}
    expires_at = _parse_time(reservation["expires_at"])
    if reservation == stored and expires_at > call.now:
        return Outcome(200, stored)
    if expires_at <= call.now:
        raise invalid("/expires_at", "must be in the future")
    _check_lines(call, products)
    related = {}
    for sku, quantity in _quantities(reservation["lines"]).items():
        reserved = Reservation(quantity=quantity, expires_at=expires_at)
        if "customer_id" in reservation:
            reserved["customer_id"] = reservation["customer_id"]
        related[sku] = inventory.with_reservation(products[sku], order_number, reserved, call.now)
    status, effect = (200, "updated") if stored and stored["state"] == RESERVED else (201, "created")
    return Outcome(status, reservation, document=reservation, related=related, effect=effect)


def delete_reservation(call: Call, stored: Document | None, products: Products) -> Outcome:
    """204, also for an unknown reservation: a late PUT of this ``attempt`` must not reserve.

    Raises ``HttpRefusal`` 409 RESERVATION_COMMITTED.
    """
    attempt = _parse_attempt(call)
    if stored and stored["state"] == COMMITTED:
        raise HttpRefusal(409, "RESERVATION_COMMITTED", "The order is placed; its pieces are sold")
    if stored and (attempt < stored["attempt"] or (attempt == stored["attempt"] and stored["state"] == RELEASED)):
        return Outcome(204)
    before = stored or {"order_number": call.ids["order_number"], "lines": [], "expires_at": call.now}
    related = {
        sku: inventory.without_reservation(product, call.ids["order_number"], call.now)
        for sku, product in products.items()
    }
    released = before | {"attempt": attempt, "state": RELEASED}
    return Outcome(204, document=released, related=related, effect="deleted")


def commit_order(call: Call, stored: Document | None, products: Products) -> Outcome:
    """Sell the lines of an order: what it has reserved, or else what is available.

    SKUs of which the platform has no product are not counted. Raises ``HttpRefusal`` 409 OUT_OF_STOCK with the short
    ``lines``, DIFFERENT_CONTENT if other lines are sold or reserved, and RESERVATION_CLOSED if the last attempt was released.
    """
    order_number = call.ids["order_number"]
    check_id(call.body, "order_number", order_number)
    quantities = _quantities(call.body["lines"])
    if stored and stored["state"] == RELEASED:
        raise _reservation_closed(stored["attempt"])
    if stored and (stored["state"] == COMMITTED or _is_reserved(stored, call.now)):
        if quantities != _quantities(stored["lines"]):
            raise different_content()
        if stored["state"] == COMMITTED:
            return Outcome(200, stored)
    short = []
    for sku, product in products.items():
        pieces = inventory.count_pieces(product, call.now)
        has_reserved = inventory.has_reserved(product, order_number, call.now)
        if quantities[sku] > (inventory.pieces_on_hand(product) if has_reserved else pieces.available):
            short.append(_short_line(sku, "OUT_OF_STOCK", quantities[sku], pieces.available))
    if short:
        raise _out_of_stock(short)
    before = stored or {"order_number": order_number, "expires_at": call.now, "attempt": 0}
    lines = [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]
    committed = before | {"lines": lines, "state": COMMITTED}
    related = {
        sku: inventory.with_sale(product, order_number, quantities[sku], before.get("customer_id"), call.now)
        for sku, product in products.items()
    }
    return Outcome(200, committed, document=committed, related=related, effect="updated")


def _check_not_late(stored: Document | None, attempt: int) -> None:
    if stored is None or attempt > stored["attempt"]:
        return
    if attempt < stored["attempt"] or stored["state"] != RESERVED:
        raise _reservation_closed(attempt)


def _check_same(reservation: Document, stored: Document) -> None:
    """Raises ``HttpRefusal`` 409 if a reservation has other lines or another customer than the stored one."""
    is_same_customer = reservation.get("customer_id") == stored.get("customer_id")
    if not is_same_customer or _quantities(reservation["lines"]) != _quantities(stored["lines"]):
        raise different_content()


def _check_lines(call: Call, products: Products) -> None:
    """Raises ``HttpRefusal`` 409 OUT_OF_STOCK with the lines that cannot be reserved; pieces that are reserved stay so."""
    short = []
    for line in call.body["lines"]:
        product = products.get(line["sku"])
        if product and inventory.has_reserved(product, call.ids["order_number"], call.now):
            continue
        available = inventory.count_pieces(product, call.now).available if product else 0
        code = _line_error(line, product, available, call)
        if code:
            short.append(_short_line(line["sku"], code, line["quantity"], available))
    if short:
        raise _out_of_stock(short)


def _line_error(line: dict[str, Any], product: Document | None, available: int, call: Call) -> str:
    """The code of a line that cannot be reserved, "" for one that can."""
    if not product or "unit_price" not in product or product["status"] != "active" or not product["available"]:
        return "PRODUCT_UNAVAILABLE"
    quantity, customer_id = line["quantity"], call.body.get("customer_id")
    if quantity > available:
        return "OUT_OF_STOCK"
    has = inventory.pieces_of_customer(product, customer_id, call.now) if customer_id is not None else 0
    if has + quantity > product["max_per_customer"]:
        return "QUANTITY_LIMIT"
    is_same_price = all(line.get(name, product[name]) == product[name] for name in ("unit_price", "currency"))
    return "" if is_same_price else "PRICE_CHANGED"


def _short_line(sku: str, code: str, requested: int, available: int) -> dict[str, Any]:
    return {"sku": sku, "code": code, "requested": requested, "available": available}


def _out_of_stock(lines: list[dict[str, Any]]) -> HttpRefusal:
    return HttpRefusal(
        409, "OUT_OF_STOCK", "Not every line is available; nothing is reserved or sold", members={"lines": lines}
    )


def _reservation_closed(attempt: int) -> HttpRefusal:
    return HttpRefusal(409, "RESERVATION_CLOSED", f"Attempt {attempt} of this order is over")


def _is_reserved(reservation: Document, now: str) -> bool:
    return reservation["state"] == RESERVED and _parse_time(reservation["expires_at"]) > now


def _quantities(lines: list[dict[str, Any]]) -> Counter[str]:
    """The pieces of each SKU."""
    quantities: Counter[str] = Counter()
    for line in lines:
        quantities[line["sku"]] += line["quantity"]
    return quantities


def _check_one_line_each(lines: list[dict[str, Any]]) -> None:
    """Raises ``HttpRefusal`` 400 for a SKU with two lines."""
    skus = [line["sku"] for line in lines]
    for index, sku in enumerate(skus):
        if sku in skus[:index]:
            raise invalid(f"/lines/{index}/sku", "has two lines")


def _parse_time(text: str) -> str:
    """A time as in ``Call.now``. Raises ``HttpRefusal`` 400."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="microseconds")
    except (ValueError, OverflowError) as error:
        raise invalid("/expires_at", "must be a time as in RFC 3339") from error


def _parse_attempt(call: Call) -> int:
    attempt = call.query.get("attempt", "0")
    if not (attempt.isascii() and attempt.isdecimal() and len(attempt) <= 9):
        raise invalid("/attempt", "must be a whole number")
    return int(attempt)


def _line_skus(call: Call, stored: Document | None) -> list[str]:
    return [*_quantities(call.body["lines"])]


def _reserved_skus(call: Call, stored: Document | None) -> list[str]:
    return [line["sku"] for line in stored["lines"]] if stored else []


_order_number = id_key("order_number")
_RESERVATION = "commerce/reservations/{order_number}"
_LINES = Related("products", _line_skus)

# The first step of an order: a transaction has no room for its document and its entry in the ledger beside all products.
COMMIT_ORDER = Operation(
    "commit_order", "PUT", _RESERVATION, commit_order, "reservations", _order_number, related=_LINES
)
OPERATIONS = (
    Operation("get_stock", "GET", "commerce/stock/{sku}", get_stock, "products", id_key("sku")),
    Operation("get_reservation", "GET", _RESERVATION, get_reservation, "reservations", _order_number),
    Operation(
        "put_reservation",
        "PUT",
        _RESERVATION,
        put_reservation,
        "reservations",
        _order_number,
        RESERVATION,
        related=_LINES,
    ),
    Operation(
        "delete_reservation",
        "DELETE",
        _RESERVATION,
        delete_reservation,
        "reservations",
        _order_number,
        related=Related("products", _reserved_skus),
    ),
)
