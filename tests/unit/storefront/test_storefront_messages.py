"""Every code that an API returns has a sentence for visitors."""

import re

import pytest

from app.apis import ApiError
from app.messages import MESSAGES, UNAVAILABLE, UNKNOWN, form_errors, message, notice
from app.settings import SERVICES
from model.settings import ROOT
from setpieces.rest_api import STATUS

CODE = re.compile(r'"?\bcode\b"?: ?"([A-Z][A-Z_]+)"|\b([A-Z]{3,}(?:_[A-Z]+)+)\b')
# States and headers in the API documents, which are no codes of errors.
NO_CODES = {"AWAITING_UPLOAD", "NOT_PASSED_ON", "NOT_MAILED"}
# Responses with status 500 or more, for which pages say that part of the shop is unavailable, and codes of signed calls,
# which the storefront does not make.
UNSHOWN = {
    *("API_CONFIGURATION_ERROR", "AUTHORIZER_CONFIGURATION_ERROR", "AUTHORIZER_FAILURE", "BAD_GATEWAY"),
    *("GATEWAY_TIMEOUT", "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT", "INTERNAL_ERROR"),
    *("CUSTOMERS_UNAVAILABLE", "IDENTITY_UNAVAILABLE", "ORDERS_UNAVAILABLE", "SESSIONS_ENDED"),
    *("INVALID_API_KEY", "INVALID_SIGNATURE", "MISSING_AUTHENTICATION_TOKEN", "NOT_YET_VALID"),
}


def documented_codes() -> set[str]:
    """The codes in the API documents of the services that the storefront calls, and of the gateway's own responses."""
    schemas = ROOT / "schemas" / "api"
    files = [schemas / f"{service}.yaml" for service in SERVICES] + list((schemas / "gateway-responses").glob("*"))
    return {quoted or name for file in files for quoted, name in CODE.findall(file.read_text())}


@pytest.mark.parametrize("code", sorted((documented_codes() | set(STATUS)) - NO_CODES - UNSHOWN))
def test_every_code_has_a_sentence(code: str):
    sentence = message(code)
    assert sentence != UNKNOWN
    assert re.fullmatch(r"[A-Z].*\.", sentence)
    assert not re.search(r"[A-Z]_|\[|\bISO\b", sentence)


def test_codes_are_found():
    assert {"BASKET_NOT_FOUND", "NO_SESSION", "THROTTLED", "PAYMENT_DECLINED"} <= documented_codes()


def test_unknown_code_has_a_general_sentence_and_no_notice():
    assert (message("NEW_CODE"), notice("NEW_CODE")) == (UNKNOWN, "")
    assert message("SAVED") == notice("SAVED") == MESSAGES["SAVED"]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_server_errors_say_that_the_shop_is_unavailable(status: int):
    assert form_errors(ApiError(status, "INTERNAL_ERROR", "stack trace")).alert == UNAVAILABLE


@pytest.mark.parametrize("errors", [None, "text", {}, [None, "text", {}], [{"pointer": 5, "message": None}]])
def test_errors_of_another_shape_are_ignored(errors: object):
    found = form_errors(ApiError(400, "INVALID_REQUEST", "", problem={"errors": errors}))
    assert (found.alert, found.fields, found.lines) == (MESSAGES["INVALID_REQUEST"], {}, {})


def test_pointers_lead_to_fields_vouchers_and_lines():
    pointers = ["/ship_to/city", "/payment_token", "/voucher_codes/1", "/lines/SP-1", "/lines/SP-2", "/unknown", ""]
    errors = [{"pointer": pointer, "message": "Only 1 is left"} for pointer in pointers]
    errors[4] = {"pointer": "/lines/SP-2"}
    found = form_errors(ApiError(422, "OUT_OF_STOCK", "", problem={"errors": errors}))
    assert sorted(found.fields) == ["card", "city", "voucher-1"]
    assert found.lines == {"SP-1": "Only 1 is left.", "SP-2": MESSAGES["OUT_OF_STOCK"]}
