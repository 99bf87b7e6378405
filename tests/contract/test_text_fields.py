"""Texts of bodies: what reaches labels, mails and lines of logs has no unprintable character."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import fastjsonschema
import pytest

from model.settings import ROOT
from setpieces.email_addresses import parse_email
from setpieces.errors import Refused
from setpieces.fields import EMAIL
from setpieces.json_body import JsonBody

# Compared only, never shown: what signs in, what is looked up, and what other services ask the tax of.
NOT_SHOWN = {
    "login.requests CREDENTIALS/email",
    "login.requests CREDENTIALS/password",
    "orders.requests.quotations NEW_QUOTATION/delivery_method",
    "orders.requests.quotations NEW_QUOTATION/voucher_codes/items",
    "tax.requests QUOTATION_REQUEST/order_number",
    "tax.requests QUOTATION_REQUEST/ship_to/postal_code",
    "tax.requests QUOTATION_REQUEST/ship_to/region",
}
UNPRINTABLE = "\0\n\r\t\x1b\x7f\x85\u200b\u2028\u2029\u202a\u202e\u2060\u2066\ufeff"


def bodies() -> Iterator[tuple[str, JsonBody]]:
    """(module and name, body) of every service's ``requests``, a module or a package."""
    for folder in sorted(ROOT.glob("functions/*/*/requests*")):
        name = f"{folder.parent.name}.{folder.stem}"
        parts = [f"{name}.{part.name}" for part in iter_modules([str(folder)])] if folder.is_dir() else [name]
        for part in parts:
            for member, value in vars(import_module(part)).items():
                if isinstance(value, JsonBody):
                    yield f"{part} {member}", value


def texts(name: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if "string" in schema.get("type", ()) and "enum" not in schema:
        yield name, schema
    for member, value in schema.get("properties", {}).items():
        yield from texts(f"{name}/{member}", value)
    if "items" in schema:
        yield from texts(f"{name}/items", schema["items"])


TEXTS = {name: schema for where, body in bodies() for name, schema in texts(where, body.schema)}


def test_texts_are_found():
    assert {where.split(".")[0] for where in TEXTS} >= {"orders", "customers", "vouchers", "basket", "login"}
    assert set(TEXTS) >= NOT_SHOWN


@pytest.mark.parametrize("name", sorted(set(TEXTS) - NOT_SHOWN))
def test_a_text_has_no_unprintable_character(name: str):
    schema = TEXTS[name]
    assert "pattern" in schema, f"{name}: take setpieces.fields.single_line, or say why in NOT_SHOWN"
    # Only the pattern: lengths refuse other texts.
    check_pattern = fastjsonschema.compile({"pattern": schema["pattern"]})

    def check(text: str) -> None:
        check_pattern(text)
        if schema["pattern"] == EMAIL["pattern"]:
            # It leaves international domains to the parser.
            parse_email(text)

    for sign in UNPRINTABLE:
        for text in (f"A{sign}B", f"{sign}1", f"a@b.example{sign}", f"10115{sign}"):
            with pytest.raises((fastjsonschema.JsonSchemaValueException, Refused)):
                check(text)
