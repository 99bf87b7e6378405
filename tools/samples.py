"""Sample products and people, the same on every machine. Pure, and without secrets."""

import random
from typing import Any

SEED = 20191202
PRODUCTS = 60

# One seventh sold out, one twelfth retired, spread over all themes.
SOLD_OUT_EVERY = 7
RETIRED_EVERY = 12

# Enough for many orders of one customer, also of campaigns and load tests.
STOCK = 1_000_000
MAX_PER_CUSTOMER = 1_000_000

_THEMES = {
    "Castles": ("Drawbridge", "Gatehouse", "Jousting Field", "Keep", "Siege Tower", "Throne Room"),
    "City": ("Bakery", "Bus Depot", "Corner Cafe", "Fire Station", "Night Market", "Tram Stop"),
    "Harbour": ("Container Crane", "Ferry", "Fish Market", "Lighthouse", "Pilot Boat", "Tugboat"),
    "Nature": ("Beaver Dam", "Bird House", "Glasshouse", "Mountain Hut", "Oak Tree", "Waterfall"),
    "Railway": ("Engine Shed", "Freight Wagon", "Level Crossing", "Night Train", "Signal Box", "Viaduct"),
    "Space": ("Cargo Shuttle", "Crater Base", "Ice Rover", "Observatory", "Orbital Lab", "Relay Dish"),
}
_SIZES = (("Pocket", 120, 999), ("Classic", 480, 3999), ("Grand", 1600, 12999))


def products(seed: int = SEED) -> list[dict[str, Any]]:
    """Products in the form of the commerce platform: in stock, sold out and retired, prices in cents."""
    chance = random.Random(seed)
    sets = [(theme, motif, size) for theme, motifs in _THEMES.items() for motif in motifs for size in _SIZES]
    selection = chance.sample(sets, PRODUCTS)
    return [_product(number, *product, chance) for number, product in enumerate(selection, start=1)]


def _product(number: int, theme: str, motif: str, size: tuple[str, int, int], chance: random.Random) -> dict[str, Any]:
    label, pieces, price = size
    pieces += chance.randrange(0, pieces // 2)
    retired = number % RETIRED_EVERY == 0
    sold_out = number % SOLD_OUT_EVERY == 0 or retired
    return {
        "sku": f"SP-{10_000 + number}",
        "name": f"{label} {motif}",
        "description": f"{pieces} bricks to build the {motif.lower()} of the {theme.lower()} series.",
        "category": theme,
        "unit_price": price + 500 * chance.randrange(0, 5),
        "currency": "EUR",
        "available": not sold_out,
        "status": "retired" if retired else "active",
        "stock": 0 if sold_out else STOCK,
        "max_per_customer": MAX_PER_CUSTOMER,
        "price_version": 1,
        "version": 2,
    }


def customer(customer_id: str, identity_id: str, name: str, email: str) -> dict[str, Any]:
    """A customer in the form of the commerce platform."""
    return {
        "customer_id": customer_id,
        "identity_id": identity_id,
        "name": name,
        "email": email,
        "addresses": [
            {"name": name, "street": "Steinweg 1", "postal_code": "10115", "city": "Berlin", "country": "DE"},
        ],
        "marketing_opt_in": False,
        "origin": "samples",
    }


def member(customer_id: str, identity_id: str) -> dict[str, Any]:
    """A customer in the form of the rewards platform."""
    return {
        "customer_id": customer_id,
        "rewards_id": f"R{customer_id[1:]}",
        "identity_id": identity_id,
        "points": 250,
        "tier": "bronze",
    }
