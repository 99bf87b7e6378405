"""Products of the commerce platform, and batches of updates of their parts, which feeds send.

product {sku, name, description, category, unit_price?, currency?, available, status, stock, max_per_customer,
         version, price_version, stock_version}; unit_price in minor units, status active or retired
update  {sku, version, ...} of one part: product (name, description ...), pricing (unit price), sku (stock)

Each part has a version of its own, and an older version never replaces a newer one. A product without a price is not for sale,
and requests for it get a 404.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from partners.domain.operations import Call, Documents, Operation, Outcome, id_key
from partners.domain.pages import list_page
from partners.domain.rules import get, not_found, put_latest
from partners.domain.schemas import CURRENCY, check_id, integer, invalid, object_of, string, validate
from setpieces.fields import SKU
from setpieces.http_refusal import HttpRefusal
from setpieces.search import MAX_QUERY_LENGTH, contains_words, search_words

MAX_UPDATES = 25
# A feed may know more currencies.
CURRENCIES = ["CHF", "DKK", "EUR", "GBP", "NOK", "PLN", "SEK", "USD"]

PRODUCT = object_of(
    {"name": string(200, 1), "unit_price": integer(0), "currency": CURRENCY, "version": integer(1)},
    {
        "sku": SKU,
        "description": string(4000),
        "category": string(100),
        "available": {"type": "boolean"},
        "status": {"enum": ["active", "retired"]},
        "stock": integer(0),
        "max_per_customer": integer(1, 1000),
        "price_version": integer(1),
        "stock_version": integer(0),
    },
    closed=True,
)
# The members of a product that a request leaves out.
PRODUCT_DEFAULTS: dict[str, Any] = {
    "description": "",
    "category": "",
    "available": True,
    "status": "active",
    "stock": 0,
    "max_per_customer": 10,
    "price_version": 1,
    "stock_version": 0,
}


@dataclass(frozen=True)
class Part:
    """A part of a product: the product's member with the part's version, and the schema of an update."""

    version: str
    schema: dict[str, Any]


def _part(version: str, required: dict[str, Any], optional: dict[str, Any] | None = None) -> Part:
    return Part(version, object_of({"sku": SKU, "version": integer(1), **required}, optional, closed=True))


PARTS = {
    "product": _part(
        "version",
        {"name": string(120, 1)},
        {
            "description": string(4000),
            "category": string(100),
            "status": {"enum": ["active", "retired"]},
            "max_per_customer": integer(1, 1000),
        },
    ),
    "pricing": _part("price_version", {"unit_price": integer(0), "currency": {"enum": CURRENCIES}}),
    "sku": _part("stock_version", {"stock": integer(0, 1_000_000)}, {"available": {"type": "boolean"}}),
}
UPDATES = object_of(
    {"updates": {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": MAX_UPDATES}}, closed=True
)


def get_product(call: Call, stored: dict[str, Any] | None) -> Outcome:
    return get("product", stored if stored and _is_for_sale(stored) else None)


def put_product(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """Create a product or replace it by a newer version; a repeat has no effect. Raises ``HttpRefusal`` 409 otherwise."""
    check_id(call.body, "sku", call.ids["sku"])
    product = {"sku": call.ids["sku"]} | PRODUCT_DEFAULTS | call.body
    if stored and stored != product and stored["version"] >= product["version"]:
        raise HttpRefusal(409, "STALE_VERSION", f"The product is at version {stored['version']}")
    return put_latest(product, stored)


def list_products(call: Call, products: Documents) -> Outcome:
    """Active products with the words of ``query`` in name, SKU or category, in the order of SKUs.

    Others are read by SKU only.
    """
    query = call.query.get("query", "").strip()
    if len(query) > MAX_QUERY_LENGTH:
        raise invalid("/query", f"must have at most {MAX_QUERY_LENGTH} characters")
    words = search_words(query)
    return list_page(call, ((sku, product) for sku, product in products if _is_listed(product, words)))


def update_rule(part: str) -> Callable[[Call, dict[str, Any] | None], Outcome]:
    """The rule for one update of a part: 201 or 200 with its effect, 200 without one for a repeat.

    It raises ``HttpRefusal`` 422 for an invalid update, 404 for price or stock of an unknown product, 409 for an old version.
    """
    version, schema = PARTS[part].version, PARTS[part].schema

    def rule(call: Call, stored: dict[str, Any] | None) -> Outcome:
        validate(call.body, schema, status=422)
        if stored is None and part != "product":
            raise not_found("product")
        before = stored or {"sku": call.body["sku"], **PRODUCT_DEFAULTS, "price_version": 0}
        after = before | {name: value for name, value in call.body.items() if name != "version"}
        after[version] = call.body["version"]
        if stored == after:
            return Outcome(200)
        if before.get(version, 0) >= after[version]:
            raise HttpRefusal(409, "STALE_VERSION", f"The {part} is at version {before[version]}")
        return put_latest(after, stored)

    return rule


def _is_for_sale(product: dict[str, Any]) -> bool:
    return "unit_price" in product


def _is_listed(product: dict[str, Any], words: tuple[str, ...]) -> bool:
    texts = (product["name"], product["sku"], product["category"])
    is_active = product["status"] == "active" and _is_for_sale(product)
    return is_active and contains_words(words, texts)


_PRODUCT = "commerce/products/{sku}"
_sku = id_key("sku")

OPERATIONS = (
    Operation("list_products", "GET", "commerce/products", list_products, "products", lists=True),
    Operation("get_product", "GET", _PRODUCT, get_product, "products", _sku),
    Operation("put_product", "PUT", _PRODUCT, put_product, "products", _sku, PRODUCT, ledger="products"),
    *(
        Operation(
            f"update_{part}",
            "POST",
            f"commerce/product-updates/{part}",
            update_rule(part),
            "products",
            _sku,
            UPDATES,
            batch=("updates", "sku"),
            ledger="products",
        )
        for part in PARTS
    ),
)
