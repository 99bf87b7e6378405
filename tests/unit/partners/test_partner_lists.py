"""Lists of products and of ledger entries: pages, searches, invalid parameters."""

from copy import deepcopy
from typing import Any

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from model.settings import REGION
from tests.unit.partners.client import Simulators
from tests.unit.partners.samples import PRODUCT

# The items of the table with all products, once per process.
FULL_TABLE: list[Any] = []


@pytest.fixture
def full_shelf(simulators: Simulators) -> Simulators:
    """25 products and a retired one. The first test puts them, the others copy its table."""
    table = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[simulators.table]
    if FULL_TABLE:
        table.items = deepcopy(FULL_TABLE[0])
        return simulators
    for number in range(25):
        category = "Castles" if number % 2 else "Space"
        product = PRODUCT | {"name": f"Straße {number:02}", "category": category}
        simulators.call("PUT", f"commerce/products/S-{number:02}", product)
    simulators.call("PUT", "commerce/products/S-99", PRODUCT | {"status": "retired"})
    FULL_TABLE.append(deepcopy(table.items))
    return simulators


def test_pages_list_every_active_product_once(full_shelf: Simulators) -> None:
    skus: list[str] = []
    token = ""
    while True:
        page = full_shelf.call("GET", "commerce/products", query={"limit": "7", "page_token": token}).body
        skus += [product["sku"] for product in page["items"]]
        token = page.get("next_page_token")
        if not token:
            break
    assert skus == [f"S-{number:02}" for number in range(25)]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("castle", 12),
        ("STRASSE 07", 1),
        ("07 strasse", 1),
        ("s-1", 10),
        ("s-1 castle", 5),
        ("nothing", 0),
        ("  ", 20),
        ("%", 0),
    ],
)
def test_a_search_finds_words_in_name_sku_and_category(full_shelf: Simulators, query: str, count: int) -> None:
    assert len(full_shelf.call("GET", "commerce/products", query={"query": query}).body["items"]) == count


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"limit": "0"}, "/limit"),
        ({"limit": "101"}, "/limit"),
        ({"limit": "٣"}, "/limit"),
        ({"page_token": "x"}, "/page_token"),
        ({"page_token": "é\n"}, "/page_token"),
        ({"page_token": "YWZ0ZXI6"}, "/page_token"),
        ({"query": "x" * 101}, "/query"),
        ({"query": "ß" * 101}, "/query"),
    ],
)
def test_invalid_list_parameters_are_400(full_shelf: Simulators, query: dict[str, str], pointer: str) -> None:
    response = full_shelf.call("GET", "commerce/products", query=query)
    assert (response.status, response.body["errors"][0]["pointer"]) == (400, pointer)


def test_a_page_token_of_a_ledger_is_valid_for_its_key_only(simulators: Simulators) -> None:
    for version in range(1, 6):
        simulators.call("PUT", "commerce/products/S-1", PRODUCT | {"version": version})
    simulators.call("PUT", "commerce/products/S-10", PRODUCT)
    page = simulators.call("GET", "ledger/products", query={"key": "S-1", "limit": "3"}).body
    rest = simulators.call("GET", "ledger/products", query={"key": "S-1", "page_token": page["next_page_token"]}).body
    assert [entry["version"] for entry in page["entries"] + rest["entries"]] == [1, 2, 3, 4, 5]
    refused = simulators.call("GET", "ledger/products", query={"key": "S-10", "page_token": page["next_page_token"]})
    assert (refused.status, refused.body["errors"][0]["pointer"]) == (400, "/page_token")
