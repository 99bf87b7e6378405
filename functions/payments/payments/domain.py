"""Which step an order's payment needs: one table of the order's status and the status of its charge."""

from dataclasses import dataclass, field
from enum import Enum

from setpieces.errors import PermanentFailure


@dataclass(frozen=True)
class Order:
    """An order of the orders service. ``amount`` is in minor units, 0 if there is nothing to charge.

    ``payment_token`` must never be logged. ``rejected_reason`` is why the order waits for an operator, "" if it does not.
    """

    order_number: str
    customer_id: str
    backend_status: str
    amount: int
    currency: str
    payment_token: str = field(default="", repr=False)
    rejected_reason: str = ""


@dataclass(frozen=True)
class Charge:
    """A charge of the payment provider. ``status`` is ``authorized`` or ``declined``, ``reason_code`` why it is declined."""

    status: str
    amount: int
    currency: str
    charge_id: str = ""
    reason_code: str = "CARD_DECLINED"


class Step(Enum):
    """The next step for an order and its charge."""

    CHARGE = "charge the order"
    AUTHORIZED = "publish Payment authorized"
    DECLINED = "publish Payment declined"
    NOTHING = "nothing"
    REFUND_MANUALLY = "a person refunds the charge"


_AWAITS_PAYMENT = {None: Step.CHARGE, "authorized": Step.AUTHORIZED, "declined": Step.DECLINED}
# It has lost its stock or a voucher: it is not charged before an operator has redriven it. A charge that it has is reported.
_AWAITS_OPERATOR = _AWAITS_PAYMENT | {None: Step.NOTHING}
# Not priced yet: Order submit is published again when it is. Or paid: the orders service has processed the result.
_NEEDS_NOTHING = {None: Step.NOTHING, "authorized": Step.NOTHING, "declined": Step.NOTHING}
# Declined, invalid or cancelled: it is never charged, and an authorized charge is a mistake.
_HAS_FAILED = {None: Step.NOTHING, "authorized": Step.REFUND_MANUALLY, "declined": Step.NOTHING}

# Payment rejected is published for these failures of an order that awaits payment: another Order submit cannot help. When an
# operator redrives the event, the cause is corrected.
REJECTION_REASONS = ("CHARGE_REFUSED", "CHARGE_DIFFERS")

# Backend status of the order -> status of its charge, None if it has none -> step.
STEPS: dict[str, dict[str | None, Step]] = {
    "Validating": _NEEDS_NOTHING,
    "Payment processing": _AWAITS_PAYMENT,
    "Payment authorized": _NEEDS_NOTHING,
    "Sent to fulfillment": _NEEDS_NOTHING,
    "Validation failed": _HAS_FAILED,
    "Card declined": _HAS_FAILED,
    "Cancelled": _HAS_FAILED,
}


def requires_provider(order: Order) -> bool:
    """True if the step depends on the order's charge. For a repeated event about a paid order it does not.

    Raises ``PermanentFailure`` UNKNOWN_STATUS.
    """
    return len(set(_steps_by_charge(order).values())) > 1


def zero_charge(order: Order) -> Charge | None:
    """The charge of a free order that awaits payment, which is authorized without the provider; None for any other order."""
    if order.amount or _steps_by_charge(order)[None] is not Step.CHARGE:
        return None
    return Charge("authorized", 0, order.currency, charge_id=f"free-{order.order_number}")


def decide_step(order: Order, charge: Charge | None) -> Step:
    """Return the step for an order and its charge.

    Raises ``PermanentFailure``: UNKNOWN_STATUS for an order with a status that payments does not know; CHARGE_DIFFERS for a
    charge with another amount or currency than the order; CHARGED_AFTER_FAILURE for an authorized charge of a failed order.
    A person has to resolve the last two.
    """
    if charge and (charge.amount, charge.currency) != (order.amount, order.currency):
        raise PermanentFailure("CHARGE_DIFFERS", f"charge {charge.charge_id} has another amount than the order")
    step = _steps_by_charge(order)[charge.status if charge else None]
    if charge and step is Step.REFUND_MANUALLY:
        raise PermanentFailure(
            "CHARGED_AFTER_FAILURE", f"charge {charge.charge_id} is authorized, but the order failed"
        )
    return step


def _steps_by_charge(order: Order) -> dict[str | None, Step]:
    if order.backend_status not in STEPS:
        raise PermanentFailure("UNKNOWN_STATUS", "the order has a status that payments does not know")
    steps = STEPS[order.backend_status]
    if steps is _AWAITS_PAYMENT and order.rejected_reason not in ("", *REJECTION_REASONS):
        return _AWAITS_OPERATOR
    return steps
