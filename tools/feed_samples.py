"""Sample feeds of products, prices and stock, the same for the same seed. Pure."""

import json
import random
from collections.abc import Iterable, Iterator
from typing import Any

from tools.samples import SEED

# Members of a product that the platform's simulator refuses, and the feed's schema allows.
REFUSED = {"category": "refused"}
_THINGS = ("Arch", "Beacon", "Carriage", "Dome", "Elevator", "Fountain", "Garden", "Hangar", "Island", "Junction")
_KINDS = ("Amber", "Blue", "Coral", "Dark", "Emerald", "Frosted", "Golden", "Hollow", "Indigo", "Jade")


def skus(count: int, series: str = "FD") -> Iterator[str]:
    return (f"{series}-{number:06d}" for number in range(1, count + 1))


def records(feed_type: str, count: int, *, version: int = 1, series: str = "FD", seed: int = SEED) -> Iterator[dict]:
    """``count`` records of a feed of ``feed_type`` (product, pricing, sku) about the products of ``series``."""
    chance = random.Random(f"{seed}/{feed_type}/{series}/{version}")
    make = {"product": _product, "pricing": _price, "sku": _stock}[feed_type]
    return ({"sku": sku, "version": version} | make(sku, chance) for sku in skus(count, series))


def as_json(feed: Iterable[dict[str, Any]]) -> bytes:
    """A feed as a JSON array."""
    return json.dumps(list(feed)).encode()


def _product(sku: str, chance: random.Random) -> dict[str, Any]:
    name = f"{chance.choice(_KINDS)} {chance.choice(_THINGS)} {sku.rpartition('-')[2].lstrip('0')}"
    return {
        "name": name,
        "description": f"{chance.randrange(40, 2000)} bricks to build the {name.lower()}.",
        "category": "Feed samples",
        "status": "active",
        "max_per_customer": 1000,
    }


def _price(sku: str, chance: random.Random) -> dict[str, Any]:
    return {"unit_price": 499 + 500 * chance.randrange(40), "currency": "EUR"}


def _stock(sku: str, chance: random.Random) -> dict[str, Any]:
    return {"stock": chance.randrange(10, 500), "available": True}
