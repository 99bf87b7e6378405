"""Sample data: the same everywhere, accepted by the simulators, with something of every kind."""

import json
import stat

import boto3
import httpx
import pytest

from local import samples, seed
from local import shop as shops
from local.shop import Shop
from partners.domain.schemas import validate
from partners.simulators import commerce, rewards
from partners.simulators import products as products_module

# Requests to the simulators are signed.
FRONT_DOOR = Shop("local", boto3.Session("key", "secret", region_name="eu-central-1"), None, "http://front.door")


def test_products_are_the_same_each_time_and_another_seed_gives_others():
    assert samples.products() == samples.products()
    assert samples.products() != samples.products(seed=1)


def test_products_fit_the_platform_and_have_distinct_skus_and_names():
    products = samples.products()
    for product in products:
        validate(product, products_module.PRODUCT)
    assert len(products) == samples.PRODUCTS
    assert len({product["sku"] for product in products}) == samples.PRODUCTS
    assert len({product["name"] for product in products}) == samples.PRODUCTS


def test_there_is_something_of_every_kind():
    kinds = [(product["status"], product["available"]) for product in samples.products()]
    assert set(kinds) == {("active", True), ("active", False), ("retired", False)}
    assert kinds.count(("active", True)) > len(kinds) / 2
    assert all(product["available"] == (product["stock"] > 0) for product in samples.products())


def test_people_fit_the_platforms():
    validate(samples.customer("C1", "id-1", "Ada", "ada@example.com"), commerce.CUSTOMER)
    validate(samples.member("C1", "id-1"), rewards.MEMBER)


@pytest.fixture
def requests(monkeypatch):
    """Seeding against a platform that has nobody yet; every request it gets."""
    seen = []

    def answer(request):
        seen.append(request)
        if request.method == "GET":
            return httpx.Response(404)
        return httpx.Response(201, json={"identity_id": "id-1"})

    client = httpx.Client(transport=httpx.MockTransport(answer))
    monkeypatch.setattr(shops, "_http", lambda: client)
    monkeypatch.setattr(seed, "ingest_api_key", lambda shop: "")
    return seen


def test_seeding_twice_keeps_the_passwords_in_a_private_file(requests, tmp_path):
    file = tmp_path / "samples.json"
    first = seed.seed(FRONT_DOOR, file)
    assert seed.seed(FRONT_DOOR, file) == first == json.loads(file.read_text())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(first) == {"customer", "admin", "ingest_api_key"}
    assert first["customer"]["email"].endswith("@example.com")


def test_passwords_differ_between_machines(requests, tmp_path):
    here, there = (seed.seed(FRONT_DOOR, tmp_path / name / "samples.json") for name in ("here", "there"))
    assert here["customer"]["password"] != there["customer"]["password"]


def test_only_the_admin_gets_the_role(requests, tmp_path):
    seed.seed(FRONT_DOOR, tmp_path / "samples.json")
    identities = [json.loads(request.content) for request in requests if request.url.path.endswith("/identities")]
    assert [identity["roles"] for identity in identities] == [[], ["admin"]]


def test_a_refusal_names_the_request(monkeypatch, tmp_path):
    refusing = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(503, text="down")))
    monkeypatch.setattr(shops, "_http", lambda: refusing)
    monkeypatch.setattr(seed, "ingest_api_key", lambda shop: "")
    with pytest.raises(seed.SeedFailed, match=r"PUT commerce/products/SP-.* 503: down"):
        seed.seed(FRONT_DOOR, tmp_path / "samples.json")


def test_simulators_without_products_get_the_samples_and_others_none(monkeypatch: pytest.MonkeyPatch):
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
