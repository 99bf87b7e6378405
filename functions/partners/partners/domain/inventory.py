"""The pieces of a product: received, sold, reserved and available.

A product's ``stock`` is the count that was last reported; ``sold_since`` of them are sold. So ``stock - sold_since`` pieces are
on hand, as many as ``received - sold``. A reservation ends by itself at ``expires_at``; an ended one is deleted with the next
change of the product's reservations. Times are RFC 3339 in UTC with microseconds, so that they compare as text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NotRequired, TypedDict, cast

from partners.domain.operations import Document


class Reservation(TypedDict):
    """Pieces that an order has reserved. ``customer_id`` is that of a customer with a session."""

    quantity: int
    expires_at: str
    customer_id: NotRequired[str]


class Inventory(TypedDict):
    """The member ``inventory`` of a product; reservations are by order number, pieces ``bought`` by customer."""

    received: int
    sold: int
    sold_since: int
    reservations: dict[str, Reservation]
    bought: dict[str, int]


@dataclass(frozen=True)
class Pieces:
    """``sold + reserved + available`` is ``received``; none of them is negative.

    A report may count fewer pieces than are reserved. Then ``reserved`` is the number on hand, and the first orders get them.
    """

    received: int
    sold: int
    reserved: int
    available: int


def count_pieces(product: Document, now: str) -> Pieces:
    """The pieces of a product at a time."""
    inventory, on_hand = _inventory(product), pieces_on_hand(product)
    reserved = sum(reservation["quantity"] for reservation in _active(inventory, now).values())
    return Pieces(inventory["received"], inventory["sold"], min(reserved, on_hand), max(0, on_hand - reserved))


def pieces_on_hand(product: Document) -> int:
    """The pieces that are not sold."""
    return int(product["stock"]) - _inventory(product)["sold_since"]


def has_reserved(product: Document, order_number: str, now: str) -> bool:
    """True if the order has a reservation of the product that has not expired."""
    return order_number in _active(_inventory(product), now)


def pieces_of_customer(product: Document, customer_id: str, now: str) -> int:
    """The pieces that a customer has bought or reserved."""
    inventory = _inventory(product)
    reserved = [each for each in _active(inventory, now).values() if each.get("customer_id") == customer_id]
    return inventory["bought"].get(customer_id, 0) + sum(each["quantity"] for each in reserved)


def without_inventory(product: Document) -> Document:
    """The members of a product that callers put."""
    return {name: value for name, value in product.items() if name != "inventory"}


def with_report(product: Document, before: Document | None) -> Document:
    """A product in place of ``before``. Another ``stock`` or ``stock_version`` is a new count of the pieces on hand."""
    if before is None:
        inventory, on_hand = _inventory(product | {"stock": 0}), 0
    else:
        inventory, on_hand = _inventory(before), pieces_on_hand(before)
    if before is None or any(before.get(name) != product.get(name) for name in ("stock", "stock_version")):
        received = inventory["received"] + product["stock"] - on_hand
        inventory = {**inventory, "received": received, "sold_since": 0}
    return product | {"inventory": inventory}


def with_reservation(product: Document, order_number: str, reservation: Reservation, now: str) -> Document:
    """A product with the reservation of an order, in place of the one that the order had."""
    inventory = _inventory(product)
    reservations = {**_active(inventory, now), order_number: reservation}
    return product | {"inventory": {**inventory, "reservations": reservations}}


def without_reservation(product: Document, order_number: str, now: str) -> Document:
    """A product without the reservation of an order."""
    inventory = _inventory(product)
    reservations = {number: each for number, each in _active(inventory, now).items() if number != order_number}
    return product | {"inventory": {**inventory, "reservations": reservations}}


def with_sale(product: Document, order_number: str, quantity: int, customer_id: str | None, now: str) -> Document:
    """A product after an order took pieces that are on hand, in place of its reservation."""
    product = without_reservation(product, order_number, now)
    inventory = _inventory(product)
    bought = inventory["bought"]
    if customer_id is not None:
        bought = bought | {customer_id: bought.get(customer_id, 0) + quantity}
    sold, sold_since = inventory["sold"] + quantity, inventory["sold_since"] + quantity
    return product | {"inventory": {**inventory, "sold": sold, "sold_since": sold_since, "bought": bought}}


def _inventory(product: Document) -> Inventory:
    """The inventory of a product; one that never had a sale or a reservation may have none."""
    new = Inventory(received=product["stock"], sold=0, sold_since=0, reservations={}, bought={})
    return cast(Inventory, product.get("inventory", new))


def _active(inventory: Inventory, now: str) -> Mapping[str, Reservation]:
    """The reservations that have not expired."""
    return {number: each for number, each in inventory["reservations"].items() if each["expires_at"] > now}
