"""Dataclasses show no secrets and no personal data: the ``repr`` of one ends in logs, with its error."""

import ast
from pathlib import Path

import pytest

from model.settings import ROOT
from orders.domain.pricing import Discount

FUNCTIONS = ROOT / "functions"
SECRETS = {
    "address", "authorization", "email", "password", "payment_token", "ship_to", "token", "voucher_code", "voucher_codes",
}  # fmt: skip
# Who knows the id of a basket or of a quotation can use it.
IDS = {"basket_id", "quotation_id"}
# ``code`` and ``text`` (of mails with links) are secrets in vouchers, but in no other service. ``token`` of sitemaps names a
# page of products.
SECRETS_OF = {
    "basket": SECRETS | IDS,
    "customers": SECRETS | {"name"},
    "orders": SECRETS | IDS,
    "vouchers": SECRETS | {"code", "text"},
    "sitemaps": SECRETS - {"token"},
}


def shown_fields(path: Path) -> list[str]:
    """``<class>.<field>`` of each field of a dataclass that holds a secret and is part of its ``repr``."""
    secrets = SECRETS_OF.get(path.relative_to(FUNCTIONS).parts[0], SECRETS)
    shown = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(each) for each in node.decorator_list):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and ast.unparse(field.target) in secrets:
                    hidden = field.value is not None and "repr=False" in ast.unparse(field.value)
                    shown += [] if hidden else [f"{node.name}.{ast.unparse(field.target)}"]
    return shown


def test_discounts_of_orders_show_no_code():
    assert "23456789ABCDEF" not in repr(Discount("23456789ABCDEF", 1))


@pytest.mark.parametrize("service", sorted(path.name for path in FUNCTIONS.iterdir() if path.is_dir()))
def test_no_dataclass_shows_a_secret(service: str):
    assert [each for path in sorted((FUNCTIONS / service).rglob("*.py")) for each in shown_fields(path)] == []
