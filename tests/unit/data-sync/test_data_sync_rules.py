"""Which event is synced where, and what a platform's answer means."""

import itertools
from typing import Any

import pytest
import yaml

from data_sync.domain import DONE, LATER, REFUSED, SPOKES, SYNCS, UNKNOWN, UNKNOWN_RECEIVES, purpose, sync_body, verdict
from local.settings import ROOT

LOGIN, COMPLETE = ("CUSTOMER", "SESSION", "LOGIN"), ("CHECKOUT", "ORDER", "COMPLETE")
UPDATED, MISMATCH = ("CUSTOMER", "PROFILE", "UPDATED"), ("CUSTOMER", "IDENTITY", "MISMATCH")


class Template(yaml.CSafeLoader):
    """Reads short-form intrinsics as nothing: only the patterns are of interest."""


Template.add_multi_constructor("!", lambda loader, suffix, node: None)


def routed() -> set[tuple[str, tuple[str, ...]]]:
    """Every (spoke, event) that the rules of the template let through."""
    resources = yaml.load((ROOT / "templates" / "data-sync.yaml").read_text(), Template)["Resources"]
    found: set[tuple[str, tuple[str, ...]]] = set()
    for spoke in SPOKES:
        pattern = resources[f"{spoke.capitalize()}Rule"]["Properties"]["EventPattern"]
        for one in pattern.get("$or", [pattern]):
            meta_data: dict[str, Any] = one["detail"]["event"]["meta_data"]
            kinds = itertools.product(meta_data["type"], meta_data["subtype"], meta_data["status"])
            found |= {(spoke, kind) for kind in kinds}
    return found


def test_the_rules_of_the_template_are_those_of_the_table():
    assert routed() == {(spoke, kind) for kind, spokes in SYNCS.items() for spoke in spokes}


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
def test_who_syncs_what(kind, spokes):
    assert {spoke for spoke in SPOKES if purpose(spoke, kind)} == spokes


def test_commerce_is_told_the_kind_and_references_only():
    data = {"order_number": "T100000001", "customer_id": "C1", "email": "someone@example.com", "name": "Someone"}
    assert sync_body("customer", "purchase", "s1", "e1", "2026-01-01T12:00:00Z", data) == {
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


def test_rewards_is_told_the_same_without_a_wrapper():
    assert sync_body("vip", "refresh", "s1", "e1", "2026-01-01T12:00:00Z", {"customer_id": "C1"}) == {
        "event_id": "s1",
        "purpose": "refresh",
        "causation_id": "e1",
        "occurred_at": "2026-01-01T12:00:00Z",
        "origin": "data-sync",
    }


@pytest.mark.parametrize("spoke", SPOKES)
@pytest.mark.parametrize(
    ("status", "expected"), [(200, DONE), (201, DONE), (204, DONE), (410, DONE), (400, REFUSED), (409, REFUSED)]
)
def test_what_an_answer_means(spoke, status, expected):
    assert verdict(spoke, status, 1) == expected


@pytest.mark.parametrize(("spoke", "in_the_end"), [("customer", UNKNOWN), ("wishlist", UNKNOWN), ("vip", DONE)])
def test_an_unknown_customer_is_waited_for_and_then_given_up(spoke, in_the_end):
    seen = [verdict(spoke, 404, receives) for receives in range(1, UNKNOWN_RECEIVES + 2)]
    assert seen == [LATER] * (UNKNOWN_RECEIVES - 1) + [in_the_end] * 2
