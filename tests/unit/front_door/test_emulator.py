"""The routes of the launcher, as the front door calls them."""

import json

import pytest
from botocore.credentials import Credentials

from apigw_executor.messages import Pairs, Request
from apigw_executor.ports import Answer, BackendTimeout, BackendUnreachable, EndpointDown
from local.front_door.emulator import Emulator


class FakeHttp:
    """Sends back ``response``, or raises it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.response: Answer | Exception = Answer(200, (), b"[]")

    def send(self, method: str, url: str, headers: Pairs, body: bytes, *, timeout: float) -> Answer:
        self.requests.append((method, url, dict(headers), body))
        if isinstance(self.response, Exception):
            raise self.response
        return self.response


@pytest.fixture
def http() -> FakeHttp:
    return FakeHttp()


@pytest.fixture
def emulator(http: FakeHttp) -> Emulator:
    own = Credentials("OWN", "secret")
    return Emulator(
        "http://127.0.0.1:1/",
        "eu-central-1",
        own,
        http,  # type: ignore[arg-type]
        admin_headers=(("x-admin", "secret"),),
    )


def test_authorize_forwards_the_signed_request(emulator: Emulator, http: FakeHttp) -> None:
    http.response = Answer(200, (), b'{"allowed": true, "code": "", "principal_arn": "arn:p", "account_id": "1"}')
    request = Request("POST", "/v1/x", (("Authorization", "AWS4"),), (("a", "b"),), b"body", public_path="/shop/v1/x")
    decision = emulator.authorize(request, "arn:resource")
    assert (decision.allowed, decision.principal_arn) == (True, "arn:p")
    ((method, url, headers, body),) = http.requests
    assert (method, url, headers["x-admin"]) == ("POST", "http://127.0.0.1:1/_setpieces/authorize", "secret")
    assert json.loads(body) == {
        "method": "POST",
        "raw_path": "/shop/v1/x",
        "query": [["a", "b"]],
        "headers": [["Authorization", "AWS4"]],
        "body_base64": "Ym9keQ==",
        "action": "execute-api:Invoke",
        "resource": "arn:resource",
    }


@pytest.mark.parametrize(
    "fault", [BackendUnreachable("refused"), BackendTimeout("slow"), Answer(500, (), b""), Answer(200, (), b"no JSON")]
)
def test_an_unusable_answer_is_an_endpoint_that_is_down(
    emulator: Emulator, http: FakeHttp, fault: Answer | Exception
) -> None:
    http.response = fault
    with pytest.raises(EndpointDown):
        emulator.resources()
    with pytest.raises(EndpointDown):
        emulator.authorize(Request("GET", "/"), "arn:resource")


def test_control_plane_requests_are_signed_and_none_if_refused(emulator: Emulator, http: FakeHttp) -> None:
    assert emulator.get_json("apigateway", "/apikeys", {"limit": "5"}) == []
    _, url, headers, _ = http.requests[0]
    assert url == "http://127.0.0.1:1/apikeys?limit=5"
    assert "Credential=OWN/" in headers["Authorization"]
    http.response = Answer(404, (), b"{}")
    assert emulator.get_json("apigateway", "/apikeys", {}) is None
