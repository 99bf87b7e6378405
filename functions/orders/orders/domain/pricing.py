"""The price of an order: lines, discounts, delivery, tax and total. Pure.

Amounts are whole minor units of one currency, rates in basis points. Prices are kept without tax, and so are the amounts of
``Line`` and ``Delivery``; a view shows them with tax where the destination wants it.

Rounding: the tax service rounds the tax of one piece, half up, and a line has that tax for each of its pieces. So the price of
a piece times the quantity is the line's amount, with tax and without it. Delivery is one more line of one piece. A voucher is a
means of payment: it does not change the tax. Its discount is split over lines and delivery in proportion to what they cost
with tax, by largest remainders (https://en.wikipedia.org/wiki/Quota_method), so that the shares add up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter

# The payment provider takes no more.
MAX_TOTAL = 10**12


@dataclass(frozen=True)
class Line:
    """``unit_price`` and ``unit_tax`` are those of one piece, ``discount`` is the line's share of all discounts."""

    sku: str
    name: str
    quantity: int
    unit_price: int
    unit_tax: int = 0
    rate: int = 0
    discount: int = 0

    @property
    def amount(self) -> int:
        return self.quantity * self.unit_price

    @property
    def tax(self) -> int:
        return self.quantity * self.unit_tax


@dataclass(frozen=True)
class Delivery:
    """``discount`` is the delivery's share of all discounts."""

    method: str
    amount: int
    tax: int = 0
    rate: int = 0
    discount: int = 0


@dataclass(frozen=True)
class Discount:
    """What a voucher takes off; ``forfeited`` is what it is worth beyond that. The ``code`` must never be logged."""

    code: str = field(repr=False)
    amount: int
    forfeited: int = 0


@dataclass(frozen=True)
class Price:
    """The price of an order in ``currency``."""

    currency: str
    lines: tuple[Line, ...]
    delivery: Delivery
    discounts: tuple[Discount, ...] = ()

    @property
    def subtotal(self) -> int:
        return sum(line.amount for line in self.lines)

    @property
    def tax_total(self) -> int:
        return sum(line.tax for line in self.lines) + self.delivery.tax

    @property
    def discount_total(self) -> int:
        return sum(discount.amount for discount in self.discounts)

    @property
    def rates(self) -> list[int]:
        """The distinct rates of tax, lowest first; that of a free delivery does not count."""
        return sorted({line.rate for line in self.lines} | ({self.delivery.rate} if self.delivery.amount else set()))

    @property
    def total(self) -> int:
        """What is charged."""
        return self.subtotal + self.delivery.amount + self.tax_total - self.discount_total


def discount_by_vouchers(price: Price, values: Sequence[tuple[str, int]]) -> Price:
    """The price after vouchers, each a code and its value, which pay in this order for what is left."""
    discounts: list[Discount] = []
    remaining = price.total
    for code, value in values:
        amount = min(value, remaining)
        discounts.append(Discount(code, amount, forfeited=value - amount))
        remaining -= amount
    costs = [line.amount + line.tax for line in price.lines] + [price.delivery.amount + price.delivery.tax]
    *shares, delivery_share = split(sum(discount.amount for discount in discounts), costs)
    lines = tuple(replace(line, discount=share) for line, share in zip(price.lines, shares, strict=True))
    delivery = replace(price.delivery, discount=delivery_share)
    return replace(price, lines=lines, delivery=delivery, discounts=tuple(discounts))


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """Shares of ``amount`` in proportion to ``weights``, by largest remainders.

    None is above its weight if ``amount`` is not above their sum.
    """
    total = sum(weights)
    if not total:
        return [0 for _ in weights]
    quotas = [divmod(amount * weight, total) for weight in weights]
    shares = [whole for whole, _ in quotas]
    by_remainder = sorted(((n, remainder) for n, (_, remainder) in enumerate(quotas)), key=itemgetter(1), reverse=True)
    for n, _ in by_remainder[: amount - sum(shares)]:
        shares[n] += 1
    return shares
