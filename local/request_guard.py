"""Refuses requests to the local cloud that come from web pages of other sites or from other users of the machine.

A browser sends requests of any page to loopback, and DNS rebinding makes the host of a page resolve to loopback. Such
requests have a foreign ``Host`` or ``Origin``, or ``Sec-Fetch-Site: cross-site``
(https://www.w3.org/TR/fetch-metadata/). Programs of other users have neither a signing key nor the token.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from local.credentials import TOKEN_HEADER

Headers = Iterable[tuple[bytes, bytes]]

LOOPBACK_HOST = re.compile(rb"(localhost|[a-z0-9-]+\.localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.I)
# Paths that MiniStack or our own routes serve without verifying a signature.
ADMINISTRATIVE = re.compile(r"/(_|health$)")
HEALTH = "/_ministack/health"
# MiniStack verifies presigned URLs in the handlers of S3 objects and buckets only, not in S3 Control.
NOT_PRESIGNED = ("/v20180820", "/iceberg")
_HEADER_SIGNATURE = b"AWS4-HMAC-SHA256 "
_QUERY_SIGNATURE = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature")


@dataclass(frozen=True)
class Refusal:
    """The error response to a refused request."""

    status: int
    code: str
    message: str


_WRONG_HOST = Refusal(421, "MisdirectedRequest", "no such host is served here")
_NO_TOKEN = Refusal(403, "AccessDenied", f"this route needs the {TOKEN_HEADER} header: see local/emulator_client.py")
_UNSIGNED = Refusal(403, "MissingAuthenticationToken", "the request is not signed (Signature Version 4)")
_NOT_FOUND = Refusal(404, "NotFound", "this route is not served at this host")


def check(method: str, path: str, query: bytes, headers: Headers, token: str) -> Refusal | None:
    """The refusal of a request, or None if the emulator may serve it.

    A request with the token may have any host, because the front door requests the CDN by its domain name. Administrative
    routes are served at loopback only, because the front door forwards paths that its clients choose.
    """
    headers = list(headers)
    local = is_loopback(_values(headers, b"host"))
    administrative = ADMINISTRATIVE.match(path) is not None
    if has_token(headers, token):
        return _NOT_FOUND if administrative and not local else None
    if not local:
        return _WRONG_HOST
    foreign = foreign_page(headers)
    if foreign:
        return foreign
    if administrative:
        return None if path == HEALTH and method in ("GET", "HEAD") else _NO_TOKEN
    return None if is_signed(path, query, headers) else _UNSIGNED


def is_loopback(hosts: list[bytes]) -> bool:
    """True if there is exactly one ``Host``, a name or address of this machine."""
    return len(hosts) == 1 and LOOPBACK_HOST.fullmatch(hosts[0]) is not None


def has_token(headers: Headers, token: str) -> bool:
    """True if the request carries the token; compared in constant time."""
    values = _values(headers, TOKEN_HEADER.encode())
    return len(values) == 1 and hmac.compare_digest(values[0], token.encode())


def foreign_page(headers: Headers) -> Refusal | None:
    """The refusal of a request that a browser sends for a page of another site, None for any other request.

    A page of the same site, such as another port of this machine, may link to the shop: links have no ``Origin``.
    """
    headers = list(headers)
    if b"cross-site" in _values(headers, b"sec-fetch-site"):
        return Refusal(403, "CrossSiteRequest", "requests of other sites are not served")
    own = [scheme + host for host in _values(headers, b"host") for scheme in (b"http://", b"https://")]
    if any(origin not in own for origin in _values(headers, b"origin")):
        return Refusal(403, "ForeignOrigin", "requests of other origins are not served")
    return None


def is_signed(path: str, query: bytes, headers: Headers) -> bool:
    """True if the request is signed in the one form, by header or by query, in which MiniStack verifies signatures.

    The shop uses no other form: Signature Version 2 and 4A, or a signature that is incomplete or in both places.
    """
    names = [name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)]
    in_query = sorted(name for name in names if name.lower() in _CREDENTIALS)
    authorizations = _values(headers, b"authorization")
    if authorizations:
        return len(authorizations) == 1 and authorizations[0].startswith(_HEADER_SIGNATURE) and not in_query
    return in_query == sorted(_QUERY_SIGNATURE) and not path.startswith(NOT_PRESIGNED)


_CREDENTIALS = {*(name.lower() for name in _QUERY_SIGNATURE), "awsaccesskeyid", "signature"}


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key.lower() == name]


def without_token(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The headers that MiniStack and the origins of its CDN receive."""
    return [(name, value) for name, value in headers if name.lower() != TOKEN_HEADER.encode()]


def without_cors(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The headers of a response without MiniStack's CORS permission for all origins. No bucket of the shop has a CORS rule."""
    return [(name, value) for name, value in headers if not name.lower().startswith(b"access-control-")]
