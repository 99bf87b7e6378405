"""A client generated from ``docs/api/openapi.json`` buys: each body is one of its models, and has no other members."""

import importlib
from collections.abc import Iterator
from typing import Any

import attrs
import httpx
import pytest

from local import emulator_client
from tests import generated_client
from tools.client import RESPONSE_SECONDS, Shop, eventually, new_basket_id

SHIP_TO = {"name": "Ada Sample", "street": "Brick Lane 1", "city": "Berlin", "postal_code": "10115", "country": "DE"}

# Of a shop that is busy or starts.
RETRIED = (429, 500, 502, 503, 504)


class Buyer:
    """Calls operations of the generated package, such as ``basket_add_item``."""

    def __init__(self, shop: Shop) -> None:
        def address(request: httpx.Request) -> None:
            """The document has the paths of the custom domain; a stage without one has a host for each API."""
            request.url = httpx.URL(shop.url(request.url.raw_path.decode()))
            request.headers["Host"] = request.url.netloc.decode()

        package = importlib.import_module(generated_client.PACKAGE)
        self.models: Any = importlib.import_module(f"{generated_client.PACKAGE}.models")
        self._client = package.Client(
            base_url="http://shop",
            timeout=httpx.Timeout(RESPONSE_SECONDS),
            verify_ssl=emulator_client.tls(),
            httpx_args={"event_hooks": {"request": [address]}},
        )

    def call(self, operation: str, **arguments: Any) -> Any:
        """The body of the response as a model. Raises ``AssertionError`` for an error, and for a member that has no type."""
        service = operation.partition("_")[0]
        module = importlib.import_module(f"{generated_client.PACKAGE}.api.{service}.{operation}")

        def available() -> Any:
            response = module.sync_detailed(client=self._client, **arguments)
            assert response.status_code not in RETRIED, response
            return response

        response = eventually(available)
        assert attrs.has(type(response.parsed)), response
        assert not isinstance(response.parsed, self.models.Problem), response.parsed
        assert list(undescribed(response.parsed)) == []
        return response.parsed


def undescribed(value: Any) -> Iterator[str]:
    """The members within a body that the document does not describe."""
    if isinstance(value, list):
        for each in value:
            yield from undescribed(each)
    elif attrs.has(type(value)):
        yield from getattr(value, "additional_properties", {})
        for field in attrs.fields(type(value)):
            yield from undescribed(getattr(value, field.name))


@pytest.fixture(scope="module")
def buyer(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Buyer:
    generated_client.generate(tmp_path_factory.mktemp("client"))
    return Buyer(shop)


@pytest.mark.local_only("the client trusts the certificate of the local cloud")
def test_a_generated_client_buys_what_was_quoted(buyer: Buyer):
    models, basket_id = buyer.models, new_basket_id("typed")
    listed = next(each for each in buyer.call("catalog_list_products", query="sp-").items if each.available)
    product = buyer.call("catalog_show_product", sku=listed.sku)
    line = models.BasketNewItem(sku=product.sku, quantity=2)
    change = buyer.call("basket_add_item", basket_id=basket_id, body=line, idempotency_key=basket_id)
    assert (change.item.sku, change.item.unit_price) == (product.sku, product.unit_price)
    assert buyer.call("basket_show_basket", basket_id=basket_id).totals.amount == 2 * product.unit_price

    destination = models.OrdersNewQuotationShipTo(country=SHIP_TO["country"], postal_code=SHIP_TO["postal_code"])
    request = models.OrdersNewQuotation(basket_id=basket_id, ship_to=destination, delivery_method="standard")
    quotation = buyer.call("orders_create_quotation", body=request)
    assert [(each.sku, each.quantity) for each in quotation.lines] == [(product.sku, 2)]
    assert quotation.total == sum(each.line_total for each in quotation.lines) + quotation.delivery.amount

    order = models.OrdersNewOrder(
        quotation_id=quotation.quotation_id,
        payment_token="tok_ok",
        email="ada@example.com",
        ship_to=models.PostalAddress(**SHIP_TO),
    )
    accepted = buyer.call("orders_submit_order", body=order, idempotency_key=basket_id)
    assert buyer.call("orders_submit_order", body=order, idempotency_key=basket_id) == accepted

    def final_status() -> Any:
        shown = buyer.call("orders_show_order_status", order_number=accepted.order_number)
        return shown.status if shown.status != models.OrdersOrderStatusStatus.PROCESSING else None

    assert eventually(final_status) == models.OrdersOrderStatusStatus.COMPLETE
