"""Signed calls to our own APIs that require IAM (``execute-api:Invoke``), such as sequences."""

import time
from typing import Any

from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer, names_nothing, send
from setpieces.parameters import read_parameter

# The code of API Gateway's own 404 (schemas/api/gateway-responses.yaml): no such path, or no signature.
NO_SUCH_PATH = "NOT_FOUND"


def call(service: str, method: str, path: str, *, body: Any = None, timeout: float, repeatable: bool = False) -> Answer:
    """Call ``<service's api-url><path>`` signed with the function's own role, waiting at most ``timeout`` seconds in all.

    ``repeatable``: see ``setpieces.external.send``. Raises ``ExternalUnavailable`` for a time-out, a 429 or a 5xx, as for
    external systems, and for a path that the API does not have. An empty or dot segment names nothing: 404 without a call.
    """
    if names_nothing(path.removeprefix("/").partition("?")[0].split("/")):
        return Answer(404, None)
    deadline = time.monotonic() + timeout
    url = read_parameter(service, "api-url") + path
    # A GET has no body: what is in front of an API may refuse one that has, as CloudFront does.
    sent = None if method == "GET" else body if body is not None else {}
    answer = send(service, method, url, body=sent, headers={}, sign=True, deadline=deadline, repeatable=repeatable)
    # API Gateway sends this while a deployment is rolled back: the resource itself may exist.
    if answer.status == 404 and isinstance(answer.body, dict) and answer.body.get("code") == NO_SUCH_PATH:
        # The path may hold secrets, such as the code of a voucher.
        raise ExternalUnavailable(service, f"has no such path for {method}, answered 404")
    return answer
