"""Adding an item exactly once, however often the request is sent."""

from dataclasses import replace

from basket.domain import Basket, Product, RecordedResponse, add_item, find_recorded_response
from basket.requests import AddItem
from basket.views import changed_line_view

# A client that repeats a request does so within seconds.
MAX_RECORDED_RESPONSES = 20


def add_once(basket: Basket, command: AddItem, product: Product, now: int) -> tuple[Basket, RecordedResponse]:
    """The basket after an addition, and its response: 201 for a new line, 200 for more of the same product.

    A request that was answered before changes nothing. Raises ``Refused`` as ``find_recorded_response``,
    ``Precondition.check`` and ``domain.add_item`` do.
    """
    recorded = find_recorded_response(basket, command.idempotency)
    if recorded:
        return basket, recorded
    command.precondition.check(basket)
    changed = add_item(basket, product, command.quantity, now)
    status = 200 if product.sku in basket.lines else 201
    key, request = command.idempotency.key, command.idempotency.request
    response = RecordedResponse(key, request, status, changed_line_view(changed, product.sku))
    return replace(changed, answers=(*changed.answers, response)[-MAX_RECORDED_RESPONSES:]), response
