"""Which event is synced with which external system, and the meaning of its responses."""

import itertools
from typing import Any

import pytest

from data_sync.domain import (
    MAX_RECEIVES_OF_UNKNOWN_CUSTOMER,
    SPOKES,
    SYNCS,
    Kind,
    Spoke,
    Sync,
    check_response,
    find_purpose,
    select_references,
)
from model.templates import pieces
from setpieces.errors import PermanentFailure, RetryLater

LOGIN, COMPLETE = ("CUSTOMER", "SESSION", "LOGIN"), ("CHECKOUT", "ORDER", "COMPLETE")
UPDATED, MISMATCH = ("CUSTOMER", "PROFILE", "UPDATED"), ("CUSTOMER", "IDENTITY", "MISMATCH")


def routed_events(spoke: str) -> set[tuple[str, ...]]:
    """The kinds of events that the template routes to the queue of a spoke."""
    rule = pieces()["data-sync"].of_type("AWS::Events::Rule")[f"{spoke.capitalize()}Rule"]
    pattern = rule["EventPattern"]
    kinds: set[tuple[str, ...]] = set()
    for alternative in pattern.get("$or", [pattern]):
        meta_data: dict[str, Any] = alternative["detail"]["event"]["meta_data"]
        kinds |= {*itertools.product(meta_data["type"], meta_data["subtype"], meta_data["status"])}
    return kinds


@pytest.mark.parametrize("spoke", SPOKES)
def test_the_template_routes_the_events_that_a_spoke_syncs(spoke: str) -> None:
    assert routed_events(spoke) == {kind for kind, purposes in SYNCS.items() if spoke in purposes}


@pytest.mark.parametrize(
    ("kind", "spokes"),
    [
        (LOGIN, {"customer", "vip", "wishlist"}),
        (COMPLETE, {"customer", "vip"}),
        (UPDATED, {"customer"}),
        (MISMATCH, {"customer"}),
        (("CHECKOUT", "ORDER", "SUBMIT"), set()),
    ],
)
def test_an_event_is_synced_by_its_spokes(kind: Kind, spokes: set[str]) -> None:
    assert {name for name, spoke in SPOKES.items() if find_purpose(spoke, kind)} == spokes


def sync(spoke: str, purpose: str, references: dict[str, Any]) -> Sync:
    return Sync(SPOKES[spoke], "C1", purpose, "s1", "e1", "2026-01-01T12:00:00Z", references)


def test_a_sync_repeats_references_and_no_personal_data() -> None:
    data = {"order_number": "T100000001", "customer_id": "C1", "email": "someone@example.com", "name": "Someone"}
    assert select_references(data) == {"order_number": "T100000001"}


def test_the_commerce_platform_gets_the_kind_of_sync_and_its_data() -> None:
    assert sync("customer", "purchase", {"order_number": "T100000001"}).body == {
        "kind": "customer",
        "event_id": "s1",
        "data": {
            "purpose": "purchase",
            "causation_id": "e1",
            "occurred_at": "2026-01-01T12:00:00Z",
            "origin": "data-sync",
            "order_number": "T100000001",
        },
    }


def test_the_rewards_platform_gets_the_same_without_a_wrapper() -> None:
    assert sync("vip", "refresh", {}).body == {
        "event_id": "s1",
        "purpose": "refresh",
        "causation_id": "e1",
        "occurred_at": "2026-01-01T12:00:00Z",
        "origin": "data-sync",
    }


@pytest.mark.parametrize("spoke", SPOKES.values(), ids=SPOKES)
@pytest.mark.parametrize("status", [200, 201, 202, 204, 410])
def test_a_sync_ends_with_success_and_for_a_deleted_customer(spoke: Spoke, status: int) -> None:
    check_response(spoke, status, 1)


@pytest.mark.parametrize("spoke", SPOKES.values(), ids=SPOKES)
@pytest.mark.parametrize("status", [400, 409, 302])
def test_any_other_response_is_a_permanent_failure(spoke: Spoke, status: int) -> None:
    with pytest.raises(PermanentFailure, match="SYNC_REFUSED"):
        check_response(spoke, status, 1)


@pytest.mark.parametrize("spoke", SPOKES.values(), ids=SPOKES)
@pytest.mark.parametrize(("receive_count", "seconds"), [(1, 2), (2, 4), (3, 8)])
def test_a_sync_of_an_unknown_customer_is_retried(spoke: Spoke, receive_count: int, seconds: int) -> None:
    with pytest.raises(RetryLater) as raised:
        check_response(spoke, 404, receive_count)
    assert raised.value.seconds == seconds


@pytest.mark.parametrize("receive_count", [MAX_RECEIVES_OF_UNKNOWN_CUSTOMER, MAX_RECEIVES_OF_UNKNOWN_CUSTOMER + 1])
def test_an_unknown_customer_is_a_fault_where_every_customer_is_known(receive_count: int) -> None:
    for spoke in ("customer", "wishlist"):
        with pytest.raises(PermanentFailure, match="UNKNOWN_CUSTOMER"):
            check_response(SPOKES[spoke], 404, receive_count)
    check_response(SPOKES["vip"], 404, receive_count)
