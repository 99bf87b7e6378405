"""The shop's public APIs, as any client calls them. What they refuse is a ``Refused`` with their code and detail."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

# For a whole call: API Gateway gives up after 29 s, a reader much earlier. The time-outs of httpx limit one wait each, and an
# answer that comes in drops has many.
TOTAL_SECONDS = 8.0
TIMEOUT = httpx.Timeout(TOTAL_SECONDS, connect=2.0)


class Refused(Exception):
    """An answer that is none of 2xx, as problem details (RFC 9457); status 503 also for no answer at all."""

    def __init__(self, status: int, code: str, detail: str, retry_after: int | None = None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.detail, self.retry_after = status, code, detail, retry_after


@dataclass(frozen=True)
class Answer:
    """A success: the decoded body, {} without one."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]


class Apis:
    """One client for all services; ``urls`` by service.

    Every call has ``api_token``: the web ACL does not count those calls by address, as they are all customers' together.
    """

    def __init__(
        self, urls: Mapping[str, str], api_token: str = "", transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._urls = urls
        self._own = {"X-Storefront-Token": api_token} if api_token else {}
        self._http = httpx.AsyncClient(timeout=TIMEOUT, transport=transport)

    async def close(self) -> None:
        await self._http.aclose()

    async def call(
        self,
        service: str,
        method: str,
        path: str,
        *,
        token: str = "",
        json: Any = None,
        query: Mapping[str, str] | None = None,
        key: str = "",
        match: str = "",
        client: str = "",
    ) -> Answer:
        """Call ``/v1/<path>`` of a service. Raises ``Refused``.

        ``token`` is a session's, ``key`` makes a repeat harmless, ``match`` is the version that is to be changed, ``client``
        the address of the visitor for whom this is.
        """
        written = f"{key}{match}"
        if not (written.isascii() and written.isprintable()):
            raise Refused(400, "INVALID_REQUEST", "The form holds what no page of the shop has put there")
        headers = {"X-Correlation-Id": str(uuid.uuid4()), **self._own}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if key:
            headers["Idempotency-Key"] = key
        if client:
            headers["X-Forwarded-For"] = client
        if match:
            headers["If-Match"] = match
        url = f"{self._urls[service]}/v1/{path}"
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                answer = await self._http.request(method, url, json=json, params=query, headers=headers)
        except (httpx.HTTPError, TimeoutError) as error:
            raise Refused(503, "UNREACHABLE", f"{service} does not answer") from error
        if answer.is_success:
            return Answer(answer.status_code, answer.json() if answer.content else {}, answer.headers)
        raise _refused(answer)


def _refused(answer: httpx.Response) -> Refused:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    known = problem if isinstance(problem, dict) else {}
    advice = answer.headers.get("retry-after", "")
    return Refused(
        answer.status_code,
        str(known.get("code", "UNKNOWN")),
        str(known.get("detail") or known.get("title") or ""),
        int(advice) if advice.isdecimal() else None,
    )
