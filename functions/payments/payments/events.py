"""The events that tell how a payment went."""

from payments.domain import Charge, Order, Step
from setpieces.events import Event, derived_id

SOURCE = "payment"


# Rejects of an order that waits for its payment: no repeat of Order submit can help it.
FINAL = ("CHARGE_REFUSED", "CHARGE_DIFFERS")


def rejection(order: Order, reason: str, cause: Event) -> Event:
    """Payment rejected, caused by the Order submit ``cause``: a person has to see to it, so that orders need not ask again."""
    return Event(
        kind=("CHECKOUT", "PAYMENT", "REJECTED"),
        data={"order_number": order.order_number, "customer_id": order.customer_id, "reason_code": reason},
        event_id=derived_id(SOURCE, order.order_number, "REJECTED"),
        correlation_id=cause.correlation_id,
        causation_id=cause.event_id,
    )


def result(step: Step, order: Order, charge: Charge, cause: Event) -> Event:
    """Payment authorized or Payment declined, caused by the Order submit ``cause``.

    Its id is made from the order and the outcome: whenever the same result is told again, consumers can see that.
    """
    about = {"order_number": order.order_number, "customer_id": order.customer_id}
    match step:
        case Step.AUTHORIZED:
            data = {"charge_id": charge.charge_id, "amount": charge.amount, "currency": charge.currency}
        case _:
            data = {"reason_code": charge.reason_code}
    return Event(
        kind=("CHECKOUT", "PAYMENT", step.name),
        data=about | data,
        event_id=derived_id(SOURCE, order.order_number, step.name),
        correlation_id=cause.correlation_id,
        causation_id=cause.event_id,
    )
