"""Feeds from the upload to the catalogue: every record is accounted for, including invalid ones."""

import gzip
import json
import random
import time
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest

from tools import feed_samples, feeds
from tools.client import Shop, eventually, fetch, new_basket_id, unique, with_retries
from tools.dead_letters import messages_of, queues, redrive

TYPES = ("product", "pricing", "sku")


@pytest.fixture(scope="module")
def admin(shop: Shop) -> dict[str, str]:
    return feeds.admin_session(shop)


def series() -> str:
    """Products that no other test knows."""
    return unique("F").upper()


def run(shop: Shop, admin: dict[str, str], feed_type: str, content: bytes) -> dict[str, Any]:
    """The manifest of a feed, once all of it is accounted for."""
    feed_id = feeds.upload(shop, admin, feed_type, content)
    view = feeds.complete_manifest(shop, admin, feed_type, feed_id)
    assert view["received"] == view["transformed"] + view["rejected"]
    assert view["transformed"] == sum(view[name] for name in ("updated", "unchanged", "stale", "failed", "pending"))
    return view


def sample(feed_type: str, name: str, count: int = 3, version: int = 1) -> list[dict[str, Any]]:
    return list(feed_samples.records(feed_type, count, version=version, series=name))


def as_array(records: list[dict[str, Any]]) -> bytes:
    return json.dumps(records).encode()


def as_lines(records: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def platform(shop: Shop, sku: str) -> dict[str, Any]:
    return shop.call("GET", f"/partners/v1/commerce/products/{sku}").json()


def test_three_feeds_make_a_product_that_can_be_bought(shop: Shop, admin: dict[str, str]):
    name = series()
    for feed_type, form in zip(
        TYPES, (as_array, as_lines, lambda records: gzip.compress(as_lines(records))), strict=True
    ):
        feed = run(shop, admin, feed_type, form(sample(feed_type, name)))
        assert (feed["status"], feed["updated"]) == ("COMPLETE", 3)
    sku = f"{name}-000001"
    product, price = sample("product", name)[0], sample("pricing", name)[0]
    catalog_product = shop.call("GET", f"/catalog/v1/products/{sku}").json()
    assert (catalog_product["name"], catalog_product["unit_price"], catalog_product["available"]) == (
        product["name"],
        price["unit_price"],
        True,
    )
    added = shop.call("POST", f"/basket/v1/baskets/{new_basket_id('b')}/items", json={"sku": sku, "quantity": 2})
    assert added.status_code == 201
    assert added.json()["item"]["unit_price"] == price["unit_price"]


def test_each_sku_that_a_feed_may_have_can_be_bought(shop: Shop, admin: dict[str, str]):
    name = series()
    skus = [f"{name}{rest}" for rest in ("-lower", "_US", ".DOT", ":COL", "-" + "x" * 90)]
    for feed_type in TYPES:
        [record] = sample(feed_type, name, 1)
        records = [record | {"sku": sku} for sku in (*skus, f"{name} 1", f"{name}/1", f"{name}-1\n", "x" * 129)]
        feed = run(shop, admin, feed_type, as_array(records))
        assert (feed["updated"], feed["rejected"], feed["reasons"]) == (len(skus), 4, {"INVALID_RECORD": 4})
    basket = f"/basket/v1/baskets/{new_basket_id('b')}"
    for sku in skus:
        in_path = quote(sku, safe="")
        assert shop.call("GET", f"/catalog/v1/products/{in_path}").json()["sku"] == sku
        added = with_retries(partial(shop.call, "POST", f"{basket}/items", json={"sku": sku, "quantity": 1}))
        assert added.status_code == 201, added.text
        line = f"{basket}/items/{in_path}"
        assert with_retries(partial(shop.call, "PATCH", line, json={"quantity": 1})).status_code == 200
    assert {item["sku"] for item in shop.call("GET", basket).json()["items"]} == set(skus)


def test_the_same_feed_again_and_an_older_one_change_nothing(shop: Shop, admin: dict[str, str]):
    name = series()
    for feed_type in ("product", "pricing"):
        run(shop, admin, feed_type, as_array(sample(feed_type, name, version=5)))
    before = platform(shop, f"{name}-000002"), shop.ledger("products", f"{name}-000002")
    repeated = run(shop, admin, "pricing", as_array(sample("pricing", name, version=5)))
    assert (repeated["unchanged"], repeated["updated"]) == (3, 0)
    older = run(shop, admin, "pricing", as_array(sample("pricing", name, version=4)))
    assert (older["stale"], older["updated"]) == (3, 0)
    assert (platform(shop, f"{name}-000002"), shop.ledger("products", f"{name}-000002")) == before


def test_a_price_waits_for_its_product(shop: Shop, admin: dict[str, str]):
    name = series()
    feed_id = feeds.upload(shop, admin, "pricing", as_array(sample("pricing", name)))
    eventually(lambda: feeds.manifest(shop, admin, "pricing", feed_id).get("pending") == 3)
    run(shop, admin, "product", as_array(sample("product", name)))
    feed = feeds.complete_manifest(shop, admin, "pricing", feed_id)
    assert (feed["updated"], feed["failed"]) == (3, 0)


def test_dead_records_that_were_put_right_can_be_redriven(shop: Shop, admin: dict[str, str]):
    name = series()
    run(shop, admin, "product", as_array(sample("product", name, 1)))
    poison = [record | {"currency": "XAU"} for record in sample("pricing", name, 1)]
    view = run(shop, admin, "pricing", as_array(poison))
    assert (view["failed"], view["updated"]) == (1, 0)
    [queue] = queues(shop, "feed-pipeline-records-pricing-dlq")
    sqs = shop.aws("sqs")
    with messages_of(shop, queue) as letters:
        [letter] = [letter for letter in letters if name in letter.message["Body"]]
        sqs.send_message(QueueUrl=queue, MessageBody=letter.message["Body"].replace("XAU", "EUR"))
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=letter.message["ReceiptHandle"])
    assert redrive(shop, queue, rate=20) >= 1
    mended = lambda: feeds.manifest(shop, admin, "pricing", view["feed_id"])  # noqa: E731
    eventually(lambda: (mended()["failed"], mended()["updated"]) == (0, 1))


