"""The frame around API Gateway's REQUEST authorizers, and the policies that they return.

    @authorizer_handler
    def handler(request: AuthorizerRequest) -> dict: ...

``Unauthorized`` becomes a 401; any other exception becomes the gateway's AUTHORIZER_FAILURE response, so a fault never
allows a request. https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from setpieces import observability
from setpieces.observability import CORRELATION_HEADER, logger, metrics, tracer
from setpieces.sessions import Session, bearer_token, use_session


class Unauthorized(Exception):
    """The response is a 401: API Gateway recognises this text and no other."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


@dataclass(frozen=True)
class AuthorizerRequest:
    """The request to authorize: ``method_arn`` is arn:...:<api>/<stage>/<METHOD>/<path>; header names are in lower case."""

    method_arn: str
    headers: dict[str, str]
    path_parameters: dict[str, str]


def authorizer_handler(function: Callable[[AuthorizerRequest], dict[str, Any]]) -> Callable[[dict[str, Any], Any], Any]:
    """Turn ``AuthorizerRequest -> policy`` into a Lambda authorizer with logging, tracing and metrics."""

    @wraps(function)
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        request_id = (event.get("requestContext") or {}).get("requestId")
        observability.set_correlation_id(headers.get(CORRELATION_HEADER.lower()) or request_id)
        return function(AuthorizerRequest(event["methodArn"], headers, event.get("pathParameters") or {}))

    return tracer.capture_lambda_handler(
        metrics.log_metrics(logger.inject_lambda_context(handler), raise_on_empty_metrics=False), capture_response=False
    )


def require_session(request: AuthorizerRequest) -> Session:
    """The session of the ``Authorization`` header. Raises ``Unauthorized`` without one, or if it has ended."""
    token = bearer_token(request.headers.get("authorization", ""))
    session = use_session(token) if token else None
    if session is None:
        raise Unauthorized
    return session


def policy(principal: str, effect: str, resource: str, **context: str) -> dict[str, Any]:
    """Allow or Deny ``principal`` to call ``resource``; ``context`` goes to the integration and to gateway responses."""
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": context,
    }
