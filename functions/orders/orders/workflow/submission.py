"""Submitting an order: quote it, number it, store it, put it on the submit queue. Safe to repeat under an Idempotency-Key.

The stored order is its own outbox: once it is stored, the sweep processes it even if it never reached the queue. So the order
is accepted as soon as it is stored. It is stored with a snapshot of what was confirmed: nothing changes it later.
"""

import time
from typing import Any

from orders.clients.basket import read_basket
from orders.clients.sequences import next_order_number
from orders.domain.delivery import ECONOMY
from orders.domain.destinations import destination
from orders.domain.idempotency import idempotency_key_reused
from orders.domain.locks import basket_ordered
from orders.domain.quotations import ConfirmedQuotation, Quotation, Terms, quotation_not_found
from orders.domain.snapshots import snapshot_of
from orders.domain.statuses import BASKET_NOT_FOUND, EMPTY_BASKET, PRICE_CHANGED, QUANTITY_LIMIT, REASONS, VALIDATING
from orders.events import enqueue_order
from orders.repository import orders, quotations
from orders.requests.orders import SubmitOrder, payment_token_required
from orders.views import changed_quotation_view
from orders.workflow.quotations import not_quoted
from orders.workflow.quoting import quote_basket
from setpieces.errors import ExternalUnavailable, Refused, RetryLater
from setpieces.http_refusal import HttpRefusal
from setpieces.observability import correlation_id, count, logger

# Why an order fails that was accepted before a request was refused for this.
_REASON_OF_REFUSAL = {"BASKET_ORDERED": BASKET_NOT_FOUND, "TOTAL_LIMIT": QUANTITY_LIMIT}


def submit_order(command: SubmitOrder) -> str:
    """The number of the order: a new one, or that of the first request with this key.

    Raises ``Refused`` IDEMPOTENCY_KEY_REUSED, BASKET_ORDERED; QUOTATION_NOT_FOUND, QUOTATION_CHANGED; BASKET_NOT_FOUND or
    EMPTY_BASKET (422) for a guest's basket; and ``RetryLater`` ORDERS_UNAVAILABLE, ORDER_BUSY.
    """
    idempotency = command.idempotency
    earlier = _find_earlier(command)
    if earlier:
        return _resume(earlier, command.owner)
    try:
        basket_id, content = _confirm_quotation(command) if command.quotation_id else _quote_basket(command)
    except ExternalUnavailable as error:
        raise not_quoted(error) from error
    except Refused:
        # A concurrent request with the same key may have ordered the basket since.
        earlier = _find_earlier(command)
        if earlier:
            return _resume(earlier, command.owner)
        raise
    number = next_order_number()
    order = content | {
        "basket_id": basket_id,
        "customer_id": command.customer_id,
        "ship_to": command.ship_to,
        "owner": command.owner,
        "correlation_id": correlation_id(),
    }
    # An order without a charge needs no token.
    order |= {"payment_token": command.payment_token} if command.payment_token and content.get("amount") != 0 else {}
    order |= {"email": command.email} if command.email else {}
    if not orders.create(number, order, idempotency, command.quotation_id):
        # A concurrent request with the same key was first; the new number stays unused.
        earlier = _find_earlier(command)
        if not earlier:
            raise RetryLater(1, "This order is being placed by another request", "ORDER_BUSY")
        return _resume(earlier, command.owner)
    count("OrderAccepted")
    _enqueue(number, correlation_id())
    return number


def _find_earlier(command: SubmitOrder) -> str | None:
    """The number of the order of an earlier request with the same Idempotency-Key."""
    return orders.find_by_idempotency_key(command.idempotency) if command.idempotency else None


def snapshot_of_basket(basket_id: str, ship_to: dict[str, str]) -> dict[str, Any]:
    """The snapshot for an order that is accepted already, or {invalid_reason}: it fails for what a request is refused for.

    Raises ``ExternalUnavailable``.
    """
    try:
        return _snapshot_of_basket(basket_id, ship_to)
    except Refused as refusal:
        return {"invalid_reason": _REASON_OF_REFUSAL.get(refusal.code, PRICE_CHANGED)}


