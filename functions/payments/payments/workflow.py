"""Charge a submitted order exactly once and publish the result; a free order is authorized without the provider.

A charge that timed out or failed may have been created all the same, in this delivery or an earlier one. So each attempt looks
up the order's charge first, and creates one only if there is none.

Such a charge may also still be pending: the provider has no record of it yet, and may refuse another one with the same token,
which can be used once. While a charge may be pending, neither a missing record nor a refusal means that the order is not paid.
"""

import time
from collections.abc import Callable

from payments import events
from payments.clients import orders, provider
from payments.domain import REJECTION_REASONS, Charge, Order, Step, decide_step, requires_provider, zero_charge
from setpieces.errors import ExternalUnavailable, PermanentFailure
from setpieces.events import Event
from setpieces.observability import logger, metrics

# Of the function's 10 s; the rest is for publishing the result. One message is one invocation, so one order has all of it.
CALLS_SECONDS = 8.0
# From this delivery on, the one before it was more than a minute ago: none of its charges is pending any more.
FIRST_SETTLED_DELIVERY = 7


def authorize_payment(order_submit: Event, receive_count: int) -> None:
    """Charge the order of an Order submit event and publish Payment authorized, declined or rejected. Safe to repeat.

    ``receive_count`` is the number of deliveries of the event's message. If the process ends after the charge was created, the
    next delivery finds the charge and publishes the same result.

    Raises ``PermanentFailure`` for what a person has to resolve, ``ExternalUnavailable`` for what a retry may resolve.
    """
    deadline = time.monotonic() + CALLS_SECONDS
    order = orders.load_order(order_submit.data["order_number"])
    try:
        step, charge = _ensure_charged(order, lambda: deadline - time.monotonic(), receive_count)
    except PermanentFailure as failure:
        if failure.reason in REJECTION_REASONS:
            events.publish_rejected(order, failure.reason, order_submit)
        raise
    logger.info("payment processed", extra={"order_number": order.order_number, "step": step.name})
    if charge and step is not Step.NOTHING:
        events.publish_result(step, order, charge, order_submit)
        metrics.add_metric(name=f"Payment{step.name.capitalize()}", unit="Count", value=1)


def _ensure_charged(order: Order, seconds_left: Callable[[], float], receive_count: int) -> tuple[Step, Charge | None]:
    """Charge the order if it awaits payment and has no charge. Return the step to take now, and the charge."""
    if not requires_provider(order):
        return Step.NOTHING, None
    charge = zero_charge(order)
    if charge:
        return decide_step(order, charge), charge
    try:
        pending = 1 < receive_count < FIRST_SETTLED_DELIVERY
        return _find_or_create_charge(order, seconds_left, earlier_charge_pending=pending)
    except ExternalUnavailable:
        # The charge may have been created and only its response lost. If not, the queue waits before the next attempt.
        return _find_or_create_charge(order, seconds_left, earlier_charge_pending=True)


def _find_or_create_charge(
    order: Order, seconds_left: Callable[[], float], *, earlier_charge_pending: bool
) -> tuple[Step, Charge | None]:
    charge = provider.find_charge(order.order_number, min(provider.FIND_SECONDS, seconds_left()))
    step = decide_step(order, charge)
    if step is Step.CHARGE:
        timeout = min(provider.CHARGE_SECONDS, seconds_left())
        charge = provider.create_charge(order, timeout, earlier_charge_pending=earlier_charge_pending)
        step = decide_step(order, charge)
    elif charge is None and earlier_charge_pending:
        raise ExternalUnavailable("payments", "a charge of the order may be pending")
    return step, charge
