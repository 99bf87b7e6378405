"""Administrators see every service with its queues and their dead letters."""

from collections.abc import Callable

import boto3
import pytest

from operations.clients import list_queues
from operations.domain import Queue, group_by_service
from tests.faults import Faults, refused
from tests.service import Service

SERVICES = ("feeds", "feed-pipeline", "customer", "customers")


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("feed-pipeline-records-product", "feed-pipeline"),
        ("feeds-x", "feeds"),
        ("customers-x", "customers"),
        ("customer-x", "customer"),
        ("stranger-x", None),
        ("feeds", None),
    ],
)
def test_a_queue_belongs_to_the_service_whose_name_its_own_begins_with(name: str, owner: str | None):
    queue = Queue(name, 1, 2, 3)
    expected = {service: [queue] if service == owner else [] for service in SERVICES}
    assert group_by_service([queue], SERVICES) == expected


@pytest.mark.parametrize(
    ("name", "has_dead_letters"),
    [("a", False), ("a-dlq", True), ("a-dlq.fifo", True), ("a-parked", True), ("a.fifo", False), ("dlq-a", False)],
)
def test_a_queue_of_dead_letters_is_known_by_its_name(name: str, has_dead_letters: bool):
    assert Queue(name, 0, 0, 0).has_dead_letters == has_dead_letters


@pytest.fixture
def operations(service: Callable[..., Service]) -> Service:
    return service("operations")


def test_every_service_is_shown_and_sends_its_events_to_others(operations: Service):
    status, headers, body = operations.call("show_architecture")
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    names = {service["name"] for service in body["services"]}
    assert {"orders", "sequences", "storefront"} <= names
    assert {route["to"] for service in body["services"] for route in service["tells"]} <= names
    assert all(service["queues"] == [] for service in body["services"])


def test_queues_of_the_stage_are_shown_with_their_messages(operations: Service):
    sqs = boto3.client("sqs")
    names = ("setpieces-local-orders-submit", "setpieces-local-orders-submit-dlq", "setpieces-dev-orders-submit")
    for name in names:
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        for _ in range(2):
            sqs.send_message(QueueUrl=url, MessageBody="m")
    sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName=names[0])["QueueUrl"], MaxNumberOfMessages=1)
    queues = {service["name"]: service["queues"] for service in operations.call("show_architecture").body["services"]}
    assert queues.pop("orders") == [
        {"name": "orders-submit", "waiting": 1, "in_work": 1, "delayed": 0, "dead_letters": False},
        {"name": "orders-submit-dlq", "waiting": 2, "in_work": 0, "delayed": 0, "dead_letters": True},
    ]
    assert not any(queues.values())


def test_a_queue_that_is_deleted_after_it_was_listed_is_left_out(operations: Service, faults: Faults):
    boto3.client("sqs").create_queue(QueueName="setpieces-local-orders-submit")
    error = refused("GetQueueAttributes", "AWS.SimpleQueueService.NonExistentQueue")
    with faults.fail("GetQueueAttributes", error), operations.acting_as("show_architecture"):
        assert list_queues() == []
