"""Postal addresses, the same wherever the shop takes one: what a customer keeps can be ordered to. Pure."""

import re
from collections.abc import Mapping

# ISO 3166-1 alpha-2, as far as its form goes.
COUNTRY = re.compile(r"[A-Z]{2}")

# Member of an address -> longest text.
LONGEST = {
    "name": 100,
    "company": 100,
    "street": 200,
    "line1": 200,
    "line2": 200,
    "house_number": 20,
    "city": 100,
    "region": 60,
    "state": 60,
    "postal_code": 20,
    "country": 2,
    "phone": 30,
}

# Countries whose addresses have no postal code (https://chromium-i18n.appspot.com/ssl-address: formats without ``%Z``), and
# Ireland, whose Eircodes are optional.
_CODES = """
AE AG AO AQ AW BF BI BJ BO BQ BS BV BW BZ CD CF CG CI CK CM CW DJ DM ER FJ GA GD GH GM GQ GY HK IE JM KI KM KN LC LY ML MO MR MS
MW NR NU PA PS QA RW SB SC SL SR SS ST SX SY TD TF TG TK TL TO TT TV UG VU WS YE ZW
"""
WITHOUT_POSTAL_CODE = frozenset(_CODES.split())


def lacks_postal_code(address: Mapping[str, str]) -> bool:
    """True if a ship-to address has no postal code although its country has them."""
    return "postal_code" not in address and address.get("country") not in WITHOUT_POSTAL_CODE
