"""Faults: the calls that fail, how and how often; they affect only deployed roles."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest
from botocore.parsers import create_parser

from local.emulator.fault_plan import KINDS, Call, Plan
from local.emulator.faults import Faults, _call, _error, callers

PAIRS = [(f"function-{n}", operation) for n in range(8) for operation in ("dynamodb:PutItem", "sqs:SendMessage")]


def call(pair: tuple[str, str] = PAIRS[0], invocation: str = "1") -> Call:
    return Call(*pair, invocation)


def drawn(seed: int, order: list[tuple[str, str]] = PAIRS) -> dict[tuple[str, str], str | None]:
    plan = Plan(seed, tuple(KINDS))
    return {pair: plan.decide(call(pair, f"{pair}")) for pair in order}


def test_the_seed_determines_how_each_call_fails_in_any_order():
    assert drawn(1) == drawn(1, PAIRS[::-1])
    assert drawn(1) != drawn(2)
    assert set(drawn(1).values()) <= KINDS.keys()


def test_a_call_fails_once_in_all_its_attempts():
    plan = Plan(kinds=("throttle",))
    assert [plan.decide(call()) for _ in range(3)] == ["throttle"] * 3
    assert plan.decide(call(invocation="2")) is None
    assert [each["attempts"] for each in plan.injected] == [3]


def test_kinds_with_once_fail_only_the_first_attempt():
    plan = Plan(kinds=("lost-response-once",))
    assert [plan.decide(call()) for _ in range(2)] == ["lost-response-once", None]
    assert plan.decide(call(invocation="2")) is None


def test_a_plan_without_kinds_only_records_calls():
    plan = Plan()
    assert {plan.decide(call(pair)) for pair in PAIRS} == {None}
    assert plan.report()["seen"] == plan.report()["waiting"] == sorted(map(list, PAIRS))


def test_only_named_pairs_fail():
    plan = Plan.parse({"kinds": ["throttle"], "pairs": [list(PAIRS[1])]})
    assert [plan.decide(call(pair, f"{pair}")) for pair in PAIRS[:3]] == [None, "throttle", None]


def test_the_number_of_faults_of_a_caller_in_a_turn_is_limited():
    plan = Plan.parse({"kinds": ["throttle"], "most": 1})
    first, second = PAIRS[:2]
    assert (plan.decide(call(first, "1")), plan.decide(call(second, "2"))) == ("throttle", None)
    assert plan.decide(call(PAIRS[2], "3")) == "throttle", "another caller"
    assert plan.report()["waiting"] == [list(second)]
    plan.next_turn()
    assert (plan.decide(call(first, "4")), plan.decide(call(second, "5"))) == (None, "throttle")


def test_faults_of_a_caller_are_apart_in_time():
    now = [0.0]
    plan = Plan(kinds=("throttle",), calm=5, clock=lambda: now[0])
    assert plan.decide(call(PAIRS[0], "1"))
    now[0] = 4.9
    assert not plan.decide(call(PAIRS[1], "2"))
    now[0] = 5.0
    assert plan.decide(call(PAIRS[1], "3"))


def test_after_lets_some_calls_succeed_first():
    def failed(seed: int) -> int:
        plan = Plan(seed, ("throttle",), after=3)
        return [plan.decide(call(invocation=str(n))) for n in range(5)].index("throttle")

    assert {failed(seed) for seed in range(40)} == {0, 1, 2, 3}


def test_unknown_kinds_are_rejected():
    with pytest.raises(ValueError, match="earthquake"):
        Plan.parse({"kinds": ["earthquake"]})


def resource(logical_id: str, kind: str, physical_id: str, **properties: Any) -> dict[str, Any]:
    stack = "setpieces-local-Orders-1ABC"
    return {
        "stack": stack,
        "logical_id": logical_id,
        "type": kind,
        "physical_id": physical_id,
        "properties": properties,
    }


def test_callers_are_functions_or_other_roles():
    deployed = [
        resource("SubmitRole", "AWS::IAM::Role", "role-1"),
        resource("ApiRole", "AWS::IAM::Role", "role-2"),
        resource("Submit", "AWS::Lambda::Function", "setpieces-local-orders-submit-order", Role="arn:x:role/role-1"),
    ]
    assert callers(deployed) == {"role-1": "orders-submit-order", "role-2": "Orders/ApiRole"}


def scope(method: str = "POST", path: str = "/", query: str = "", **headers: str) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": named}


def signed(service: str) -> str:
    return f"AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-central-1/{service}/aws4_request, Signature=0"


@pytest.mark.parametrize(
    ("request_", "body", "operation"),
    [
        (scope(x_amz_target="DynamoDB_20120810.PutItem", authorization=signed("dynamodb")), b"{}", "dynamodb:PutItem"),
        (
            scope(content_type="application/x-www-form-urlencoded", authorization=signed("sns")),
            b"Action=Publish&Version=2010-03-31",
            "sns:Publish",
        ),
        (scope("GET", "/bucket/key", authorization=signed("s3")), b"", "s3:GetObject"),
        (scope("HEAD", "/bucket/key", authorization=signed("s3")), b"", "s3:HeadObject"),
        (scope("POST", "/bucket/key", "uploads=", authorization=signed("s3")), b"", "s3:CreateMultipartUpload"),
        (scope("PUT", "/bucket/key", "partNumber=1&uploadId=2", authorization=signed("s3")), b"", "s3:UploadPart"),
        (
            scope("POST", "/2015-03-31/functions/f/invocations", authorization=signed("lambda")),
            b"",
            "lambda:InvokeFunction",
        ),
    ],
)
def test_a_request_is_recognised_by_its_operation(request_: dict[str, Any], body: bytes, operation: str):
    request = _call("function", request_, body)
    assert request
    assert request.operation == operation


@pytest.mark.parametrize(
    ("protocol", "operation", "code", "headers"),
    [
        ("json", "dynamodb:PutItem", "ProvisionedThroughputExceededException", {"x_amz_target": "x.PutItem"}),
        ("query", "sns:Publish", "Throttled", {}),
        ("rest-xml", "s3:GetObject", "SlowDown", {}),
        ("rest-json", "lambda:InvokeFunction", "TooManyRequestsException", {}),
    ],
)
def test_an_error_has_the_protocol_of_the_service(protocol: str, operation: str, code: str, headers: dict):
    request = call(("function", operation))
    start, body = _error(request, scope(**headers), *KINDS["throttle"].response(request.service) or (0, ""))
    response_headers = {name.decode(): value.decode() for name, value in start["headers"]}
    response = {"status_code": start["status"], "headers": response_headers, "body": body["body"]}
    parser: Any = create_parser(protocol)
    assert parser.parse(response, None)["Error"]["Code"] == code


class Emulator:
    """Records the requests to the emulator and responds with 200."""

    def __init__(self) -> None:
        self.applied: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.applied.append((await receive()).get("body", b""))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


def answered(monkeypatch: pytest.MonkeyPatch, kind: str, caller: str = "orders-submit-order") -> tuple[int, int]:
    """(status, number of requests to the emulator) of a call under a plan; 0 if there is no response."""
    faults, emulator = Faults(lambda: []), Emulator()
    messages: list[MutableMapping[str, Any]] = []
    faults.begin({"kinds": [kind]})
    monkeypatch.setattr(faults, "_caller", lambda scope: caller)
    waiting: list[dict[str, Any]] = [{"type": "http.disconnect"}, {"type": "http.request", "body": b"{}"}]

    async def receive() -> dict[str, Any]:
        return waiting.pop()

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    signed_request = scope(x_amz_target="DynamoDB_20120810.PutItem", authorization=signed("dynamodb"))
    asyncio.run(faults.apply(emulator, signed_request, receive, send))
    return (messages[0]["status"] if messages else 0), len(emulator.applied)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("throttle", (400, 0)), ("server-error", (500, 0)), ("time-out", (0, 0)), ("lost-response", (500, 1))],
)
def test_a_kind_of_fault_has_its_documented_effect(
    monkeypatch: pytest.MonkeyPatch, kind: str, outcome: tuple[int, int]
):
    assert answered(monkeypatch, kind) == outcome
    assert answered(monkeypatch, f"{kind}-once") == outcome


def test_faults_affect_only_deployed_roles(monkeypatch: pytest.MonkeyPatch):
    assert answered(monkeypatch, "throttle", caller="") == (200, 1)


def test_root_and_presigned_urls_have_no_role():
    faults = Faults(lambda: [])
    assert faults._caller(scope(authorization=signed("s3").replace("AKIA", "test"))) == ""
    assert faults._caller(scope(query="X-Amz-Credential=AKIA%2F20260101")) == ""


def test_the_report_is_json():
    faults = Faults(lambda: [])
    faults.begin({"seed": 3, "kinds": ["throttle"]})
    assert json.loads(json.dumps(faults.end()))["seed"] == 3
