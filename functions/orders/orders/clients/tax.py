"""The tax service."""

from dataclasses import replace
from typing import Any

from orders.clients.responses import body_of
from orders.domain.pricing import Price
from setpieces import signed_client
from setpieces.errors import ExternalUnavailable, Refused

# The tax service has a deadline of its own for the tax system, and answers even without it.
TIMEOUT_SECONDS = 4.0
DELIVERY = "delivery"


def quote_tax(price: Price, ship_to: dict[str, str]) -> tuple[Price, dict[str, Any]]:
    """The price with its taxes, and {source, rate_version, quoted_at}; ``ship_to`` is {country, region?, postal_code?}.

    The tax of one piece of each line is requested (see ``domain.pricing``), and that of a delivery that costs something.
    Raises ``ExternalUnavailable``, ``Refused`` UNSUPPORTED_DESTINATION.
    """
    lines = [{"sku": line.sku, "quantity": 1, "unit_price": line.unit_price} for line in price.lines]
    if price.delivery.amount:
        lines.append({"sku": DELIVERY, "quantity": 1, "unit_price": price.delivery.amount})
    request = {"currency": price.currency, "ship_to": ship_to, "lines": lines}
    answer = signed_client.call("tax", "POST", "/v1/quotations", body=request, timeout=TIMEOUT_SECONDS, repeatable=True)
    if answer.status == 422:
        raise Refused("UNSUPPORTED_DESTINATION", "is not a country that is delivered to", "/ship_to/country")
    quotation = body_of("tax", answer)
    try:
        taxes = [(line["tax"], line["rate"]) for line in quotation["lines"]]
        if len(taxes) != len(lines) or any(type(number) is not int for each in taxes for number in each):
            raise ValueError("the lines are others")
        tax = {name: str(quotation[name]) for name in ("source", "rate_version", "quoted_at")}
    except (KeyError, TypeError, ValueError) as error:
        raise ExternalUnavailable("tax", f"answered something else than a quotation: {error}") from error
    taxed = tuple(
        replace(line, unit_tax=unit_tax, rate=rate)
        for line, (unit_tax, rate) in zip(price.lines, taxes[: len(price.lines)], strict=True)
    )
    delivery = price.delivery
    if delivery.amount:
        delivery = replace(delivery, tax=taxes[-1][0], rate=taxes[-1][1])
    return replace(price, lines=taxed, delivery=delivery), tax
