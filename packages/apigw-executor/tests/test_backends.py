"""The endpoint of AWS over HTTP: signing, roles, permissions, absence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.credentials import Credentials

from apigw_executor.backends import AwsEndpoint
from apigw_executor.messages import Pairs
from apigw_executor.ports import Answer, BackendTimeout, BackendUnreachable, EndpointDown, RoleUnusable
from apigw_executor.services import ServiceRequest
from apigw_executor.telemetry import CloudWatch

ROLE = "arn:aws:iam::1:role/path/integration"
TRUST = {
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}]
}
REQUEST = ServiceRequest("dynamodb", "eu-central-1", "POST", "/", (), {"X-Amz-Target": "T"}, b"{}")


class FakeHttp:
    """An AWS of one role. `fault` is raised instead of an answer."""

    def __init__(self, trust: Any = TRUST) -> None:
        self.trust = trust
        self.sent: list[tuple[str, str, dict[str, str], bytes]] = []
        self.fault: Exception | None = None
        self.assumed = 0
        self.policy = Answer(404, (), b"{}")
        self.unknown: set[str] = set()

    def send(self, method: str, url: str, headers: Pairs, body: bytes, *, timeout: float) -> Answer:
        self.sent.append((method, url, dict(headers), body))
        if self.fault:
            raise self.fault
        if b"Action=GetRole" in body:
            if self.trust is None:
                return Answer(404, (), b"<Error/>")
            document = json.dumps(self.trust).replace("%", "%25").replace('"', "%22").replace("{", "%7B")
            return Answer(
                200, (), f"<R xmlns='x'><AssumeRolePolicyDocument>{document}</AssumeRolePolicyDocument></R>".encode()
            )
        if b"Action=AssumeRole" in body:
            self.assumed += 1
            inner = f"<AccessKeyId>ROLE{self.assumed}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            inner += "<SessionToken>t</SessionToken><Expiration>1970-01-01T01:00:00Z</Expiration>"
            return Answer(200, (), f"<R xmlns='x'>{inner}</R>".encode())
        if any(f"Credential={key}/" in dict(headers).get("Authorization", "") for key in self.unknown):
            return Answer(400, (), b'{"__type": "UnrecognizedClientException"}')
        if url.endswith("/policy"):
            return self.policy
        if url.endswith("/invocations"):
            return Answer(200, (("X-Amz-Function-Error", "Unhandled"),), b"{}")
        return Answer(200, (), b"{}")


class World:
    def __init__(self, trust: Any = TRUST) -> None:
        self.http, self.now = FakeHttp(trust), 0.0
        own = Credentials("OWN", "secret")
        self.aws = AwsEndpoint(
            "http://127.0.0.1:1/",
            "eu-central-1",
            own,
            self.http,  # type: ignore[arg-type]
            lambda: self.now,
        )


def test_calls_are_signed_with_the_roles_credentials_until_they_expire() -> None:
    world = World()
    for _ in range(3):
        world.aws.call(REQUEST, role=ROLE, timeout=1)
    assert world.http.assumed == 1
    method, url, headers, body = world.http.sent[-1]
    assert (method, url, body, headers["X-Amz-Target"]) == ("POST", "http://127.0.0.1:1/", b"{}", "T")
    assert "Credential=ROLE1/" in headers["Authorization"]
    assert "/eu-central-1/dynamodb/aws4_request" in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "t"
    world.now = 3600 - 60
    world.aws.call(REQUEST, role=ROLE, timeout=1)
    assert world.http.assumed == 2
    world.aws.forget()
    world.aws.call(REQUEST, role=ROLE, timeout=1)
    assert world.http.assumed == 3


def test_a_restarted_endpoint_is_called_for_new_credentials_once() -> None:
    world = World()
    world.aws.call(REQUEST, role=ROLE, timeout=1)
    world.http.unknown = {"ROLE1"}
    assert world.aws.call(REQUEST, role=ROLE, timeout=1).status == 200
    assert world.http.assumed == 2
    world.http.unknown = {"ROLE2", "ROLE3"}
    assert world.aws.call(REQUEST, role=ROLE, timeout=1).status == 400
    assert world.http.assumed == 3


@pytest.mark.parametrize(
    "trust",
    [
        None,
        {
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ]
        },
        {"Statement": []},
        {},
    ],
)
def test_a_role_must_trust_api_gateway(trust: Any) -> None:
    world = World(trust)
    with pytest.raises(RoleUnusable):
        world.aws.call(REQUEST, role=ROLE, timeout=1)
    assert world.http.assumed == 0


def test_invoke() -> None:
    world = World()
    result = world.aws.invoke("arn:aws:lambda:eu:1:function:f", b"{}", role=None, asynchronous=True, timeout=1)
    assert (result.status, result.function_error) == (200, "Unhandled")
    _, url, headers, _ = world.http.sent[0]
    assert url.endswith("/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu%3A1%3Afunction%3Af/invocations")
    assert headers["X-Amz-Invocation-Type"] == "Event"
    assert "Credential=OWN/" in headers["Authorization"]


def test_a_function_policy_is_cached() -> None:
    world = World()
    assert world.aws.function_policy("f") is None
    world.http.policy = Answer(200, (), json.dumps({"Policy": json.dumps(TRUST)}).encode())
    assert world.aws.function_policy("f") is None
    world.now += 1.5
    assert world.aws.function_policy("f") == TRUST
    world.http.policy = Answer(404, (), b"")
    world.now += 20
    assert world.aws.function_policy("f") == TRUST
    world.now += 20
    assert world.aws.function_policy("f") is None


def test_not_found_and_timeout_differ() -> None:
    world = World()
    world.http.fault = BackendUnreachable("refused")
    with pytest.raises(EndpointDown):
        world.aws.invoke("f", b"", role=None, asynchronous=False, timeout=1)
    world.http.fault = BackendTimeout("slow")
    with pytest.raises(BackendTimeout):
        world.aws.invoke("f", b"", role=None, asynchronous=False, timeout=1)


class FakeClient:
    def __init__(self, fails: bool = False) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.fails = fails

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> None:
            if self.fails:
                raise ConnectionError("away")
            self.calls.append((name, arguments))

        return call


def test_telemetry() -> None:
    logs, published = FakeClient(), {}
    telemetry = CloudWatch(logs, lambda namespace, data: published.update({namespace: data}))
    telemetry.access("arn:aws:logs:eu:1:log-group:/g/h:*", "one")
    telemetry.access("arn:aws:logs:eu:1:log-group:/g/h:*", "two")
    telemetry.access("arn:aws:firehose:eu:1:deliverystream/x", "elsewhere")
    telemetry.request("api", "local", 200, 5.2, 3.1)
    telemetry.request("api", "local", 200, 4.9, 2.8)
    telemetry.request("api", "local", 404, 1.0, None)
    telemetry.flush()
    assert [name for name, _ in logs.calls] == ["create_log_stream", "put_log_events"]
    assert logs.calls[1][1]["logGroupName"] == "/g/h"
    assert [event["message"] for event in logs.calls[1][1]["logEvents"]] == ["one", "two"]
    data = {
        datum["MetricName"]: dict(zip(datum["Values"], datum["Counts"], strict=True))
        for datum in published["AWS/ApiGateway"]
    }
    assert data == {
        "Count": {1.0: 3},
        "4XXError": {0.0: 2, 1.0: 1},
        "5XXError": {0.0: 3},
        "Latency": {5.0: 2, 1.0: 1},
        "IntegrationLatency": {3.0: 2},
    }
    published.clear()
    telemetry.flush()
    assert published == {}


def test_telemetry_survives_the_absence_of_cloudwatch() -> None:
    telemetry = CloudWatch(FakeClient(fails=True), FakeClient(fails=True).publish)
    telemetry.access("arn:aws:logs:eu:1:log-group:g", "one")
    telemetry.request("api", "local", 200, 5.2, 3.1)
    telemetry.request("api", "local", 200, 4.9, 2.8)
    telemetry.flush()
