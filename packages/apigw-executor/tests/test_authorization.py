"""Who may call a method: authorizers and their cache, IAM, resource policies."""

from __future__ import annotations

from typing import Any

import pytest
from gateway_fakes import (
    ACCOUNT,
    AUTHORIZER,
    REGION,
    World,
    allow,
    authorizer_scheme,
    body_of,
    lambda_error,
    proxy,
    secured,
)

from apigw_executor.ports import BackendTimeout, IamDecision, Invocation

IAM_SCHEME = {
    "sigv4": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}
}


def own_customer(event: dict[str, Any]) -> dict[str, Any]:
    """An Allow for the paths of the customer that the token names, and of no other."""
    customer = event["headers"]["Authorization"].removeprefix("Bearer ")
    base = event["methodArn"].split("/", 2)[0]
    return allow(f"{base}/local/*/v1/customers/{customer}/*", context={"customer": customer, "level": 3, "vip": True})


CUSTOMERS = {"/v1/customers/{id}/profile": {"get": proxy(), "patch": proxy()}}


def test_a_cached_allow_of_customer_a_does_not_open_customer_b() -> None:
    world = secured(CUSTOMERS, authorizer_scheme())
    world.cloud.results[AUTHORIZER] = own_customer
    headers = {"Authorization": "Bearer A"}
    assert world.send("GET", "/v1/customers/A/profile", headers=headers).status == 200
    assert world.send("PATCH", "/v1/customers/A/profile", headers=headers).status == 200
    for path in ("B", "a", "A%2F..%2FB", "%41", "*", "?", "A/../B"):
        response = world.send("GET", f"/v1/customers/{path}/profile", headers=headers)
        assert response.status == 403, path
    events = [event for function, event, _, _ in world.cloud.invocations if function == AUTHORIZER]
    assert len(events) == 1
    assert world.send("GET", "/v1/customers/B/profile", headers={"Authorization": "Bearer B"}).status == 200


def test_the_cache_ends_with_its_time_and_with_a_deploy() -> None:
    world = secured(CUSTOMERS, authorizer_scheme())
    world.cloud.results[AUTHORIZER] = own_customer

    def asked_after(seconds: float) -> int:
        world.clock.at += seconds
        world.send("GET", "/v1/customers/A/profile", headers={"Authorization": "Bearer A"})
        return sum(function == AUTHORIZER for function, *_ in world.cloud.invocations)

    assert [asked_after(0), asked_after(59), asked_after(1.5)] == [1, 1, 2]
    world.executor.forget()
    assert asked_after(0) == 3


def test_authorizer_event_and_context() -> None:
    world = secured(CUSTOMERS, authorizer_scheme())
    world.cloud.results[AUTHORIZER] = own_customer
    world.send("GET", "/v1/customers/A/profile", headers={"Authorization": "Bearer A"}, query=(("a", "b"),))
    (_, request, role, _), (_, event, _, _) = world.cloud.invocations
    assert role is None
    assert request["type"] == "REQUEST"
    assert request["methodArn"] == f"arn:aws:execute-api:{REGION}:{ACCOUNT}:api1/local/GET/v1/customers/A/profile"
    assert request["queryStringParameters"] == {"a": "b"}
    assert "body" not in request
    assert event["requestContext"]["authorizer"] == {"customer": "A", "level": "3", "vip": "true", "principalId": "p"}


