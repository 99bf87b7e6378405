"""Methods of delivery, and what they cost without tax. Pure.

The amounts are in minor units, of which the yen has none and the Kuwaiti dinar a thousand.
"""

from orders.domain.pricing import Delivery
from setpieces.errors import Refused

ECONOMY, STANDARD, EXPRESS = "economy", "standard", "express"
METHODS = (ECONOMY, STANDARD, EXPRESS)

# Currency -> (standard, subtotal without tax from which standard delivery is free, express). Economy costs nothing.
FEES = {
    "CAD": (690, 7_000, 1990),
    "CHF": (490, 5_000, 1490),
    "DKK": (3900, 40_000, 11_900),
    "EUR": (490, 5_000, 1490),
    "GBP": (490, 5_000, 1490),
    "JPY": (800, 8_000, 2400),
    "KWD": (1500, 15_000, 4500),
    "NOK": (5900, 60_000, 17_900),
    "PLN": (1990, 20_000, 5990),
    "SEK": (4900, 50_000, 14_900),
    "USD": (490, 5_000, 1490),
}


def quote_delivery(method: str, currency: str, subtotal: int) -> Delivery:
    """Raises ``Refused`` UNKNOWN_DELIVERY_METHOD, DELIVERY_UNAVAILABLE for a currency without a fee."""
    if method not in METHODS:
        raise Refused("UNKNOWN_DELIVERY_METHOD", f"must be one of {', '.join(METHODS)}", "/delivery_method")
    if method == ECONOMY:
        return Delivery(method, 0)
    if currency not in FEES:
        raise Refused("DELIVERY_UNAVAILABLE", f"is not available in {currency}", "/delivery_method")
    standard, free_from, express = FEES[currency]
    if method == EXPRESS:
        return Delivery(method, express)
    return Delivery(method, 0 if subtotal >= free_from else standard)
