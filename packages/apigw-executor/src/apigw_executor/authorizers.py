"""Lambda authorizers.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/configure-api-gateway-lambda-authorization.html

What is cached is the policy that the function returned, under the values of the identity sources, and every request
is evaluated against it for its own method ARN: an Allow for one customer's path opens no other.
"""

from __future__ import annotations

from typing import Any

from apigw_executor import json_text, permissions, policy, services
from apigw_executor.authorizer_cache import Grant
from apigw_executor.context import RequestContext
from apigw_executor.document import Authorizer
from apigw_executor.events import request_event
from apigw_executor.ports import BackendTimeout, BackendUnreachable, RoleUnusable
from apigw_executor.responses import GatewayError
from apigw_executor.vtl.values import to_string

TIMEOUT = 30.0  # seconds; an authorizer's own limit is the function's timeout, capped here


def authorize(context: RequestContext) -> None:
    """Evaluates the policy of the operation's Lambda authorizer, and sets `$context.authorizer` and the usage key."""
    authorizer = context.operation.authorizer
    if authorizer is None or context.operation.iam:
        return
    grant = _grant(context, authorizer)
    # Templates, logs and events see each value as text (documentation, "Output from a Lambda authorizer").
    members = {**grant.context, "principalId": grant.principal}
    context.variables["authorizer"] = {name: to_string(value) for name, value in members.items()}
    decision = _decide(grant, context.method_arn)
    if decision == "deny":
        raise GatewayError(
            "ACCESS_DENIED",
            "User is not authorized to access this resource with an explicit deny in an identity-based policy",
        )
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html, table A: the
    # authorizer's policy and the resource policy are evaluated together, an Allow of either is enough.
    if decision != "allow" and context.policy_decision != "allow":
        raise GatewayError("ACCESS_DENIED")
    context.usage_key = grant.usage_key


def _grant(context: RequestContext, authorizer: Authorizer) -> Grant:
    """The grant of the authorizer function, or the one that is cached under the values of the identity sources."""
    identity = _identity(context, authorizer)
    key = (*context.stage_key, authorizer.name, *identity)
    caching = authorizer.ttl > 0 and bool(identity)
    grant = context.runtime.grants.get(key) if caching else None
    if grant is None:
        grant = _invoke(context, authorizer, identity)
        # A policy that cannot be evaluated is not cached.
        _decide(grant, context.method_arn)
        if caching:
            context.runtime.grants.put(key, grant, authorizer.ttl)
    return grant


def _identity(context: RequestContext, authorizer: Authorizer) -> tuple[str, ...]:
    """The values of the identity sources. UNAUTHORIZED if one is missing: the function is not invoked then."""
    sources = [context.sources.text(expression) for expression in authorizer.sources]
    # Without caching a REQUEST authorizer needs no sources at all.
    if any(value is None or value == "" for value in sources) and (sources or authorizer.kind == "token"):
        raise GatewayError("UNAUTHORIZED")
    identity = tuple(value or "" for value in sources)
    if authorizer.validation and authorizer.kind == "token" and not authorizer.validation.fullmatch(identity[0]):
        raise GatewayError("UNAUTHORIZED")
    return identity


def _event(context: RequestContext, authorizer: Authorizer, identity: tuple[str, ...]) -> dict[str, Any]:
    if authorizer.kind == "token":
        return {"type": "TOKEN", "methodArn": context.method_arn, "authorizationToken": identity[0]}
    return {"type": "REQUEST", "methodArn": context.method_arn, **request_event(context)}


def _decide(grant: Grant, method_arn: str) -> policy.Decision:
    try:
        return policy.evaluate(grant.policy, "execute-api:Invoke", method_arn)
    except policy.BadPolicy as error:
        raise GatewayError("AUTHORIZER_CONFIGURATION_ERROR", reason=f"the authorizer's policy: {error}") from None


def _invoke(context: RequestContext, authorizer: Authorizer, identity: tuple[str, ...]) -> Grant:
    """The grant that the authorizer function returns for the request."""
    payload = json_text.encode(json_text.dump(_event(context, authorizer, identity)))
    try:
        function = services.parse(authorizer.uri).function
    except services.BadUri as error:
        raise GatewayError("AUTHORIZER_CONFIGURATION_ERROR", reason=str(error)) from None
    if function is None or authorizer.kind not in ("token", "request"):
        raise GatewayError("AUTHORIZER_CONFIGURATION_ERROR", reason=f"{authorizer.kind} at {authorizer.uri}")
    source_arn = f"{context.api.root_arn}/authorizers/{authorizer.name}"
    role = authorizer.credentials
    try:
        permissions.check_function(context, function, role, source_arn, "AUTHORIZER_CONFIGURATION_ERROR")
        outcome = context.runtime.cloud.invoke(function, payload, role=role, asynchronous=False, timeout=TIMEOUT)
    except RoleUnusable as error:
        raise GatewayError("AUTHORIZER_CONFIGURATION_ERROR", reason=str(error)) from None
    except (BackendTimeout, BackendUnreachable) as error:
        raise GatewayError("AUTHORIZER_FAILURE", reason=str(error)) from None
    if outcome.function_error is not None:
        message = _error_message(outcome.payload)
        if message == "Unauthorized":
            raise GatewayError("UNAUTHORIZED")
        raise GatewayError("AUTHORIZER_FAILURE", reason=f"the authorizer function failed: {message}")
    if outcome.status >= 300:
        raise GatewayError("AUTHORIZER_FAILURE", reason=f"invoking the authorizer function answered {outcome.status}")
    return _parse(outcome.payload)


def _error_message(payload: bytes) -> str:
    try:
        value = json_text.parse(payload)
    except json_text.MalformedJson:
        return ""
    return str(value.get("errorMessage", "")) if isinstance(value, dict) else ""


def _parse(payload: bytes) -> Grant:
    def malformed(what: str) -> GatewayError:
        return GatewayError("AUTHORIZER_CONFIGURATION_ERROR", reason=f"the authorizer's output: {what}")

    try:
        value = json_text.parse(payload)
    except json_text.MalformedJson:
        raise malformed("not JSON") from None
    if not isinstance(value, dict) or not isinstance(value.get("principalId"), str) or not value["principalId"]:
        raise malformed("no principalId")
    document: Any = value.get("policyDocument")
    try:
        if not policy.statements(document):
            raise malformed("a policy without statements")
    except policy.BadPolicy as error:
        raise malformed(str(error)) from None
    context = value.get("context") or {}
    # Values are text, numbers or booleans; a list or an object makes the output malformed (documentation, "Output
    # from").
    if not isinstance(context, dict) or any(isinstance(item, dict | list) for item in context.values()):
        raise malformed("context holds more than text, numbers and booleans")
    usage_key = value.get("usageIdentifierKey")
    return Grant(
        value["principalId"],
        document,
        {name: item for name, item in context.items() if item is not None},
        usage_key if isinstance(usage_key, str) else None,
    )
