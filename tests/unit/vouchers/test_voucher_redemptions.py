"""Redemptions: once for each voucher, with repeated and concurrent requests."""

import pytest

from tests.faults import Faults, refused
from tests.unit.vouchers.batches import Batches
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
    order = {"order_number": "T000000001"}
    status, _, first = batches.call("redeem_voucher", order, code=code.lower())
    assert (status, first["status"], first["value"]) == (201, "REDEEMED", 1000)
    assert batches.call("redeem_voucher", order, code=f"{code[:4]}-{code[4:]}")[::2] == (200, first)
    assert batches.call("redeem_voucher", {"order_number": "T000000002"}, code=code).body["code"] == "VOUCHER_REDEEMED"
    assert batches.call("redeem_voucher", code=code).status == 409
    assert batches.call("show_voucher", code=code).body["status"] == "REDEEMED"


def test_the_same_key_of_the_same_caller_is_the_same_redemption(batches: Batches):
    code = batches.codes(batches.create_complete())[0]
    assert batches.call("redeem_voucher", {}, code=code, key="k", customer="C1").status == 201
    assert batches.call("redeem_voucher", {}, code=code, key="k", customer="C1").status == 200
    assert batches.call("redeem_voucher", {}, code=code, key="k", customer="C2").status == 409
    assert batches.call("redeem_voucher", {}, code=code, key="other", customer="C1").status == 409


def test_no_voucher_is_redeemed_after_the_response_to_a_cancellation(batches: Batches, faults: Faults):
    batch_id = batches.create_complete()
    code, other = batches.codes(batch_id)[:2]
    statuses = []
    faults.meanwhile(
        "TransactWriteItems", lambda: statuses.append(batches.call("cancel_batch", batch_id=batch_id).status)
    )
    order = {"order_number": "T000000001"}
    assert batches.call("redeem_voucher", order, code=code).body["code"] == "VOUCHER_CANCELLED"
    assert statuses == [200]
    assert redemptions.find(code) is None
    assert batches.call("redeem_voucher", order, code=other).body["code"] == "VOUCHER_CANCELLED"


def test_a_repeated_cancellation_completes_one_that_crashed(batches: Batches, monkeypatch):
    """After its response, a redemption is refused that has read the batch before the cancellation."""
    batch_id = batches.create_complete()
    code = batches.codes(batch_id)[0]
    repository.change_status(batch_id, CANCELLED)
    assert batches.call("cancel_batch", batch_id=batch_id).status == 200
    # As read by a request that started before the cancellation.
    batch = batches.stored(batch_id) | {"status": COMPLETE}
    monkeypatch.setattr(repository, "find", lambda batch_id: batch)
    assert batches.call("redeem_voucher", code=code).body["code"] == "VOUCHER_CANCELLED"


@pytest.mark.parametrize(
    "body", [{}, {"order_number": "T000000001"}, {"customer_id": "C1"}], ids=["nothing", "order", "customer"]
)
def test_a_redemption_succeeds_when_the_sdk_repeats_it(batches: Batches, faults: Faults, body):
    """Without an order and an Idempotency-Key, only ``attempt`` identifies the redemption."""
    code = batches.codes(batches.create_complete())[0]
    with faults.lose_response("TransactWriteItems"):
        assert batches.call("redeem_voucher", body, code=code).status == 201
    assert batches.call("redeem_voucher", {"order_number": "T000000002"}, code=code).body["code"] == "VOUCHER_REDEEMED"


@pytest.mark.parametrize("changes", [{"status": CANCELLED}, {"valid_to": "2020-01-01T00:00:00Z"}])
def test_a_late_repetition_gets_the_same_redemption(batches: Batches, changes):
    batch_id = batches.create_complete()
    code = batches.codes(batch_id)[0]
    order = {"order_number": "T000000001"}
    _, _, first = batches.call("redeem_voucher", order, code=code)
    repository.update(batch_id, **changes)
    assert batches.call("redeem_voucher", order, code=code)[::2] == (200, first)
    assert batches.call("redeem_voucher", {"order_number": "T000000002"}, code=code).status == 409


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
    assert batches.call("redeem_voucher", code=code).status == (409 if operation == "PutItem" else 201)
    assert conflicts.times == 0


def test_an_order_number_is_added_to_a_redemption_once(batches: Batches):
    code = batches.codes(batches.create_complete())[0]
    order = {"order_number": "T000000001"}
    assert "order_number" not in batches.call("redeem_voucher", {}, code=code, key="k").body
    assert batches.call("redeem_voucher", order, code=code, key="other").status == 409
    status, _, redemption = batches.call("redeem_voucher", order, code=code, key="k")
    assert (status, redemption["order_number"]) == (200, "T000000001")
    assert batches.call("redeem_voucher", order, code=code, key="k")[::2] == (200, redemption)
    assert batches.call("redeem_voucher", {}, code=code, key="k")[::2] == (200, redemption)


def test_a_key_redeems_a_voucher_for_one_order(batches: Batches):
    code = batches.codes(batches.create_complete())[0]
    assert batches.call("redeem_voucher", {"order_number": "T000000001"}, code=code, key="k").status == 201
    second = batches.call("redeem_voucher", {"order_number": "T000000002"}, code=code, key="k")
    assert (second.status, second.body["code"]) == (409, "VOUCHER_REDEEMED")


def test_of_two_orders_that_claim_a_redemption_at_once_one_is_refused(batches: Batches, faults: Faults):
    code = batches.codes(batches.create_complete())[0]
    batches.call("redeem_voucher", {}, code=code, key="k")
    first = {"order_number": "T000000001"}
    faults.meanwhile("UpdateItem", lambda: batches.call("redeem_voucher", first, code=code, key="k"))
    second = batches.call("redeem_voucher", {"order_number": "T000000002"}, code=code, key="k")
    assert (second.status, second.body["code"]) == (409, "VOUCHER_REDEEMED")
    assert batches.call("redeem_voucher", first, code=code, key="k").status == 200


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
    status, _, problem = batches.call("redeem_voucher", code=voucher)
    assert (status, problem["code"]) == (409, code)
    assert batches.call("show_voucher", code=voucher).body["status"] == code.removeprefix("VOUCHER_")
    assert batches.service.items("RedemptionsTable") == []


@pytest.mark.parametrize("status", [PENDING, GENERATING, STORING, FAILED])
def test_a_voucher_of_an_incomplete_batch_is_404(batches: Batches, status):
    batch_id = batches.create_complete()
    repository.update(batch_id, status=status)
    voucher = batches.codes(batch_id)[0]
    assert batches.call("show_voucher", code=voucher).body["code"] == "VOUCHER_NOT_FOUND"
    assert batches.call("redeem_voucher", code=voucher).status == 404


def test_a_malformed_code_is_404_without_a_call_of_aws(batches: Batches, faults: Faults):
    batches.create_complete()
    faults.restart()
    for code in ("ABC", "3YARV3TPEBPBV9", "%00", "a" * 500, "O0O0O0O0O0O0O0"):
        assert batches.call("show_voucher", code=code).status == 404
        assert batches.call("redeem_voucher", code=code).status == 404
    assert faults.calls == []
