"""The request that comes in, the response that goes out, and headers between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

Pairs = tuple[tuple[str, str], ...]
# Headers of the connection to the client, which no proxy passes on (RFC 9110, section 7.6.1), and the length of its body.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
    }
    | {"upgrade"}
)


def first_by_name(pairs: Iterable[tuple[str, str]], name: str) -> str | None:
    """The first value of the header `name`, whatever its case."""
    folded = name.lower()
    return next((value for key, value in pairs if key.lower() == folded), None)


def multi(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Name to all its values, in the order they came; names that differ only in case stay apart."""
    values: dict[str, list[str]] = {}
    for key, value in pairs:
        values.setdefault(key, []).append(value)
    return values


def media_type(value: str | None) -> str:
    """`Text/HTML; charset=utf-8` is `text/html`; nothing is an empty string."""
    return (value or "").split(";", 1)[0].strip().lower()


@dataclass(frozen=True)
class Request:
    """One HTTP request to an API. `path` and `public_path` are percent-encoded as they arrived; `query` is decoded.

    `public_path` is the path that the client requested and signed, with the base path of a custom domain; `path` is the
    part of it that the API sees.
    """

    method: str
    path: str
    headers: Pairs = ()
    query: Pairs = ()
    body: bytes = b""
    public_path: str = ""
    source_ip: str = "127.0.0.1"
    host: str = "127.0.0.1"
    scheme: str = "http"

    def header(self, name: str) -> str | None:
        """The first value of the header `name`."""
        return first_by_name(self.headers, name)

    @cached_property
    def content_type(self) -> str:
        """The media type of the body; a request without Content-Type counts as application/json
        (https://docs.aws.amazon.com/apigateway/latest/developerguide/integration-passthrough-behaviors.html)."""
        return media_type(self.header("content-type")) or "application/json"

    @cached_property
    def last_headers(self) -> dict[str, str]:
        """Name to its last value, the single-value view that API Gateway gives."""
        return dict(self.headers)

    @cached_property
    def last_query(self) -> dict[str, str]:
        """Query string parameter to its last value."""
        return dict(self.query)


@dataclass
class Response:
    """What the client gets. `headers` may repeat a name."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first value of the header `name`."""
        return first_by_name(self.headers, name)

    def set(self, name: str, value: str) -> None:
        """Makes `value` the only value of the header `name`."""
        folded = name.lower()
        self.headers = [pair for pair in self.headers if pair[0].lower() != folded]
        self.headers.append((name, value))


def matches_media_type(value: str, patterns: Iterable[str]) -> bool:
    """True if `value` is one of `patterns`; `*/*` covers all and `image/*` a whole type (binaryMediaTypes).

    A type given in the document's escaped form (`image~1png`, as SAM writes it) counts as the plain one.
    """
    major = value.split("/", 1)[0]
    plain = (pattern.replace("~1", "/").lower() for pattern in patterns)
    return any(pattern in (value, "*/*", f"{major}/*") for pattern in plain)


def merge_headers(base: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """`base` with `changes` over it, names compared without case."""
    folded = {name.lower() for name in changes}
    return {**{name: value for name, value in base.items() if name.lower() not in folded}, **changes}
