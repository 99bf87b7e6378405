"""IAM is enforced: a flow fails while its role lacks a permission and succeeds when it is restored."""

import pytest

from tests.resilience.permissions import role_of, without_permission
from tools.client import Shop, eventually, new_basket_id


def test_a_sequence_returns_500_without_update_item(shop: Shop):
    def request_number() -> int:
        return shop.call("POST", "/sequences/v1/sequences/order/next", sign=True).status_code

    assert request_number() == 200
    with without_permission(shop, role_of("Sequences", "ApiRole"), "dynamodb:UpdateItem"):
        assert request_number() == 500
    assert request_number() == 200


@pytest.mark.parametrize("action", ["dynamodb:PutItem", "dynamodb:GetItem"])
def test_add_item_returns_500_without_table_permissions(shop: Shop, products: list[dict], action: str):
    def add_item() -> int:
        path = f"/basket/v1/baskets/{new_basket_id('iam')}/items"
        return shop.call("POST", path, json={"sku": products[0]["sku"], "quantity": 1}).status_code

    assert add_item() == 201
    with without_permission(shop, role_of("Basket", "AddItem"), action):
        assert add_item() == 500
    eventually(lambda: add_item() == 201)
