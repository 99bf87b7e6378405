"""Signed calls to our own APIs that require IAM (``execute-api:Invoke``), such as sequences."""

import json
from typing import Any

import urllib3

from setpieces.addresses import address
from setpieces.observability import CORRELATION_HEADER, correlation_id
from setpieces.outside import Answer, OutsideUnavailable
from setpieces.signing import signed

_pool = urllib3.PoolManager(maxsize=16)

# The code of API Gateway's own 404 (schemas/api/gateway-responses.yaml): no such path, or no signature.
NO_SUCH_PATH = "NOT_FOUND"


def call(service: str, method: str, path: str, *, body: Any = None, timeout: float) -> Answer:
    """Call ``<service's api-url><path>`` signed with the function's own role, waiting at most ``timeout`` seconds.

    Raises ``setpieces.outside.OutsideUnavailable`` for a time-out, a 429 or a 5xx, as for outside systems, and for a path
    that the API does not have.
    """
    url = address(service, "api-url") + path
    headers = {CORRELATION_HEADER: correlation_id()}
    payload = None
    # A GET has no body: what is in front of an API may refuse one that has, as CloudFront does.
    if method != "GET":
        payload = json.dumps(body if body is not None else {})
        headers["Content-Type"] = "application/json"
    try:
        response = _pool.request(
            method,
            url,
            body=payload,
            headers=signed(method, url, payload, headers),
            timeout=urllib3.Timeout(total=timeout),
            retries=False,
        )
    except urllib3.exceptions.HTTPError as error:
        raise OutsideUnavailable(service, "no answer", timed_out=True) from error
    if response.status == 429 or response.status >= 500:
        raise OutsideUnavailable(service, f"answered {response.status}")
    answer = Answer(response.status, json.loads(response.data) if response.data else None)
    # API Gateway sends this while a deployment is rolled back: the resource itself may exist.
    if answer.status == 404 and isinstance(answer.body, dict) and answer.body.get("code") == NO_SUCH_PATH:
        raise OutsideUnavailable(service, f"has no path {path}")
    return answer
