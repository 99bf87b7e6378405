"""The table of statuses, exhaustively, and the mapping template that shows them to customers."""

import json
import re
from graphlib import TopologicalSorter

import pytest
import yaml

from local.settings import ROOT
from orders.domain.statuses import COMPLETE, FAILED, PROCESSING, REASONS, STATUSES
from tests.present import present

# As on the talk's slide.
SLIDE = {
    "Validating": PROCESSING,
    "Validation failed": FAILED,
    "Payment authorized": PROCESSING,
    "Payment processing": PROCESSING,
    "Card declined": FAILED,
    "Sent to fulfillment": COMPLETE,
}
# A person ends an order that nothing else can.
LABELS = SLIDE | {"Cancelled": FAILED}


def status_response() -> str:
    document = yaml.safe_load((ROOT / "schemas" / "api" / "orders.yaml").read_text())
    integration = document["paths"]["/v1/orders/{order_number}/status"]["get"]["x-amazon-apigateway-integration"]
    return integration["responses"]["default"]["responseTemplates"]["application/json"]


def test_the_labels_are_the_slides():
    assert {name: status.public for name, status in STATUSES.items()} == LABELS


def test_the_mapping_template_shows_what_the_table_says():
    shown = re.search(r"#set\(\$public = (\{.*\})\)", status_response())
    assert json.loads(present(shown)[1]) == LABELS


def test_the_api_document_knows_every_reason():
    document = yaml.safe_load((ROOT / "schemas" / "api" / "orders.yaml").read_text())
    properties = document["components"]["schemas"]["OrderStatus"]["properties"]
    assert tuple(properties["reason_code"]["enum"]) == REASONS
    assert set(properties["status"]["enum"]) == set(LABELS.values())


@pytest.mark.parametrize("name", STATUSES)
def test_nothing_follows_a_terminal_status(name: str):
    followers = [other for other, status in STATUSES.items() if name in status.after]
    assert bool(followers) != STATUSES[name].terminal
    assert STATUSES[name].terminal == (STATUSES[name].public != PROCESSING)


def test_every_status_is_reached_and_no_way_leads_back():
    assert [name for name, status in STATUSES.items() if not status.after] == ["Validating"]
    # Raises CycleError.
    order = TopologicalSorter({name: status.after for name, status in STATUSES.items()}).static_order()
    assert set(order) == set(STATUSES)
