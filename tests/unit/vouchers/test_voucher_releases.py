"""Releases: redeemed vouchers become redeemable again, unless an order has reserved them."""

import pytest

from tests.faults import Faults
from tests.unit.vouchers.batches import ORDER, OTHER_ORDER, Batches


def redeemed_without_order(batches: Batches, code: str) -> None:
    """As earlier versions have redeemed vouchers."""
    item = {"code": code, "batch_id": "VB", "redeemed_at": "2026-01-01T00:00:00Z", "by": "0" * 32, "purge_at": 2**33}
    batches.service.put("RedemptionsTable", item)


def test_a_voucher_that_was_redeemed_without_an_order_is_released_and_redeemed_again(batches: Batches):
    code = batches.codes(batches.create_complete())[0]
    redeemed_without_order(batches, code)
    assert batches.release(code.lower()).status == 204
    assert batches.release(code).status == 204
    assert batches.status(code) == "ACTIVE"
    assert batches.redeem(code).status == 201


def test_a_redemption_for_an_order_is_released_for_that_order_alone(batches: Batches):
    code = batches.codes(batches.create_complete())[0]
    batches.redeem(code)
    for order_number in ("", OTHER_ORDER):
        status, _, problem = batches.release(code, order_number)
        assert (status, problem["code"]) == (409, "VOUCHER_REDEEMED")
        assert ORDER in problem["detail"]
    assert batches.release(code, ORDER).status == 204
    assert batches.release(code, ORDER).status == 204
    assert batches.status(code) == "ACTIVE"


def test_a_redemption_without_an_order_is_not_released_for_an_order(batches: Batches):
    code = batches.codes(batches.create_complete())[0]
    redeemed_without_order(batches, code)
    status, _, problem = batches.release(code, ORDER)
    assert (status, problem["code"]) == (409, "VOUCHER_REDEEMED")
    assert batches.status(code) == "REDEEMED"


@pytest.mark.parametrize("order", ["", ORDER, OTHER_ORDER])
def test_an_admin_does_not_release_a_reservation(batches: Batches, order):
    code = batches.codes(batches.create_complete())[0]
    batches.reserve(code)
    status, _, problem = batches.release(code, order)
    assert (status, problem["code"]) == (409, "VOUCHER_RESERVED")
    assert ORDER in problem["detail"]
    assert batches.status(code) == "RESERVED"


@pytest.mark.parametrize("order", ["", ORDER, OTHER_ORDER])
def test_an_expired_reservation_needs_no_release(batches: Batches, order):
    code = batches.codes(batches.create_complete())[0]
    batches.reserve(code, minutes=-1)
    assert batches.release(code, order).status == 204
    assert batches.change(code, "redeemed").status == 200


def test_an_unknown_voucher_and_an_invalid_order_number_release_nothing(batches: Batches):
    assert batches.release("22222222222223").body["code"] == "VOUCHER_NOT_FOUND"
    assert batches.release(batches.codes(batches.create_complete())[0], "T1").status == 400


def test_a_voucher_that_an_order_redeems_during_a_release_stays_redeemed(batches: Batches, faults: Faults):
    code = batches.codes(batches.create_complete())[0]
    batches.reserve(code)
    faults.meanwhile("DeleteItem", lambda: batches.change(code, "redeemed"))
    assert batches.release(code).status == 409
    assert batches.status(code) == "REDEEMED"


def test_the_order_of_a_released_redemption_does_not_redeem_the_voucher_again(batches: Batches):
    code = batches.codes(batches.create_complete())[0]
    batches.reserve(code)
    batches.change(code, "redeemed")
    assert batches.release(code, ORDER).status == 204
    assert batches.change(code, "redeemed").body["code"] == "RESERVATION_CLOSED"


@pytest.mark.parametrize("order", ["", ORDER])
def test_a_release_succeeds_when_the_sdk_repeats_it(batches: Batches, faults: Faults, order):
    code = batches.codes(batches.create_complete())[0]
    if order:
        batches.redeem(code)
    else:
        redeemed_without_order(batches, code)
    faults.lose_response("DeleteItem")
    assert batches.release(code, order).status == 204
