"""A basket, and the rules for changing it. Pure: no AWS, no HTTP, no clock.

Amounts are in minor units, times in epoch seconds. ``unknown`` is what a newer version of this service has stored: it is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from setpieces.errors import Refused

# An order reserves all its lines at the commerce platform in one transaction, which has room for no more.
MAX_LINES = 99
MAX_QUANTITY = 99
# In minor units of any currency: half of what the payment provider charges at most, so that tax and delivery have room.
MAX_AMOUNT = 500_000_000_000
MAX_CLOSED_ORDERS = 20
LIFETIME_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True)
class Product:
    """What the basket needs to know of a product; ``stock`` is the number of pieces for sale."""

    sku: str
    unit_price: int
    currency: str
    price_version: int
    purchasable: bool
    stock: int
    max_per_customer: int


@dataclass(frozen=True)
class Line:
    """A product in a basket, with its price as it was when the line was last changed."""

    quantity: int
    unit_price: int
    price_version: int
    unknown: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RecordedResponse:
    """The response to a request to add an item; ``key`` (of its Idempotency-Key) and ``request`` are digests."""

    key: str
    request: str
    status: int
    body: dict[str, Any]
    unknown: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OrderAttempt:
    """An order of a basket; ``attempt`` is the number of times that an operator has reopened the order."""

    order_number: str
    attempt: int = 0
    unknown: dict[str, Any] = field(default_factory=dict)

    def includes(self, other: "OrderAttempt") -> bool:
        """True if ``other`` is this attempt or an earlier one of the same order."""
        return self.order_number == other.order_number and self.attempt >= other.attempt


@dataclass(frozen=True)
class Basket:
    """A basket that is stored, or that could be: it exists only if it has ``expires_at``.

    ``version`` begins with ``first_version`` and grows by one with each change, also when an expired basket is filled again.
    ``answers`` are the responses to the last additions. ``write_id`` is the random id of the last PATCH or DELETE.
    ``held_by`` is the order in progress. ``closed_orders`` are the last orders that have ended, each with its last attempt.
    ``ended_version`` is the version with which an order took the last line: the basket is gone unless it has changed since.
    ``sold_version`` is the version with which the last complete order took its lines, whether any was left or not.
    """

    basket_id: str = field(repr=False)
    version: int = 0
    currency: str = ""
    lines: dict[str, Line] = field(default_factory=dict)
    answers: tuple[RecordedResponse, ...] = ()
    expires_at: int = 0
    write_id: str = ""
    held_by: OrderAttempt | None = None
    closed_orders: tuple[OrderAttempt, ...] = ()
    ended_version: int = 0
    sold_version: int = 0
    unknown: dict[str, Any] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        return self.expires_at > 0

    @property
    def amount(self) -> int:
        return sum(line.quantity * line.unit_price for line in self.lines.values())

    def has_closed(self, order: OrderAttempt) -> bool:
        return any(closed.includes(order) for closed in self.closed_orders)

    def as_of(self, now: int) -> "Basket":
        """The basket at ``now``: empty once it has expired or was ordered whole. DynamoDB removes expired items days late.

        The recorded responses, the closed orders and ``sold_version`` stay, so that late duplicates of requests change nothing,
        and that what was sold is not ordered again.
        """
        if self.expires_at > now and self.version != self.ended_version:
            return self
        return Basket(
            self.basket_id,
            self.version,
            answers=self.answers,
            closed_orders=self.closed_orders,
            sold_version=self.sold_version,
        )


@dataclass(frozen=True)
class Precondition:
    """The condition of an ``If-Match`` header (RFC 9110, 13.1.1). ``versions`` is None if any version matches."""

    versions: frozenset[int] | None = None
    must_exist: bool = False

    def check(self, basket: Basket) -> None:
        """Raises ``Refused`` BASKET_CHANGED if ``basket`` does not meet the precondition."""
        if (self.must_exist and not basket.exists) or (
            self.versions is not None and basket.version not in self.versions
        ):
            raise Refused("BASKET_CHANGED", "The basket is not as If-Match says; read it again")


@dataclass(frozen=True)
class Idempotency:
    """Digests of an Idempotency-Key and of the request that it came with."""

    key: str
    request: str


def basket_not_found() -> Refused:
    return Refused("BASKET_NOT_FOUND", "There is no such basket, or it has expired")


def line_not_found() -> Refused:
    return Refused("LINE_NOT_FOUND", "This product is not in the basket")


def first_version(now: int) -> int:
    """The version of a new basket: milliseconds since the epoch.

    DynamoDB removes expired baskets. One with the same id that is created afterwards has a higher version than before, so that
    no entity tag means two states, unless the basket was changed a thousand times a second all its life.
    """
    return now * 1000


def price_line(product: Product, quantity: int) -> Line:
    """The line of ``quantity`` of a product at its present price.

    Raises ``Refused`` NOT_PURCHASABLE, QUANTITY_LIMIT, INSUFFICIENT_STOCK.
    """
    limit = min(MAX_QUANTITY, product.max_per_customer)
    if not product.purchasable:
        raise Refused("NOT_PURCHASABLE", f"{product.sku} is not for sale at the moment")
    if quantity > limit:
        raise Refused("QUANTITY_LIMIT", f"at most {limit} per customer", "/quantity")
    if quantity > product.stock:
        raise Refused("INSUFFICIENT_STOCK", f"Fewer than {quantity} of {product.sku} are in stock")
    return Line(quantity, product.unit_price, product.price_version)


def check_open(basket: Basket) -> None:
    """Raises ``Refused`` BASKET_ORDERED while an order of the basket is in progress."""
    if basket.held_by:
        raise Refused("BASKET_ORDERED", f"Order {basket.held_by.order_number} of this basket is in progress")


def add_item(basket: Basket, product: Product, quantity: int, now: int) -> Basket:
    """The basket with ``quantity`` more of a product.

    Raises ``Refused`` BASKET_ORDERED, BASKET_FULL, CURRENCY_MISMATCH, TOTAL_LIMIT, and as ``price_line`` does.
    """
    line = basket.lines.get(product.sku)
    if line is None and len(basket.lines) >= MAX_LINES:
        raise Refused("BASKET_FULL", f"A basket holds at most {MAX_LINES} different products")
    return _with_line(basket, product, quantity + (line.quantity if line else 0), now)


def change_item(basket: Basket, product: Product, quantity: int, now: int) -> Basket:
    """The basket with another quantity of a product that it holds.

    Raises ``Refused`` LINE_NOT_FOUND, BASKET_ORDERED, CURRENCY_MISMATCH, TOTAL_LIMIT, and as ``price_line`` does.
    """
    if product.sku not in basket.lines:
        raise line_not_found()
    return _with_line(basket, product, quantity, now)


def hold_basket(basket: Basket, order: OrderAttempt, ordered_version: int | None, now: int) -> Basket:
    """The basket held by an order: nothing changes it until the order is closed. A closed order does not hold it again.

    ``ordered_version`` is the version that was ordered, None from an older version of the orders service. If another order has
    taken its lines out of the basket since, what was ordered is sold. What the shopper has changed since is no matter.

    Raises ``Refused`` BASKET_NOT_FOUND, also if what was ordered is sold, and BASKET_ORDERED if another order holds the basket.
    """
    if basket.has_closed(order) or (basket.held_by and basket.held_by.includes(order)):
        return basket
    if not basket.exists:
        raise basket_not_found()
    if ordered_version is not None and ordered_version < basket.sold_version:
        raise Refused("BASKET_NOT_FOUND", "Another order has taken what was in this version of the basket")
    if basket.held_by and basket.held_by.order_number != order.order_number:
        check_open(basket)
    return replace(basket, version=basket.version + 1, held_by=order, expires_at=now + LIFETIME_SECONDS)


def close_order(basket: Basket, order: OrderAttempt, quantities: Mapping[str, int], now: int) -> Basket:
    """The basket after an order has ended: open again, without the ``quantities`` {sku: pieces} that were sold.

    A basket of which everything was sold is gone. An order that does not hold the basket changes no line.
    """
    if basket.has_closed(order):
        return basket
    holds = bool(basket.held_by and order.includes(basket.held_by))
    lines = _without(basket.lines, quantities) if holds else basket.lines
    version = _next_version(basket, now)
    others = [closed for closed in basket.closed_orders if closed.order_number != order.order_number]
    ended = not basket.exists or (holds and bool(quantities) and not lines)
    return replace(
        basket,
        version=version,
        lines=lines,
        expires_at=now + LIFETIME_SECONDS,
        # A line of the last change may be gone.
        write_id="",
        held_by=None if holds else basket.held_by,
        closed_orders=(*others, order)[-MAX_CLOSED_ORDERS:],
        ended_version=version if ended else basket.ended_version,
        sold_version=version if holds and quantities else basket.sold_version,
    )


def _with_line(basket: Basket, product: Product, quantity: int, now: int) -> Basket:
    """The basket with ``quantity`` of a product, all at its present price."""
    check_open(basket)
    line = basket.lines.get(product.sku)
    if basket.lines.keys() - {product.sku} and product.currency != basket.currency:
        raise Refused("CURRENCY_MISMATCH", f"This basket is in {basket.currency}")
    priced = replace(price_line(product, quantity), unknown=line.unknown if line else {})
    changed = replace(
        basket,
        version=_next_version(basket, now),
        currency=product.currency,
        lines=basket.lines | {product.sku: priced},
        expires_at=now + LIFETIME_SECONDS,
    )
    if changed.amount > MAX_AMOUNT:
        raise Refused("TOTAL_LIMIT", f"A basket amounts to at most {MAX_AMOUNT} in minor units", "/quantity")
    return changed


def _without(lines: Mapping[str, Line], quantities: Mapping[str, int]) -> dict[str, Line]:
    remaining = {sku: line.quantity - quantities.get(sku, 0) for sku, line in lines.items()}
    return {sku: replace(lines[sku], quantity=quantity) for sku, quantity in remaining.items() if quantity > 0}


def _next_version(basket: Basket, now: int) -> int:
    return basket.version + 1 if basket.version else first_version(now)


def find_recorded_response(basket: Basket, idempotency: Idempotency) -> RecordedResponse | None:
    """The response to an earlier request with this Idempotency-Key, None without one.

    Raises ``Refused`` IDEMPOTENCY_KEY_REUSED if that was a different request.
    """
    response = next((each for each in basket.answers if each.key == idempotency.key), None)
    if response and response.request != idempotency.request:
        raise Refused("IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used for another request")
    return response
