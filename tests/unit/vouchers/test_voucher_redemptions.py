"""Redemptions: once for each voucher, with repeated and concurrent requests."""

import pytest

from setpieces import external
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.faults import Faults, refused
from tests.unit.vouchers.batches import ORDER, OTHER_ORDER, Batches
from vouchers.domain.batches import CANCELLED, COMPLETE, FAILED, GENERATING, PENDING, STORING
from vouchers.repository import batches as repository
from vouchers.repository import redemptions


def test_a_voucher_is_redeemed_once(batches: Batches):
    code = batches.codes(batches.create_complete())[0]
    assert batches.call("show_voucher", code=code).body | {"valid_from": "", "valid_to": ""} == {
        "status": "ACTIVE",
        "value": 1000,
        "currency": "EUR",
        "valid_from": "",
        "valid_to": "",
    }
    status, _, first = batches.redeem(code.lower())
    assert (status, first["status"], first["value"], first["order_number"]) == (201, "REDEEMED", 1000, ORDER)
    assert batches.redeem(f"{code[:4]}-{code[4:]}")[::2] == (200, first)
    assert batches.redeem(code, OTHER_ORDER).body["code"] == "VOUCHER_REDEEMED"
    assert batches.status(code) == "REDEEMED"


def test_a_redemption_requires_an_order(batches: Batches):
    code = batches.codes(batches.create_complete())[0]
    for body in (None, {}, {"customer_id": "ada"}):
        assert batches.call("redeem_voucher", body, code=code).status == 400
    assert batches.status(code) == "ACTIVE"


@pytest.mark.parametrize(
    ("status", "expected"),
    [(None, (404, "ORDER_NOT_FOUND")), ("Failed", (409, "ORDER_FAILED")), ("Processing", (409, "ORDER_IN_PROGRESS"))],
)
def test_a_voucher_is_not_redeemed_for_an_order_that_is_not_complete(batches: Batches, status, expected):
    code = batches.codes(batches.create_complete())[0]
    if status:
        batches.orders["", ORDER] = status
    response = batches.call("redeem_voucher", {"order_number": ORDER}, code=code)
    assert (response.status, response.body["code"]) == expected
    assert ("Retry-After" in response.headers) == (status == "Processing")
    assert batches.status(code) == "ACTIVE"


def test_a_voucher_is_not_redeemed_for_an_order_that_the_caller_cannot_read(batches: Batches):
    code = batches.codes(batches.create_complete())[0]
    batches.orders["C000000001", ORDER] = "Complete"
    for customer in ("", "C000000002"):
        response = batches.call("redeem_voucher", {"order_number": ORDER}, code=code, customer=customer)
        assert response.body["code"] == "ORDER_NOT_FOUND"
    assert batches.redeem(code, customer="C000000001").status == 201
    response = batches.call("redeem_voucher", {"order_number": ORDER}, code=code)
    assert response.body["code"] == "ORDER_NOT_FOUND"


@pytest.mark.parametrize("customer", ["", "C000000001"])
def test_a_redemption_is_refused_for_another_customer(batches: Batches, customer):
    code = batches.codes(batches.create_complete())[0]
    batches.orders[customer, ORDER] = "Complete"
    body = {"order_number": ORDER, "customer_id": "C000000002"}
    response = batches.call("redeem_voucher", body, code=code, customer=customer)
    assert (response.status, response.body["code"]) == (403, "CUSTOMER_MISMATCH")


@pytest.mark.parametrize("error", [ExternalUnavailable("orders", "is down", retry_after=7), None])
def test_a_redemption_waits_for_the_orders_service(batches: Batches, monkeypatch, error):
    code = batches.codes(batches.create_complete())[0]
    batches.orders_error = error
    if error is None:
        monkeypatch.setattr(external, "send", lambda *_, **options: Answer(404, {"code": "NOT_FOUND"}))
    status, headers, problem = batches.redeem(code)
    assert (status, problem["code"]) == (503, "ORDERS_UNAVAILABLE")
    assert headers["Retry-After"] == ("7" if error else "2")
    assert batches.service.items("RedemptionsTable") == []


@pytest.mark.parametrize("body", [[], {}, {"status": 5}])
def test_a_response_that_is_no_status_redeems_nothing(batches: Batches, monkeypatch, body):
    code = batches.codes(batches.create_complete())[0]
    monkeypatch.setattr(external, "send", lambda *_, **options: Answer(200, body))
    assert batches.redeem(code).body["code"] == "ORDERS_UNAVAILABLE"


def test_no_voucher_is_redeemed_after_the_response_to_a_cancellation(batches: Batches, faults: Faults):
    batch_id = batches.create_complete()
    code, other = batches.codes(batch_id)[:2]
    statuses = []
    faults.meanwhile(
        "TransactWriteItems", lambda: statuses.append(batches.call("cancel_batch", batch_id=batch_id).status)
    )
    assert batches.redeem(code).body["code"] == "VOUCHER_CANCELLED"
    assert statuses == [200]
    assert redemptions.find(code) is None
    assert batches.redeem(other).body["code"] == "VOUCHER_CANCELLED"


