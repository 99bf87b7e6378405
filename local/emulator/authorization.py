"""The route ``POST /_setpieces/authorize``: the signature and the permissions of a request to an API."""

import base64
from typing import Any

from model.settings import REGION


def authorize(request: dict[str, Any]) -> dict[str, Any]:
    """Check the signature of ``request`` and the signer's policies, as the emulator does for its own APIs."""
    from ministack.core import iam_evaluator, responses, router
    from ministack.core.sigv4 import decode_header_value

    raw_headers = [(name.lower().encode("latin-1"), value.encode("utf-8")) for name, value in request["headers"]]
    query: dict[str, list[str]] = {}
    for name, value in request["query"]:
        query.setdefault(name, []).append(value)
    headers = {name.decode("latin-1"): decode_header_value(value) for name, value in raw_headers}
    access_key = router.extract_access_key_id(headers, query)
    if not access_key:
        return _denial(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    if message := _scope_failure(headers, query):
        return _denial(403, "InvalidSignatureException", message)
    responses.set_request_region(REGION)
    iam_evaluator.pin_signed_request(request["method"], request["raw_path"], query, raw_headers)
    iam_evaluator.pin_signed_body(base64.b64decode(request["body_base64"]))
    # The emulator stores an API's resource policy under this service's name.
    outcome = iam_evaluator.enforce(
        access_key, request["action"], "apigateway", REGION, resource_arn=request["resource"]
    )
    if isinstance(outcome, iam_evaluator.AuthError):
        return _denial(403, outcome.code, outcome.message)
    if outcome is not None:
        message = (
            f"User: {outcome.principal_arn} is not authorized to perform: {request['action']} on {request['resource']}"
        )
        return _denial(403, "AccessDeniedException", message) | {"principal_arn": outcome.principal_arn}
    identity = iam_evaluator.resolve_caller_identity(access_key) or {}
    return {
        "allowed": True,
        "status": 200,
        "code": "",
        "message": "",
        "principal_arn": identity.get("userArn"),
        "account_id": identity.get("accountId"),
        "access_key": access_key,
    }


def _scope_failure(headers: dict[str, str], query: dict[str, list[str]]) -> str:
    """AWS's message for a signature of another service or region, which the emulator accepts; empty if there is none."""
    from ministack.core import sigv4

    signed = sigv4.parse_header_signature(headers) if "authorization" in headers else sigv4.parse_query_signature(query)
    # An unreadable signature has another message, and a SigV4a signature has no region.
    if isinstance(signed, tuple) or signed.region_set is not None:
        return ""
    region, service = signed.region, signed.service
    wrong = [f"Credential should be scoped to a valid region, not '{region}'. "] if region != REGION else []
    wrong += ["Credential should be scoped to correct service: 'execute-api'. "] if service != "execute-api" else []
    return "".join(wrong)


def _denial(status: int, code: str, message: str) -> dict[str, Any]:
    return {
        "allowed": False,
        "status": status,
        "code": code,
        "message": message,
        "principal_arn": None,
        "account_id": None,
        "access_key": None,
    }
