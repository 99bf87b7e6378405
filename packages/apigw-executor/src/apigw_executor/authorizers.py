"""Lambda authorizers.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/configure-api-gateway-lambda-authorization.html

What is cached is the policy that the function returned, under the values of the identity sources, and every request
is evaluated against it for its own method ARN: an Allow for one customer's path opens no other.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apigw_executor import json_text, policy, services
from apigw_executor.document import Authorizer
from apigw_executor.parameters import Sources
from apigw_executor.ports import BackendTimeout, BackendUnreachable, Invocation, RoleUnusable
from apigw_executor.responses import GatewayError

LOG = logging.getLogger(__name__)
MAX_CACHED = 10_000  # policies; the oldest make room
TIMEOUT = 30.0  # seconds; an authorizer's own limit is the function's timeout, capped here


@dataclass(frozen=True)
class Grant:
    """What an authorizer function returned: who calls, what they may do, what it says of them."""

    principal: str
    policy: Mapping[str, Any]
    context: Mapping[str, str | int | float | bool]
    usage_key: str | None


class GrantCache:
    """Grants by key until their time is over. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._grants: dict[tuple[str, ...], tuple[float, Grant]] = {}
        self._lock = threading.Lock()

    def get(self, key: tuple[str, ...]) -> Grant | None:
        """The grant under `key`, None if there is none or its time is over."""
        with self._lock:
            found = self._grants.get(key)
            if found is None:
                return None
            until, grant = found
            if self._clock() >= until:
                del self._grants[key]
                return None
            return grant

    def put(self, key: tuple[str, ...], grant: Grant, ttl: float) -> None:
        """Keeps `grant` for `ttl` seconds."""
        with self._lock:
            while len(self._grants) >= MAX_CACHED:
                del self._grants[next(iter(self._grants))]
            self._grants[key] = (self._clock() + ttl, grant)

    def clear(self) -> None:
        """Forgets all, as a new deployment of the stage does."""
        with self._lock:
            self._grants.clear()


Invoke = Callable[[str, bytes, str | None, str], Invocation]
"""(function ARN, payload, role, authorizer's name) to its outcome; checks the function's own policy where there is no
role."""


def authorize(
    authorizer: Authorizer,
    scope: tuple[str, str],
    method_arn: str,
    sources: Sources,
    event: Callable[[], dict[str, Any]],
    cache: GrantCache,
    invoke: Invoke,
    *,
    allowed: bool = False,
) -> Grant:
    """The grant for this request, evaluated for `method_arn`; GatewayError if there is none.

    With `allowed`, the API's resource policy has allowed the request already: only a Deny of the authorizer refuses it.

    `scope` is (API id, stage). `event` makes a REQUEST authorizer's event without `type` and `methodArn`.
    """
    values = [sources.text(expression) for expression in authorizer.sources]
    if any(value is None or value == "" for value in values) and (values or authorizer.kind == "token"):
        # The function is not called; without caching a REQUEST authorizer needs no sources at all.
        raise GatewayError("UNAUTHORIZED")
    identity = tuple(value or "" for value in values)
    if authorizer.validation and authorizer.kind == "token" and not authorizer.validation.fullmatch(identity[0]):
        raise GatewayError("UNAUTHORIZED")
    key = (*scope, authorizer.name, *identity)
    caching = authorizer.ttl > 0 and bool(identity)
    grant = cache.get(key) if caching else None
    if grant is None:
        payload = (
            {"type": "TOKEN", "methodArn": method_arn, "authorizationToken": identity[0]}
            if authorizer.kind == "token"
            else {"type": "REQUEST", "methodArn": method_arn, **event()}
        )
        grant = _ask(authorizer, payload, invoke)
        decision = _decide(grant, method_arn)
        if caching:
            cache.put(key, grant, authorizer.ttl)
    else:
        decision = _decide(grant, method_arn)
    sources.context["authorizer"] = {**grant.context, "principalId": grant.principal}
    if decision == "deny":
        raise GatewayError(
            "ACCESS_DENIED",
            "User is not authorized to access this resource with an explicit deny in an identity-based policy",
        )
    if decision != "allow" and not allowed:
        raise GatewayError("ACCESS_DENIED")
    return grant


def _decide(grant: Grant, method_arn: str) -> policy.Decision:
    try:
        return policy.evaluate(grant.policy, "execute-api:Invoke", method_arn)
    except policy.BadPolicy as error:
        raise GatewayError("AUTHORIZER_CONFIGURATION_ERROR", reason=f"the authorizer's policy: {error}") from None


def _ask(authorizer: Authorizer, payload: dict[str, Any], invoke: Invoke) -> Grant:
    try:
        function = services.parse(authorizer.uri).function
    except services.BadUri as error:
        raise GatewayError("AUTHORIZER_CONFIGURATION_ERROR", reason=str(error)) from None
    if function is None or authorizer.kind not in ("token", "request"):
        raise GatewayError("AUTHORIZER_CONFIGURATION_ERROR", reason=f"{authorizer.kind} at {authorizer.uri}")
    try:
        outcome = invoke(function, json_text.encode(json_text.dump(payload)), authorizer.credentials, authorizer.name)
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
    return _grant(outcome.payload)


def _error_message(payload: bytes) -> str:
    try:
        value = json_text.parse(payload)
    except json_text.MalformedJson:
        return ""
    return str(value.get("errorMessage", "")) if isinstance(value, dict) else ""


def _grant(payload: bytes) -> Grant:
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
