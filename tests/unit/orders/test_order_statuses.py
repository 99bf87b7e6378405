"""The table of statuses, and what the API has of it: its mapping template and its schema."""

import json
import re
from graphlib import TopologicalSorter

import pytest
import yaml

from model.settings import ROOT
from orders.domain.statuses import COMPLETE, FAILED, PROCESSING, REASONS, STATUSES
from tests.present import present

# As on the slide of the talk.
SLIDE = {
    "Validating": PROCESSING,
    "Validation failed": FAILED,
    "Payment authorized": PROCESSING,
    "Payment processing": PROCESSING,
    "Card declined": FAILED,
    "Sent to fulfillment": COMPLETE,
}
# An operator cancels an order that cannot be completed.
LABELS = SLIDE | {"Cancelled": FAILED}


def status_response() -> str:
    document = yaml.safe_load((ROOT / "schemas" / "api" / "orders.yaml").read_text())
    integration = document["paths"]["/v1/orders/{order_number}/status"]["get"]["x-amazon-apigateway-integration"]
    return integration["responses"]["default"]["responseTemplates"]["application/json"]


def test_statuses_are_those_of_the_slide_and_cancelled():
    assert {name: status.public for name, status in STATUSES.items()} == LABELS


def test_the_mapping_template_has_the_public_statuses_of_the_table():
    public = re.search(r"#set\(\$public = (\{.*\})\)", status_response())
    assert json.loads(present(public)[1]) == LABELS


def test_the_api_document_has_each_reason_and_public_status():
    document = yaml.safe_load((ROOT / "schemas" / "api" / "orders.yaml").read_text())
    properties = document["components"]["schemas"]["OrderStatus"]["properties"]
    assert tuple(properties["reason_code"]["enum"]) == REASONS
    assert set(properties["status"]["enum"]) == set(LABELS.values())


@pytest.mark.parametrize("name", STATUSES)
def test_no_status_follows_a_terminal_one(name: str):
    followers = [other for other, status in STATUSES.items() if name in status.after]
    assert bool(followers) != STATUSES[name].terminal
    assert STATUSES[name].terminal == (STATUSES[name].public != PROCESSING)


def test_each_status_can_be_reached_and_none_is_reached_twice():
    assert [name for name, status in STATUSES.items() if not status.after] == ["Validating"]
    # Raises CycleError.
    order = TopologicalSorter({name: status.after for name, status in STATUSES.items()}).static_order()
    assert set(order) == set(STATUSES)