def _snapshot_of_basket(basket_id: str, ship_to: dict[str, str]) -> dict[str, Any]:
    """The snapshot of what is in a basket at the prices of the basket, or {invalid_reason}.

    Raises ``ExternalUnavailable``, ``Refused`` BASKET_ORDERED, TOTAL_LIMIT: codes that are no reasons of a failed order.
    """
    basket = read_basket(basket_id)
    try:
        quotation = quote_basket(basket, Terms(basket_id, destination(ship_to), ECONOMY))
    except Refused as refusal:
        if refusal.code not in REASONS:
            raise
        return {"invalid_reason": refusal.code}
    if quotation.problems:
        code = quotation.problems[0].code
        return {"invalid_reason": code if code in REASONS else PRICE_CHANGED}
    prices = {item["sku"]: item["unit_price"] for item in (basket or {})["items"]}
    if any(line.unit_price != prices[line.sku] for line in quotation.price.lines):
        return {"invalid_reason": PRICE_CHANGED}
    return snapshot_of(quotation)


def _quote_basket(command: SubmitOrder) -> tuple[str, dict[str, Any]]:
    """(basket id, snapshot or reason) of an order of a basket. A customer's order is accepted also if it is invalid, and fails.

    Each order takes a number, and guests need no account: so a guest's basket must have something to order.
    """
    content = _snapshot_of_basket(command.basket_id, command.ship_to)
    reason = content.get("invalid_reason")
    if reason in (BASKET_NOT_FOUND, EMPTY_BASKET) and not command.owner:
        fault = {"pointer": "/basket_id", "message": "has nothing to order"}
        raise HttpRefusal(422, reason, fault["message"], errors=[fault])
    return command.basket_id, content


def _confirm_quotation(command: SubmitOrder) -> tuple[str, dict[str, Any]]:
    """(basket id, snapshot) of an order of a quotation: all that was confirmed still holds. Nothing is changed otherwise."""
    confirmed = quotations.load(command.quotation_id)
    if confirmed is None:
        raise quotation_not_found()
    if confirmed.order_number:
        raise basket_ordered()
    quotation = _quote_again(confirmed, destination(command.ship_to))
    expired = confirmed.valid_until <= time.time()
    faults = quotation.problems or quotation.rejected_vouchers
    if expired or faults or quotation.confirmed_digest() != confirmed.digest:
        raise _quotation_changed(quotation)
    if quotation.price.total and not command.payment_token:
        raise payment_token_required()
    return confirmed.terms.basket_id, snapshot_of(quotation)


def _quote_again(confirmed: ConfirmedQuotation, ship_to: dict[str, str]) -> Quotation:
    terms = confirmed.terms
    lines = {str(line["sku"]): line for line in confirmed.lines}
    terms = Terms(terms.basket_id, ship_to, terms.delivery_method, terms.voucher_codes)
    return quote_basket(read_basket(terms.basket_id), terms, lines)


def _quotation_changed(quotation: Quotation) -> Refused:
    """Store the new quotation, and refuse the order with it.

    An order of the same basket may be in progress, and have reserved what this one does not get: then that is the reason.
    """
    if orders.is_locked(quotation.terms.basket_id):
        return basket_ordered()
    quotations.create(quotation)
    count("QuotationChanged")
    return HttpRefusal(
        409,
        "QUOTATION_CHANGED",
        "What was confirmed has changed; confirm the new quotation",
        members={"quotation": changed_quotation_view(quotation)},
    )


def _resume(number: str, owner: str) -> str:
    """Enqueue an order that may never have reached the queue; its number.

    Raises ``Refused`` IDEMPOTENCY_KEY_REUSED if it was placed by another customer, or before signing in or out: this session
    would not be shown its status.
    """
    order = orders.load(number)
    if order and order["owner"] != owner:
        raise idempotency_key_reused()
    if order and order["backend_status"] == VALIDATING:
        _enqueue(number, order["correlation_id"])
    return number


def _enqueue(number: str, correlation_id: str) -> None:
    try:
        enqueue_order(number, correlation_id)
    except Exception:
        logger.exception("order not enqueued; the sweep will process it", extra={"order_number": number})
        count("NotEnqueued")
