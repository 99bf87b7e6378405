"""Each code that a service refuses a request with has one HTTP status, and each row of the table is used."""

import ast
from collections.abc import Iterator

from model.settings import ROOT
from setpieces.rest_api import STATUS

# Codes that are computed: the states of a voucher that cannot be redeemed (vouchers.domain).
COMPUTED = {"VOUCHER_CANCELLED", "VOUCHER_EXPIRED", "VOUCHER_NOT_YET_VALID", "VOUCHER_REDEEMED"}


def codes(source: str) -> Iterator[str]:
    """The codes of all ``Refused(...)`` in a source text."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Refused" and call.args:
            code = call.args[0]
            if isinstance(code, ast.Constant) and isinstance(code.value, str):
                yield code.value


def test_every_code_has_a_status_and_every_status_is_used():
    raised = {code for file in (ROOT / "functions").rglob("*.py") for code in codes(file.read_text())}
    assert raised | COMPUTED == set(STATUS)


def test_codes_are_found():
    assert list(codes('raise Refused("A"); Refused("B", "detail", pointer="/x"); Refused(code); Other("C")')) == [
        "A",
        "B",
    ]
