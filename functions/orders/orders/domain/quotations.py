"""Quotations: what a shopper confirms before an order is placed. Pure."""

from dataclasses import asdict, dataclass, field
from typing import Any

from orders.domain.pricing import Price
from orders.domain.statuses import OUT_OF_STOCK, PRODUCT_UNAVAILABLE, QUANTITY_LIMIT
from setpieces.errors import Refused
from setpieces.idempotency import payload_digest

MAX_VOUCHERS = 5
CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
# Why a voucher takes nothing off. The last three depend on the basket and on the other vouchers.
VOUCHER_NOT_FOUND = "VOUCHER_NOT_FOUND"
VOUCHER_CURRENCY = "VOUCHER_CURRENCY"
VOUCHER_REPEATED = "VOUCHER_REPEATED"
VOUCHER_EXCEEDS_TOTAL = "VOUCHER_EXCEEDS_TOTAL"
_BY_STATUS = {
    "REDEEMED": "VOUCHER_REDEEMED",
    "RESERVED": "VOUCHER_RESERVED",
    "EXPIRED": "VOUCHER_EXPIRED",
    "NOT_YET_VALID": "VOUCHER_NOT_YET_VALID",
    "CANCELLED": "VOUCHER_CANCELLED",
}
_MESSAGES = {
    OUT_OF_STOCK: "is not in stock in this quantity",
    PRODUCT_UNAVAILABLE: "is not for sale",
    QUANTITY_LIMIT: "is above the limit per customer",
    CURRENCY_MISMATCH: "has a price in another currency than the basket",
}


@dataclass(frozen=True)
class Terms:
    """What a shopper chooses; ``ship_to`` is {country, region?, postal_code?}.

    The id of the basket and the codes must never be logged.
    """

    basket_id: str = field(repr=False)
    ship_to: dict[str, str] = field(repr=False)
    delivery_method: str
    voucher_codes: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class LineProblem:
    """Why a line cannot be bought."""

    sku: str
    code: str

    @property
    def message(self) -> str:
        return _MESSAGES[self.code]


@dataclass(frozen=True)
class RejectedVoucher:
    """Why the voucher with this ``position`` in the request takes nothing off."""

    position: int
    voucher_code: str = field(repr=False)
    code: str


@dataclass(frozen=True)
class Quotation:
    """A price at one moment. ``tax`` is {source, rate_version, quoted_at}.

    ``prices_checked`` is False if the platform did not send all products in time: these lines have the price of the basket, or
    the one that was confirmed. ``valid_until`` is in epoch seconds.
    """

    quotation_id: str = field(repr=False)
    terms: Terms
    basket_version: int
    price: Price
    tax: dict[str, Any]
    prices_checked: bool
    valid_until: int
    problems: tuple[LineProblem, ...] = ()
    rejected_vouchers: tuple[RejectedVoucher, ...] = ()

    def confirmed_digest(self) -> str:
        """The digest of all that a shopper confirms: a product's name and the source of a tax rate do not matter."""
        price = asdict(self.price)
        lines = [
            {name: value for name, value in line.items() if name not in ("name", "rate")} for line in price["lines"]
        ]
        return payload_digest(
            price | {"lines": sorted(lines, key=lambda line: str(line["sku"])), "to": self.terms.ship_to}
        )


@dataclass(frozen=True)
class ConfirmedQuotation:
    """A stored quotation. ``lines`` are {sku, name, unit_price}; ``order_number`` is that of the order placed from it."""

    quotation_id: str = field(repr=False)
    terms: Terms
    digest: str
    lines: list[dict[str, Any]]
    valid_until: int
    order_number: str = ""


def check_line(sku: str, quantity: int, currency: str, product: dict[str, Any] | None) -> LineProblem | None:
    """Why the line cannot be bought, None if it can. ``product`` is that of the platform, None if it does not sell the SKU."""
    if product is None or product.get("available") is not True or product.get("status") != "active":
        return LineProblem(sku, PRODUCT_UNAVAILABLE)
    if product["currency"] != currency:
        return LineProblem(sku, CURRENCY_MISMATCH)
    if quantity > product["stock"]:
        return LineProblem(sku, OUT_OF_STOCK)
    if quantity > product["max_per_customer"]:
        return LineProblem(sku, QUANTITY_LIMIT)
    return None


def accept_vouchers(
    codes: tuple[str, ...], vouchers: dict[str, dict[str, Any] | None], currency: str, total: int, *, forfeit: bool
) -> tuple[list[tuple[str, int]], list[RejectedVoucher]]:
    """The codes and values of the vouchers that pay for ``total``, and those that do not pay.

    ``vouchers`` are {status, value, currency} by code, None for an unknown one. A voucher for which nothing is left to pay is
    rejected, and without ``forfeit`` also one that is worth more than is left.
    """
    accepted: list[tuple[str, int]] = []
    rejected: list[RejectedVoucher] = []
    for position, code in enumerate(codes):
        voucher, is_repeated = vouchers[code], code in codes[:position]
        reason = VOUCHER_REPEATED if is_repeated else _reason_against(voucher, currency)
        if voucher and not reason:
            remaining = total - sum(value for _, value in accepted)
            if remaining <= 0 or (voucher["value"] > remaining and not forfeit):
                reason = VOUCHER_EXCEEDS_TOTAL
            else:
                accepted.append((code, voucher["value"]))
        if reason:
            rejected.append(RejectedVoucher(position, code, reason))
    return accepted, rejected


def _reason_against(voucher: dict[str, Any] | None, currency: str) -> str:
    if voucher is None:
        return VOUCHER_NOT_FOUND
    if voucher["status"] != "ACTIVE":
        return _BY_STATUS.get(voucher["status"], "VOUCHER_RESERVED")
    return VOUCHER_CURRENCY if voucher["currency"] != currency else ""


def quotation_not_found() -> Refused:
    return Refused("QUOTATION_NOT_FOUND", "There is no such quotation, or it has been removed")
