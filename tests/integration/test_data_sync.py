"""Events on the bus, effects on the platforms: each sync once, despite repetitions and failures."""

import json
from uuid import uuid4

import pytest

from tests.integration.spokes import drained
from tools.client import Shop, eventually, unique

LOGIN, COMPLETE = ("CUSTOMER", "SESSION", "LOGIN"), ("CHECKOUT", "ORDER", "COMPLETE")
UPDATED, MISMATCH = ("CUSTOMER", "PROFILE", "UPDATED"), ("CUSTOMER", "IDENTITY", "MISMATCH")
PRODUCERS = {LOGIN: "login", COMPLETE: "order", UPDATED: "customers", MISMATCH: "customers"}
ORDER = {"order_number": "T123456789"}


def put(shop: Shop, kind: tuple[str, str, str], data: dict, event_id: str = "", times: int = 1) -> str:
    """Put an event on the bus ``times`` times, as its producer would; its id."""
    event_id = event_id or str(uuid4())
    meta_data = dict(zip(("type", "subtype", "status"), kind, strict=True)) | {
        "site_id": "Brick Shop",
        "version": "1",
        "event_id": event_id,
        "correlation_id": unique("sync"),
        "occurred_at": "2026-01-01T12:00:00.000+00:00",
    }
    entry = {
        "EventBusName": shop.address("event-bus", "bus-name"),
        "Source": f"service-{PRODUCERS[kind]}-{shop.stage}",
        "DetailType": "State change Notification",
        "Detail": json.dumps({"event": {"meta_data": meta_data, "data": data}}),
    }
    assert shop.aws("events").put_events(Entries=[entry] * times)["FailedEntryCount"] == 0
    return event_id


def synced(shop: Shop, customer_id: str) -> list[tuple[str, str]]:
    """(kind, event behind it) of every sync that a platform took, in the order of kinds."""
    entries = shop.ledger("customers", customer_id)
    return sorted((entry.get("kind", "vip"), entry.get("data", entry)["causation_id"]) for entry in entries)


@pytest.mark.parametrize(
    ("kind", "more", "spokes"),
    [
        (LOGIN, {}, ["customer", "vip", "wishlist"]),
        (COMPLETE, ORDER, ["customer", "vip"]),
        (UPDATED, {"version": 3}, ["customer"]),
        (MISMATCH, {}, ["customer"]),
    ],
)
def test_each_event_reaches_its_platforms_once_though_it_comes_twice(shop: Shop, kind, more, spokes):
    customer_id = unique("C")
    with drained(shop, *(f"data-sync-{spoke}" for spoke in spokes)):
        event_id = put(shop, kind, {"customer_id": customer_id, **more}, times=2)
        expected = [(spoke, event_id) for spoke in spokes]
        eventually(lambda: synced(shop, customer_id) == expected)
    assert synced(shop, customer_id) == expected


def test_the_platform_gets_references_and_no_more(shop: Shop):
    customer_id = unique("C")
    put(shop, COMPLETE, {"customer_id": customer_id, "email": "someone@example.com", **ORDER})
    entries = eventually(lambda: len(ledger := shop.ledger("customers", customer_id)) == 2 and ledger)
    for entry in entries:
        payload = entry.get("data", entry)
        assert payload["order_number"] == ORDER["order_number"]
        assert payload["purpose"] == "purchase"
    assert "someone@example.com" not in json.dumps(entries)


def test_an_outage_of_one_platform_delays_no_other_and_loses_nothing(shop: Shop):
    customer_id = unique("C")
    with shop.faults("commerce", outage=True):
        event_id = put(shop, LOGIN, {"customer_id": customer_id})
        eventually(lambda: synced(shop, customer_id) == [("vip", event_id)])
    everything = [(spoke, event_id) for spoke in ("customer", "vip", "wishlist")]
    eventually(lambda: synced(shop, customer_id) == everything)


def test_an_invalid_event_is_a_dead_letter_with_its_reason(shop: Shop):
    sqs, name = shop.aws("sqs"), f"setpieces-{shop.stage}-data-sync-wishlist"
    queue, dead = (sqs.get_queue_url(QueueName=each)["QueueUrl"] for each in (name, f"{name}-dlq"))
    body = json.dumps({"detail": {"event": unique("nothing")}})
    sqs.send_message(QueueUrl=queue, MessageBody=body)

    def reason() -> str | None:
        response = sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"], VisibilityTimeout=0)
        for message in response.get("Messages", []):
            if message["Body"] == body:
                received = sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"])["Messages"][0]
                sqs.delete_message(QueueUrl=dead, ReceiptHandle=received["ReceiptHandle"])
                return message["MessageAttributes"]["reason"]["StringValue"]
        return None

    assert eventually(reason) == "INVALID_EVENT"
