"""Updates on the FIFO queue become events on the bus, with their effects on external systems."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.schedules import fired_now
from tools.client import Shop, eventually, unique
from tools.events import listening, receive_events

AT = "2026-01-01T12:00:00+00:00"
RELAY = "event-relay-relay-events"


def send(shop: Shop, *updates: Any) -> None:
    """Send updates, or any text, to the queue as the platform does, in the group of their order or customer."""
    queue = shop.address("event-relay", "queue-url")
    for update in updates:
        group = update["id"] if isinstance(update, dict) else "unreadable"
        body = json.dumps(update) if isinstance(update, dict) else update
        shop.aws("sqs").send_message(QueueUrl=queue, MessageBody=body, MessageGroupId=group)


def customer(name: str, version: int) -> dict[str, Any]:
    return {"kind": "customer", "id": name, "update": "updated", "version": version, "occurred_at": AT}


def run_relay(shop: Shop) -> None:
    """Invoke the relay now instead of waiting for its schedule; a scheduled run may overlap."""
    response = shop.aws("lambda").invoke(FunctionName=f"setpieces-{shop.stage}-{RELAY}")
    assert "FunctionError" not in response, response["Payload"].read()


def collect_events(
    shop: Shop, url: str, received_events: list[dict[str, Any]], customers: set[str]
) -> list[dict[str, Any]]:
    """Collects the events of ``customers`` so far, in the order in which the bus delivered them."""
    received_events += [event["detail"]["event"] for event in receive_events(shop, url, wait_seconds=1)]
    return [event for event in received_events if event["data"]["customer_id"] in customers]


def test_a_complete_order_of_the_platform_reaches_the_syncs(shop: Shop):
    name, number = unique("C"), f"T{int(unique('')[1:], 16) % 10**9:09}"
    order = {"kind": "order", "id": number, "update": "complete", "customer_id": name, "occurred_at": AT}
    send(shop, order)
    run_relay(shop)
    entries = eventually(lambda: len(ledger := shop.ledger("customers", name)) == 2 and ledger)
    assert {entry.get("data", entry)["order_number"] for entry in entries} == {number}


def test_a_group_keeps_its_order_and_an_invalid_update_blocks_no_other(shop: Shop):
    names, nonsense = [unique("C") for _ in range(4)], unique("not json")
    with listening(shop) as url:
        for version in range(1, 7):
            send(shop, *(customer(name, version) for name in names))
            send(shop, customer(names[0], version) | {"update": f"renamed-{version}"})
        send(shop, nonsense)
        run_relay(shop)
        received_events: list[dict[str, Any]] = []
        events = eventually(lambda: len(some := collect_events(shop, url, received_events, set(names))) == 24 and some)
    first_events: dict[str, dict[str, Any]] = {}
    for event in events:
        assert first_events.setdefault(event["meta_data"]["event_id"], event) == event
    assert len(first_events) == 24
    rejected: list[tuple[str, str]] = []
    eventually(lambda: len(dead_letters(shop, rejected, (names[0], nonsense))) == 7)
    reasons = [reason for _, reason in rejected]
    assert (reasons.count("UNKNOWN_UPDATE"), reasons.count("INVALID_JSON")) == (6, 1)


def dead_letters(shop: Shop, letters: list[tuple[str, str]], about: tuple[str, ...]) -> list[tuple[str, str]]:
    """(body, reason) of the dead letters that contain one of ``about``; those are removed from the queue."""
    sqs = shop.aws("sqs")
    url = sqs.get_queue_url(QueueName=f"setpieces-{shop.stage}-event-relay-updates-dlq.fifo")["QueueUrl"]
    response = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=5
    )
    for message in response.get("Messages", []):
        if any(name in message["Body"] for name in about):
            letters.append((message["Body"], message["MessageAttributes"]["reason"]["StringValue"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return letters


def test_the_same_update_twice_is_one_event(shop: Shop):
    name = unique("C")
    with listening(shop) as url:
        send(shop, customer(name, 1), customer(name, 1))
        run_relay(shop)
        received_events: list[dict[str, Any]] = []
        eventually(lambda: collect_events(shop, url, received_events, {name}))
        send(shop, customer(name, 2))
        run_relay(shop)
        eventually(lambda: len(collect_events(shop, url, received_events, {name})) > 1)
    assert [event["data"]["version"] for event in filter_events(received_events, name)] == [1, 2]


def filter_events(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["data"]["customer_id"] == name]


def test_an_update_that_the_shop_caused_is_not_published(shop: Shop):
    name = unique("C")
    with listening(shop) as url:
        send(shop, customer(name, 1) | {"origin": "data-sync"}, customer(name, 2))
        run_relay(shop)
        received_events: list[dict[str, Any]] = []
        events = eventually(lambda: collect_events(shop, url, received_events, {name}))
    assert [event["data"]["version"] for event in events] == [2]


def test_overlapping_runs_lose_and_repeat_no_event(shop: Shop):
    names = [unique("C") for _ in range(60)]
    send(shop, *(customer(name, version) for name in names for version in (1, 2)))
    with listening(shop) as url, ThreadPoolExecutor(3) as runs:
        list(runs.map(lambda _: run_relay(shop), range(9)))
        received_events: list[dict[str, Any]] = []
        events = eventually(lambda: len(some := collect_events(shop, url, received_events, set(names))) >= 120 and some)
    for name in names:
        assert [event["data"]["version"] for event in events if event["data"]["customer_id"] == name] == [1, 2]
    assert len({event["meta_data"]["event_id"] for event in events}) == len(events) == 120


def test_as_an_event_source_the_queue_has_the_same_effect(shop: Shop):
    name = unique("C")
    batch = shop.event("event-relay/relay_batch.json")
    record = batch["Records"][1]
    record |= {"messageId": unique("m"), "body": json.dumps(customer(name, 3))}
    poison = record | {"messageId": unique("m"), "body": json.dumps({"kind": "unheard of", "id": name})}
    response = shop.aws("lambda").invoke(
        FunctionName=f"setpieces-{shop.stage}-event-relay-relay-batch",
        Payload=json.dumps({"Records": [record, poison]}),
    )
    assert json.loads(response["Payload"].read()) == {"batchItemFailures": []}
    assert eventually(lambda: dead_letters(shop, [], (name,)))
    (entry,) = eventually(lambda: shop.ledger("customers", name))
    assert entry["data"]["version"] == 3


@pytest.mark.local_only("it passes a role of the shop on to a schedule")
def test_the_schedule_runs_the_relay(shop: Shop):
    """Its target, role and retries, without waiting for the minute."""
    schedule = shop.aws("scheduler").get_schedule(Name=f"setpieces-{shop.stage}-event-relay")
    assert (schedule["State"], schedule["ScheduleExpression"]) == ("ENABLED", "rate(1 minute)")
    name = unique("C")
    send(shop, {"kind": "customer", "id": name, "update": "login", "occurred_at": AT})
    kinds = ["customer", "vip", "wishlist"]
    with fired_now(shop, "event-relay"):
        eventually(lambda: sorted(e.get("kind", "vip") for e in shop.ledger("customers", name)) == kinds)
