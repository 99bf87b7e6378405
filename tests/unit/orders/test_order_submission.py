"""Requests to order: repeats, Idempotency-Keys, and failures of what a request calls."""

import json
from typing import Any

import pytest

from orders.domain.statuses import STATUSES, VALIDATING
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.faults import Fault, Faults, refused, server_error
from tests.unit.orders.checkout import SUBMIT, Checkout
from tests.unit.orders.data import BASKET

GUEST = {"customer": "", "customer_id": "guest"}
MEMBER = {"customer": "C000000007", "customer_id": "C000000007"}


def test_an_order_is_stored_and_then_enqueued(checkout: Checkout):
    response = checkout.submit()
    (message,) = checkout.queues[SUBMIT]
    assert [json.loads(message.body)["order_number"]] == [response.body["order_number"]] == list(checkout.statuses)
    assert checkout.faults.calls[-2:] == ["TransactWriteItems", "SendMessage"]


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("position", range(8))
def test_a_client_that_repeats_a_failed_request_gets_one_order_which_is_enqueued(
    checkout: Checkout, position: int, fault: Fault
):
    checkout.faults.schedule({position: fault})
    responses = [checkout.submit(**MEMBER) for _ in range(3)]
    (number,) = {response.body["order_number"] for response in responses if response.status == 202}
    assert list(checkout.statuses) == [number]
    assert number in [json.loads(message.body)["order_number"] for message in checkout.queues[SUBMIT]]


def test_an_order_that_could_not_be_enqueued_is_accepted(checkout: Checkout, faults: Faults):
    """The sweep will enqueue it."""
    faults.fail("SendMessage", server_error("SendMessage"))
    response = checkout.submit(key=None)
    assert (response.status, [response.body["order_number"]]) == (202, list(checkout.statuses))
    assert checkout.queues[SUBMIT] == []


@pytest.mark.parametrize("status", STATUSES)
def test_a_repeated_request_enqueues_only_an_order_in_validation(checkout: Checkout, status: str):
    number = checkout.submit_until_accepted()
    checkout.service.put("Table", checkout.order(number) | {"backend_status": status})
    assert checkout.submit_until_accepted() == number
    assert len(checkout.queues[SUBMIT]) == (2 if status == VALIDATING else 1)


@pytest.mark.parametrize(
    "number", [ExternalUnavailable("sequences", "down"), Answer(409, {}), Answer(403, {})], ids=str
)
def test_without_an_order_number_a_request_is_a_503(checkout: Checkout, number: Answer | Exception):
    checkout.number = number
    response = checkout.submit(key=None)
    assert (response.status, response.body["code"]) == (503, "ORDERS_UNAVAILABLE")
    assert response.headers["Retry-After"] == "2"
    assert checkout.statuses == {}


@pytest.mark.parametrize(
    ("basket", "code"),
    [(Answer(404, {}), "BASKET_NOT_FOUND"), (Answer(200, BASKET | {"items": []}), "EMPTY_BASKET")],
)
def test_a_guest_without_a_basket_or_with_an_empty_one_takes_no_order_number(
    checkout: Checkout, basket: Answer, code: str
):
    checkout.basket = basket
    response = checkout.submit()
    assert (response.status, response.body["code"]) == (422, code)
    assert ("next number" in checkout.faults.calls, checkout.statuses) == (False, {})


@pytest.mark.parametrize("call", ["read basket", "quote tax"])
def test_nothing_is_stored_while_a_service_that_prices_the_order_is_unavailable(checkout: Checkout, call: str):
    checkout.faults.schedule({["read basket", "read product", "quote tax"].index(call) + 1: Fault.UNAVAILABLE})
    response = checkout.submit()
    assert (response.status, response.body["code"]) == (503, "ORDERS_UNAVAILABLE")
    assert (checkout.faults.calls[-1], checkout.statuses) == (call, {})
    checkout.assert_one_order(checkout.place_and_process(), "Sent to fulfillment")


def test_a_guest_cannot_order_for_a_customer(checkout: Checkout):
    for label in ("guest", "walk-in"):
        assert checkout.submit(customer_id=label, basket_id=f"basket-{label}", key=None).status == 202
    response = checkout.submit(customer_id="C000000007", key=None)
    assert (response.status, response.body["code"]) == (403, "CUSTOMER_MISMATCH")


@pytest.mark.parametrize(("country", "status"), [("IE", 202), ("HK", 202), ("DE", 400)])
def test_a_postal_code_is_required_where_the_country_has_them(checkout: Checkout, country: str, status: int):
    response = checkout.submit(ship_to={"country": country}, key=None)
    assert response.status == status
    assert status == 202 or response.body["errors"] == [{"pointer": "/ship_to/postal_code", "message": "is required"}]


@pytest.mark.parametrize("name", ["A\nB", "A\0B", " ", "\x7f"])
def test_an_address_has_no_control_characters_and_no_blank_members(checkout: Checkout, name: str):
    response = checkout.submit(ship_to=checkout.request["ship_to"] | {"name": name})
    assert (response.status, response.body["errors"][0]["pointer"]) == (400, "/ship_to/name")


def test_a_basket_has_one_order_in_progress(checkout: Checkout):
    number = checkout.submit_until_accepted()
    response = checkout.submit(key=None)
    assert (response.status, response.body["code"]) == (409, "BASKET_ORDERED")
    assert checkout.submit_until_accepted() == number
    checkout.deliver_all()
    checkout.stock.available += 2
    assert checkout.submit(key=None).status == 202


def test_an_order_of_a_basket_that_is_held_by_another_order_is_refused(checkout: Checkout):
    checkout.basket = Answer(200, BASKET | {"status": "ordered", "order_number": "T100000009"})
    response = checkout.submit()
    assert (response.status, response.body["code"]) == (409, "BASKET_ORDERED")
    assert checkout.statuses == {}