# --- the next tests have no prices: those wait for the probe ---
@dataclass(frozen=True)
class Blocked:
    """A pricing feed that met a platform which took no prices, and what others did meanwhile."""

    feed_id: str
    count: int
    meanwhile: dict[str, Any]
    through: list[dict[str, Any]]
    mapping: str


@pytest.fixture(scope="module")
def blocked(shop: Shop, admin: dict[str, str]) -> Blocked:
    """The platform takes prices again, but the circuit is still open: it is closed by the minute's probe."""
    name, count = series(), 60
    run(shop, admin, "product", as_array(sample("product", name, count)))
    mapping = shop.address("feed-pipeline", "pricing-mapping-id")
    with shop.faults("commerce", outage=True, operations=["update_pricing"]):
        feed_id = feeds.upload(shop, admin, "pricing", as_array(sample("pricing", name, count)))
        eventually(lambda: feeds.manifest(shop, admin, "pricing", feed_id).get("pending") == count)
        through = [
            run(shop, admin, feed_type, as_array(sample(feed_type, name, count, version=2)))
            for feed_type in ("product", "sku")
        ]
        meanwhile = feeds.manifest(shop, admin, "pricing", feed_id)
        eventually(lambda: state(shop, mapping) == "Disabled")
    return Blocked(feed_id, count, meanwhile, through, mapping)


def state(shop: Shop, mapping: str) -> str:
    return shop.aws("lambda").get_event_source_mapping(UUID=mapping)["State"]


