"""Events that report updates of the commerce platform, and the rounds in which they are published."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_relay.domain import Kind, draft_event, split_into_rounds
from setpieces.errors import PermanentFailure
from tests.present import present

AT = "2026-01-01T12:00:00+00:00"
ORDER = {"kind": "order", "id": "T100000001", "update": "complete", "customer_id": "C1", "occurred_at": AT}
CUSTOMER = {"kind": "customer", "id": "C1", "update": "updated", "version": 7, "occurred_at": AT}
LOGIN = {"kind": "customer", "id": "C1", "update": "login", "occurred_at": AT}


@pytest.mark.parametrize(
    ("update", "kind", "data"),
    [
        (ORDER, ("CHECKOUT", "ORDER", "COMPLETE"), {"order_number": "T100000001", "customer_id": "C1"}),
        (CUSTOMER, ("CUSTOMER", "PROFILE", "UPDATED"), {"customer_id": "C1", "version": 7}),
        (LOGIN, ("CUSTOMER", "SESSION", "LOGIN"), {"customer_id": "C1"}),
        (LOGIN | {"email": "someone@example.com"}, ("CUSTOMER", "SESSION", "LOGIN"), {"customer_id": "C1"}),
    ],
)
def test_an_update_becomes_one_event_without_further_data(update: dict[str, Any], kind: Kind, data: dict[str, Any]):
    draft = present(draft_event(update))
    assert (draft.kind, draft.data, draft.occurred_at) == (kind, data, AT)


@pytest.mark.parametrize("origin", ["shop", "data-sync", "migration"])
def test_an_update_that_the_shop_caused_is_not_published(origin: str):
    assert draft_event(ORDER | {"origin": origin}) is None


@pytest.mark.parametrize(("origin", "is_published"), [("shop", True), ("data-sync", False), ("migration", False)])
def test_a_profile_that_the_shop_changed_is_published_again(origin: str, is_published: bool):
    """The function that changed it may have crashed before it published the event; syncs and migrations are not published."""
    assert (draft_event(CUSTOMER | {"origin": origin}) is not None) == is_published


def test_an_update_of_another_origin_is_published():
    assert draft_event(ORDER | {"origin": "call-centre"}) is not None


@pytest.mark.parametrize(
    ("value", "correlation_id"),
    [("checkout-1", "checkout-1"), ("", None), ("with space", None), (5, None), ("x" * 65, None)],
)
def test_a_malformed_correlation_id_is_dropped(value: Any, correlation_id: str | None):
    assert present(draft_event(ORDER | {"correlation_id": value})).correlation_id == correlation_id


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        ({}, "INVALID_UPDATE"),
        (ORDER | {"id": 5}, "INVALID_UPDATE"),
        (ORDER | {"kind": None}, "INVALID_UPDATE"),
        (ORDER | {"update": ["complete"]}, "INVALID_UPDATE"),
        (ORDER | {"occurred_at": "yesterday"}, "INVALID_UPDATE"),
        (ORDER | {"occurred_at": "2026-01-01T12:00:00"}, "INVALID_UPDATE"),
        (ORDER | {"update": "updated"}, "UNKNOWN_UPDATE"),
        (ORDER | {"kind": "basket"}, "UNKNOWN_UPDATE"),
    ],
)
def test_an_update_that_no_event_can_report_is_a_permanent_failure(update: dict[str, Any], reason: str):
    with pytest.raises(PermanentFailure) as failure:
        draft_event(update)
    assert failure.value.reason == reason


SECRET = "tok_4242"


@pytest.mark.parametrize("member", ["kind", "id", "update", "occurred_at"])
@pytest.mark.parametrize("value", [SECRET, [SECRET]])
def test_a_permanent_failure_repeats_no_value_of_the_update(member: str, value: Any):
    update = ORDER | {member: value} | ({"id": 5} if value == SECRET and member == "id" else {})
    with pytest.raises(PermanentFailure) as failure:
        draft_event(update)
    assert SECRET not in failure.value.detail


@given(st.lists(st.sampled_from("abcd")))
def test_rounds_hold_each_item_once_and_keep_the_order_within_a_group(groups: list[str]):
    items = list(enumerate(groups))
    rounds = split_into_rounds((group, (index, group)) for index, group in items)
    assert sorted(item for items_of_round in rounds for item in items_of_round) == items
    for items_of_round in rounds:
        assert len({group for _, group in items_of_round}) == len(items_of_round)
    for name in set(groups):
        indexes = [index for items_of_round in rounds for index, group in items_of_round if group == name]
        assert indexes == sorted(indexes)
