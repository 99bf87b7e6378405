"""Releases: redeemed vouchers become redeemable again, unless another order has claimed them."""

import pytest

from tests.faults import Faults
from tests.unit.vouchers.batches import Batches


def test_a_voucher_that_was_redeemed_without_an_order_is_released_and_redeemed_again(batches: Batches):
    code = batches.codes(batches.create_complete())[0]
    batches.call("redeem_voucher", {}, code=code, key="a basket that has changed since")
    assert batches.release(code.lower()).status == 204
    assert batches.release(code).status == 204
    assert batches.call("show_voucher", code=code).body["status"] == "ACTIVE"
    assert batches.call("redeem_voucher", {"order_number": "T000000001"}, code=code, key="other").status == 201


def test_a_redemption_for_an_order_is_released_for_that_order_alone(batches: Batches):
    code = batches.codes(batches.create_complete())[0]
    batches.call("redeem_voucher", {"order_number": "T000000001"}, code=code)
    for order_number in ("", "T000000002"):
        status, _, problem = batches.release(code, order_number)
        assert (status, problem["code"]) == (409, "VOUCHER_REDEEMED")
        assert "T000000001" in problem["detail"]
    assert batches.release(code, "T000000001").status == 204
    assert batches.release(code, "T000000001").status == 204
    assert batches.call("show_voucher", code=code).body["status"] == "ACTIVE"


def test_a_redemption_without_an_order_is_not_released_for_an_order(batches: Batches):
    code = batches.codes(batches.create_complete())[0]
    batches.call("redeem_voucher", {}, code=code, key="k")
    status, _, problem = batches.release(code, "T000000001")
    assert (status, problem["code"]) == (409, "VOUCHER_REDEEMED")
    assert batches.call("show_voucher", code=code).body["status"] == "REDEEMED"


def test_an_unknown_voucher_and_an_invalid_order_number_release_nothing(batches: Batches):
    assert batches.release("22222222222223").body["code"] == "VOUCHER_NOT_FOUND"
    assert batches.release(batches.codes(batches.create_complete())[0], "T1").status == 400


def test_an_order_that_is_placed_while_its_voucher_is_released_redeems_it_again(batches: Batches, faults: Faults):
    code = batches.codes(batches.create_complete())[0]
    name = {"order_number": "T000000001"}
    batches.call("redeem_voucher", {}, code=code, key="k")
    faults.meanwhile("UpdateItem", lambda: batches.release(code))
    assert batches.call("redeem_voucher", name, code=code, key="k").status == 201
    assert batches.release(code).status == 409


def test_an_order_number_is_not_added_to_the_redemption_of_another_caller(batches: Batches, faults: Faults):
    code = batches.codes(batches.create_complete())[0]
    name = {"order_number": "T000000001"}
    batches.call("redeem_voucher", {}, code=code, key="k")

    def released_and_redeemed_by_another() -> None:
        batches.release(code)
        batches.call("redeem_voucher", {}, code=code, key="other")

    faults.meanwhile("UpdateItem", released_and_redeemed_by_another)
    assert batches.call("redeem_voucher", name, code=code, key="k").body["code"] == "VOUCHER_REDEEMED"
    other = {"order_number": "T000000002"}
    assert batches.call("redeem_voucher", other, code=code, key="other").body["order_number"] == "T000000002"


def test_a_voucher_that_an_order_claims_during_its_release_stays_redeemed(batches: Batches, faults: Faults):
    code = batches.codes(batches.create_complete())[0]
    batches.call("redeem_voucher", {}, code=code, key="k")
    name = {"order_number": "T000000001"}
    faults.meanwhile("DeleteItem", lambda: batches.call("redeem_voucher", name, code=code, key="k"))
    assert batches.release(code).status == 409
    assert batches.call("show_voucher", code=code).body["status"] == "REDEEMED"


@pytest.mark.parametrize("order", ["", "T000000001"])
def test_a_release_succeeds_when_the_sdk_repeats_it(batches: Batches, faults: Faults, order):
    code = batches.codes(batches.create_complete())[0]
    batches.call("redeem_voucher", {"order_number": order} if order else {}, code=code, key="k")
    faults.lose_response("DeleteItem")
    assert batches.release(code, order).status == 204
