"""Payment authorized, declined and rejected: the results of an Order submit event."""

from typing import Any

from payments.domain import Charge, Order, Step
from setpieces.events import Event, derived_id, publish

SOURCE = "payment"


def publish_result(step: Step, order: Order, charge: Charge, cause: Event) -> None:
    """Publish Payment authorized or Payment declined; ``cause`` is the Order submit event."""
    if step is Step.AUTHORIZED:
        result = {"charge_id": charge.charge_id, "amount": charge.amount, "currency": charge.currency}
    else:
        result = {"reason_code": charge.reason_code}
    _publish(step.name, order, result, cause)


def publish_rejected(order: Order, reason: str, cause: Event) -> None:
    """Publish Payment rejected: a person has to resolve it, and the orders service must not publish Order submit again."""
    _publish("REJECTED", order, {"reason_code": reason}, cause)


def _publish(status: str, order: Order, result: dict[str, Any], cause: Event) -> None:
    """The event id is derived from order and status, so that consumers recognise a repeated result."""
    event = Event(
        kind=("CHECKOUT", "PAYMENT", status),
        data={"order_number": order.order_number, "customer_id": order.customer_id, **result},
        event_id=derived_id(SOURCE, order.order_number, status),
        correlation_id=cause.correlation_id,
        causation_id=cause.event_id,
    )
    publish(event, source=SOURCE)
