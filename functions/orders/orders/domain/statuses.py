"""The statuses of an order as one table: those of the talk's slide, what customers see, and which may follow which. Pure.

    Validating ──> Payment processing ──> Payment authorized ──> Sent to fulfillment
        └──> Validation failed └──> Card declined

The slide does not show the order of the two payment statuses; here a payment is processed until it is authorized.
Cancelled is not on the slide: an operator cancels an order that is paid, or may be, and cannot be completed.
"""

from dataclasses import dataclass

PROCESSING, FAILED, COMPLETE = "Processing", "Failed", "Complete"

VALIDATING = "Validating"
VALIDATION_FAILED = "Validation failed"
PAYMENT_PROCESSING = "Payment processing"
PAYMENT_AUTHORIZED = "Payment authorized"
CARD_DECLINED = "Card declined"
SENT_TO_FULFILLMENT = "Sent to fulfillment"
CANCELLED = "Cancelled"


@dataclass(frozen=True)
class Status:
    """``public`` is what the customer sees, ``after`` the statuses that may come right before."""

    public: str
    after: tuple[str, ...] = ()
    terminal: bool = False


STATUSES = {
    VALIDATING: Status(PROCESSING),
    VALIDATION_FAILED: Status(FAILED, after=(VALIDATING,), terminal=True),
    PAYMENT_PROCESSING: Status(PROCESSING, after=(VALIDATING,)),
    PAYMENT_AUTHORIZED: Status(PROCESSING, after=(PAYMENT_PROCESSING,)),
    CARD_DECLINED: Status(FAILED, after=(PAYMENT_PROCESSING,), terminal=True),
    SENT_TO_FULFILLMENT: Status(COMPLETE, after=(PAYMENT_AUTHORIZED,), terminal=True),
    CANCELLED: Status(FAILED, after=(PAYMENT_PROCESSING, PAYMENT_AUTHORIZED), terminal=True),
}


def needs_token(status: str, reason_code: str | None) -> bool:
    """Whether the order may still be charged; a failed one (``PROCESSING_FAILED``) can be redriven by an operator."""
    if status == VALIDATION_FAILED:
        return reason_code == PROCESSING_FAILED
    return status in (VALIDATING, PAYMENT_PROCESSING)


# Why an order failed, as customers see it.
BASKET_NOT_FOUND = "BASKET_NOT_FOUND"
EMPTY_BASKET = "EMPTY_BASKET"
PRODUCT_UNAVAILABLE = "PRODUCT_UNAVAILABLE"
PRICE_CHANGED = "PRICE_CHANGED"
QUANTITY_LIMIT = "QUANTITY_LIMIT"
OUT_OF_STOCK = "OUT_OF_STOCK"
VOUCHER_UNAVAILABLE = "VOUCHER_UNAVAILABLE"
UNSUPPORTED_DESTINATION = "UNSUPPORTED_DESTINATION"
PAYMENT_DECLINED = "PAYMENT_DECLINED"
PROCESSING_FAILED = "PROCESSING_FAILED"
REASONS = (
    BASKET_NOT_FOUND,
    EMPTY_BASKET,
    PRODUCT_UNAVAILABLE,
    PRICE_CHANGED,
    QUANTITY_LIMIT,
    OUT_OF_STOCK,
    VOUCHER_UNAVAILABLE,
    UNSUPPORTED_DESTINATION,
    PAYMENT_DECLINED,
    PROCESSING_FAILED,
)
