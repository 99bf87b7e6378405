"""Client of the shop's public APIs."""

import asyncio
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

# Deadline of a whole call; API Gateway's timeout is 29 s, and customers wait much less. The timeouts of httpx limit single
# reads, so they do not end a response that arrives slowly in many pieces.
TOTAL_SECONDS = 8.0
TIMEOUT = httpx.Timeout(TOTAL_SECONDS, connect=2.0)
_WHOLE_NUMBER = re.compile(r"[0-9]{1,15}")


class ApiError(Exception):
    """A response other than 2xx, with its problem details (RFC 9457); status 503 if the API did not respond."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        retry_after: int | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.detail, self.retry_after = status, code, detail, retry_after
        self.problem = problem or {}

    @property
    def pointers(self) -> list[tuple[str, str]]:
        """The JSON pointers into the request, each with the API's message."""
        errors = self.problem.get("errors")
        entries = [entry for entry in errors if isinstance(entry, dict)] if isinstance(errors, list) else []
        return [(str(entry.get("pointer", "")), str(entry.get("message", ""))) for entry in entries]


@dataclass(frozen=True)
class ApiResponse:
    """A 2xx response with its decoded body, {} without one."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]


class Apis:
    """A client of all services; ``urls`` by service.

    Each call carries ``api_token``, which exempts it from the web ACL's rate limit by address: all customers share the address.
    """

    def __init__(
        self, urls: Mapping[str, str], api_token: str = "", transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._urls = urls
        self._headers = {"X-Storefront-Token": api_token} if api_token else {}
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
    ) -> ApiResponse:
        """Call ``/v1/<path>`` of a service.

        ``token`` is a session token, ``key`` the Idempotency-Key, ``match`` the expected entity tag (If-Match), ``client`` the
        visitor's IP address. Raises ``ApiError``.
        """
        if not all(_is_header_value(value) for value in (key, match)):
            raise ApiError(400, "INVALID_FORM", "A hidden field of the form is invalid")
        # httpx would resolve them: the request would be for another resource.
        if any(segment in ("", ".", "..") for segment in path.split("/")):
            raise ApiError(404, "NOT_FOUND", "An identifier in the address is empty or a dot segment")
        headers = {"X-Correlation-Id": str(uuid.uuid4()), **self._headers}
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
                response = await self._http.request(method, url, json=json, params=query, headers=headers)
        except (httpx.HTTPError, TimeoutError) as error:
            raise ApiError(503, "UNREACHABLE", f"{service} does not respond") from error
        if response.is_success:
            return ApiResponse(response.status_code, response.json() if response.content else {}, response.headers)
        raise _api_error(response)


def _api_error(response: httpx.Response) -> ApiError:
    try:
        body = response.json()
    except ValueError:
        body = {}
    problem = body if isinstance(body, dict) else {}
    retry_after = response.headers.get("retry-after", "")
    return ApiError(
        response.status_code,
        str(problem.get("code", "UNKNOWN")),
        str(problem.get("detail") or problem.get("title") or ""),
        whole_number(retry_after),
        problem,
    )


def whole_number(text: str) -> int | None:
    """The number that up to 15 ASCII digits are; None for other text, also for other digits of Unicode."""
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else None


def _is_header_value(text: str) -> bool:
    """True for visible ASCII characters, with blanks only between them (RFC 9110, section 5.5)."""
    return text.isascii() and text.isprintable() and text == text.strip()
