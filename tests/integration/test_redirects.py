"""Old addresses through CDN and load balancer: their targets, their cache lifetimes, and the behaviour without the store."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import hishel
import httpx
import pytest
from hishel.httpx import CacheClient

from tests.hostile import STRINGS
from tools import redirects
from tools.client import Shop, eventually, unique

pytestmark = pytest.mark.local_only("it publishes rules over those of the stage, and the CDN keeps answers for hours")

SAMPLES = json.loads(redirects.SAMPLES.read_text())


@pytest.fixture
def rules(shop: Shop) -> Iterator[dict[str, Any]]:
    """The samples, to be changed; they are published again afterwards."""
    yield json.loads(redirects.SAMPLES.read_text())
    redirects.publish(shop, SAMPLES)


def get(shop: Shop, path: str, method: str = "GET") -> httpx.Response:
    return shop.call(method, path)


@pytest.mark.parametrize(
    ("path", "status", "location", "cached"),
    [
        ("/home.aspx", 301, "/", "public, max-age=86400"),
        ("/HOME.ASPX", 301, "/", "public, max-age=86400"),
        ("/de-de/imprint/", 301, "/pages/imprint?locale=de-de", "public, max-age=3600"),
        ("/de-de/imprint/index.html", 301, "/pages/imprint?locale=de-de", "public, max-age=3600"),
        ("/sale?utm_source=mail&x=1", 302, "/products?query=sale&utm_source=mail", "public, max-age=300"),
        ("/en-gb/catalogue/space/rover?page=2", 301, "/products?locale=en-gb&page=2", "public, max-age=3600"),
        ("/p/10001-coral-beacon", 308, "/products/SP-10001", "public, max-age=3600"),
        ("/club/members", 410, None, "public, max-age=3600"),
        ("/no/such/page", 404, None, "public, max-age=60"),
        ("/fr-fr/imprint", 404, None, "public, max-age=60"),
        ("/a%zz", 400, None, "public, max-age=60"),
    ],
)
def test_where_an_old_address_leads(shop: Shop, path: str, status: int, location: str | None, cached: str):
    response = get(shop, path)
    assert (response.status_code, response.headers.get("location")) == (status, location)
    assert response.headers["cache-control"] == cached


def test_the_way_is_cdn_load_balancer_function(shop: Shop):
    headers = get(shop, "/home.aspx").headers
    assert "cloudfront" in headers["via"].lower()
    assert headers["x-amz-cf-id"]
    assert headers["strict-transport-security"]
    assert headers["x-redirect-rules"] == "start"


def test_methods(shop: Shop):
    head = get(shop, "/home.aspx", "HEAD")
    assert (head.status_code, head.headers["location"], head.content) == (301, "/", b"")
    response = get(shop, "/home.aspx", "POST")
    assert (response.status_code, response.headers["allow"], response.headers["cache-control"]) == (
        405,
        "GET, HEAD",
        "no-store",
    )
    assert get(shop, "/p/10001", "POST").status_code == 308


def test_following_a_redirect_takes_one_hop(shop: Shop):
    for path in ("/home.aspx", "/de-de/imprint", "/sale", "/de-de/catalogue/a/b", "/p/10001"):
        target = get(shop, path).headers["location"]
        assert not get(shop, target).is_redirect


def test_no_answer_leads_to_another_host(shop: Shop):
    tricks = (
        "/evil.example",
        "//evil.example",
        "/%2f%2fevil.example",
        "/%5cevil.example",
        "/@evil.example",
        "/.evil.example",
    )
    paths = [start + trick for start in ("/de-de/catalogue", "/p", "/sale", "") for trick in tricks]
    paths += ["/sale?utm_source=" + trick for trick in (*tricks, "%0d%0aSet-Cookie:%20a=b")]
    paths += ["/de-de/catalogue/" + quote(text[:500].encode(errors="replace"), safe="") for text in STRINGS]
    for path in paths:
        response = get(shop, path)
        assert response.status_code < 500
        assert "set-cookie" not in response.headers
        location = urlsplit(response.headers.get("location", ""))
        assert (location.scheme, location.netloc) == ("", "")


def test_a_new_rule_is_live_within_the_refresh_time(shop: Shop, rules: dict[str, Any]):
    path = f"/{unique('page')}"
    assert get(shop, path).status_code == 404
    rules["rules"].append({"id": "new", "match": "exact", "from": path, "to": "/products", "status": 301})
    redirects.publish(shop, rules)
    redirect = eventually(lambda: (response := get(shop, path)).is_redirect and response)
    assert redirect.headers["location"] == "/products"


def test_invalid_rules_are_not_published(shop: Shop, rules: dict[str, Any]):
    before = stored(shop)
    rules["rules"].append({"id": "loop", "match": "exact", "from": "/loop", "to": "/loop"})
    with pytest.raises(redirects.InvalidRules, match="rule 7: redirects in a circle"):
        redirects.publish(shop, rules)
    assert stored(shop) == before


def stored(shop: Shop) -> bytes:
    bucket = shop.address("redirects", "bucket-name")
    return shop.aws("s3").get_object(Bucket=bucket, Key=redirects.KEY)["Body"].read()


@pytest.mark.usefixtures("rules")
@pytest.mark.parametrize("broken", [None, b'{"rules": [{"id": "half'], ids=["gone", "half-written"])
def test_without_the_store_the_last_rules_stay_in_use(shop: Shop, broken: bytes | None):
    assert get(shop, "/home.aspx").status_code == 301
    bucket, s3 = shop.address("redirects", "bucket-name"), shop.aws("s3")
    if broken is None:
        s3.delete_object(Bucket=bucket, Key=redirects.KEY)
    else:
        s3.put_object(Bucket=bucket, Key=redirects.KEY, Body=broken)
    complaints_before = complaints(shop)

    def refresh_failed() -> bool:
        assert get(shop, "/home.aspx").status_code == 301
        return complaints(shop) > complaints_before

    eventually(refresh_failed)
    assert get(shop, "/home.aspx").status_code == 301


def complaints(shop: Shop) -> int:
    """How many times the function has logged that it could not refresh its rules."""
    group, text = f"/aws/lambda/setpieces-{shop.stage}-redirects-redirect", '"rules not refreshed"'
    pages = shop.aws("logs").get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern=text)
    return sum(len(page["events"]) for page in pages)


# --- shared caches: RFC 9111 ---


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[CacheClient]:
    storage = hishel.SqliteStorage(database_path=tmp_path / "cache.db")
    with CacheClient(storage=storage, rfc=hishel.CacheOptions(shared=True)) as client:
        yield client


def served_from_cache(response: httpx.Response) -> bool:
    """True if the cache served the response."""
    return bool(response.extensions["caching"]["from_cache"])


@pytest.mark.parametrize("path", ["/home.aspx", "/p/10001", "/club", "/no/such/page", "/sale?utm_source=a"])
def test_a_cache_sends_one_request(shop: Shop, cache: CacheClient, path: str):
    first, second = (cache.get(shop.url(path)) for _ in range(2))
    assert (served_from_cache(first), served_from_cache(second)) == (False, True)
    assert (second.status_code, second.headers.get("location")) == (first.status_code, first.headers.get("location"))


def test_responses_are_cached_per_query(shop: Shop, cache: CacheClient):
    responses = [cache.get(shop.url(f"/sale?utm_source={source}")) for source in ("a", "b")]
    assert [served_from_cache(response) for response in responses] == [False, False]
    assert [response.headers["location"][-1] for response in responses] == ["a", "b"]


def test_uncacheable_responses_are_requested_again(shop: Shop, cache: CacheClient):
    for _ in range(2):
        assert not served_from_cache(cache.post(shop.url("/home.aspx")))
