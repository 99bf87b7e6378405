"""Sends each new function version the request of ``release_requests.json``, and compares the status of the response."""

import json
from pathlib import Path
from typing import Any

from foundation import clients
from setpieces.settings import setting

REQUESTS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("release_requests.json").read_text())


class UnexpectedResponse(Exception):
    """The response of a new version has another status than expected."""


def check_deployment(deployment_id: str) -> None:
    """``check_version`` for every version that a deployment shifts traffic to."""
    for function, version in clients.list_new_versions(deployment_id):
        check_version(function, version)


def check_version(function: str, version: str) -> None:
    """Send a version its request, which changes nothing: it reads, or is refused.

    Raises ``UnexpectedResponse``, ``InvocationFailed``, and KeyError for a function without a request.
    """
    request = REQUESTS[function.removeprefix(f"setpieces-{setting('STAGE')}-")]
    response = clients.invoke_version(function, version, _rest_event(request))
    if response["statusCode"] != request["status"]:
        text = json.dumps(response)[:500]
        raise UnexpectedResponse(f"{function}:{version} did not return {request['status']}: {text}")


def _rest_event(request: dict[str, Any]) -> dict[str, Any]:
    """The event that API Gateway would send for ``request``."""
    return {
        "resource": request["path"],
        "path": request["path"],
        "httpMethod": request["method"],
        "headers": {"Accept": "application/json", "Content-Type": "application/json"},
        "queryStringParameters": None,
        "pathParameters": request["parameters"] or None,
        "requestContext": {
            "requestId": "release-check",
            "stage": setting("STAGE"),
            "path": request["path"],
            "authorizer": {"customer_id": "C000000000"},
        },
        "body": json.dumps(request["body"]) if "body" in request else None,
        "isBase64Encoded": False,
    }
