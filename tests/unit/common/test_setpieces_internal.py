"""Signed calls to our own APIs."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from botocore.credentials import Credentials

from local.settings import ROOT
from setpieces import internal, signing
from setpieces.outside import OutsideUnavailable


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The requests that are sent."""
    requests: list[dict[str, Any]] = []

    def request(method: str, url: str, **options: Any) -> Any:
        requests.append({"method": method, "url": url, **options})
        return SimpleNamespace(status=200, data=b"{}")

    monkeypatch.setattr(internal, "_pool", SimpleNamespace(request=request))
    monkeypatch.setattr(internal, "address", lambda service, name: f"https://{service}.example/dev")
    session = SimpleNamespace(get_credentials=lambda: Credentials("id", "secret"), region_name="eu-central-1")
    monkeypatch.setattr(signing, "_session", lambda: session)
    return requests


def test_a_get_has_no_body(sent: list[dict[str, Any]]):
    internal.call("orders", "GET", "/v1/orders/T1", timeout=1)
    assert sent[0]["body"] is None
    assert "Content-Type" not in sent[0]["headers"]
    assert sent[0]["headers"]["Authorization"].startswith("AWS4-HMAC-SHA256")


@pytest.mark.parametrize("body", [None, {"count": 3}])
def test_a_post_has_a_json_object_as_its_body(sent: list[dict[str, Any]], body: Any):
    internal.call("sequences", "POST", "/v1/sequences/order/next", body=body, timeout=1)
    assert json.loads(sent[0]["body"]) == (body or {})
    assert sent[0]["headers"]["Content-Type"] == "application/json"


@pytest.mark.parametrize("responses", ["gateway-responses.yaml", "gateway-responses-reason.yaml"])
def test_an_api_without_the_path_does_not_say_that_what_is_asked_for_is_missing(
    sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, responses: str
):
    """An order whose basket could not be read would fail for good."""
    response = yaml.safe_load((ROOT / "schemas" / "api" / responses).read_text())["MISSING_AUTHENTICATION_TOKEN"]
    problem = response["responseTemplates"]["application/problem+json"].replace("$context.error.messageString", "null")

    def answer(body: str) -> None:
        answered = SimpleNamespace(status=int(response["statusCode"]), data=body.encode())
        monkeypatch.setattr(internal, "_pool", SimpleNamespace(request=lambda *_, **__: answered))

    answer(problem)
    with pytest.raises(OutsideUnavailable, match="has no path"):
        internal.call("basket", "GET", "/v1/internal/baskets/b", timeout=1)
    answer('{"code": "BASKET_NOT_FOUND"}')
    assert internal.call("basket", "GET", "/v1/internal/baskets/b", timeout=1).status == 404
