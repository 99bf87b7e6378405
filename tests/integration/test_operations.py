"""The live map: queues, events of the bus, and the events of one checkout, over HTTP and as a page."""

import json
from typing import Any

import httpx
import pytest

from tests.integration.browsers import browser, page_text, sign_in
from tests.integration.checkouts import body, ended, fill_basket, session_of, submit
from tools.client import Shop, eventually, unique
from tools.feeds import admin_session

ARCHITECTURE, EVENTS = "/operations/v1/architecture", "/operations/v1/events"


@pytest.fixture(scope="module")
def session(shop: Shop) -> dict[str, str]:
    return admin_session(shop)


@pytest.fixture
def checkout(shop: Shop, products: list[dict]) -> str:
    """The correlation id of a completed order."""
    correlation_id = unique("traced")
    payload = body(fill_basket(shop, products[0]))
    response = submit(shop, payload, **{"X-Correlation-Id": correlation_id})
    assert ended(shop, response.json()["order_number"])["status"] == "Complete"
    return correlation_id


def queues(shop: Shop, session: dict[str, str]) -> dict[str, dict[str, Any]]:
    response = shop.call("GET", ARCHITECTURE, headers=session)
    assert response.status_code == 200, response.text
    return {queue["name"]: queue for service in response.json()["services"] for queue in service["queues"]}


def test_every_queue_of_the_shop_is_on_the_map(shop: Shop, session: dict[str, str]):
    prefix = f"setpieces-{shop.stage}-"
    pages = shop.aws("sqs").get_paginator("list_queues").paginate(QueueNamePrefix=prefix)
    there = {url.rpartition("/")[2].removeprefix(prefix) for page in pages for url in page.get("QueueUrls", [])}
    # ``make events`` (tools/events.py) may have a queue on the bus, which belongs to no service.
    assert set(queues(shop, session)) == {name for name in there if not name.startswith("tail-")}


def test_a_dead_letter_is_counted_and_stays_on_its_queue(shop: Shop, session: dict[str, str]):
    sqs, name = shop.aws("sqs"), "orders-payment-dlq"
    url = sqs.get_queue_url(QueueName=f"setpieces-{shop.stage}-{name}")["QueueUrl"]
    before = queues(shop, session)[name]["waiting"]
    message = sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"note": unique("dead")}))
    try:
        queue_view = eventually(lambda: (queue := queues(shop, session)[name])["waiting"] > before and queue)
        assert (queue_view["dead_letters"], queue_view["in_work"]) == (True, 0)
    finally:
        remove(sqs, url, message["MessageId"])


def remove(sqs: Any, url: str, message_id: str) -> None:
    def gone() -> bool:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=5).get("Messages", [])
        matching = [message for message in messages if message["MessageId"] == message_id]
        for message in matching:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bool(matching)

    eventually(gone, every=1)


def test_the_events_of_one_checkout_are_listed(shop: Shop, session: dict[str, str], checkout: str):
    def list_events() -> list[dict[str, Any]]:
        response = shop.call("GET", f"{EVENTS}?correlation_id={checkout}", headers=session)
        assert response.status_code == 200, response.text
        events = response.json()["events"]
        return events if len(events) >= 3 else []

    events = eventually(list_events)
    assert [event["event"] for event in events] == [
        "CHECKOUT/ORDER/COMPLETE",
        "CHECKOUT/PAYMENT/AUTHORIZED",
        "CHECKOUT/ORDER/SUBMIT",
    ]
    assert {event["correlation_id"] for event in events} == {checkout}
    latest = shop.call("GET", EVENTS, headers=session).json()["events"]
    assert latest == sorted(latest, key=lambda event: event["occurred_at"], reverse=True)
    assert len(latest) <= 50


@pytest.mark.parametrize("path", [ARCHITECTURE, EVENTS])
def test_the_map_is_for_administrators(shop: Shop, path: str):
    token = session_of(shop, "customer")
    assert shop.call("GET", path).status_code == 401
    assert shop.call("GET", path, headers={"Authorization": f"Bearer {token}"}).status_code == 403


def test_an_invalid_correlation_id_is_400(shop: Shop, session: dict[str, str]):
    response = shop.call("GET", f"{EVENTS}?correlation_id=%22%20a", headers=session)
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, "/correlation_id")


@pytest.mark.local_only("it needs the image of the storefront, which no pipeline builds")
def test_the_page_shows_services_queues_and_events(shop: Shop, checkout: str):
    with browser(shop.url("")) as client:
        sign_in(client, shop, "admin", "/admin")

        def complete_page() -> httpx.Response | None:
            page = client.get("/admin/architecture", params={"checkout": checkout})
            return page if page.status_code == 200 and "CHECKOUT/ORDER/COMPLETE from" in page_text(page) else None

        page = eventually(complete_page, every=0.5)
    text = page_text(page)
    assert checkout in text
    assert "received by payments" in text
    assert "orders-payment-dlq (dead letters)" in text
    assert page.text.count("<g class=") >= 20
