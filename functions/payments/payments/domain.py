"""What is to be done about the payment of an order: one table over where the order stands and what the provider has done."""

from dataclasses import dataclass, field
from enum import Enum

from setpieces.errors import PermanentFailure


@dataclass(frozen=True)
class Order:
    """An order as the orders service tells it. ``amount`` is in minor units, 0 until the order is valid and taxed.

    The token is never to be seen in a log.
    """

    order_number: str
    customer_id: str
    backend_status: str
    amount: int
    currency: str
    payment_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Charge:
    """A charge at the provider; ``status`` is authorized or declined, ``reason_code`` says why it was declined."""

    status: str
    amount: int
    currency: str
    charge_id: str = ""
    reason_code: str = "CARD_DECLINED"


class Step(Enum):
    """What follows from an order and its charge."""

    CHARGE = "charge the order"
    AUTHORIZED = "say that the payment is authorized"
    DECLINED = "say that the payment is declined"
    NOTHING = "nothing"
    GIVE_BACK = "a person has to give the money back"


_WAITS_FOR_PAYMENT = {None: Step.CHARGE, "authorized": Step.AUTHORIZED, "declined": Step.DECLINED}
# Not priced yet: Order submit comes again when it is. Or paid: the result has been taken in.
_NEEDS_NOTHING = {None: Step.NOTHING, "authorized": Step.NOTHING, "declined": Step.NOTHING}
# Declined, invalid, given up or cancelled: it is never charged, and must not have been.
_HAS_FAILED = {None: Step.NOTHING, "authorized": Step.GIVE_BACK, "declined": Step.NOTHING}

# Backend status of the order -> status of its charge, None if it has none -> step.
STEPS: dict[str, dict[str | None, Step]] = {
    "Validating": _NEEDS_NOTHING,
    "Payment processing": _WAITS_FOR_PAYMENT,
    "Payment authorized": _NEEDS_NOTHING,
    "Sent to fulfillment": _NEEDS_NOTHING,
    "Validation failed": _HAS_FAILED,
    "Card declined": _HAS_FAILED,
    "Cancelled": _HAS_FAILED,
}


def needs_the_provider(order: Order) -> bool:
    """Does the step depend on the provider's record? For a repeated event about a paid order it does not."""
    return len(set(_row(order).values())) > 1


def decide(order: Order, charge: Charge | None) -> Step:
    """The step for an order and its charge.

    Raises ``PermanentFailure``: UNKNOWN_STATUS, because what is not understood is not charged; CHARGE_DIFFERS for a charge that
    is not over the order's amount and CHARGED_AFTER_FAILURE for one of a failed order, because only a person can settle them.
    """
    if charge and (charge.amount, charge.currency) != (order.amount, order.currency):
        raise PermanentFailure("CHARGE_DIFFERS", f"charge {charge.charge_id} is over another amount than the order")
    step = _row(order)[charge.status if charge else None]
    if charge and step is Step.GIVE_BACK:
        raise PermanentFailure("CHARGED_AFTER_FAILURE", f"the order has failed, but charge {charge.charge_id} is held")
    return step


def _row(order: Order) -> dict[str | None, Step]:
    if order.backend_status not in STEPS:
        raise PermanentFailure("UNKNOWN_STATUS", "the order has a status that payments does not know")
    return STEPS[order.backend_status]
