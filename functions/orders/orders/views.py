"""Bodies of responses. Pure. Amounts are in minor units."""

from typing import Any

from orders.domain.destinations import TAX_INCLUSIVE
from orders.domain.quotations import Quotation
from setpieces.times import to_rfc3339

SUFFIX = 4


def quotation_view(quotation: Quotation) -> dict[str, Any]:
    """The quotation with prices as the destination wants them: with tax (``prices_include_tax``), or without.

    In both, ``subtotal`` is the sum of ``line_total``, and ``tax_total`` that of all ``tax``. With tax, ``total`` is
    ``subtotal`` + ``delivery.amount`` - discounts, and contains ``tax_total``; without, ``tax_total`` is added.
    """
    price, terms = quotation.price, quotation.terms
    with_tax = terms.ship_to["country"] in TAX_INCLUSIVE
    lines = [
        {
            "sku": line.sku,
            "name": line.name,
            "quantity": line.quantity,
            "unit_price": line.unit_price + (line.unit_tax if with_tax else 0),
            "line_total": line.amount + (line.tax if with_tax else 0),
            "tax": line.tax,
            "discount": line.discount,
        }
        for line in price.lines
    ]
    delivery = price.delivery
    return {
        "quotation_id": quotation.quotation_id,
        "basket_id": terms.basket_id,
        "basket_version": quotation.basket_version,
        "currency": price.currency,
        "lines": lines,
        "subtotal": sum(line["line_total"] for line in lines),
        "discounts": [
            {"code_suffix": each.code[-SUFFIX:], "amount": each.amount, "forfeited": each.forfeited}
            for each in price.discounts
        ],
        "delivery": {
            "method": delivery.method,
            "amount": delivery.amount + (delivery.tax if with_tax else 0),
            "tax": delivery.tax,
        },
        "tax_total": price.tax_total,
        "total": price.total,
        "prices_include_tax": with_tax,
        "tax": {
            "source": quotation.tax["source"],
            "rate_version": quotation.tax["rate_version"],
            "rates": price.rates,
        },
        "expires_at": to_rfc3339(quotation.valid_until),
    }


def changed_quotation_view(quotation: Quotation) -> dict[str, Any]:
    """The quotation that an order needs now, with the lines and vouchers because of which it cannot be placed as confirmed."""
    return quotation_view(quotation) | {
        "problems": [{"sku": each.sku, "code": each.code, "message": each.message} for each in quotation.problems],
        "rejected_vouchers": [
            {"code_suffix": each.voucher_code[-SUFFIX:], "code": each.code} for each in quotation.rejected_vouchers
        ],
    }
