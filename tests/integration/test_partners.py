"""The external systems over HTTP, as services and tests rely on them."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.integration.strangers import stranger
from tools.client import Shop, eventually, unique, with_retries

SYSTEMS = ("commerce", "identity", "rewards", "tax", "payments", "sap", "content")
CLIENTS = 16


def product(**changes) -> dict:
    """A product that no other test buys."""
    tower = {"name": "Test Tower", "unit_price": 1999, "currency": "EUR", "version": 1, "available": False}
    return tower | changes


def charge(**changes) -> dict:
    return {"amount": 4200, "currency": "EUR", "payment_token": "tok_ok", "order_number": unique("T")} | changes


def at(shop: Shop, method: str, path: str, body=None, **options) -> httpx.Response:
    return shop.call(method, f"/partners/v1/{path}", json=body, **options)


def at_last(shop: Shop, method: str, path: str, body=None, **options) -> httpx.Response:
    """The first answer that decides something. An effect whose answer was lost is met as a repetition."""
    return with_retries(lambda: at(shop, method, path, body, **options))


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_is_published(shop: Shop, system: str):
    assert shop.address("partners", f"{system}-url") == f"{shop.address('partners', 'api-url')}/v1/{system}#sign"


@pytest.mark.parametrize("system", [*SYSTEMS, "faults", "ledger"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_request_without_a_signature_is_refused(shop: Shop, method: str, system: str):
    response = at(shop, method, f"{system}/any", sign=False)
    assert response.status_code == 403, response.text
    assert response.json()["code"] == "MISSING_AUTHENTICATION_TOKEN"


def test_a_request_of_a_role_that_is_not_of_the_stage_is_refused(shop: Shop):
    path = f"commerce/products/{unique('SKU')}"
    for method, body in (("PUT", product()), ("GET", None)):
        response = at(shop, method, path, body, session=stranger(shop))
        assert response.status_code == 403, response.text
        assert response.json()["code"] == "ACCESS_DENIED"
    assert at(shop, "GET", path).status_code == 404


def test_concurrent_duplicates_of_a_product_have_one_effect(shop: Shop):
    path, body = f"commerce/products/{unique('SKU')}", product()
    with ThreadPoolExecutor(CLIENTS) as clients:
        statuses = list(clients.map(lambda _: at_last(shop, "PUT", path, body).status_code, range(CLIENTS)))
    assert statuses.count(201) <= 1
    assert set(statuses) <= {200, 201}
    assert len(shop.ledger("products", path.rpartition("/")[2])) == 1


def test_of_concurrent_versions_the_newest_wins(shop: Shop):
    sku = unique("SKU")
    path = f"commerce/products/{sku}"
    with ThreadPoolExecutor(8) as clients:
        responses = list(
            clients.map(
                lambda version: at_last(shop, "PUT", path, product(version=version, stock=version)), range(1, 9)
            )
        )
    assert {response.status_code for response in responses} <= {200, 201, 409}
    assert at_last(shop, "PUT", path, product(version=9, stock=9)).status_code in (200, 201)
    assert at_last(shop, "GET", path).json()["stock"] == 9
    versions = [entry["version"] for entry in shop.ledger("products", sku)]
    assert versions == sorted(set(versions))


def test_concurrent_duplicates_of_a_charge_charge_once(shop: Shop):
    key, body = unique("charge"), charge()
    headers = {"Idempotency-Key": key}
    with ThreadPoolExecutor(CLIENTS) as clients:
        responses = list(
            clients.map(lambda _: at_last(shop, "POST", "payments/charges", body, headers=headers), range(CLIENTS))
        )
    assert [response.status_code for response in responses].count(201) <= 1
    assert {response.status_code for response in responses} <= {200, 201}
    assert len({response.json()["charge_id"] for response in responses}) == 1
    assert len(shop.ledger("charges", key)) == 1
    assert at_last(shop, "POST", "payments/charges", body | {"amount": 1}, headers=headers).status_code == 409


def test_a_slow_charge_is_stored_although_its_caller_timed_out(shop: Shop):
    key, body = unique("charge"), charge(payment_token="tok_slow")
    with pytest.raises(httpx.TimeoutException):
        at(shop, "POST", "payments/charges", body, headers={"Idempotency-Key": key}, timeout=1)
    response = eventually(lambda: at(shop, "GET", f"payments/charges/{key}").raise_for_status())
    assert response.json()["status"] == "authorized"
    assert len(shop.ledger("charges", key)) == 1


def test_a_slow_system_has_done_what_it_was_asked(shop: Shop):
    order = unique("T")
    body = {"customer_id": "C1", "lines": [{"sku": "S-1", "quantity": 1}], "ship_to": {"country": "DE"}}
    slow = shop.faults("sap", latency_ms=3000, operations=["create_shipment"])
    with slow, pytest.raises(httpx.TimeoutException):
        at(shop, "PUT", f"sap/shipments/{order}", body, timeout=1)
    eventually(lambda: at(shop, "GET", f"sap/shipments/{order}").status_code == 200)
    assert at(shop, "PUT", f"sap/shipments/{order}", body).status_code == 200
    assert len(shop.ledger("shipments", order)) == 1


@pytest.mark.parametrize(("fault", "status"), [({"outage": True}, 503), ({"error_rate": 1}, 500)])
def test_a_failing_system_has_done_nothing(shop: Shop, fault: dict, status: int):
    slug = unique("page")
    with shop.faults("content", **fault):
        assert at(shop, "PUT", f"content/pages/{slug}", {"title": "T"}).status_code == status
        assert at(shop, "GET", "tax/rates").status_code == 200
    assert at(shop, "GET", f"content/pages/{slug}").status_code == 404


def test_customers_know_one_writer_at_a_time(shop: Shop):
    customer = unique("C")
    path = f"commerce/customers/{customer}"
    body = {"identity_id": "id-1", "name": "Ada", "email": "ada@example.com"}

    def put(name: str, **condition: str) -> int:
        headers = {header.replace("_", "-"): value for header, value in condition.items()}
        return at_last(shop, "PUT", path, body | {"name": name}, headers=headers).status_code

    with ThreadPoolExecutor(8) as clients:
        # 412 is also the answer to a repetition of what was done: the ledger says what was.
        created = Counter(clients.map(lambda n: put(f"Ada {n}", If_None_Match="*"), range(8)))
        assert created in (Counter({201: 1, 412: 7}), Counter({412: 8}))
        changed = Counter(clients.map(lambda n: put(f"Ada {n}", If_Match="1"), range(8)))
        assert changed in (Counter({200: 1, 412: 7}), Counter({412: 8}))
    assert at_last(shop, "DELETE", path).status_code == 204
    assert at_last(shop, "GET", path).status_code == 410
    assert [entry["effect"] for entry in shop.ledger("customers", customer)] == ["created", "updated", "deleted"]


def test_the_sample_people_can_sign_in(shop: Shop):
    for role, roles in (("customer", []), ("admin", ["admin"])):
        person = shop.samples[role]
        body = {"email": person["email"], "password": person["password"]}
        identity = at(shop, "POST", "identity/authentications", body).json()
        assert identity["roles"] == roles
        for path in ("commerce/customers", "rewards/members"):
            customer = at(shop, "GET", f"{path}/{identity['customer_id']}").json()
            assert customer["identity_id"] == identity["identity_id"]
        assert at(shop, "POST", "identity/authentications", body | {"password": "wrong"}).status_code == 401


def test_search_pages_through_what_matches_in_any_case(shop: Shop):
    category = unique("Category")
    for number in range(5):
        sku = unique("SKU")
        assert at(shop, "PUT", f"commerce/products/{sku}", product(category=category)).status_code == 201, number
    items, token = [], ""
    while True:
        query = f"query={category.upper()}&limit=2&page_token={token}"
        page = at(shop, "GET", f"commerce/products?{query}").json()
        items += page["items"]
        token = page.get("next_page_token")
        if not token:
            break
    assert len(items) == len({item["sku"] for item in items}) == 5


HOSTILE = [
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"{",
    b"\x00",
    b"\xff\xfe",
    b'{"version": NaN}',
    b'{"version": 1e999}',
    b'{"name": "\\ud800"}',
    b'{"name": "a", "name": "b"}',
    b'{"name": "#set($x = 1)$x", "unit_price": "$input.path(\'$\')", "currency": "EUR", "version": 1}',
    b'{"name": {"S": "x"}, "unit_price": {"N": "1"}, "currency": "EUR", "version": 1}',
    b'{"a":' * 3000,
    b'{"name": "' + b"x" * 100_000 + b'"}',
    b'{"version": ' + b"9" * 5000 + b"}",
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "commerce/products/HOSTILE"),
        ("PUT", "commerce/orders/HOSTILE"),
        ("POST", "identity/identities"),
        ("POST", "tax/quotations"),
        ("POST", "payments/charges"),
        ("PUT", "faults/sap"),
    ],
)
def test_hostile_bodies_are_refused(shop: Shop, method: str, path: str, content: bytes):
    headers = {"Content-Type": "application/json", "Idempotency-Key": "hostile", "If-None-Match": "*"}
    response = at(shop, method, path, content=content, headers=headers)
    assert 400 <= response.status_code < 500, response.text
    assert response.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    "path",
    [
        "commerce/products/%00",
        "commerce/products/%2e%2e%2fcustomers",
        "commerce/products/a%23b",
        "commerce/products/%F0%9F%A7%B1",
        "commerce/products/" + "x" * 300,
        "commerce/products?limit=1e3",
        "commerce/products?page_token=%00",
        "commerce/products?query=" + "x" * 101,
        "ledger/charges",
        "ledger/charges?key=%23",
        "ledger/secrets?key=1",
        "faults/everything",
        "nothing/at/all",
    ],
)
def test_hostile_paths_and_queries_are_refused(shop: Shop, path: str):
    response = at(shop, "GET", path)
    assert response.status_code in (400, 404), response.text


def test_another_content_type_is_415(shop: Shop):
    response = at(shop, "PUT", "content/pages/p", content="title=T", headers={"Content-Type": "text/plain"})
    assert (response.status_code, response.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
