"""Products of the commerce platform, and batches of updates of their parts, which feeds send.

product {sku, name, description, category, unit_price?, currency?, available, status, stock, max_per_customer,
         version, price_version, stock_version}; unit_price in minor units, status active or retired; callers put the stock
         that they count, and get what is available of it (``partners.domain.inventory``)
update  {sku, version, ...} of one part: product (name, description ...), pricing (unit price), sku (stock)

Each part has a version of its own, and an older version never replaces a newer one. A product without a price is not for sale,
and requests for it get a 404.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from partners.domain import inventory
from partners.domain.operations import Call, Document, Documents, Operation, Outcome, id_key
from partners.domain.pages import list_page
from partners.domain.rules import not_found
from partners.domain.schemas import CURRENCY, check_id, integer, invalid, object_of, string, validate
from setpieces.fields import SKU
from setpieces.http_refusal import HttpRefusal
from setpieces.search import MAX_QUERY_LENGTH, contains_words, search_words

MAX_UPDATES = 25
MAX_PER_CUSTOMER = 1_000_000
# An update of a product in this category is refused, as a platform may refuse what its schema allows.
REFUSED_CATEGORY = "refused"
# Those that orders has delivery fees in (``orders.domain.delivery``). A feed may know more currencies.
CURRENCIES = ["CAD", "CHF", "DKK", "EUR", "GBP", "JPY", "KWD", "NOK", "PLN", "SEK", "USD"]

PRODUCT = object_of(
    {"name": string(200, 1), "unit_price": integer(0), "currency": CURRENCY, "version": integer(1)},
    {
        "sku": SKU,
        "description": string(4000),
        "category": string(100),
        "available": {"type": "boolean"},
        "status": {"enum": ["active", "retired"]},
        "stock": integer(0),
        "max_per_customer": integer(1, MAX_PER_CUSTOMER),
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
            "category": string(100) | {"not": {"const": REFUSED_CATEGORY}},
            "status": {"enum": ["active", "retired"]},
            "max_per_customer": integer(1, MAX_PER_CUSTOMER),
        },
    ),
    "pricing": _part("price_version", {"unit_price": integer(0), "currency": {"enum": CURRENCIES}}),
    "sku": _part("stock_version", {"stock": integer(0, 1_000_000)}, {"available": {"type": "boolean"}}),
}
UPDATES = object_of(
    {"updates": {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": MAX_UPDATES}}, closed=True
)


def get_product(call: Call, stored: Document | None) -> Outcome:
    if stored is None or not _is_for_sale(stored):
        raise not_found("product")
    return Outcome(200, _product_view(stored, call.now))


def put_product(call: Call, stored: Document | None) -> Outcome:
    """Create a product or replace it by a newer version; a repeat has no effect. Raises ``HttpRefusal`` 409 otherwise."""
    check_id(call.body, "sku", call.ids["sku"])
    product = {"sku": call.ids["sku"]} | PRODUCT_DEFAULTS | call.body
    if stored and inventory.without_inventory(stored) == product:
        return Outcome(200, _product_view(stored, call.now))
    if stored and stored["version"] >= product["version"]:
        raise HttpRefusal(409, "STALE_VERSION", f"The product is at version {stored['version']}")
    return _replace_product(product, stored, call.now)


def list_products(call: Call, products: Documents) -> Outcome:
    """Active products with the words of ``query`` in name, SKU or category, in the order of SKUs.

    Others are read by SKU only.
    """
    query = call.query.get("query", "").strip()
    if len(query) > MAX_QUERY_LENGTH:
        raise invalid("/query", f"must have at most {MAX_QUERY_LENGTH} characters")
    words = search_words(query)
    listed = ((sku, _product_view(product, call.now)) for sku, product in products if _is_listed(product, words))
    return list_page(call, listed)


def update_rule(part: str) -> Callable[[Call, Document | None], Outcome]:
    """The rule for one update of a part: 201 or 200 with its effect, 200 without one for a repeat.

    It raises ``HttpRefusal`` 422 for an invalid update, 404 for price or stock of an unknown product, 409 for an old version.
    """
    version, schema = PARTS[part].version, PARTS[part].schema

    def rule(call: Call, stored: Document | None) -> Outcome:
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
        return _replace_product(after, stored, call.now)

    return rule


def _replace_product(product: Document, stored: Document | None, now: str) -> Outcome:
    """201 for a new product, 200 for one that replaces another."""
    document = inventory.with_report(product, stored)
    status, effect = (201, "created") if stored is None else (200, "updated")
    entry = inventory.without_inventory(document)
    return Outcome(status, _product_view(document, now), document=document, entry=entry, effect=effect)


def _product_view(product: Document, now: str) -> Document:
    return inventory.without_inventory(product) | {"stock": inventory.count_pieces(product, now).available}


def _is_for_sale(product: Document) -> bool:
    return "unit_price" in product


def _is_listed(product: Document, words: tuple[str, ...]) -> bool:
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