def test_a_blocked_feed_holds_up_no_other(blocked: Blocked):
    """Pricing is down altogether; products and stock are through meanwhile."""
    assert [each["updated"] for each in blocked.through] == [blocked.count, blocked.count]
    assert (blocked.meanwhile["pending"], blocked.meanwhile["failed"]) == (blocked.count, 0)


def test_bad_records_are_rejected_one_by_one_with_reason_and_position(shop: Shop, admin: dict[str, str]):
    name = series()
    run(shop, admin, "product", as_lines(sample("product", name, 4)))
    good = sample("pricing", name, 4)
    # Feeds take each currency of ISO 4217, the simulated platform only some.
    lines = [
        json.dumps(good[0]),
        "{broken",
        json.dumps(good[1] | {"unit_price": 0}),
        json.dumps(good[2] | {"unit_price": -1}),
        json.dumps(good[3] | {"currency": "XAU"}),
    ]
    view = run(shop, admin, "pricing", "\n".join(lines).encode())
    assert (view["received"], view["rejected"], view["updated"], view["failed"]) == (5, 2, 2, 1)
    assert view["reasons"] == {"INVALID_JSON": 1, "INVALID_RECORD": 1, "INVALID_REQUEST": 1}
    [file] = view["errors"]
    manifest = [json.loads(line) for line in gzip.decompress(fetch(file["url"]).content).splitlines()]
    assert [(line["record"], line["reason"]) for line in manifest] == [(2, "INVALID_JSON"), (4, "INVALID_RECORD")]
    assert manifest[1]["pointer"] == "/unit_price"
    [queue] = queues(shop, "feed-pipeline-records-pricing-dlq")
    with messages_of(shop, queue) as letters:
        [letter] = [letter for letter in letters if f"{name}-000004" in letter.message["Body"]]
        assert letter.reason == "INVALID_REQUEST"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "EMPTY"),
        (b"sku;name\n1;x\n", "INVALID_JSON"),
        (b'{\n"lines": []}', "NO_ITEMS"),
        (b"\x1f\x8bx", "INVALID_GZIP"),
    ],
)
def test_a_feed_that_cannot_be_read_fails_with_the_reason(
    shop: Shop, admin: dict[str, str], content: bytes, reason: str
):
    feed = run(shop, admin, "sku", content)
    assert (feed["status"], feed["received"]) == ("FAILED", 0)
    assert feed["unreadable"].startswith(reason)


def test_a_feed_without_records_is_complete(shop: Shop, admin: dict[str, str]):
    assert run(shop, admin, "sku", b"[]")["status"] == "COMPLETE"


def test_the_platform_never_sees_more_requests_at_once_than_are_configured(shop: Shop, admin: dict[str, str]):
    name = series()
    since = int(time.time() * 1000) - 1000
    with shop.faults("commerce", latency_ms=300, operations=["update_product"]):
        run(shop, admin, "product", as_array(sample("product", name, 120)))
    mapping = shop.address("feed-pipeline", "product-mapping-id")
    most = shop.aws("lambda").get_event_source_mapping(UUID=mapping)["ScalingConfig"]["MaximumConcurrency"]
    assert 1 <= at_once(shop, since) <= most


def at_once(shop: Shop, since: int) -> int:
    """The most requests for product updates that were under way at one time, by the platform's access log."""
    mark = "/" + unique("no-such-path")
    shop.call("GET", f"/partners/v1/commerce{mark}")
    lines = eventually(lambda: writes_until(shop, since, mark))
    moments = []
    for at, line in lines:
        if line["path"].endswith("/product-updates/product"):
            moments += [(at - int(line["latency_ms"]), 1), (at, -1)]
    running = most = 0
    for _, change in sorted(moments, key=lambda moment: (moment[0], moment[1])):
        running += change
        most = max(most, running)
    return most