def test_a_repeated_request_is_accepted_after_its_basket_was_removed(checkout: Checkout):
    number = checkout.submit_until_accepted()
    checkout.basket = Answer(404, {})
    assert checkout.submit_until_accepted() == number


def test_the_share_of_used_order_numbers_is_a_metric(checkout: Checkout, capsys: pytest.CaptureFixture[str]):
    checkout.number = Answer(200, {"value": 500_000_000_000, "formatted": "T500000000000"})
    assert checkout.submit().body["order_number"] == "T500000000000"
    (metric,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "OrderNumbersUsed" in line]
    assert metric["OrderNumbersUsed"] == [pytest.approx(50)]


@pytest.mark.parametrize(
    ("email", "stored"),
    [("ada@Shop.Example", "ada@shop.example"), ("Ada@b\u00fccher.example", "Ada@xn--bcher-kva.example")],
)
def test_an_email_address_is_stored_as_mail_is_sent_to_it(checkout: Checkout, email: str, stored: str):
    checkout.confirm()
    number = checkout.submit(email=email).body["order_number"]
    assert checkout.order(number)["email"] == stored
    assert checkout.submit(email=email).body["order_number"] == number


@pytest.mark.parametrize("email", ["ada@shop.localhost", "ada@xn--0.example", "ada@-.example"])
def test_an_address_that_no_mail_can_be_sent_to_is_a_400(checkout: Checkout, email: str):
    checkout.confirm()
    response = checkout.submit(email=email)
    assert (response.status, response.body["errors"][0]["pointer"]) == (400, "/email")
    assert checkout.statuses == {}


# --- Idempotency-Key ---


def test_a_key_that_is_reused_for_another_order_is_a_409_and_takes_no_order_number(checkout: Checkout):
    checkout.submit_until_accepted()
    response = checkout.submit(payment_token="tok_other")
    assert (response.status, response.body["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert checkout.faults.calls.count("next number") == 1


@pytest.mark.parametrize(("first", "second"), [(GUEST, MEMBER), (MEMBER, GUEST)])
def test_a_form_that_is_sent_again_after_signing_in_or_out_is_one_order(
    checkout: Checkout, first: dict[str, Any], second: dict[str, Any]
):
    """The answer to the first request was lost; the browser sends the form again."""
    assert checkout.submit(**first).status == 202
    response = checkout.submit(**second)
    assert (response.status, response.body["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert checkout.submit(**first).status == 202
    checkout.deliver_all()
    assert (len(checkout.statuses), len(checkout.payments)) == (1, 1)


@pytest.mark.parametrize(
    ("first", "second"),
    [("", "C000000007"), ("C000000007", ""), ("C000000007", "C000000008"), ("", ""), ("C000000007", "C000000007")],
)
def test_a_repeated_request_gets_its_order_only_in_the_session_in_which_it_was_placed(
    checkout: Checkout, first: str, second: str
):
    """The same form of a quotation; the status of the order is a 404 in any other session."""
    checkout.confirm()

    def submit(session: str) -> Any:
        headers = {"Idempotency-Key": "form-1"}
        authorizer = {"customer_id": session, "roles": ""}
        return checkout.service.call("submit_order", checkout.request, headers=headers, authorizer=authorizer)

    number = submit(first).body["order_number"]
    response = submit(second)
    if first == second:
        assert (response.status, response.body["order_number"]) == (202, number)
    else:
        assert (response.status, response.body["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
        assert number not in json.dumps(response.body)
    assert list(checkout.statuses) == [number]


@pytest.mark.parametrize(("first", "second"), [(GUEST, MEMBER), (MEMBER, GUEST), (GUEST, GUEST), (MEMBER, MEMBER)])
def test_concurrent_requests_with_one_key_are_one_order(
    checkout: Checkout, faults: Faults, first: dict[str, Any], second: dict[str, Any]
):
    concurrent = []
    faults.meanwhile("TransactWriteItems", lambda: concurrent.append(checkout.submit(**second)))
    response = checkout.submit(**first)
    assert concurrent[0].status == 202
    assert response.status == (202 if first == second else 409)
    assert first != second or response.body == concurrent[0].body
    assert list(checkout.statuses) == [concurrent[0].body["order_number"]]


def test_guests_with_different_baskets_may_use_the_same_key(checkout: Checkout):
    numbers = [checkout.submit(**GUEST, basket_id=basket).body["order_number"] for basket in "ab"]
    assert len(set(numbers)) == 2


def test_a_customers_key_is_one_order_for_all_baskets(checkout: Checkout):
    assert [checkout.submit(**MEMBER, basket_id=basket).status for basket in "ab"] == [202, 409]


@pytest.mark.parametrize(
    ("code", "reasons"),
    [
        ("TransactionCanceledException", ["ThrottlingError", "None"]),
        ("TransactionCanceledException", ["None", "ProvisionedThroughputExceeded"]),
        ("TransactionInProgressException", []),
    ],
)
def test_a_throttled_or_concurrent_transaction_is_a_503(
    checkout: Checkout, faults: Faults, code: str, reasons: list[str]
):
    """DynamoDB responds 400, which the SDK does not repeat for a cancelled transaction; the client has to."""
    members: dict[str, Any] = {"CancellationReasons": [{"Code": reason} for reason in reasons]} if reasons else {}
    with faults.fail("TransactWriteItems", refused("TransactWriteItems", code, **members)):
        response = checkout.submit()
    assert (response.status, response.headers["Retry-After"]) == (503, "2")
    assert checkout.submit().status == 202
