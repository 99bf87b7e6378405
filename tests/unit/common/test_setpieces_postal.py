"""Addresses of countries with and without postal codes."""

import pytest

from setpieces.postal import WITHOUT_POSTAL_CODE, lacks_postal_code


@pytest.mark.parametrize("country", ["AE", "HK", "IE"])
def test_a_country_without_postal_codes_needs_none(country: str):
    assert not lacks_postal_code({"country": country})
    assert not lacks_postal_code({"country": country, "postal_code": "D02 AF30"})


@pytest.mark.parametrize("country", ["CA", "DE", "GB", "JP", "US"])
def test_a_country_with_postal_codes_needs_one(country: str):
    assert lacks_postal_code({"country": country})
    assert not lacks_postal_code({"country": country, "postal_code": "1"})


def test_the_countries_are_codes():
    assert all(len(country) == 2 and country.isalpha() and country.isupper() for country in WITHOUT_POSTAL_CODE)
