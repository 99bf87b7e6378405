"""Signed calls to our own APIs."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from botocore.credentials import Credentials

from model.settings import ROOT
from setpieces import connections, signed_client, signing
from setpieces.errors import ExternalUnavailable


class World:
    """The requests that are sent, and what is answered."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.status, self.answer = 200, b"{}"

    def request(self, method: str, url: str, **options: Any) -> Any:
        self.sent.append({"method": method, "url": url, **options})
        return SimpleNamespace(status=self.status, headers={}, data=self.answer)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(connections, "request", world.request)
    monkeypatch.setattr(signed_client, "read_parameter", lambda service, name: f"https://{service}.example/dev")
    session = SimpleNamespace(get_credentials=lambda: Credentials("id", "secret"), region_name="eu-central-1")
    monkeypatch.setattr(signing, "_session", lambda: session)
    return world


def test_a_get_has_no_body(world: World):
    signed_client.call("orders", "GET", "/v1/orders/T1", timeout=1)
    assert world.sent[0]["body"] is None
    assert "Content-Type" not in world.sent[0]["headers"]
    assert world.sent[0]["headers"]["Authorization"].startswith("AWS4-HMAC-SHA256")


@pytest.mark.parametrize("body", [None, {"count": 3}])
def test_a_post_has_a_json_object_as_its_body(world: World, body: Any):
    signed_client.call("sequences", "POST", "/v1/sequences/order/next", body=body, timeout=1)
    assert json.loads(world.sent[0]["body"]) == (body or {})
    assert world.sent[0]["headers"]["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", ["/v1/orders/.", "/v1/orders/../baskets", "/v1/orders//", "/v1/orders/"])
def test_a_segment_that_would_be_resolved_is_404_without_a_call(world: World, path: str):
    assert signed_client.call("orders", "GET", path, timeout=1).status == 404
    assert world.sent == []


def test_html_is_no_answer(world: World):
    world.answer = b"<html>"
    with pytest.raises(ExternalUnavailable, match="not JSON"):
        signed_client.call("orders", "GET", "/v1/orders/T1", timeout=1)


def test_an_api_without_the_path_is_not_a_missing_resource(world: World):
    """An order whose basket could not be read would fail for good."""
    path = ROOT / "schemas" / "api" / "gateway-responses" / "unknown-path.yaml"
    response = yaml.safe_load(path.read_text())
    problem = response["responseTemplates"]["application/problem+json"].replace("$context.error.messageString", "null")
    world.status, world.answer = int(response["statusCode"]), problem.encode()
    with pytest.raises(ExternalUnavailable) as raised:
        signed_client.call("basket", "GET", "/v1/internal/baskets/secret-basket", timeout=1)
    # The path may hold a voucher's code or a basket's id; the message goes to logs and dead letters.
    assert str(raised.value) == "basket: has no such path for GET, answered 404"
    world.answer = b'{"code": "BASKET_NOT_FOUND"}'
    assert signed_client.call("basket", "GET", "/v1/internal/baskets/b", timeout=1).status == 404
