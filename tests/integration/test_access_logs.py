"""Access logs of a deployed shop: who sent a request, and nothing that opens what it was about."""

import ipaddress
import json
import time
from typing import Any

from tools.client import Shop, eventually, unique
from tools.drivers.customers import sign_in


def logged(shop: Shop, service: str, since: int, resource: str) -> dict[str, Any] | None:
    """The latest line of a resource in a service's access log, None until it is there: lines arrive late."""
    group = f"/setpieces/{shop.stage}/api/{service}"
    pages = shop.aws("logs").get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
    lines = [json.loads(event["message"]) for page in pages for event in page["events"]]
    matching = [line for line in lines if resource in (line.get("resource"), line.get("path"))]
    return matching[-1] if matching else None


def test_a_request_is_attributed_to_an_address_and_a_customer(shop: Shop):
    customer = shop.samples["customer"]
    session = sign_in(shop, customer["email"], customer["password"])
    since = int(time.time() * 1000) - 1000
    response = shop.call("GET", "/orders/v1/orders", headers={"Authorization": f"Bearer {session}"})
    assert response.status_code == 200, response.text
    line = eventually(lambda: logged(shop, "orders", since, "/orders/v1/orders"))
    ipaddress.ip_address(line["ip"])
    assert line["principal"] == customer["customer_id"]
    assert session not in json.dumps(line)


def test_a_log_does_not_name_the_basket(shop: Shop):
    basket, since = unique("b"), int(time.time() * 1000) - 1000
    shop.call("GET", f"/basket/v1/baskets/{basket}")
    line = eventually(lambda: logged(shop, "basket", since, "/v1/baskets/{basket_id}"))
    assert basket not in json.dumps(line)
