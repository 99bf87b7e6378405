"""Quotations of the orders API: what an order would cost now. Amounts are whole minor units of ``currency``."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from app.amounts import money, percent

T = TypeVar("T")
MAX_AMOUNT = 10**15
DELIVERY_METHODS = {
    "economy": "Economy, free of charge",
    "standard": "Standard",
    "express": "Express",
}


@dataclass(frozen=True)
class Line:
    """A line; ``name`` is "" if only the SKU is known."""

    sku: str
    quantity: int
    unit_price: int
    line_total: int
    name: str = ""


@dataclass(frozen=True)
class Discount:
    """What a voucher takes off; ``forfeited`` is the part of its value that the order does not use."""

    code_suffix: str
    amount: int
    forfeited: int = 0


@dataclass(frozen=True)
class Quotation:
    """What the shopper confirms with "Buy now". ``rates`` are tax rates in basis points."""

    quotation_id: str
    currency: str
    subtotal: int
    delivery_method: str
    delivery_amount: int
    tax_total: int
    total: int
    prices_include_tax: bool
    lines: list[Line] = field(default_factory=list)
    discounts: list[Discount] = field(default_factory=list)
    rates: list[int] = field(default_factory=list)

    @classmethod
    def from_api(cls, body: dict[str, Any]) -> "Quotation":
        """Parse a quotation of the orders API; members of newer versions are ignored."""
        return cls(
            **{
                name: body[name]
                for name in ("quotation_id", "currency", "subtotal", "tax_total", "total", "prices_include_tax")
            },
            delivery_method=body["delivery"]["method"],
            delivery_amount=body["delivery"]["amount"],
            lines=[
                Line(line["sku"], line["quantity"], line["unit_price"], line["line_total"], line.get("name") or "")
                for line in body["lines"]
            ],
            discounts=[
                Discount(discount["code_suffix"], discount["amount"], discount.get("forfeited", 0))
                for discount in body["discounts"]
            ],
            rates=list(body["tax"]["rates"]),
        )

    @property
    def delivery(self) -> str:
        """The delivery method in words."""
        return DELIVERY_METHODS.get(self.delivery_method, self.delivery_method).partition(",")[0]

    @property
    def tax_label(self) -> str:
        """``incl. 7 % and 19 % VAT`` or ``plus 5 % tax``."""
        rates = " and ".join(percent(rate) for rate in sorted(set(self.rates)))
        words = ("incl.", rates, "VAT") if self.prices_include_tax else ("plus", rates, "tax")
        return " ".join(filter(None, words))


@dataclass(frozen=True)
class Confirmation:
    """The quotation that a form showed, with the digest of the inputs that it was calculated from.

    The form carries it in a hidden field, so that an error shows the same summary again, and a changed price the old one beside
    the new one. The orders API orders its own record of the quotation, so that a forged field misleads only its author.
    """

    quotation: Quotation
    inputs: str

    def to_field(self) -> str:
        """The hidden field: lines are lists without names, which can be long, and are known by SKU."""
        values = asdict(self.quotation)
        values["lines"] = [[each.sku, each.quantity, each.unit_price, each.line_total] for each in self.quotation.lines]
        return json.dumps({"quotation": values, "inputs": self.inputs}, separators=(",", ":"))

    @classmethod
    def from_field(cls, text: str) -> "Confirmation | None":
        """Parse the hidden field; None if it is not one that ``to_field`` writes."""
        try:
            stored = json.loads(text)
            values = stored["quotation"]
            lists: dict[str, Any] = {
                "lines": [_checked(Line(*line)) for line in values["lines"]],
                "discounts": [
                    _checked(Discount(each["code_suffix"], each["amount"], each["forfeited"]))
                    for each in values["discounts"]
                ],
                "rates": [rate for rate in values["rates"] if type(rate) is int and _is_in_range(rate)],
            }
            quotation = Quotation(**{each.name: (values | lists)[each.name] for each in fields(Quotation)})
            return _checked(cls(_checked(quotation), stored["inputs"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            return None


def _checked(value: T) -> T:
    """Check the texts and numbers of a dataclass.

    Raises ``TypeError`` for another type or more digits than amounts have, ``UnicodeError`` for text that UTF-8 cannot encode.
    """
    for name, annotation in value.__annotations__.items():
        content = getattr(value, name)
        if annotation in (str, int, bool) and (type(content) is not annotation or not _is_in_range(content)):
            raise TypeError(name)
        if isinstance(content, str):
            content.encode()
    return value


def _is_in_range(content: object) -> bool:
    return not isinstance(content, int) or abs(content) <= MAX_AMOUNT


def order_key(quotation_id: str) -> str:
    """The Idempotency-Key of an order: one quotation is one order, from all clicks, tabs and reloads."""
    return hashlib.sha256(f"order {quotation_id}".encode()).hexdigest()


@dataclass(frozen=True)
class Row:
    """A row of the comparison of two quotations."""

    label: str
    before: str
    now: str

    @property
    def is_changed(self) -> bool:
        return self.before != self.now


def compare(before: Quotation, now: Quotation, names: dict[str, str]) -> list[Row]:
    """Return the rows of a table that shows a confirmed quotation beside the present one; ``names`` by SKU."""
    lines = [
        Row(names.get(sku, sku), old, new) for sku, old, new in _side_by_side(_line_texts(before), _line_texts(now))
    ]
    return lines + [Row(*row) for row in _side_by_side(_total_texts(before), _total_texts(now))]


def _side_by_side(before: dict[str, str], now: dict[str, str]) -> list[tuple[str, str, str]]:
    return [
        (label, before.get(label, "not included"), now.get(label, "not included"))
        for label in dict.fromkeys([*before, *now])
    ]


def _line_texts(quotation: Quotation) -> dict[str, str]:
    def amount(value: int) -> str:
        return money(value, quotation.currency)

    return {
        line.sku: f"{line.quantity} × {amount(line.unit_price)} = {amount(line.line_total)}" for line in quotation.lines
    }


def _total_texts(quotation: Quotation) -> dict[str, str]:
    def amount(value: int) -> str:
        return money(value, quotation.currency)

    discounts = {f"Voucher …{each.code_suffix}": amount(-each.amount) for each in quotation.discounts}
    return {
        "Delivery": f"{quotation.delivery}, {amount(quotation.delivery_amount)}",
        **discounts,
        "Tax": f"{amount(quotation.tax_total)} ({quotation.tax_label})",
        "Total": amount(quotation.total),
    }
