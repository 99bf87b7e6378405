"""Sample data: the same on every machine, and valid for the simulators."""

import json
import stat
from pathlib import Path

import boto3
import httpx
import pytest

from partners.domain.schemas import validate
from partners.simulators import commerce, rewards
from partners.simulators import products as products_module
from tools import client as shops
from tools import samples, seed
from tools.client import Shop

# Requests to the simulators are signed.
FRONT_DOOR = Shop("local", boto3.Session("key", "secret", region_name="eu-central-1"), None, "http://front.door")


def test_a_seed_determines_the_products() -> None:
    assert samples.products() == samples.products()
    assert samples.products() != samples.products(seed=1)


def test_products_are_valid_and_have_distinct_skus_and_names() -> None:
    products = samples.products()
    for product in products:
        validate(product, products_module.PRODUCT)
    assert len(products) == samples.PRODUCTS
    assert len({product["sku"] for product in products}) == samples.PRODUCTS
    assert len({product["name"] for product in products}) == samples.PRODUCTS


def test_products_are_active_sold_out_or_retired() -> None:
    kinds = [(product["status"], product["available"]) for product in samples.products()]
    assert set(kinds) == {("active", True), ("active", False), ("retired", False)}
    assert kinds.count(("active", True)) > len(kinds) / 2
    assert all(product["available"] == (product["stock"] > 0) for product in samples.products())


def test_customers_and_members_are_valid() -> None:
    validate(samples.customer("C1", "id-1", "Ada", "ada@example.com"), commerce.CUSTOMER)
    validate(samples.member("C1", "id-1"), rewards.MEMBER)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """The requests that seeding sends to simulators without data."""
    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        if request.method == "GET":
            return httpx.Response(404)
        return httpx.Response(201, json={"identity_id": "id-1"})

    client = httpx.Client(transport=httpx.MockTransport(respond))
    monkeypatch.setattr(shops, "_http", lambda: client)
    monkeypatch.setattr(seed, "ingest_api_key", lambda shop: "")
    return requests


def test_seeding_again_keeps_the_passwords_in_a_private_file(requests: list[httpx.Request], tmp_path: Path) -> None:
    file = tmp_path / "samples.json"
    first = seed.seed(FRONT_DOOR, file)
    assert seed.seed(FRONT_DOOR, file) == first == json.loads(file.read_text())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(first) == {"customer", "admin", "ingest_api_key"}
    assert first["customer"]["email"].endswith("@example.com")


def test_passwords_differ_between_machines(requests: list[httpx.Request], tmp_path: Path) -> None:
    here, there = (seed.seed(FRONT_DOOR, tmp_path / name / "samples.json") for name in ("here", "there"))
    assert here["customer"]["password"] != there["customer"]["password"]


def test_only_the_admin_has_the_role(requests: list[httpx.Request], tmp_path: Path) -> None:
    seed.seed(FRONT_DOOR, tmp_path / "samples.json")
    identities = [json.loads(request.content) for request in requests if request.url.path.endswith("/identities")]
    assert [identity["roles"] for identity in identities] == [[], ["admin"]]


def test_the_error_of_a_refused_request_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refusing = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(503, text="down")))
    monkeypatch.setattr(shops, "_http", lambda: refusing)
    monkeypatch.setattr(seed, "ingest_api_key", lambda shop: "")
    with pytest.raises(seed.SeedFailed, match=r"PUT commerce/products/SP-.* 503: down"):
        seed.seed(FRONT_DOOR, tmp_path / "samples.json")


def test_only_simulators_without_products_get_the_samples(monkeypatch: pytest.MonkeyPatch):
    sold: dict[str, str] = {}

    def call(shop: Shop, method: str, path: str, **_: object) -> httpx.Response:
        if method == "PUT":
            sold[path.rpartition("/")[2]] = path
        return httpx.Response(200, json={"items": list(sold)})

    monkeypatch.setattr(Shop, "call", call)
    seed.stock_simulators(FRONT_DOOR)
    assert sorted(sold) == sorted(product["sku"] for product in samples.products())
    del sold[samples.products()[0]["sku"]]
    seed.stock_simulators(FRONT_DOOR)
    assert len(sold) == samples.PRODUCTS - 1
