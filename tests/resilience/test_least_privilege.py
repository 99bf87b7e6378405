"""IAM enforcement is real: take one permission from a role and the flow that needs it stops; give it back and it runs."""

import pytest

from local.shop import Shop, eventually, new_basket_id
from tests.resilience.permissions import role_of, without


def test_a_sequence_stops_without_update_item(shop: Shop):
    def take() -> int:
        return shop.call("POST", "/sequences/v1/sequences/order/next", sign=True).status_code

    assert take() == 200
    with without(shop, role_of("Sequences", "ApiRole"), "dynamodb:UpdateItem"):
        assert take() == 500
    assert take() == 200


@pytest.mark.parametrize("action", ["dynamodb:PutItem", "dynamodb:GetItem"])
def test_a_basket_stops_without_its_table(shop: Shop, products: list[dict], action: str):
    def add() -> int:
        path = f"/basket/v1/baskets/{new_basket_id('iam')}/items"
        return shop.call("POST", path, json={"sku": products[0]["sku"], "quantity": 1}).status_code

    assert add() == 201
    with without(shop, role_of("Basket", "AddItem"), action):
        assert add() == 500
    eventually(lambda: add() == 201)
