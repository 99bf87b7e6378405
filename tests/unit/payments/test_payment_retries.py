"""One charge and one result, whichever calls fail and however often a message is delivered."""

from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payments import workflow
from setpieces.backoff import backoff_seconds
from setpieces.external import Answer
from tests.faults import Fault
from tests.unit.payments.authorizations import ORDER_NUMBER, Authorizations, SlowProvider

CALLS = ("load order", "find charge", "create charge", "PutEvents")
FAULTS = (Fault.UNAVAILABLE, Fault.UNANSWERED)


def event_ids(authorizations: Authorizations) -> set[str]:
    return {event["meta_data"]["event_id"] for event in authorizations.published}


def test_a_charge_whose_response_is_lost_is_looked_up(authorizations: Authorizations):
    authorizations.faults.restart({CALLS.index("create charge"): Fault.UNANSWERED})
    assert authorizations.deliver()
    assert authorizations.faults.calls == ["load order", "find charge", "create charge", "find charge", "PutEvents"]
    assert (authorizations.provider.created, authorizations.statuses) == (1, ["AUTHORIZED"])


def test_a_charge_that_failed_is_created_by_the_second_attempt(authorizations: Authorizations):
    authorizations.faults.restart({CALLS.index("create charge"): Fault.UNAVAILABLE})
    assert authorizations.deliver()
    attempt = ["find charge", "create charge"]
    assert authorizations.faults.calls == ["load order", *attempt, *attempt, "PutEvents"]
    assert (authorizations.provider.created, authorizations.statuses) == (1, ["AUTHORIZED"])


def test_a_result_has_one_event_id_if_the_response_of_the_bus_is_lost(authorizations: Authorizations):
    authorizations.faults.lose_response("PutEvents")
    assert authorizations.deliver()
    first, second = authorizations.published
    assert first == second


@pytest.mark.parametrize(("position", "fault"), list(product(range(len(CALLS)), FAULTS)))
def test_a_failed_call_results_in_one_charge_and_one_result(
    authorizations: Authorizations, position: int, fault: Fault
):
    authorizations.faults.restart({position: fault})
    deliveries = 1
    while not authorizations.deliver(deliveries):
        deliveries += 1
    assert deliveries <= 2
    assert authorizations.provider.created == 1
    assert set(authorizations.statuses) == {"AUTHORIZED"}
    assert len(event_ids(authorizations)) == 1


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([None, *FAULTS]), max_size=30), st.integers(1, 4))
def test_any_failures_and_repeated_deliveries_result_in_one_charge(
    authorizations: Authorizations, faults: list[Fault | None], more_deliveries: int
):
    authorizations.start()
    authorizations.faults.restart({number: fault for number, fault in enumerate(faults) if fault})
    while not authorizations.deliver():
        assert authorizations.provider.created <= 1
    for _ in range(more_deliveries):
        authorizations.deliver()
    assert authorizations.provider.created == 1
    assert len(event_ids(authorizations)) == 1


# --- a charge that is pending ---


@pytest.mark.parametrize("deliveries", range(1, workflow.FIRST_SETTLED_DELIVERY))
def test_a_refusal_is_no_result_while_an_earlier_charge_may_be_pending(authorizations: Authorizations, deliveries: int):
    """Payment declined is final: a charge that is authorized afterwards would never be found."""
    authorizations.provider = provider = SlowProvider()
    for delivery in range(1, deliveries + 1):
        assert not authorizations.deliver(delivery)
    assert authorizations.published == []
    provider.complete()
    assert authorizations.deliver(deliveries + 1)
    assert (provider.created, authorizations.statuses) == (1, ["AUTHORIZED"])


@pytest.mark.parametrize(("status", "result"), [(422, "DECLINED"), (400, "REJECTED")])
def test_a_refusal_is_a_result_when_no_charge_can_be_pending(authorizations: Authorizations, status: int, result: str):
    authorizations.faults.restart({CALLS.index("create charge"): Fault.UNAVAILABLE})
    authorizations.provider.refusal = Answer(status, {})
    deliveries = range(1, workflow.FIRST_SETTLED_DELIVERY + 1)
    assert [authorizations.deliver(delivery) for delivery in deliveries] == [False] * 6 + [True]
    assert sum(authorizations.delays) == 126
    assert authorizations.statuses == [result]


def test_the_first_settled_delivery_is_a_minute_after_the_one_before():
    assert backoff_seconds(workflow.FIRST_SETTLED_DELIVERY - 1) >= 60


def test_a_failed_order_is_retried_while_a_charge_may_be_pending(authorizations: Authorizations):
    """Another delivery of the event has published Payment declined; this one got no response to its charge."""
    authorizations.provider = provider = SlowProvider()
    assert not authorizations.deliver()
    authorizations.order["backend_status"] = "Card declined"
    assert not authorizations.deliver(2)
    provider.complete()
    assert authorizations.deliver(3)
    assert authorizations.dead_letter_reasons() == ["CHARGED_AFTER_FAILURE"]
    assert authorizations.published == []


# --- responses that cannot be used ---


@pytest.mark.parametrize("status", [401, 403, 302])
def test_an_order_that_cannot_be_loaded_is_retried(authorizations: Authorizations, status: int):
    authorizations.order_response = Answer(status, {})
    assert not authorizations.deliver()
    assert authorizations.faults.calls == ["load order", "ChangeMessageVisibility"]


def test_the_delay_doubles_with_each_delivery(authorizations: Authorizations):
    authorizations.order_response = Answer(403, {})
    assert [authorizations.deliver(receive_count) for receive_count in (1, 2, 3)] == [False] * 3
    assert authorizations.delays == [2, 4, 8]


@pytest.mark.parametrize("body", [None, [], {}, {"customer_id": "C1"}])
def test_a_response_that_is_not_an_order_is_retried_without_a_charge(authorizations: Authorizations, body: Any):
    authorizations.order_response = Answer(200, body)
    assert not authorizations.deliver()
    assert authorizations.provider.created == 0


@pytest.mark.parametrize(
    "charge",
    [
        None,
        [],
        {},
        {"charge_id": "ch-1"},
        {"charge_id": "ch-1", "status": "pending", "amount": 7998, "currency": "EUR"},
    ],
)
def test_a_response_that_is_not_a_charge_of_known_status_is_retried(authorizations: Authorizations, charge: Any):
    authorizations.provider.charges[ORDER_NUMBER] = charge
    assert not authorizations.deliver()
    assert authorizations.published == []


def test_an_idempotency_key_in_use_is_looked_up_again(authorizations: Authorizations):
    authorizations.provider.refusal = Answer(409, {})
    assert not authorizations.deliver()
    attempt = ["find charge", "create charge"]
    assert authorizations.faults.calls == ["load order", *attempt, *attempt, "ChangeMessageVisibility"]
    assert authorizations.published == []