def writes_until(shop: Shop, since: int, mark: str) -> list[tuple[int, dict[str, Any]]]:
    """Times and lines of the platform's access log, empty until the line of `mark` is there: lines arrive late, in order."""
    group = f"/setpieces/{shop.stage}/api/partners"
    pages = shop.aws("logs").get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
    lines = [(event["timestamp"], json.loads(event["message"])) for page in pages for event in page["events"]]
    return lines if any(line["path"].endswith(mark) for _, line in lines) else []


def test_the_same_upload_event_twice_is_one_run(shop: Shop, admin: dict[str, str]):
    name = series()
    view = run(shop, admin, "product", as_array(sample("product", name, 20)))
    bucket = shop.address("feeds", "bucket-name")
    head = shop.aws("s3").head_object(Bucket=bucket, Key=view["source_key"])
    table, key = shop.address("feeds", "feeds-table-name"), {"feed": {"S": f"product/{view['feed_id']}"}}
    stored = shop.aws("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    object_detail = {
        "key": view["source_key"],
        "etag": head["ETag"].strip('"'),
        "size": head["ContentLength"],
        "sequencer": stored["sequencer"]["S"],
    }
    event = shop.event("feed-pipeline/transform_feed.json")
    event["detail"] |= {"bucket": {"name": bucket}, "object": object_detail}
    response = shop.aws("lambda").invoke(
        FunctionName=f"setpieces-{shop.stage}-feed-pipeline-transform-feed-product", Payload=json.dumps(event).encode()
    )
    assert "done" not in json.load(response["Payload"])
    assert feeds.manifest(shop, admin, "product", view["feed_id"])["updated"] == 20


def test_a_feed_that_is_removed_while_it_is_read_is_left_alone(shop: Shop):
    """Its role may list the bucket: S3 would refuse the read of what is not there, and the feed would be a dead letter."""
    name = series()
    event = shop.event("feed-pipeline/transform_feed.json")
    event["detail"]["bucket"] = {"name": shop.address("feeds", "bucket-name")}
    event["detail"]["object"] = {"key": f"product/in/{name}", "etag": "0" * 32, "size": 100, "sequencer": "1"}
    response = shop.aws("lambda").invoke(
        FunctionName=f"setpieces-{shop.stage}-feed-pipeline-transform-feed-product", Payload=json.dumps(event).encode()
    )
    result = json.load(response["Payload"])
    assert (result["feed_id"], result["first"], "end" in result) == (name, 0, False)


def test_the_manifest_is_kept_in_the_store(shop: Shop, admin: dict[str, str]):
    name = series()
    feed = run(shop, admin, "product", as_array(random.Random(1).sample(sample("product", name, 5), 5)))
    shop.aws("lambda").invoke(FunctionName=f"setpieces-{shop.stage}-feeds-conclude-feeds", Payload=b"{}")
    key = f"product/results/{feed['feed_id']}.json"
    bucket = shop.address("feeds", "bucket-name")
    manifest = json.load(eventually(lambda: shop.aws("s3").get_object(Bucket=bucket, Key=key))["Body"])
    assert (manifest["status"], manifest["updated"]) == ("COMPLETE", 5)


def test_feeds_are_an_admins(shop: Shop):
    assert shop.call("POST", "/feeds/v1/feeds/product").status_code == 401
    person = shop.samples["customer"]
    response = shop.call("POST", "/login/v1/sessions", json={"email": person["email"], "password": person["password"]})
    session = {"Authorization": f"Bearer {response.json()['session_token']}"}
    assert shop.call("POST", "/feeds/v1/feeds/product", headers=session).status_code == 403
    assert shop.call("GET", "/feeds/v1/feeds/product/x", headers=session).status_code == 403


def test_a_blocked_feed_catches_up_by_itself(shop: Shop, admin: dict[str, str], blocked: Blocked):
    """Last, because the probe has had the time of the tests before."""
    feed = feeds.complete_manifest(shop, admin, "pricing", blocked.feed_id)
    assert (feed["updated"], feed["failed"]) == (blocked.count, 0)
    eventually(lambda: state(shop, blocked.mapping) == "Enabled")