def test_a_repeated_cancellation_completes_one_that_crashed(batches: Batches, monkeypatch):
    """After its response, a redemption is refused that has read the batch before the cancellation."""
    batch_id = batches.create_complete()
    code = batches.codes(batch_id)[0]
    repository.change_status(batch_id, CANCELLED)
    assert batches.call("cancel_batch", batch_id=batch_id).status == 200
    # As read by a request that started before the cancellation.
    batch = batches.stored(batch_id) | {"status": COMPLETE}
    monkeypatch.setattr(repository, "find", lambda batch_id: batch)
    assert batches.redeem(code).body["code"] == "VOUCHER_CANCELLED"


def test_a_redemption_succeeds_when_the_sdk_repeats_it(batches: Batches, faults: Faults):
    code = batches.codes(batches.create_complete())[0]
    with faults.lose_response("TransactWriteItems"):
        assert batches.redeem(code).status == 201
    assert batches.redeem(code, OTHER_ORDER).body["code"] == "VOUCHER_REDEEMED"


@pytest.mark.parametrize("changes", [{"status": CANCELLED}, {"valid_to": "2020-01-01T00:00:00Z"}])
def test_a_late_repetition_gets_the_same_redemption(batches: Batches, changes):
    """Also while the orders service is down, and after it has forgotten the order."""
    batch_id = batches.create_complete()
    code = batches.codes(batch_id)[0]
    _, _, first = batches.redeem(code, customer="C000000001")
    repository.update(batch_id, **changes)
    batches.orders_error = ExternalUnavailable("orders", "is down")
    assert batches.redeem(code, customer="C000000001")[::2] == (200, first)
    batches.orders_error = None
    assert batches.redeem(code, OTHER_ORDER).body["code"] == "VOUCHER_REDEEMED"


CONFLICTS = {
    "TransactWriteItems": refused(
        "TransactWriteItems",
        "TransactionCanceledException",
        CancellationReasons=[{"Code": "TransactionConflict"}, {"Code": "None"}],
    ),
    "PutItem": refused("PutItem", "TransactionConflictException"),
}


@pytest.mark.parametrize("operation", CONFLICTS)
def test_a_transaction_conflict_is_retried(batches: Batches, faults: Faults, operation):
    """Redemptions of a batch and its cancellation may conflict at a gate; the SDK does not retry conflicts."""
    batch_id = batches.create_complete()
    code = batches.codes(batch_id)[0]
    conflicts = faults.fail(operation, CONFLICTS[operation], times=2)
    if operation == "PutItem":
        assert batches.call("cancel_batch", batch_id=batch_id).status == 200
    assert batches.redeem(code).status == (409 if operation == "PutItem" else 201)
    assert conflicts.times == 0


@pytest.mark.parametrize("order", [{}, {"order_number": ORDER}])
def test_redemptions_of_earlier_versions_stay(batches: Batches, order):
    """They may have no order, and a digest of the caller's Idempotency-Key."""
    batch_id = batches.create_complete()
    code = batches.codes(batch_id)[0]
    item = {"code": code, "batch_id": batch_id, "redeemed_at": "2026-01-01T00:00:00Z", "by": "0" * 32, "attempt": "a"}
    batches.service.put("RedemptionsTable", item | order | {"purge_at": 2**33})
    assert batches.status(code) == "REDEEMED"
    response = batches.redeem(code)
    assert response.status == (200 if order else 409)
    if order:
        assert response.body["redeemed_at"] == item["redeemed_at"]
        assert batches.change(code, "redeemed").body["redeemed_at"] == item["redeemed_at"]
    assert batches.redeem(code, OTHER_ORDER).body["code"] == "VOUCHER_REDEEMED"
    assert batches.reserve(code, OTHER_ORDER).body["code"] == "VOUCHER_REDEEMED"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": CANCELLED}, "VOUCHER_CANCELLED"),
        ({"valid_from": "2099-01-01T00:00:00Z"}, "VOUCHER_NOT_YET_VALID"),
        ({"valid_to": "2020-01-01T00:00:00Z"}, "VOUCHER_EXPIRED"),
    ],
)
def test_a_cancelled_early_or_expired_voucher_is_not_redeemed(batches: Batches, changes, code):
    batch_id = batches.create_complete()
    repository.update(batch_id, **changes)
    voucher = batches.codes(batch_id)[0]
    for status, _, problem in (batches.redeem(voucher), batches.reserve(voucher)):
        assert (status, problem["code"]) == (409, code)
    assert batches.status(voucher) == code.removeprefix("VOUCHER_")
    assert batches.service.items("RedemptionsTable") == []


@pytest.mark.parametrize("status", [PENDING, GENERATING, STORING, FAILED])
def test_a_voucher_of_an_incomplete_batch_is_404(batches: Batches, status):
    batch_id = batches.create_complete()
    repository.update(batch_id, status=status)
    voucher = batches.codes(batch_id)[0]
    assert batches.call("show_voucher", code=voucher).body["code"] == "VOUCHER_NOT_FOUND"
    assert batches.redeem(voucher).body["code"] == "VOUCHER_NOT_FOUND"
    assert batches.reserve(voucher).body["code"] == "VOUCHER_NOT_FOUND"


def test_a_malformed_code_is_404_without_a_call_of_aws(batches: Batches, faults: Faults):
    batches.create_complete()
    faults.restart()
    for code in ("ABC", "3YARV3TPEBPBV9", "%00", "a" * 500, "O0O0O0O0O0O0O0"):
        assert batches.call("show_voucher", code=code).status == 404
        assert batches.redeem(code).status == 404
        assert batches.change(code, "released").status == 404
    assert faults.calls == []
