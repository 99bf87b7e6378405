"""The deployed web ACLs, as the front door evaluates them."""

import json

import pytest

from apigw_executor.messages import Request
from apigw_executor.web_acl import Firewall, read
from model.templates import iter_resources, pieces


def request(*headers: tuple[str, str], path: str = "") -> Request:
    return Request("GET", "/v1/a", headers, public_path=path, source_ip="198.51.100.1")


@pytest.mark.parametrize(
    ("service", "name"), [(piece.service, name) for piece, name, _ in iter_resources("AWS::WAFv2::WebACL")]
)
def test_every_web_acl_of_the_shop_is_evaluated(service: str, name: str) -> None:
    properties = pieces()[service].of_type("AWS::WAFv2::WebACL")[name]
    assert Firewall().evaluate(read(properties, "arn", {}, 8192), request()).action == "Allow"


SIGNED = ("Authorization", "AWS4-HMAC-SHA256 Credential=made-up")


@pytest.mark.parametrize(
    ("name", "headers", "path", "counted"),
    [
        ("WebAcl", (), "/v1/products", True),
        ("WebAcl", (SIGNED,), "/v1/products", True),
        ("WebAcl", (SIGNED,), "/orders/v1/internal/orders/T000000001", False),
        ("WebAcl", (), "/orders/v1/internal/orders/T000000001", True),
        ("WebAcl", (SIGNED,), "/basket/v1/internal/baskets/b", False),
        ("WebAcl", (SIGNED,), "/basket/v1/baskets/b", True),
        ("WebAcl", (("X-Storefront-Token", "guess"),), "/v1/products", True),
        ("WebAcl", (("X-Storefront-Token", "the token"),), "/v1/products", False),
        ("InternalWebAcl", (), "/v1/events", True),
        ("InternalWebAcl", (SIGNED,), "/v1/sequences/order/next", False),
        ("InternalWebAcl", (("X-Api-Key", "made-up"),), "/v1/events", False),
        ("InternalWebAcl", (("X-Api-Key", ""),), "/v1/events", True),
    ],
)
def test_the_web_acls_of_the_apis_count_requests_by_path_and_headers(
    name: str, headers: tuple[tuple[str, str], ...], path: str, counted: bool
) -> None:
    text = json.dumps(pieces()["foundation"].of_type("AWS::WAFv2::WebACL")[name])
    text = text.replace("{{resolve:secretsmanager:StorefrontToken}}", "the token")
    web_acl = read(json.loads(text), "arn", {}, 16_384)
    firewall = Firewall(lambda: 0.0)
    verdicts = [firewall.evaluate(web_acl, request(*headers, path=path)) for _ in range(3001)]
    assert (verdicts[-1].action, verdicts[-2].action) == ("Block" if counted else "Allow", "Allow")
    if counted:
        response = verdicts[-1].response
        assert response is not None
        assert (response.status, response.header("Content-Type")) == (429, "application/json")
        assert json.loads(response.body)["code"] == "THROTTLED"
