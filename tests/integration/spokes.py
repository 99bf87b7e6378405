"""Helpers of the tests of the bus and its spokes: put events on the bus, read dead-letter queues."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from setpieces.events import DETAIL_TYPE, Event
from tools.client import Shop, eventually, unique, with_retries
from tools.dead_letters import DeadLetter, messages_of


def put(shop: Shop, *events: Event, source: str) -> None:
    """Put events on the bus as the service ``source`` would."""
    bus = shop.address("event-bus", "bus-name")
    entries = [
        {
            "EventBusName": bus,
            "Source": f"service-{source}-{shop.stage}",
            "DetailType": DETAIL_TYPE,
            "Detail": json.dumps(event.detail()),
        }
        for event in events
    ]
    for start in range(0, len(entries), 10):
        assert shop.aws("events").put_events(Entries=entries[start : start + 10])["FailedEntryCount"] == 0


def about(shop: Shop, order_number: str, *kind: str, **data: Any) -> Event:
    """An event about an order of the sample customer, e.g. ``about(shop, number, "CHECKOUT", "ORDER", "COMPLETE")``."""
    data = {"order_number": order_number, "customer_id": customer_id(shop), **data}
    return Event(kind, data, correlation_id=unique("test"))  # type: ignore[arg-type]


def customer_id(shop: Shop) -> str:
    """The sample customer, whom every platform knows."""
    return shop.samples["customer"]["customer_id"]


def next_order_number(shop: Shop) -> str:
    return with_retries(lambda: shop.call("POST", "/sequences/v1/sequences/order/next", sign=True)).json()["formatted"]


def place(shop: Shop, number: str, sku: str = "PLATFORM-1") -> None:
    """Put an order on the commerce platform, as order completion does; by default of a product without a stock."""
    order = {
        "order_number": number,
        "customer_id": customer_id(shop),
        "lines": [{"sku": sku, "quantity": 1, "unit_price": 3999}],
        "totals": {"amount": 3999, "currency": "EUR"},
        "ship_to": {"country": "DE", "postal_code": "50667"},
        "status": "Complete",
    }
    response = with_retries(lambda: shop.call("PUT", f"/partners/v1/commerce/orders/{number}", json=order))
    assert response.status_code in (200, 201), response.text


def placed(shop: Shop) -> str:
    """The number of a new order on the commerce platform."""
    number = next_order_number(shop)
    place(shop, number)
    return number


def dead_letters(shop: Shop, queue: str, about: str) -> list[DeadLetter]:
    """The messages about an order or customer in ``setpieces-<stage>-<queue>``, taken out; others stay."""
    sqs = shop.aws("sqs")
    url = sqs.get_queue_url(QueueName=f"setpieces-{shop.stage}-{queue}")["QueueUrl"]
    with messages_of(shop, url) as letters:
        matching = [letter for letter in letters if letter.about == about]
        for letter in matching:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=letter.message["ReceiptHandle"])
    return matching


@contextmanager
def drained(shop: Shop, *queues: str) -> Iterator[None]:
    """Waits after the block until the queues hold no more messages than before it."""
    before = {queue: waiting(shop, queue) for queue in queues}
    yield
    for queue in queues:
        eventually(partial(is_drained, shop, queue, before[queue]))


def is_drained(shop: Shop, queue: str, before: int) -> bool:
    return waiting(shop, queue) <= before


def waiting(shop: Shop, queue: str, *states: str) -> int:
    """How many messages a queue holds, or with ``"NotVisible"`` only those that are being tried or wait for the next try."""
    sqs = shop.aws("sqs")
    url = sqs.get_queue_url(QueueName=f"setpieces-{shop.stage}-{queue}")["QueueUrl"]
    names = [f"ApproximateNumberOfMessages{state}" for state in states or ("", "NotVisible")]
    return sum(map(int, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()))
