"""Calls to outside systems (commerce platform, tax, payments ...) over HTTP, under a deadline.

An outside system is a base URL in Parameter Store and nothing more. A simulator's ends in ``#sign``: it is an API of this
account, and requires a signature of the function's role. A real system never receives one.
Every call says how long the caller can wait; slow, broken and unreachable systems all end as ``OutsideUnavailable``.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from setpieces.addresses import address
from setpieces.observability import CORRELATION_HEADER, correlation_id, logger
from setpieces.signing import signed

_pool = urllib3.PoolManager(maxsize=16)

# The end of a base URL whose requests are signed; a fragment is never sent.
SIGN = "#sign"

# What our own callers are advised to wait, in seconds: if the system gave no advice, and at most.
RETRY_SECONDS = 2
MAX_RETRY_SECONDS = 60


class OutsideUnavailable(Exception):
    """The system gave no usable answer in time: a time-out, a refused connection, a 429 or a 5xx.

    ``timed_out`` tells that the request may have been carried out although no answer came; ``retry_after`` (seconds) is
    the system's own advice where it gave any.
    """

    def __init__(self, system: str, reason: str, *, timed_out: bool = False, retry_after: int | None = None) -> None:
        super().__init__(f"{system}: {reason}")
        self.system = system
        self.timed_out = timed_out
        self.retry_after = retry_after

    @property
    def advice(self) -> int:
        """``Retry-After`` for whoever called us: the system's own within bounds."""
        return min(self.retry_after or RETRY_SECONDS, MAX_RETRY_SECONDS)


@dataclass(frozen=True)
class Answer:
    """A usable HTTP answer: 2xx, 3xx or 4xx other than 429."""

    status: int
    body: Any


def call(
    system: str,
    method: str,
    *path: str,
    timeout: float,
    query: dict[str, str] | None = None,
    body: Any = None,
    headers: dict[str, str] | None = None,
    base_url: Callable[[str], str] | None = None,
) -> Answer:
    """Call ``system`` (``commerce``, ``tax`` ...) once and wait at most ``timeout`` seconds in all.

    ``path`` segments are percent-encoded one by one, so an id can never change the path. Raises ``OutsideUnavailable``.
    """
    if timeout <= 0:
        raise OutsideUnavailable(system, "no time left to call it")
    base = (base_url or _published_url)(system)
    url = "/".join([base.removesuffix(SIGN).rstrip("/"), *(quote(segment, safe="") for segment in path)])
    if query:
        # A space as %20: in a signature, + is a plus sign.
        url += "?" + urlencode(query, quote_via=quote)
    sent = {"Accept": "application/json", CORRELATION_HEADER: correlation_id(), **(headers or {})}
    payload = None
    if body is not None:
        sent["Content-Type"] = "application/json"
        payload = json.dumps(body)
    if base.endswith(SIGN):
        sent = signed(method, url, payload, sent)
    started = time.monotonic()
    try:
        response = _pool.request(
            method,
            url,
            body=payload,
            headers=sent,
            timeout=urllib3.Timeout(total=timeout),
            retries=False,
            redirect=False,
        )
    except urllib3.exceptions.TimeoutError as error:
        raise OutsideUnavailable(system, f"no answer within {timeout:.1f} s", timed_out=True) from error
    except urllib3.exceptions.HTTPError as error:
        raise OutsideUnavailable(system, "not reachable", timed_out=True) from error
    elapsed_ms = round((time.monotonic() - started) * 1000)
    logger.debug("outside call", extra={"system": system, "status": response.status, "elapsed_ms": elapsed_ms})
    if response.status == 429 or response.status >= 500:
        advice = response.headers.get("Retry-After", "")
        raise OutsideUnavailable(
            system,
            f"answered {response.status}",
            timed_out=response.status == 504,
            retry_after=int(advice) if advice.isdigit() else None,
        )
    try:
        decoded = json.loads(response.data) if response.data else None
    except ValueError as error:
        raise OutsideUnavailable(system, "answered something that is not JSON") from error
    return Answer(response.status, decoded)


def _published_url(system: str) -> str:
    return address("partners", f"{system}-url")
