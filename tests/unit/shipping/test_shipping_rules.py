"""What is sent to SAP and what its answers mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpieces.errors import PermanentFailure
from shipping.domain import outcome, shipment
from tests.unit.shipping.samples import ORDER


def test_sap_gets_what_it_needs_and_no_more():
    assert shipment(ORDER) == {
        "customer_id": "C100000001",
        "lines": [{"sku": "SP-1", "quantity": 2}],
        "ship_to": {"country": "DE", "postal_code": "50667"},
    }


@pytest.mark.parametrize("change", [{"status": "Sent"}, {"totals": {}}, {"note": "ring twice"}])
def test_what_sap_does_not_need_does_not_change_the_shipment(change):
    assert shipment(ORDER | change) == shipment(ORDER)


BROKEN = [
    {"lines": []},
    {"lines": None},
    {"lines": [{}]},
    {"lines": ["SP-1"]},
    {"lines": 3},
    {"ship_to": {}},
    {"ship_to": None},
]


@pytest.mark.parametrize("change", BROKEN)
def test_an_order_that_cannot_be_sent_is_rejected(change):
    with pytest.raises(PermanentFailure, match="INVALID_ORDER"):
        shipment(ORDER | change)


VALUES = (
    st.none() | st.integers() | st.text(max_size=3) | st.dictionaries(st.sampled_from(["sku", "quantity"]), st.text())
)


@given(st.dictionaries(st.sampled_from(["customer_id", "lines", "ship_to"]), VALUES | st.lists(VALUES, max_size=3)))
def test_whatever_the_platform_says_is_a_shipment_or_a_reject(order):
    try:
        sent = shipment(order)
    except PermanentFailure:
        return
    assert set(sent) == {"customer_id", "lines", "ship_to"}


@pytest.mark.parametrize(("status", "expected"), [(201, "shipped"), (200, "was shipped before")])
def test_first_and_repeated_shipments_are_done(status, expected):
    assert outcome(status) == expected


@pytest.mark.parametrize(
    ("status", "reason"), [(409, "DIFFERENT_SHIPMENT"), (400, "SHIPMENT_REFUSED"), (302, "SHIPMENT_REFUSED")]
)
def test_what_sap_will_never_take_is_rejected(status, reason):
    with pytest.raises(PermanentFailure, match=reason):
        outcome(status)
