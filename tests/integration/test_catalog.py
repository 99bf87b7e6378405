"""The public catalog over HTTP: what it shows, what caches may do with it, and what it does without its platform."""

from urllib.parse import quote

import pytest

from tests.integration.products import put_product
from tools.client import Shop, eventually, unique


def get(shop: Shop, path: str = "", **options):
    return shop.call("GET", f"/catalog/v1/products{path}", **options)


def test_a_page_shows_the_minimal_view(shop: Shop):
    response = get(shop)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "public, max-age=30"
    assert response.headers["access-control-allow-origin"] == "*"
    for item in response.json()["items"]:
        assert set(item) == {"sku", "name", "unit_price", "currency", "available"}


def test_pages_list_every_product_once(shop: Shop):
    category = unique("Category")
    skus = {put_product(shop, category=category)["sku"] for _ in range(23)}
    listed, token, pages = [], "", 0
    while True:
        page = get(shop, f"?query={category.lower()}&page_token={token}&ignored=1").json()
        listed += [item["sku"] for item in page["items"]]
        token, pages = page.get("next_page_token"), pages + 1
        if not token:
            break
    assert pages == 2
    assert len(listed) == len(skus)
    assert set(listed) == skus


def test_a_product_has_its_description_and_no_more(shop: Shop):
    product = put_product(shop)
    response = get(shop, f"/{product['sku']}")
    view = {name: product[name] for name in ("sku", "name", "unit_price", "currency", "available", "description")}
    assert response.json() == view | {"category": "Tests"}
    assert response.headers["cache-control"] == "public, max-age=30"


def test_a_matching_etag_is_304(shop: Shop):
    path = f"/{put_product(shop)['sku']}"
    tag = get(shop, path).headers["etag"]
    revalidated = get(shop, path, headers={"If-None-Match": tag})
    assert (revalidated.status_code, revalidated.content, revalidated.headers["etag"]) == (304, b"", tag)
    assert get(shop, path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_retired_product_can_be_looked_at_but_is_not_listed(shop: Shop):
    category = unique("Category")
    product = put_product(shop, category=category, status="retired", available=True)
    assert get(shop, f"/{product['sku']}").json()["available"] is False
    assert get(shop, f"?query={category}").json() == {"items": []}


@pytest.mark.parametrize(
    "sku", ["unknown", "%2e%2e", "%00", "x" * 300, "%F0%9F%A7%B1", "a%2Fb", "$input", "%7B%7D", "%25"]
)
def test_an_unknown_product_is_404(shop: Shop, sku: str):
    response = get(shop, f"/{sku}")
    assert (response.status_code, response.json()["code"]) == (404, "PRODUCT_NOT_FOUND")
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("query=" + "x" * 101, "/query"),
        ("query=" + "%F0%9F%A7%B1" * 101, "/query"),
        ("page_token=forged", "/page_token"),
        ("page_token=%00", "/page_token"),
        ("page_token=" + "x" * 600, "/page_token"),
    ],
)
def test_bad_parameters_are_400_and_pointed_at(shop: Shop, query: str, pointer: str):
    response = get(shop, f"?{query}")
    assert response.status_code == 400, response.text
    assert response.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "query", ["query=%00", "query=%25%27%22", "query=$context", "query=%ED%A0%80", "query=", "query=a&query=b", "&&=&"]
)
def test_odd_queries_are_only_queries(shop: Shop, query: str):
    assert get(shop, f"?{query}").status_code == 200


def test_a_product_is_found_however_its_name_is_written(shop: Shop):
    word = unique("w")[2:]
    names = (f"Zaf\u00e9 Stra\u00dfe {word}", f"Zafe\u0301 Strasse {word}")
    skus = {put_product(shop, name=name)["sku"] for name in names}
    queries = (
        *names,
        f"zafe {word}",
        f"{word}  STRASSE",
        f"stra\u00dfe\u00a0{word}",
        f"\uff3a\uff21\uff26\uff25 {word}",
    )
    for query in queries:
        products = get(shop, f"?query={quote(query)}").json()["items"]
        assert {product["sku"] for product in products} == skus, query
    assert get(shop, f"?query={quote('ß' * 100)}").status_code == 200
    assert get(shop, f"?query={quote('ß' * 101)}").status_code == 400


@pytest.mark.parametrize("fault", [{"latency_ms": 10_000}, {"outage": True}, {"error_rate": 1}])
def test_an_outage_without_a_cached_response_is_503_with_retry_after(shop: Shop, fault: dict):
    product = put_product(shop)
    with shop.faults("commerce", **fault, operations=["get_product", "list_products"]):
        for path in (f"/{product['sku']}", f"?query={unique('nobody-asked-yet')}"):
            response = get(shop, path)
            assert (response.status_code, response.json()["code"]) == (503, "CATALOG_UNAVAILABLE")
            assert int(response.headers["retry-after"]) >= 1


def test_cached_products_are_served_while_the_platform_is_down(shop: Shop):
    path = f"/{put_product(shop)['sku']}"
    before = get(shop, path).json()

    def served():
        response = get(shop, path)
        return response.status_code == 200 and response

    with shop.faults("commerce", outage=True):
        # Each process keeps its own: one that has not read the product answers 503.
        response = eventually(served)
    assert response.json() == before
    assert int(response.headers["age"]) >= 0


@pytest.mark.parametrize("path", ["/catalog/v1/products", "/catalog/v1/products/SP-10001"])
def test_a_browser_may_ask(shop: Shop, path: str):
    headers = {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}
    response = shop.call("OPTIONS", path, headers=headers)
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "*"
    assert "If-None-Match" in response.headers["access-control-allow-headers"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_catalog_can_only_be_read(shop: Shop, method: str):
    response = shop.call(method, "/catalog/v1/products/SP-10001", json={"unit_price": 1})
    assert response.status_code in (403, 404)
