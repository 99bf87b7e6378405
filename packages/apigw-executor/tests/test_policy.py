"""IAM evaluation: globs, explicit Deny, conditions, principals."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_executor import policy

INVOKE = "execute-api:Invoke"
ARN = "arn:aws:execute-api:eu-central-1:1:api/local/GET/v1/customers/A/profile"


def statement(effect: str = "Allow", resource: Any = "*", action: Any = INVOKE, **over: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **over}


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], "implicit-deny"),
        ([statement()], "allow"),
        ([statement(resource=ARN)], "allow"),
        ([statement(resource=[ARN + "x", ARN])], "allow"),
        ([statement(resource="arn:aws:execute-api:*:*:api/local/*/v1/customers/A/*")], "allow"),
        ([statement(resource="arn:aws:execute-api:*:*:api/local/*/v1/customers/B/*")], "implicit-deny"),
        ([statement(resource=ARN.replace("/A/", "/?/"))], "allow"),
        ([statement(resource=ARN.lower())], "implicit-deny"),
        ([statement(resource=ARN.replace("A", "[A-Z]"))], "implicit-deny"),
        ([statement(action="EXECUTE-API:invoke")], "allow"),
        ([statement(action=["s3:*", "execute-api:*"])], "allow"),
        ([statement(action="s3:*")], "implicit-deny"),
        ([statement(), statement("Deny")], "deny"),
        ([statement("Deny", ARN), statement()], "deny"),
        ([statement("Deny", ARN + "/other"), statement()], "allow"),
        ([{"Effect": "Allow", "NotAction": "s3:*", "NotResource": "arn:aws:s3:::*"}], "allow"),
        ([{"Effect": "Allow", "NotAction": INVOKE, "Resource": "*"}], "implicit-deny"),
        ([{"Effect": "Allow", "Action": INVOKE}], "implicit-deny"),
        ([statement(Condition={"StringEquals": {"aws:SourceAccount": "1"}})], "allow"),
        ([statement(Condition={"StringEquals": {"aws:sourceaccount": ["2", "1"]}})], "allow"),
        ([statement(Condition={"StringNotEquals": {"aws:SourceAccount": ["2", "1"]}})], "implicit-deny"),
        ([statement(Condition={"StringEquals": {"aws:Nope": "1"}})], "implicit-deny"),
        ([statement(Condition={"StringEqualsIfExists": {"aws:Nope": "1"}})], "allow"),
        ([statement(Condition={"Null": {"aws:Nope": "true"}})], "allow"),
        ([statement(Condition={"ArnLike": {"aws:SourceArn": "arn:aws:execute-api:*:*:api/*"}})], "allow"),
        ([statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})], "allow"),
        ([statement(Condition={"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}})], "implicit-deny"),
    ],
)
def test_decisions(statements: list[dict[str, Any]], expected: str) -> None:
    known = {"aws:SourceAccount": "1", "aws:SourceArn": ARN, "aws:SourceIp": "10.1.2.3"}
    assert policy.evaluate({"Statement": statements}, INVOKE, ARN, known) == expected


@pytest.mark.parametrize(
    "document",
    [
        None,
        "text",
        {},
        {"Statement": "x"},
        {"Statement": ["x"]},
        {"Statement": {"Effect": "Maybe"}},
        {"Statement": statement(resource=5)},
        {"Statement": statement(Condition={"NumericLessThan": {"a": "1"}})},
    ],
)
def test_an_invalid_policy_is_refused(document: Any) -> None:
    with pytest.raises(policy.BadPolicy):
        policy.evaluate(document, INVOKE, ARN, {"a": "1"})


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ("*", "allow"),
        ({"AWS": "*"}, "allow"),
        ({"Service": ["a.amazonaws.com", "apigateway.amazonaws.com"]}, "allow"),
        ({"Service": "lambda.amazonaws.com"}, "implicit-deny"),
        (None, "implicit-deny"),
    ],
)
def test_principals(principal: Any, expected: str) -> None:
    document = {"Statement": statement(Principal=principal)}
    assert policy.evaluate(document, INVOKE, ARN, principals=["apigateway.amazonaws.com"]) == expected


@given(st.text(alphabet="ab*?[]().^$\\/:", max_size=12), st.text(alphabet="ab/:", max_size=12))
def test_globs_know_two_wildcards_only(pattern: str, value: str) -> None:
    def slow(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return slow(pattern[1:], text) or (bool(text) and slow(pattern, text[1:]))
        return bool(text) and pattern[0] in ("?", text[0]) and slow(pattern[1:], text[1:])

    assert policy.matches(pattern, value) == slow(pattern, value)
