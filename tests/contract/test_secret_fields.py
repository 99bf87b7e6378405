"""Dataclasses show no secrets: the ``repr`` of one ends in logs, with its error."""

import ast
from pathlib import Path

import pytest

from model.settings import ROOT

FUNCTIONS = ROOT / "functions"
SECRETS = {"authorization", "password", "payment_token", "token", "voucher_code", "voucher_codes"}
# ``code`` and ``text`` (of mails with links) are secrets in vouchers, but no others. The ``token`` of sitemaps names a page of
# products.
SECRETS_OF = {"vouchers": SECRETS | {"code", "text"}, "sitemaps": SECRETS - {"token"}}


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


@pytest.mark.parametrize("service", sorted(path.name for path in FUNCTIONS.iterdir() if path.is_dir()))
def test_no_dataclass_shows_a_secret(service: str):
    assert [each for path in sorted((FUNCTIONS / service).rglob("*.py")) for each in shown_fields(path)] == []
