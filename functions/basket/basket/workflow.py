"""Changes of a basket that are made exactly once, however often a request is sent or repeated by the SDK."""

from dataclasses import replace

from basket.domain import (
    Basket,
    Product,
    RecordedResponse,
    add_item,
    basket_not_found,
    change_item,
    check_open,
    close_order,
    find_recorded_response,
    hold_basket,
)
from basket.requests import AddItem, ChangeItem, SetOrder
from basket.views import changed_line_view

# A client that repeats a request does so within seconds.
MAX_RECORDED_RESPONSES = 20


def add_once(basket: Basket, command: AddItem, product: Product, now: int) -> Basket:
    """The basket after an addition, with its response: 201 for a new line, 200 for more of the same product.

    A request that was answered before changes nothing. Raises ``Refused`` as ``find_recorded_response``, ``check_open``,
    ``Precondition.check`` and ``domain.add_item`` do.
    """
    if find_recorded_response(basket, command.idempotency):
        return basket
    check_open(basket)
    command.precondition.check(basket)
    changed = add_item(basket, product, command.quantity, now)
    status = 200 if product.sku in basket.lines else 201
    key, request = command.idempotency.key, command.idempotency.request
    response = RecordedResponse(key, request, status, changed_line_view(changed, product.sku))
    return replace(changed, answers=(*changed.answers, response)[-MAX_RECORDED_RESPONSES:])


def change_once(basket: Basket, command: ChangeItem, product: Product, now: int) -> Basket:
    """The basket after a change of a line.

    Raises ``Refused`` BASKET_NOT_FOUND, and as ``check_open``, ``Precondition.check`` and ``domain.change_item`` do.
    """
    if basket.write_id == command.write_id:
        return basket
    if not basket.exists:
        raise basket_not_found()
    check_open(basket)
    command.precondition.check(basket)
    changed = change_item(basket, replace(product, sku=command.sku), command.quantity, now)
    return replace(changed, write_id=command.write_id)


def set_order(basket: Basket, command: SetOrder, now: int) -> Basket:
    """The basket held by an order, or open again after it. Raises ``Refused`` as ``hold_basket`` does."""
    if command.state == "in_progress":
        return hold_basket(basket, command.order, command.basket_version, now)
    return close_order(basket, command.order, command.quantities, now)
