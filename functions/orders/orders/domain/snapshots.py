"""What an order stores of the quotation that it was placed from; nothing changes it later. Pure."""

from dataclasses import asdict
from typing import Any

from orders.domain.quotations import Quotation


def snapshot_of(quotation: Quotation) -> dict[str, Any]:
    """{basket_version, lines, delivery, discounts, subtotal, tax, amount, currency, prices_checked}.

    Amounts are without tax but for ``amount``. ``basket_version`` is the version that was ordered: the basket is not held for
    the order if another one has taken its lines since.
    """
    price = quotation.price
    return {
        "basket_version": quotation.basket_version,
        "lines": [asdict(line) for line in price.lines],
        "delivery": asdict(price.delivery),
        "discounts": [asdict(discount) for discount in price.discounts],
        "subtotal": price.subtotal,
        "tax": quotation.tax | {"tax_total": price.tax_total},
        "amount": price.total,
        "currency": price.currency,
        "prices_checked": quotation.prices_checked,
    }
