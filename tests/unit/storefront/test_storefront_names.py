"""Product names on the basket page: calls to the catalog, and pages without names."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import httpx
import pytest

from app import product_names
from app.apis import Apis
from app.product_names import MAX_CONCURRENT_CALLS, ProductNames
from tests.unit.storefront_app import Browser, problem

SKUS = [f"SP-{number}" for number in range(100)]
NAMES = {sku: f"Name of {sku}" for sku in SKUS}


class Catalog:
    """Fakes the catalog; records the requested SKUs and the highest number of concurrent requests."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.now = self.max_concurrent = 0
        self.down = self.silent = False

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        sku = request.url.path.rpartition("/")[2]
        self.fetched.append(sku)
        self.now += 1
        self.max_concurrent = max(self.max_concurrent, self.now)
        if self.silent:
            await asyncio.Event().wait()
        await asyncio.sleep(0)  # gives the others their turn
        self.now -= 1
        return problem(503, "SERVICE_UNAVAILABLE") if self.down else httpx.Response(200, json={"name": NAMES[sku]})

    def names(self) -> ProductNames:
        return ProductNames(Apis({"catalog": "https://catalog"}, transport=httpx.MockTransport(self)))


@pytest.fixture
def catalog() -> Catalog:
    return Catalog()


def run(coroutine: Coroutine[Any, Any, dict[str, str]]) -> dict[str, str]:
    return asyncio.run(coroutine)


def test_names_are_fetched_with_limited_concurrency_and_cached(catalog: Catalog):
    names = catalog.names()
    assert run(names.of(SKUS)) == NAMES
    assert catalog.max_concurrent == MAX_CONCURRENT_CALLS
    assert run(names.of(SKUS)) == NAMES
    assert sorted(catalog.fetched) == sorted(SKUS)


def test_expired_name_is_fetched_again(catalog: Catalog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(product_names, "CACHE_SECONDS", 0)
    names = catalog.names()
    for _ in range(2):
        run(names.of(SKUS[:1]))
    assert catalog.fetched == SKUS[:1] * 2


def test_unavailable_catalog_leaves_the_cached_name_or_the_sku(catalog: Catalog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(product_names, "CACHE_SECONDS", 0)
    names = catalog.names()
    run(names.of(SKUS[:1]))
    catalog.down = True
    assert run(names.of(SKUS[:2])) == {SKUS[0]: NAMES[SKUS[0]], SKUS[1]: SKUS[1]}


def test_unresponsive_catalog_delays_a_page_by_one_deadline(catalog: Catalog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(product_names, "TOTAL_SECONDS", 0.01)
    catalog.silent = True
    assert run(catalog.names().of(SKUS)) == {sku: sku for sku in SKUS}
    assert len(catalog.fetched) <= MAX_CONCURRENT_CALLS


def test_name_cache_has_a_size_limit(catalog: Catalog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(product_names, "MAX_CACHED", 2)
    names = catalog.names()
    assert run(names.of(SKUS)) == NAMES
    assert len(names._cache) <= 2


def test_basket_and_checkout_show_names():
    def api(request: httpx.Request) -> httpx.Response:
        if request.url.host == "catalog":
            return httpx.Response(200, json={"name": "Tower of bricks"})
        totals = {"lines": 1, "quantity": 1, "amount": 1999, "currency": "EUR"}
        items = [{"sku": "SP-1", "quantity": 1, "unit_price": 1999}]
        return httpx.Response(200, json={"basket_id": "b", "version": 1, "items": items, "totals": totals})

    client = Browser(api)
    client.post("/basket", {"sku": "SP-1", "quantity": "1", "form": "f"})
    for path in ("/basket", "/checkout"):
        assert "Tower of bricks" in client.get(path).text
