"""Reservations: an order holds a voucher until it redeems or releases it, or its reservation expires."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.faults import Faults
from tests.unit.vouchers.batches import ORDER, OTHER_ORDER, Batches
from vouchers.domain.batches import CANCELLED
from vouchers.domain.redemptions import Redemption
from vouchers.repository import batches as repository
from vouchers.repository import redemptions


@pytest.fixture
def batch_id(batches: Batches) -> str:
    return batches.create_complete()


@pytest.fixture
def code(batches: Batches, batch_id: str) -> str:
    return batches.codes(batch_id)[0]


def stored(code: str) -> Redemption:
    redemption = redemptions.find(code)
    assert redemption
    return redemption


def codes_of(*responses) -> list[str]:
    return [response.body.get("code", str(response.status)) for response in responses]


def test_an_order_reserves_and_redeems_a_voucher(batches: Batches, code):
    reserved = batches.reserve(code, amount=700, customer_id="C000000001")
    assert reserved.status == 201
    members = ("order_number", "state", "amount", "currency", "attempt")
    assert [reserved.body[name] for name in members] == [ORDER, "reserved", 700, "EUR", 0]
    assert batches.status(code) == "RESERVED"
    redeemed = batches.change(code, "redeemed")
    assert (redeemed.status, redeemed.body["state"]) == (200, "redeemed")
    assert batches.change(code, "redeemed")[::2] == redeemed[::2]
    assert batches.status(code) == "REDEEMED"


def test_a_repeated_reservation_gets_the_same_response(batches: Batches, code):
    expires_at = (datetime.now(UTC) + timedelta(minutes=15)).isoformat()
    first = batches.reserve(code, expires_at=expires_at)
    repeated = batches.reserve(code, expires_at=expires_at)
    assert (first.status, repeated.status, repeated.body) == (201, 200, first.body)


def test_a_reservation_is_extended_and_not_shortened(batches: Batches, code):
    first = batches.reserve(code).body["expires_at"]
    later = batches.reserve(code, minutes=60).body["expires_at"]
    assert later > first
    assert batches.reserve(code, minutes=1).body["expires_at"] == later


def test_a_reserved_voucher_is_refused_to_other_orders(batches: Batches, code):
    batches.reserve(code)
    assert codes_of(
        batches.reserve(code, OTHER_ORDER), batches.change(code, "redeemed", OTHER_ORDER), batches.redeem(code, OTHER_ORDER)
    ) == ["VOUCHER_RESERVED"] * 3  # fmt: skip


def test_a_redeemed_voucher_is_refused_to_other_orders(batches: Batches, code):
    batches.reserve(code)
    batches.change(code, "redeemed")
    assert (
        codes_of(batches.reserve(code, OTHER_ORDER), batches.change(code, "redeemed", OTHER_ORDER))
        == ["VOUCHER_REDEEMED"] * 2
    )
    assert codes_of(batches.reserve(code), batches.change(code, "released")) == [
        "RESERVATION_CLOSED",
        "VOUCHER_REDEEMED",
    ]
    assert batches.reserve(code, attempt=1).body["code"] == "RESERVATION_CLOSED"
    assert "expires_at" not in stored(code)


def test_a_released_voucher_is_free_for_other_orders(batches: Batches, code):
    batches.reserve(code)
    assert batches.change(code, "released", attempt=0).body == {
        "order_number": ORDER,
        "state": "released",
        "attempt": 0,
    }
    assert batches.change(code, "released").status == 200
    assert batches.status(code) == "ACTIVE"
    assert batches.reserve(code, OTHER_ORDER).status == 201
    assert batches.change(code, "released").status == 200
    assert batches.status(code) == "RESERVED"


@pytest.mark.parametrize("reserved", [True, False])
def test_a_late_reservation_of_a_released_attempt_is_refused(batches: Batches, code, reserved):
    if reserved:
        batches.reserve(code)
    batches.change(code, "released")
    assert codes_of(batches.reserve(code), batches.change(code, "redeemed")) == ["RESERVATION_CLOSED"] * 2
    assert batches.status(code) == "ACTIVE"


def test_a_reopened_order_reserves_the_voucher_again(batches: Batches, code):
    batches.reserve(code)
    batches.change(code, "released")
    assert batches.reserve(code, attempt=1).status == 201
    assert batches.reserve(code, minutes=60).body["code"] == "RESERVATION_CLOSED"
    batches.change(code, "released")
    assert batches.status(code) == "RESERVED"
    batches.change(code, "released", attempt=2)
    batches.change(code, "released", attempt=1)
    assert batches.reserve(code, attempt=2).body["code"] == "RESERVATION_CLOSED"
    assert batches.reserve(code, attempt=3).status == 201


def test_a_reopened_order_keeps_a_reservation_that_an_earlier_attempt_releases_late(batches: Batches, code):
    batches.reserve(code, minutes=60)
    assert batches.reserve(code, attempt=1).status == 200
    batches.change(code, "released", attempt=0)
    assert batches.status(code) == "RESERVED"


def test_another_order_takes_a_voucher_whose_reservation_has_expired(batches: Batches, code):
    batches.reserve(code, minutes=-1)
    assert batches.status(code) == "ACTIVE"
    assert batches.reserve(code, OTHER_ORDER).status == 201
    assert codes_of(batches.reserve(code), batches.change(code, "redeemed")) == ["VOUCHER_RESERVED"] * 2
    assert batches.change(code, "redeemed", OTHER_ORDER).status == 200


def test_an_expired_reservation_that_no_order_has_taken_is_extended_and_redeemed(batches: Batches, code):
    batches.reserve(code, minutes=-1)
    assert batches.reserve(code).status == 200
    assert batches.status(code) == "RESERVED"
    batches.reserve(code, minutes=-1)
    assert batches.change(code, "redeemed").status == 200


def test_an_expired_reservation_of_another_order_is_not_redeemed(batches: Batches, code):
    batches.reserve(code, minutes=-1)
    assert batches.change(code, "redeemed", OTHER_ORDER).body["code"] == "RESERVATION_CLOSED"
    assert batches.redeem(code, OTHER_ORDER).status == 201
    assert batches.change(code, "redeemed").body["code"] == "VOUCHER_REDEEMED"


def test_a_voucher_is_redeemed_over_the_api_for_the_order_that_has_reserved_it(batches: Batches, code):
    batches.reserve(code, customer_id="C000000001")
    redeemed = batches.redeem(code, customer="C000000001")
    assert redeemed.status == 201
    assert batches.change(code, "redeemed").body["redeemed_at"] == redeemed.body["redeemed_at"]
    assert batches.redeem(code, customer="C000000001")[::2] == (200, redeemed.body)


def test_an_order_does_not_extend_the_reservation_that_another_order_takes(batches: Batches, faults: Faults, code):
    batches.reserve(code, minutes=-1)
    responses = []
    faults.meanwhile("UpdateItem", lambda: responses.append(batches.reserve(code, OTHER_ORDER)))
    assert batches.reserve(code, minutes=60).body["code"] == "VOUCHER_RESERVED"
    assert stored(code)["expires_at"] == responses[0].body["expires_at"]


@pytest.mark.parametrize("changes", [{"status": CANCELLED}, {"valid_to": "2020-01-01T00:00:00Z"}])
@pytest.mark.parametrize("over_api", [True, False])
def test_an_order_keeps_its_reservation_of_a_voucher_that_ends(batches: Batches, batch_id, code, changes, over_api):
    batches.reserve(code)
    repository.update(batch_id, **changes)
    assert batches.reserve(code, minutes=60).status == 200
    redeemed = batches.redeem(code) if over_api else batches.change(code, "redeemed")
    assert redeemed.status == (201 if over_api else 200)
    assert batches.change(code, "redeemed").body["redeemed_at"] == redeemed.body["redeemed_at"]


def test_no_voucher_is_reserved_after_the_response_to_a_cancellation(batches: Batches, faults: Faults, batch_id, code):
    faults.meanwhile("TransactWriteItems", lambda: batches.call("cancel_batch", batch_id=batch_id))
    assert batches.reserve(code).body["code"] == "VOUCHER_CANCELLED"
    assert batches.reserve(code).body["code"] == "VOUCHER_CANCELLED"


def test_a_reservation_has_the_currency_of_the_voucher_and_at_most_its_value(batches: Batches, code):
    assert batches.reserve(code, currency="USD").body["code"] == "VOUCHER_CURRENCY"
    assert batches.reserve(code, amount=1001).body["errors"][0]["pointer"] == "/amount"
    assert batches.reserve(code, amount=1000).status == 201


def test_of_two_orders_that_reserve_a_voucher_at_once_one_is_refused(batches: Batches, faults: Faults, code):
    faults.meanwhile("TransactWriteItems", lambda: batches.reserve(code, OTHER_ORDER))
    assert batches.reserve(code).body["code"] == "VOUCHER_RESERVED"
    assert batches.change(code, "redeemed", OTHER_ORDER).status == 200


def test_a_reservation_that_is_released_while_it_is_repeated_stays_released(batches: Batches, faults: Faults, code):
    batches.reserve(code)
    faults.meanwhile("UpdateItem", lambda: batches.change(code, "released"))
    assert batches.reserve(code).body["code"] == "RESERVATION_CLOSED"
    assert batches.status(code) == "ACTIVE"


def test_a_reservation_that_expires_and_is_taken_is_not_redeemed_over_the_api(batches: Batches, faults: Faults, code):
    batches.reserve(code, minutes=-1)
    faults.meanwhile("UpdateItem", lambda: batches.reserve(code, OTHER_ORDER))
    assert batches.redeem(code).body["code"] == "VOUCHER_RESERVED"


@pytest.mark.parametrize(
    ("state", "operation", "status"),
    [
        ("reserved", "TransactWriteItems", 201),
        ("renewed", "UpdateItem", 200),
        ("redeemed", "UpdateItem", 200),
        ("released", "DeleteItem", 200),
        ("released", "PutItem", 200),
    ],
)
def test_a_request_of_an_order_succeeds_when_the_sdk_repeats_it(
    batches: Batches, faults: Faults, code, state, operation, status
):
    if state != "reserved":
        batches.reserve(code)
    faults.lose_response(operation)
    response = batches.reserve(code, minutes=60) if state in ("reserved", "renewed") else batches.change(code, state)
    assert response.status == status
