"""The form of the checkout: what a visitor has typed, and the requests to the orders API that it makes."""

import hashlib
import json
import re
from dataclasses import dataclass, field, fields, replace
from typing import Any

from babel import Locale
from starlette.datastructures import FormData

from app.messages import FIELDS
from app.quotations import Quotation

# Tokens of the payment simulator; a real provider's page in the browser would issue one.
CARDS = {"tok_ok": "A card that is accepted", "tok_declined": "A card that is declined"}
ADDRESS = ("name", "street", "postal_code", "city", "region", "country")
REQUIRED = ("name", "street", "city")
MAX_VOUCHERS = 5
# The longest texts that the orders API accepts.
MAX_LENGTHS = {"name": 100, "street": 200, "postal_code": 20, "city": 100, "region": 60}
# People type a code with blanks, hyphens and lower-case letters.
_NOT_OF_A_CODE = re.compile(r"[\s-]")
# Territories of CLDR that ISO 3166-1 does not assign to a country.
_NOT_COUNTRIES = {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ"}
COUNTRIES = sorted(
    (
        (code, name)
        for code, name in Locale("en").territories.items()
        if re.fullmatch("[A-Z]{2}", code) and code not in _NOT_COUNTRIES
    ),
    key=lambda country: country[1],
)


@dataclass(frozen=True)
class CheckoutForm:
    """The fields of the checkout, as typed."""

    address: dict[str, str] = field(default_factory=lambda: dict.fromkeys(ADDRESS, "") | {"country": "DE"})
    email: str = ""
    card: str = "tok_ok"
    delivery: str = "economy"
    vouchers: tuple[str, ...] = ()

    @classmethod
    def parse(cls, form: FormData) -> "CheckoutForm":
        """Parse a submitted form; blanks around a field are dropped."""

        def text(name: str) -> str:
            return str(form.get(name, "")).strip()

        address = {name: text(name) for name in ADDRESS}
        vouchers = (str(code).strip() for code in form.getlist("voucher"))
        return cls(
            address | {"country": address["country"].upper()},
            text("email"),
            text("card"),
            text("delivery") or "economy",
            tuple(code for code in vouchers if code)[:MAX_VOUCHERS],
        )

    @classmethod
    def from_store(cls, stored: dict[str, Any]) -> "CheckoutForm":
        """Parse what ``asdict`` made of a form; ignores fields of a newer version of the storefront."""
        values = {each.name: stored[each.name] for each in fields(cls) if each.name in stored}
        return replace(cls(**values), vouchers=tuple(stored.get("vouchers", ())))

    @property
    def voucher_fields(self) -> list[str]:
        """The voucher codes and, up to the limit, an empty field for one more."""
        return [*self.vouchers, ""][:MAX_VOUCHERS]

    @property
    def missing(self) -> dict[str, str]:
        """What to do about each required field that is empty."""
        return {name: FIELDS[name][1] for name in REQUIRED if not self.address[name]}

    @property
    def too_long(self) -> dict[str, str]:
        """What to do about each field of the address that is too long."""
        return {name: FIELDS[name][1] for name, longest in MAX_LENGTHS.items() if len(self.address[name]) > longest}

    def without_vouchers(self, suffixes: list[str]) -> "CheckoutForm":
        """Drop the voucher codes that end with one of ``suffixes``, as the API writes codes."""
        kept = (code for code in self.vouchers if not _NOT_OF_A_CODE.sub("", code).upper().endswith(tuple(suffixes)))
        return replace(self, vouchers=tuple(kept))

    def inputs(self) -> str:
        """A digest of the fields that a quotation depends on."""
        destination = [self.address[name] for name in ("country", "postal_code", "region")]
        return hashlib.sha256(json.dumps([destination, self.delivery, self.vouchers]).encode()).hexdigest()

    def quotation_request(self, basket_id: str) -> dict[str, Any]:
        """The body of ``POST /v1/quotations``."""
        destination = {name: self.address[name] for name in ("country", "postal_code", "region") if self.address[name]}
        request = {"basket_id": basket_id, "ship_to": destination, "delivery_method": self.delivery}
        return request | ({"voucher_codes": list(self.vouchers)} if self.vouchers else {})

    def order_request(self, quotation: Quotation) -> dict[str, Any]:
        """The body of ``POST /v1/orders``; a free order has no payment."""
        order: dict[str, Any] = {
            "quotation_id": quotation.quotation_id,
            "ship_to": {name: text for name, text in self.address.items() if text},
        }
        if quotation.total:
            order["payment_token"] = self.card
        return order | ({"email": self.email} if self.email else {})
