"""Names on the basket's page: what they cost the catalog, and a page that does without them."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import httpx
import pytest

from app import product_names
from app.apis import Apis
from app.product_names import AT_ONCE, ProductNames
from tests.unit.storefront_app import Browser, problem

SKUS = [f"SP-{number}" for number in range(100)]
NAMES = {sku: f"Name of {sku}" for sku in SKUS}


class Catalog:
    """Names each product; counts what it is asked for and how many requests it has at once."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.now = self.most = 0
        self.down = self.silent = False

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        sku = request.url.path.rpartition("/")[2]
        self.asked.append(sku)
        self.now += 1
        self.most = max(self.most, self.now)
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


def test_names_are_asked_for_some_at_once_and_kept(catalog: Catalog):
    names = catalog.names()
    assert run(names.of(SKUS)) == NAMES
    assert catalog.most == AT_ONCE
    assert run(names.of(SKUS)) == NAMES
    assert sorted(catalog.asked) == sorted(SKUS)


def test_a_name_is_asked_for_again_after_a_while(catalog: Catalog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(product_names, "KEEP_SECONDS", 0)
    names = catalog.names()
    for _ in range(2):
        run(names.of(SKUS[:1]))
    assert catalog.asked == SKUS[:1] * 2


def test_without_the_catalog_a_product_has_its_last_name_or_its_sku(catalog: Catalog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(product_names, "KEEP_SECONDS", 0)
    names = catalog.names()
    run(names.of(SKUS[:1]))
    catalog.down = True
    assert run(names.of(SKUS[:2])) == {SKUS[0]: NAMES[SKUS[0]], SKUS[1]: SKUS[1]}


def test_a_catalog_that_does_not_answer_holds_a_page_up_once_and_not_for_each_line(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(product_names, "TOTAL_SECONDS", 0.01)
    catalog.silent = True
    assert run(catalog.names().of(SKUS)) == {sku: sku for sku in SKUS}
    assert len(catalog.asked) <= AT_ONCE


def test_names_are_kept_up_to_a_limit(catalog: Catalog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(product_names, "MAX_KEPT", 2)
    names = catalog.names()
    assert run(names.of(SKUS)) == NAMES
    assert len(names._kept) <= 2


def test_the_basket_shows_names_and_the_checkout_needs_none():
    def api(request: httpx.Request) -> httpx.Response:
        called.append(request.url.host)
        if request.url.host == "catalog":
            return httpx.Response(200, json={"name": "Tower of bricks"})
        totals = {"lines": 1, "quantity": 1, "amount": 1999, "currency": "EUR"}
        items = [{"sku": "SP-1", "quantity": 1, "unit_price": 1999}]
        return httpx.Response(200, json={"basket_id": "b", "version": 1, "items": items, "totals": totals})

    called: list[str] = []
    client = Browser(api)
    client.post("/basket", {"sku": "SP-1", "quantity": "1", "form": "f"})
    assert "Tower of bricks" in client.get("/basket").text
    called.clear()
    assert client.get("/checkout").status_code == 200
    assert called == ["basket"]
