"""Every code that the storefront's APIs return has a sentence for visitors, and every sentence has such a code."""

import re

import pytest

from app.apis import ApiError
from app.messages import MESSAGES, UNAVAILABLE, UNKNOWN, form_errors, message, notice
from app.settings import SERVICES
from model.settings import ROOT
from orders.domain.statuses import REASONS
from pages.problems import ANY_SERVICE, problems

# Codes of requests without a signature or an API key, which the storefront sends.
UNSHOWN = {"INVALID_API_KEY", "INVALID_SIGNATURE", "MISSING_AUTHENTICATION_TOKEN"}
# Codes that the storefront itself gives.
OWN = {"FEED_FILE_MISSING", "FEED_TOO_LARGE", "INVALID_FORM", "NO_STORE", "SAVED", "UNREACHABLE"}


def api_codes() -> set[str]:
    """The codes of the services that the storefront calls and of the gateway's own responses, and reasons of orders.

    Pages say of a response with status 500 or more that part of the shop is unavailable, and need no sentence for its code.
    """
    services = {*SERVICES, ANY_SERVICE}
    codes = {code: occurrences.statuses for code, occurrences in problems().items() if occurrences.services & services}
    return {code for code, statuses in codes.items() if not statuses or min(statuses) < 500} | set(REASONS)


@pytest.mark.parametrize("code", sorted(api_codes() - UNSHOWN))
def test_every_code_has_a_sentence(code: str):
    sentence = message(code)
    assert sentence != UNKNOWN
    assert re.fullmatch(r"[A-Z].*\.", sentence)
    assert not re.search(r"[A-Z]_|\[|\bISO\b", sentence)


def test_every_sentence_is_for_a_code_that_is_returned():
    returned = {code for code, occurrences in problems().items() if occurrences.services & {*SERVICES, ANY_SERVICE}}
    assert MESSAGES.keys() - returned - set(REASONS) == OWN
    files = [file for file in (ROOT / "storefront" / "app").rglob("*.py") if file.name != "messages.py"]
    assert [code for code in OWN if not any(f'"{code}"' in file.read_text() for file in files)] == []


def test_codes_are_found():
    assert {"BASKET_NOT_FOUND", "NO_SESSION", "THROTTLED", "PAYMENT_DECLINED", "VOUCHER_REPEATED"} <= api_codes()


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
