"""Calls to external systems (commerce platform, tax, payments ...) over HTTP, under a deadline.

An external system is a base URL in Parameter Store and nothing more. A simulator's ends in ``#sign``: it is an API of this
account, and requires a signature of the function's role. A real system never receives one.
Every call says how long the caller can wait; slow, broken and unreachable systems all end as ``ExternalUnavailable``.
"""

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from setpieces import connections
from setpieces.errors import ExternalUnavailable
from setpieces.observability import CORRELATION_HEADER, correlation_id, logger
from setpieces.parameters import read_parameter
from setpieces.signing import sign_request

__all__ = ["Answer", "ExternalUnavailable", "call", "names_nothing", "send"]

# The end of a base URL whose requests are signed; a fragment is never sent.
SIGN = "#sign"
_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Answer:
    """A usable HTTP answer: 2xx, 3xx or 4xx other than 429."""

    status: int
    body: Any


def names_nothing(path: Iterable[str]) -> bool:
    """True if a segment of ``path`` is empty or a dot segment."""
    return not {"", ".", ".."}.isdisjoint(path)


def call(
    system: str,
    method: str,
    *path: str,
    timeout: float,
    query: dict[str, str] | None = None,
    body: Any = None,
    headers: dict[str, str] | None = None,
    base_url: Callable[[str], str] | None = None,
    repeatable: bool = False,
) -> Answer:
    """Call ``system`` (``commerce``, ``tax`` ...) once and wait at most ``timeout`` seconds in all.

    ``path`` segments are percent-encoded one by one, so an id can never change the path. An empty one or a dot segment (RFC
    3986, 3.3), which servers resolve however it is encoded, names nothing: 404 without a call. ``repeatable``: see ``send``.
    Raises ``ExternalUnavailable``.
    """
    if names_nothing(path):
        return Answer(404, None)
    if timeout <= 0:
        raise ExternalUnavailable(system, "no time left to call it")
    deadline = time.monotonic() + timeout
    base = (base_url or _published_url)(system)
    url = "/".join([base.removesuffix(SIGN).rstrip("/"), *(quote(segment, safe="") for segment in path)])
    if query:
        # A space as %20: in a signature, + is a plus sign.
        url += "?" + urlencode(query, quote_via=quote)
    sent = {"Accept": "application/json", **(headers or {})}
    signs = base.endswith(SIGN)
    return send(system, method, url, body=body, headers=sent, sign=signs, deadline=deadline, repeatable=repeatable)


def send(
    system: str,
    method: str,
    url: str,
    *,
    body: Any,
    headers: dict[str, str],
    sign: bool,
    deadline: float,
    repeatable: bool = False,
) -> Answer:
    """Send one request and read the answer until ``deadline`` (``time.monotonic``). Raises ``ExternalUnavailable``.

    A request goes out a second time if the kept connection that it was sent on turns out to be dead: if its method is
    idempotent, if it carries an Idempotency-Key, or if ``repeatable`` says that a second one does no harm. A conditional
    request does not: it could be refused because of itself.
    """
    sent = {CORRELATION_HEADER: correlation_id(), **headers}
    payload = None
    if body is not None:
        sent["Content-Type"] = "application/json"
        payload = json.dumps(body)
    idempotent = method in {"GET", "PUT", "DELETE"} and not sent.keys() & {"If-Match", "If-None-Match"}
    started = time.monotonic()
    try:
        response = connections.request(
            method,
            url,
            headers=sign_request(method, url, payload, sent) if sign else sent,
            body=payload.encode() if payload is not None else None,
            timeout=deadline - started,
            repeatable=repeatable or idempotent or "Idempotency-Key" in sent,
        )
    except TimeoutError as error:
        raise ExternalUnavailable(system, "no answer in time", timed_out=True) from error
    except connections.FAILURES as error:
        raise ExternalUnavailable(system, "not reachable", timed_out=True) from error
    elapsed_ms = round((time.monotonic() - started) * 1000)
    logger.debug("external call", extra={"system": system, "status": response.status, "elapsed_ms": elapsed_ms})
    if response.status == 429 or response.status >= 500:
        advice = response.headers.get("Retry-After", "")
        raise ExternalUnavailable(
            system,
            f"answered {response.status}",
            timed_out=response.status == 504,
            retry_after=int(advice) if _SECONDS.fullmatch(advice) else None,
        )
    try:
        decoded = json.loads(response.data) if response.data else None
    except (ValueError, RecursionError) as error:
        raise ExternalUnavailable(system, "answered something that is not JSON") from error
    return Answer(response.status, decoded)


def _published_url(system: str) -> str:
    return read_parameter("partners", f"{system}-url")
