"""A basket, and the rules for changing it. Pure: no AWS, no HTTP, no clock.

Amounts are in minor units, times in epoch seconds. ``unknown`` is what a newer version of this service has stored: it is kept.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from setpieces.errors import Refused

MAX_LINES = 100
MAX_QUANTITY = 99
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
class Basket:
    """A basket that is stored, or that could be: it exists only if it has ``expires_at``.

    ``version`` begins with ``first_version`` and grows by one with each change, also when an expired basket is filled again.
    ``answers`` are the responses to the last additions. ``write_id`` is the random id of the last PATCH or DELETE.
    """

    basket_id: str
    version: int = 0
    currency: str = ""
    lines: dict[str, Line] = field(default_factory=dict)
    answers: tuple[RecordedResponse, ...] = ()
    expires_at: int = 0
    write_id: str = ""
    unknown: dict[str, Any] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        return self.expires_at > 0

    def as_of(self, now: int) -> "Basket":
        """The basket at ``now``: empty once it has expired. DynamoDB removes expired items days late."""
        return self if self.expires_at > now else Basket(self.basket_id, self.version)


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


def add_item(basket: Basket, product: Product, quantity: int, now: int) -> Basket:
    """The basket with ``quantity`` more of a product.

    Raises ``Refused`` as ``price_line`` does, BASKET_FULL, CURRENCY_MISMATCH.
    """
    line = basket.lines.get(product.sku)
    if line is None and len(basket.lines) >= MAX_LINES:
        raise Refused("BASKET_FULL", f"A basket holds at most {MAX_LINES} different products")
    if basket.lines and product.currency != basket.currency:
        raise Refused("CURRENCY_MISMATCH", f"This basket is in {basket.currency}")
    priced = price_line(product, quantity + (line.quantity if line else 0))
    if line:
        priced = replace(priced, unknown=line.unknown)
    return replace(
        basket,
        version=basket.version + 1 if basket.version else first_version(now),
        currency=product.currency,
        lines=basket.lines | {product.sku: priced},
        expires_at=now + LIFETIME_SECONDS,
    )


def find_recorded_response(basket: Basket, idempotency: Idempotency) -> RecordedResponse | None:
    """The response to an earlier request with this Idempotency-Key, None without one.

    Raises ``Refused`` IDEMPOTENCY_KEY_REUSED if that was a different request.
    """
    response = next((each for each in basket.answers if each.key == idempotency.key), None)
    if response and response.request != idempotency.request:
        raise Refused("IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used for another request")
    return response
