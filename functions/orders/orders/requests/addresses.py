"""Addresses in requests."""

from setpieces.errors import Refused
from setpieces.postal import lacks_postal_code


def check_postal_code(ship_to: dict[str, str]) -> None:
    """Raises ``Refused`` INVALID_REQUEST for an address without a postal code in a country that has them."""
    if lacks_postal_code(ship_to):
        raise Refused("INVALID_REQUEST", "is required", "/ship_to/postal_code")
