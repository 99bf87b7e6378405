"""What the platform's updates mean, and the rounds in which they are sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_relay.domain import Unusable, meaning, rounds
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
def test_each_update_is_one_event(update, kind, data):
    found = present(meaning(update))
    assert (found.kind, found.data, found.occurred_at) == (kind, data, AT)


@pytest.mark.parametrize("origin", ["shop", "data-sync", "migration"])
def test_what_the_shop_caused_goes_no_further_round(origin):
    assert meaning(ORDER | {"origin": origin}) is None


@pytest.mark.parametrize(("origin", "relayed"), [("shop", True), ("data-sync", False), ("migration", False)])
def test_a_profile_that_the_shop_changed_is_published_again_but_no_echo_of_a_sync(origin, relayed):
    """The function that changed it may have died before it published."""
    assert (meaning(CUSTOMER | {"origin": origin}) is not None) == relayed


def test_what_others_caused_goes_on():
    assert meaning(ORDER | {"origin": "call-centre"}) is not None


@pytest.mark.parametrize(
    ("given_id", "kept"), [("checkout-1", "checkout-1"), ("", None), ("with space", None), (5, None), ("x" * 65, None)]
)
def test_only_a_well_formed_correlation_id_is_kept(given_id, kept):
    assert present(meaning(ORDER | {"correlation_id": given_id})).correlation_id == kept


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
def test_what_can_never_become_an_event_says_why(update, reason):
    with pytest.raises(Unusable) as unusable:
        meaning(update)
    assert unusable.value.reason == reason


SECRET = "tok_4242"


@pytest.mark.parametrize("member", ["kind", "id", "update", "occurred_at"])
@pytest.mark.parametrize("value", [SECRET, [SECRET]])
def test_a_refusal_repeats_no_value_of_the_update(member, value):
    update = ORDER | {member: value} | ({"id": 5} if value == SECRET and member == "id" else {})
    with pytest.raises(Unusable) as unusable:
        meaning(update)
    assert SECRET not in unusable.value.detail


@given(st.lists(st.sampled_from("abcd")))
def test_rounds_hold_everything_once_one_of_a_group_and_in_its_order(groups):
    items = list(enumerate(groups))
    found = rounds((group, (turn, group)) for turn, group in items)
    assert sorted(item for each in found for item in each) == items
    for each in found:
        assert len({group for _, group in each}) == len(each)
    for name in set(groups):
        turns = [turn for each in found for turn, group in each if group == name]
        assert turns == sorted(turns)
