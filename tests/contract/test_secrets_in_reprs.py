"""Secrets and personal data in dataclasses: a ``repr`` ends in logs and tracebacks."""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from types import ModuleType

import basket
import orders
from orders.domain.pricing import Discount

# Who knows one of the ids can use it. ``code`` is only that of a voucher in a ``Discount``.
SECRET = {
    "basket_id", "quotation_id", "payment_token", "email", "ship_to", "voucher_code", "voucher_codes",
}  # fmt: skip


def dataclass_fields(package: ModuleType) -> Iterator[tuple[str, Field[object]]]:
    """(name of the class and of the field, the field) of every dataclass of a package."""
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if ".handlers" in info.name:
            continue
        for value in vars(importlib.import_module(info.name)).values():
            if isinstance(value, type) and is_dataclass(value) and value.__module__ == info.name:
                yield from ((f"{info.name}.{value.__name__}.{field.name}", field) for field in fields(value))


def test_no_repr_shows_a_secret():
    found = [pair for package in (basket, orders) for pair in dataclass_fields(package) if pair[1].name in SECRET]
    assert len(found) >= 10
    assert [name for name, field in found if field.repr] == []
    assert "23456789ABCDEF" not in repr(Discount("23456789ABCDEF", 1))
