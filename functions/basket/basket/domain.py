"""What a basket is and how adding to it changes it. Pure: no AWS, no HTTP, no clock.

Amounts are in minor units, times in epoch seconds. ``unknown`` is what a newer version has stored: it is kept.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from setpieces.errors import Refused

MAX_LINES = 100
MAX_QUANTITY = 99
# Answers to the last requests to add. A client that repeats a request does so within seconds.
MAX_ANSWERS = 20
LIFETIME_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True)
class Product:
    """What the basket needs to know of a product; ``stock`` is how many there are to sell."""

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
class Answer:
    """What was answered to a request to add; ``key`` (of its Idempotency-Key) and ``request`` are digests."""

    key: str
    request: str
    status: int
    body: dict[str, Any]
    unknown: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Basket:
    """A basket, or the place of one: without ``expires_at`` there is none (yet, or any more).

    ``version`` begins with ``first_version`` and grows by one with each change, also when an expired basket begins anew.
    ``write_id`` is the random id of the last PATCH or DELETE; an addition is recognised by its answer.
    """

    basket_id: str
    version: int = 0
    currency: str = ""
    lines: dict[str, Line] = field(default_factory=dict)
    answers: tuple[Answer, ...] = ()
    expires_at: int = 0
    write_id: str = ""
    unknown: dict[str, Any] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        return self.expires_at > 0

    def as_of(self, now: int) -> "Basket":
        """The basket at ``now``: DynamoDB removes expired items days late."""
        return self if self.expires_at > now else Basket(self.basket_id, self.version)


@dataclass(frozen=True)
class IfMatch:
    """The precondition of a change (RFC 9110, 13.1.1).

    ``versions`` is None if any state will do, and ``exists`` whether there has to be a basket at all.
    """

    versions: frozenset[int] | None = None
    exists: bool = False

    def check(self, basket: Basket) -> None:
        """Raise ``Refused`` 412 unless ``basket`` will do."""
        if (self.exists and not basket.exists) or (self.versions is not None and basket.version not in self.versions):
            raise Refused("BASKET_CHANGED", "The basket is not as If-Match says; read it again")


@dataclass(frozen=True)
class Idempotency:
    """Digests of an Idempotency-Key and of the request that it names."""

    key: str
    request: str


def first_version(now: int) -> int:
    """The version of a new basket: milliseconds since the epoch.

    DynamoDB removes expired baskets. One that begins anew has a higher version than before, so that no entity tag means two
    states, unless the basket was changed a thousand times a second all its life.
    """
    return now * 1000


def line_for(product: Product, quantity: int) -> Line:
    """The line of ``quantity`` of a product at its present price.

    Raises ``Refused``: 409 NOT_PURCHASABLE or INSUFFICIENT_STOCK, 422 QUANTITY_LIMIT.
    """
    limit = min(MAX_QUANTITY, product.max_per_customer)
    if not product.purchasable:
        raise Refused("NOT_PURCHASABLE", f"{product.sku} is not for sale at the moment")
    if quantity > limit:
        raise Refused("QUANTITY_LIMIT", f"at most {limit} per customer", "/quantity")
    if quantity > product.stock:
        raise Refused("INSUFFICIENT_STOCK", f"Fewer than {quantity} of {product.sku} are in stock")
    return Line(quantity, product.unit_price, product.price_version)


def add(basket: Basket, product: Product, quantity: int, now: int) -> Basket:
    """The basket with ``quantity`` more of a product, all of it or nothing.

    Raises ``Refused`` as ``line_for``, and 409 BASKET_FULL or CURRENCY_MISMATCH.
    """
    held = basket.lines.get(product.sku)
    if held is None and len(basket.lines) >= MAX_LINES:
        raise Refused("BASKET_FULL", f"A basket holds at most {MAX_LINES} different products")
    if basket.lines and product.currency != basket.currency:
        raise Refused("CURRENCY_MISMATCH", f"This basket is in {basket.currency}")
    line = line_for(product, quantity + (held.quantity if held else 0))
    if held:
        line = replace(line, unknown=held.unknown)
    return replace(
        basket,
        version=basket.version + 1 if basket.version else first_version(now),
        currency=product.currency,
        lines=basket.lines | {product.sku: line},
        expires_at=now + LIFETIME_SECONDS,
    )


def answered(basket: Basket, idempotency: Idempotency) -> Answer | None:
    """The answer already given under an Idempotency-Key. Raises ``Refused`` 409 if it was given to another request."""
    for answer in basket.answers:
        if answer.key == idempotency.key:
            if answer.request != idempotency.request:
                raise Refused("IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used for another request")
            return answer
    return None


def add_once(
    basket: Basket, product: Product, quantity: int, precondition: IfMatch, idempotency: Idempotency, now: int
) -> tuple[Basket, Answer]:
    """The basket after a request to add, and the answer: 201 for a new line, 200 for more of one.

    A request that was answered before changes nothing. Raises ``Refused`` as ``add``, ``IfMatch.check`` and ``answered``.
    """
    earlier = answered(basket, idempotency)
    if earlier:
        return basket, earlier
    precondition.check(basket)
    added = add(basket, product, quantity, now)
    status = 200 if product.sku in basket.lines else 201
    answer = Answer(idempotency.key, idempotency.request, status, changed(added, product.sku))
    return remember(added, answer), answer


def remember(basket: Basket, answer: Answer) -> Basket:
    """The basket with one more answer, and without the oldest if there are too many."""
    return replace(basket, answers=(*basket.answers, answer)[-MAX_ANSWERS:])


def shown(basket: Basket) -> dict[str, Any]:
    """The whole basket: {basket_id, version, items: [{sku, quantity, unit_price}], totals}."""
    items = [_item(sku, line) for sku, line in sorted(basket.lines.items())]
    return {"basket_id": basket.basket_id, "version": basket.version, "items": items, "totals": totals(basket)}


def changed(basket: Basket, sku: str) -> dict[str, Any]:
    """What a change of one line answers: {basket_id, version, item, totals}, and no more than that."""
    return {
        "basket_id": basket.basket_id,
        "version": basket.version,
        "item": _item(sku, basket.lines[sku]),
        "totals": totals(basket),
    }


def totals(basket: Basket) -> dict[str, Any]:
    """{lines, quantity, amount, currency}."""
    lines = basket.lines.values()
    return {
        "lines": len(lines),
        "quantity": sum(line.quantity for line in lines),
        "amount": sum(line.quantity * line.unit_price for line in lines),
        "currency": basket.currency,
    }


def _item(sku: str, line: Line) -> dict[str, Any]:
    return {"sku": sku, "quantity": line.quantity, "unit_price": line.unit_price}
