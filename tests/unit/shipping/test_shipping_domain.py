"""The shipment of an order, and the meaning of SAP's responses."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpieces.errors import PermanentFailure, RetryLater
from shipping.domain import (
    MAX_RECEIVES_OF_UNKNOWN_ORDER,
    build_shipment,
    describe_response,
    unknown_order,
)
from tests.unit.shipping.samples import ORDER


def test_a_shipment_has_customer_lines_and_address_only() -> None:
    assert build_shipment(ORDER) == {
        "customer_id": "C100000001",
        "lines": [{"sku": "SP-1", "quantity": 2}],
        "ship_to": {"country": "DE", "postal_code": "50667"},
    }


@pytest.mark.parametrize("change", [{"status": "Sent"}, {"totals": {}}, {"note": "ring twice"}])
def test_other_members_of_an_order_do_not_change_its_shipment(change: dict[str, Any]) -> None:
    assert build_shipment(ORDER | change) == build_shipment(ORDER)


@pytest.mark.parametrize(
    "change",
    [
        {"lines": []},
        {"lines": None},
        {"lines": [{}]},
        {"lines": ["SP-1"]},
        {"lines": 3},
        {"ship_to": {}},
        {"ship_to": None},
    ],
)
def test_an_order_without_lines_or_address_fails_permanently(change: dict[str, Any]) -> None:
    with pytest.raises(PermanentFailure, match="INVALID_ORDER"):
        build_shipment(ORDER | change)


VALUES = (
    st.none() | st.integers() | st.text(max_size=3) | st.dictionaries(st.sampled_from(["sku", "quantity"]), st.text())
)


@given(st.dictionaries(st.sampled_from(["customer_id", "lines", "ship_to"]), VALUES | st.lists(VALUES, max_size=3)))
def test_an_order_of_any_shape_is_a_shipment_or_a_permanent_failure(order: dict[str, Any]) -> None:
    try:
        shipment = build_shipment(order)
    except PermanentFailure:
        return
    assert set(shipment) == {"customer_id", "lines", "ship_to"}


def test_an_unknown_order_is_retried_with_growing_waits_and_then_fails() -> None:
    errors = [unknown_order("T1", receive_count) for receive_count in range(1, MAX_RECEIVES_OF_UNKNOWN_ORDER + 1)]
    assert [error.seconds for error in errors if isinstance(error, RetryLater)] == [2, 4, 8]
    assert isinstance(errors[-1], PermanentFailure)


@pytest.mark.parametrize(("status", "message"), [(201, "order shipped"), (200, "order was shipped before")])
def test_first_and_repeated_shipments_are_accepted(status: int, message: str) -> None:
    assert describe_response(status) == message


@pytest.mark.parametrize(
    ("status", "reason"), [(409, "DIFFERENT_SHIPMENT"), (400, "SHIPMENT_REFUSED"), (302, "SHIPMENT_REFUSED")]
)
def test_any_other_response_is_a_permanent_failure(status: int, reason: str) -> None:
    with pytest.raises(PermanentFailure, match=reason):
        describe_response(status)
