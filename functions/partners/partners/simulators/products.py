"""Products of the commerce platform, and their parts, many in one request, as feeds bring them.

product {sku, name, description, category, unit_price?, currency?, available, status, stock, max_per_customer,
         version, price_version, stock_version}; unit_price in minor units, status active or retired
update  {sku, version, ...} of one part: product (what it is), pricing (what it costs), sku (how many there are)

Each part has a version of its own, and an older one never replaces a newer. What has no price is not sold: nobody can read it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from partners.domain.rules import Pairs, get, not_found, page, put_latest
from partners.simulators.operations import Call, Operation, Outcome
from partners.simulators.schemas import CURRENCY, ID, invalid, record, same, text, validate, whole
from setpieces.http_refusal import HttpRefusal

MAX_QUERY_LENGTH = 100
MAX_UPDATES = 25
# What the platform sells in. A feed may know more currencies than the shop has.
SOLD_IN = ["CHF", "DKK", "EUR", "GBP", "NOK", "PLN", "SEK", "USD"]

PRODUCT = record(
    {"name": text(200, 1), "unit_price": whole(0), "currency": CURRENCY, "version": whole(1)},
    {
        "sku": ID,
        "description": text(4000),
        "category": text(100),
        "available": {"type": "boolean"},
        "status": {"enum": ["active", "retired"]},
        "stock": whole(0),
        "max_per_customer": whole(1, 1000),
        "price_version": whole(1),
        "stock_version": whole(0),
    },
    closed=True,
)
# What the platform assumes of a product that does not say.
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
    """One part of a product: which member is its version, and what an update of it may say."""

    version: str
    schema: dict[str, Any]


def _part(version: str, required: dict[str, Any], optional: dict[str, Any] | None = None) -> Part:
    return Part(version, record({"sku": ID, "version": whole(1), **required}, optional, closed=True))


PARTS = {
    "product": _part(
        "version",
        {"name": text(120, 1)},
        {
            "description": text(4000),
            "category": text(100),
            "status": {"enum": ["active", "retired"]},
            "max_per_customer": whole(1, 1000),
        },
    ),
    "pricing": _part("price_version", {"unit_price": whole(0), "currency": {"enum": SOLD_IN}}),
    "sku": _part("stock_version", {"stock": whole(0, 1_000_000)}, {"available": {"type": "boolean"}}),
}
UPDATES = record(
    {"updates": {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": MAX_UPDATES}}, closed=True
)


def get_product(call: Call, stored: dict[str, Any] | None) -> Outcome:
    return get("product", stored if stored and _is_sold(stored) else None)


def put_product(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """A newer version replaces an older one; the same again is no effect. Raises ``HttpRefusal`` 409 for anything else."""
    same(call.body, "sku", call.ids["sku"])
    product = {"sku": call.ids["sku"]} | PRODUCT_DEFAULTS | call.body
    if stored and stored != product and stored["version"] >= product["version"]:
        raise HttpRefusal(409, "STALE_VERSION", f"The product is at version {stored['version']}")
    return put_latest(product, stored)


def list_products(call: Call, pairs: Pairs) -> Outcome:
    """Active products by SKU, those with ``query`` in name, SKU or category. Retired ones can only be read by SKU."""
    query = call.query.get("query", "").strip().casefold()
    if len(query) > MAX_QUERY_LENGTH:
        raise invalid("/query", f"must have at most {MAX_QUERY_LENGTH} characters")
    return page(call, ((sku, product) for sku, product in pairs if _listed(product, query)))


def update_of(part: str) -> Callable[[Call, dict[str, Any] | None], Outcome]:
    """The rule for one update of ``part``.

    201 or 200 with its effect, 200 without one for the same again. Raises ``HttpRefusal`` 422 for what the platform does not
    take, 404 for a price or stock of what it does not know, 409 for an old version.
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


def _is_sold(product: dict[str, Any]) -> bool:
    return "unit_price" in product


def _listed(product: dict[str, Any], query: str) -> bool:
    searched = (product["name"], product["sku"], product["category"])
    listed = product["status"] == "active" and _is_sold(product)
    return listed and any(query in text.casefold() for text in searched)


def _sku(call: Call) -> str:
    return call.ids["sku"]


_PRODUCT = "commerce/products/{sku}"

OPERATIONS = (
    Operation("list_products", "GET", "commerce/products", list_products, "products", lists=True),
    Operation("get_product", "GET", _PRODUCT, get_product, "products", _sku),
    Operation("put_product", "PUT", _PRODUCT, put_product, "products", _sku, PRODUCT, ledger="products"),
    *(
        Operation(
            f"update_{part}",
            "POST",
            f"commerce/product-updates/{part}",
            update_of(part),
            "products",
            _sku,
            UPDATES,
            each=("updates", "sku"),
            ledger="products",
        )
        for part in PARTS
    ),
)