@pytest.mark.parametrize(
    ("result", "status", "kind"),
    [
        (lambda_error("Unauthorized"), 401, "UNAUTHORIZED"),
        (lambda_error("unauthorized"), 500, "AUTHORIZER_FAILURE"),
        (BackendTimeout("slow"), 500, "AUTHORIZER_FAILURE"),
        (Invocation(429, b"{}"), 500, "AUTHORIZER_FAILURE"),
        ({"principalId": "p"}, 500, "AUTHORIZER_CONFIGURATION_ERROR"),
        (allow("*", principalId=""), 500, "AUTHORIZER_CONFIGURATION_ERROR"),
        (allow("*", "Perhaps"), 500, "AUTHORIZER_CONFIGURATION_ERROR"),
        (allow("*", context={"a": ["b"]}), 500, "AUTHORIZER_CONFIGURATION_ERROR"),
        (None, 500, "AUTHORIZER_CONFIGURATION_ERROR"),
        (allow("*", "Deny", context={"reason": "OTHER"}), 403, "ACCESS_DENIED"),
        (allow("arn:aws:execute-api:*/other/*"), 403, "ACCESS_DENIED"),
    ],
)
def test_authorizer_outcomes(result: Any, status: int, kind: str) -> None:
    template = '{"kind":"$context.error.responseType","reason":"$context.authorizer.reason"}'
    rules = {name: {"responseTemplates": {"application/json": template}} for name in ("DEFAULT_4XX", "DEFAULT_5XX")}
    world = secured(CUSTOMERS, authorizer_scheme(), x_amazon_apigateway_gateway_responses=rules)
    world.cloud.results[AUTHORIZER] = result
    for _ in range(2):
        response = world.send("GET", "/v1/customers/A/profile", headers={"Authorization": "x"})
        assert (response.status, body_of(response)["kind"]) == (status, kind)
    assert body_of(response)["reason"] == ("OTHER" if isinstance(result, dict) and "OTHER" in str(result) else "")
    # A policy is cached, a failure never is.
    assert len(world.cloud.invocations) == (1 if kind == "ACCESS_DENIED" else 2)


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}])
def test_without_an_identity_source_the_authorizer_is_not_called(headers: dict[str, str]) -> None:
    world = secured(CUSTOMERS, authorizer_scheme())
    assert world.send("GET", "/v1/customers/A/profile", headers=headers).status == 401
    assert world.cloud.invocations == []


def test_token_authorizer() -> None:
    over = {"type": "token", "identityValidationExpression": "Bearer [a-z]+", "identitySource": None}
    world = secured(CUSTOMERS, authorizer_scheme(**over))
    world.cloud.results[AUTHORIZER] = lambda event: allow("*", context={"seen": event["authorizationToken"]})
    assert world.send("GET", "/v1/customers/A/profile", headers={"Authorization": "Basic x"}).status == 401
    assert world.cloud.invocations == []
    assert world.send("GET", "/v1/customers/A/profile", headers={"Authorization": "Bearer x"}).status == 200
    assert set(world.cloud.invocations[0][1]) == {"type", "methodArn", "authorizationToken"}


def test_iam() -> None:
    world = secured({"/x": {"get": proxy()}}, IAM_SCHEME)
    assert world.send("GET", "/x").status == 403
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=..."}
    assert world.send("GET", "/x", headers=signed).status == 200
    identity = world.cloud.invocations[0][1]["requestContext"]["identity"]
    assert identity["userArn"].endswith(":user/u")
    for code, kind in {
        "AccessDenied": "AccessDeniedException",
        "SignatureDoesNotMatch": "InvalidSignatureException",
        "ExpiredToken": "ExpiredTokenException",
        "InvalidClientTokenId": "InvalidSignatureException",
    }.items():
        world.cloud.iam = IamDecision(False, code, "no")
        response = world.send("GET", "/x", headers=signed)
        assert (response.status, response.header("x-amzn-errortype")) == (403, kind)


def test_resource_policy() -> None:
    document = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "execute-api:Invoke",
                "Resource": "execute-api:/local/GET/*",
            },
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "execute-api:Invoke",
                "Resource": "execute-api:/local/GET/b",
                "Condition": {"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}},
            },
        ]
    }
    paths = {"/a": {"get": proxy(), "put": proxy()}, "/b": {"get": proxy()}}
    world = World(paths, x_amazon_apigateway_policy=document)
    assert [world.send("GET", "/a").status, world.send("PUT", "/a").status, world.send("GET", "/b").status] == [
        200,
        403,
        403,
    ]


@pytest.mark.parametrize(
    ("by_policy", "by_authorizer", "status"),
    [
        ("local/GET/x", allow("*"), 200),
        ("local/GET/x", allow("other"), 200),
        ("local/GET/x", allow("*", "Deny"), 403),
        ("local/GET/other", allow("*"), 200),
        ("local/GET/other", allow("other"), 403),
    ],
)
def test_resource_policy_beside_an_authorizer(by_policy: str, by_authorizer: Any, status: int) -> None:
    rule = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "execute-api:Invoke",
        "Resource": f"execute-api:/{by_policy}",
    }
    world = secured({"/x": {"get": proxy()}}, authorizer_scheme(), x_amazon_apigateway_policy={"Statement": [rule]})
    world.cloud.results[AUTHORIZER] = by_authorizer
    assert world.send("GET", "/x", headers={"Authorization": "t"}).status == status
