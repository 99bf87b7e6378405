"""Sitemaps from the products to crawlers, through the workflow, the schedule, the bucket and the CDN."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hishel
import pytest
from hishel.httpx import CacheClient

from sitemaps.domain.checks import parse_locations
from tests.integration.alarm_topic import listening
from tests.integration.checkouts import session_of
from tests.integration.crawler import PATIENCE, crawl, get
from tests.integration.products import put_product
from tests.integration.schedules import fired_now
from tools.client import Shop, eventually, unique, with_retries
from tools.feeds import admin_session
from tools.sitemaps import PATH, start, wait_for_run

CRAWLERS = 4


@pytest.fixture(scope="module")
def session(shop: Shop) -> dict[str, str]:
    return admin_session(shop)


@pytest.fixture(scope="module")
def origin(shop: Shop) -> str:
    return f"https://{shop.address('edge', 'site-host')}"


@pytest.fixture(scope="module")
def bucket(shop: Shop) -> str:
    return shop.address("edge", "files-bucket-name")


def run(shop: Shop, session: dict[str, str], **options: bool) -> dict[str, Any]:
    return wait_for_run(shop, session, start(shop, session, **options), PATIENCE)


def dates(shop: Shop, url: str) -> str:
    """The day on which a page last changed, as the sitemap that names it says."""
    index = get(shop, "/sitemap.xml").content
    texts = (get(shop, file).text for file in parse_locations(index))
    line = next(line for text in texts for line in text.splitlines() if f"<loc>{url}</loc>" in line)
    return line.partition("<lastmod>")[2].partition("<")[0]


def today() -> str:
    return str(datetime.now(UTC).date())


@pytest.mark.local_only("the pages need the image of the storefront, which no pipeline builds")
def test_every_page_is_released_and_reachable(shop: Shop, session: dict[str, str], origin: str):
    product = put_product(shop, name="Châtelet & <Söhne>")
    retired = put_product(shop, status="retired")
    released = run(shop, session)
    assert released["status"] == "RELEASED"
    urls = crawl(shop, origin)
    assert len(urls) == len(set(urls)) == released["urls"]
    assert {f"{origin}/", f"{origin}/products", f"{origin}/products/{product['sku']}"} <= set(urls)
    assert f"{origin}/products/{retired['sku']}" not in urls
    assert dates(shop, f"{origin}/products/{product['sku']}") == today()
    with ThreadPoolExecutor(CRAWLERS) as crawlers:
        responses = list(crawlers.map(lambda url: with_retries(lambda: shop.call("GET", urlsplit(url).path)), urls))
    assert [response.url for response in responses if response.status_code != 200] == []


def test_unchanged_pages_are_not_released_again(shop: Shop, session: dict[str, str]):
    def unchanged() -> bool:
        # What the tests before have bought may still change what is available.
        return run(shop, session)["status"] == "UNCHANGED"

    eventually(unchanged, timeout=PATIENCE)
    before = get(shop, "/sitemap.xml")
    eventually(unchanged, timeout=PATIENCE)
    after = get(shop, "/sitemap.xml")
    assert (after.content, after.headers["last-modified"]) == (before.content, before.headers["last-modified"])


def test_a_dry_run_releases_nothing(shop: Shop, session: dict[str, str], origin: str):
    product = put_product(shop)
    before = get(shop, "/sitemap.xml").content
    checked = run(shop, session, dry_run=True)
    assert (checked["status"], checked["changed"]) == ("CHECKED", True)
    assert get(shop, "/sitemap.xml").content == before
    assert f"{origin}/products/{product['sku']}" not in crawl(shop, origin)


@pytest.mark.local_only("it subscribes to the alarm topic, and changes the manifest of the release")
def test_a_release_that_lost_urls_is_refused_with_a_message_to_the_alarm_topic(
    shop: Shop, session: dict[str, str], bucket: str
):
    """As if the last release had had ten times as many: the platform suddenly lists a tenth."""
    s3 = shop.aws("s3")
    released = s3.head_object(Bucket=bucket, Key="release/sitemap.xml")["Metadata"]["run"]
    manifest = f"work/{released}/manifest.json"
    content = json.load(s3.get_object(Bucket=bucket, Key=manifest)["Body"])
    before = get(shop, "/sitemap.xml").content
    s3.put_object(Bucket=bucket, Key=manifest, Body=json.dumps(content | {"urls": content["urls"] * 10}))
    put_product(shop)
    with listening(shop) as messages:
        result = run(shop, session)
        alarm = json.loads(eventually(lambda: next((text for text in messages() if result["run_id"] in text), "")))
    assert result["status"] == "REFUSED"
    assert f"and {content['urls'] * 10} were released: fewer than 80% of them" in result["reason"]
    assert get(shop, "/sitemap.xml").content == before
    assert alarm["error"] == "Refused"

    forced = run(shop, session, force=True)
    assert forced["status"] == "RELEASED"
    assert forced["urls"] < content["urls"] * 2


def test_an_outage_of_the_platform_leaves_the_release_unchanged(shop: Shop, session: dict[str, str], origin: str):
    before = get(shop, "/sitemap.xml").content
    with shop.faults("commerce", outage=True, operations=["list_products"]):
        path = start(shop, session)
        eventually(lambda: retried(shop, path), timeout=PATIENCE)
        assert get(shop, "/sitemap.xml").content == before
    # It recovers in time for one of the retries.
    assert wait_for_run(shop, session, path, PATIENCE)["status"] in ("RELEASED", "UNCHANGED")
    crawl(shop, origin)


def retried(shop: Shop, path: str) -> bool:
    """Whether a step of a run has failed, which the workflow retries."""
    machine = shop.address("sitemaps", "state-machine-arn")
    execution = f"{machine.replace(':stateMachine:', ':execution:')}:{path.rpartition('/')[2]}"
    pages = shop.aws("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=execution)
    return any(event["type"] in ("TaskFailed", "LambdaFunctionFailed") for page in pages for event in page["events"])


def test_two_runs_at_once_release_one_after_the_other(shop: Shop, session: dict[str, str], origin: str):
    products = [put_product(shop) for _ in range(2)]
    paths = [start(shop, session) for _ in products]
    statuses = [wait_for_run(shop, session, path, PATIENCE)["status"] for path in paths]
    assert set(statuses) <= {"RELEASED", "UNCHANGED"}
    assert "RELEASED" in statuses
    assert {f"{origin}/products/{product['sku']}" for product in products} <= set(crawl(shop, origin))


@pytest.mark.local_only("it passes a role of the shop on to a schedule")
def test_the_schedule_starts_a_run(shop: Shop):
    """Its target, role and input, not at three o'clock but now."""
    steps = shop.aws("stepfunctions")
    nightly = shop.aws("scheduler").get_schedule(Name=f"setpieces-{shop.stage}-sitemaps")
    assert nightly["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 30}
    machine = shop.address("sitemaps", "state-machine-arn")
    before = {each["executionArn"] for each in executions(steps, machine)}
    with fired_now(shop, "sitemaps"):
        [execution] = eventually(
            lambda: [each for each in executions(steps, machine) if each["executionArn"] not in before]
        )

    def over() -> str:
        status = steps.describe_execution(executionArn=execution["executionArn"])["status"]
        return status if status != "RUNNING" else ""

    assert eventually(over, timeout=PATIENCE) == "SUCCEEDED"


def executions(steps: Any, machine: str) -> list[dict[str, Any]]:
    return steps.list_executions(stateMachineArn=machine, maxResults=1000)["executions"]


# --- the API ---
def test_only_admins_start_a_run(shop: Shop, session: dict[str, str]):
    token = session_of(shop, "customer")
    assert shop.call("POST", PATH, json={}).status_code == 401
    assert shop.call("POST", PATH, json={}, headers={"Authorization": f"Bearer {token}"}).status_code == 403
    assert shop.call("GET", f"{PATH}/unknown", headers=session).json()["code"] == "RUN_NOT_FOUND"


def test_the_same_key_is_the_same_run(shop: Shop, session: dict[str, str]):
    headers = session | {"Idempotency-Key": unique("key")}
    first, repeated = (shop.call("POST", PATH, json={"dry_run": True}, headers=headers) for _ in range(2))
    assert (first.status_code, repeated.status_code) == (202, 202)
    assert first.headers["location"] == repeated.headers["location"]
    other = shop.call("POST", PATH, json={}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert wait_for_run(shop, session, first.headers["location"], PATIENCE)["status"] == "CHECKED"


@pytest.mark.parametrize("body", [{"dry_run": "yes"}, {"what": True}, [], "x", None])
def test_an_invalid_body_is_400(shop: Shop, session: dict[str, str], body: Any):
    response = shop.call("POST", PATH, content=json.dumps(body), headers=session | {"Content-Type": "application/json"})
    assert response.status_code == 400


# --- the edge ---
def test_a_cache_sends_one_request(shop: Shop, origin: str, tmp_path: Path):
    """RFC 9111, as a cache for many: files for ever, the index for a day, or until it is invalidated."""
    crawl(shop, origin)
    storage = hishel.SqliteStorage(database_path=tmp_path / "cache.db")
    [file, *_] = parse_locations(get(shop, "/sitemap.xml").content)
    with CacheClient(storage=storage, rfc=hishel.CacheOptions(shared=True)) as cache:
        for path in ("/sitemap.xml", "/robots.txt", urlsplit(file).path):
            first, second = (cache.get(shop.url(path)) for _ in range(2))
            assert (first.extensions["caching"]["from_cache"], second.extensions["caching"]["from_cache"]) == (
                False,
                True,
            )
            assert second.content == first.content
    assert get(shop, file).headers["cache-control"] == "public, max-age=31536000, immutable"
    assert get(shop, "/sitemap.xml").headers["cache-control"] == "public, max-age=300, s-maxage=86400"


def test_the_cdn_invalidates_a_new_index(shop: Shop, session: dict[str, str]):
    put_product(shop)
    released = run(shop, session)
    cdn, distribution = shop.aws("cloudfront"), shop.address("edge", "distribution-id")
    pages = cdn.get_paginator("list_invalidations").paginate(DistributionId=distribution)
    ids = [each["Id"] for page in pages for each in page["InvalidationList"].get("Items", [])]
    batches = (
        cdn.get_invalidation(DistributionId=distribution, Id=each)["Invalidation"]["InvalidationBatch"] for each in ids
    )
    [paths] = [batch["Paths"]["Items"] for batch in batches if batch["CallerReference"] == released["run_id"]]
    assert sorted(paths) == ["/robots.txt", "/sitemap.xml"]


@pytest.mark.local_only("other paths lead to the pages, which need the image of the storefront")
@pytest.mark.parametrize("path", ["/manifest.json", "/release/sitemap.xml", "/work/", "/sitemaps/../manifest.json"])
def test_other_objects_of_the_bucket_are_not_served(shop: Shop, path: str):
    response = shop.call("GET", path)
    assert response.status_code in (400, 403, 404)
    assert "run_id" not in response.text


def test_an_unknown_sitemap_is_404(shop: Shop):
    """The CDN may list the bucket: a crawler drops a URL that is 404, and retries one that is 403."""
    assert shop.call("GET", "/sitemaps/none.xml").status_code == 404
