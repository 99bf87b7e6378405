"""Postal addresses, the same wherever the shop takes one: what a customer keeps can be ordered to. Pure."""

import re

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
