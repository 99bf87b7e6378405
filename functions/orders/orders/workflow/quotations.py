"""A quotation on request: nothing is changed but that it is stored."""

from typing import Any

from orders.clients.basket import read_basket
from orders.domain.locks import basket_ordered
from orders.domain.quotations import Quotation, RejectedVoucher, Terms
from orders.repository import orders, quotations
from orders.workflow.quoting import quote_basket
from setpieces.errors import ExternalUnavailable, Refused, RetryLater
from setpieces.http_refusal import HttpRefusal
from setpieces.observability import count

_VOUCHER_MESSAGES = {
    "VOUCHER_NOT_FOUND": "is not the code of a voucher",
    "VOUCHER_CURRENCY": "has another currency than the basket",
    "VOUCHER_REPEATED": "is given twice",
    "VOUCHER_EXCEEDS_TOTAL": "is worth more than what is left to pay",
    "VOUCHER_REDEEMED": "is redeemed",
    "VOUCHER_RESERVED": "is reserved by another order",
    "VOUCHER_EXPIRED": "has expired",
    "VOUCHER_NOT_YET_VALID": "is not valid yet",
    "VOUCHER_CANCELLED": "is cancelled",
}


def create_quotation(terms: Terms) -> Quotation:
    """Quote a basket, and store the quotation.

    Raises ``Refused`` as ``quote_basket`` does, BASKET_ORDERED, and for lines that cannot be bought and vouchers that do not
    pay; ``RetryLater`` ORDERS_UNAVAILABLE.
    """
    try:
        basket = read_basket(terms.basket_id)
        if orders.is_locked(terms.basket_id):
            raise basket_ordered()
        if basket is None:
            raise Refused("BASKET_NOT_FOUND", "There is no such basket, or it has expired")
        quotation = quote_basket(basket, terms)
    except ExternalUnavailable as error:
        raise not_quoted(error) from error
    check_is_complete(quotation)
    quotations.create(quotation)
    count("QuotationCreated")
    return quotation


def not_quoted(error: ExternalUnavailable) -> RetryLater:
    return RetryLater(error.retry_seconds, "The price cannot be quoted at the moment", "ORDERS_UNAVAILABLE")


def check_is_complete(quotation: Quotation) -> None:
    """Raises ``Refused`` with the code of the first line that cannot be bought, else of the first voucher that does not pay."""
    if quotation.problems:
        errors = [{"pointer": f"/lines/{each.sku}", "message": each.message} for each in quotation.problems]
        raise _refusal(quotation.problems[0].code, errors)
    if quotation.rejected_vouchers:
        raise _refusal(
            quotation.rejected_vouchers[0].code, [_voucher_error(each) for each in quotation.rejected_vouchers]
        )


def _voucher_error(voucher: RejectedVoucher) -> dict[str, str]:
    return {"pointer": f"/voucher_codes/{voucher.position}", "message": _VOUCHER_MESSAGES[voucher.code]}


def _refusal(code: str, errors: list[dict[str, Any]]) -> HttpRefusal:
    return HttpRefusal(422, code, f"{errors[0]['pointer']} {errors[0]['message']}", errors=errors)
