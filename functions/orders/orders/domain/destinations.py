"""Where an order is sent to. Pure."""

# The destination of a quotation: what tax depends on.
MEMBERS = ("country", "region", "postal_code")

# Prices for consumers include tax here: the member states of the EU (Directive 98/6/EC), Great Britain, Norway and Switzerland.
# fmt: off
TAX_INCLUSIVE = frozenset({
    "AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU", "IE", "IT", "LT", "LU",
    "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
})
# fmt: on


def destination(ship_to: dict[str, str]) -> dict[str, str]:
    """The members of an address that a quotation is for."""
    return {name: ship_to[name] for name in MEMBERS if name in ship_to}
