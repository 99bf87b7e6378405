"""The emulator serves requests at loopback that are signed or have the token, and none of foreign pages."""

import asyncio
from typing import Any

import pytest

from local.credentials import TOKEN_HEADER
from local.emulator import server
from local.request_guard import check, without_cors, without_token

TOKEN = "the token"
SIGNED = ("Authorization", "AWS4-HMAC-SHA256 Credential=k/20260101/eu-central-1/s3/aws4_request, Signature=0")
QUERY = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=k%2F20260101%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Signature=0"
TRUSTED = (TOKEN_HEADER, TOKEN)
LOCAL = "127.0.0.1:4566"
OWN = f"http://{LOCAL}"
SERVED = None


def status(
    *headers: tuple[str, str], host: str | None = LOCAL, method: str = "GET", path: str = "/", query: str = ""
) -> int | None:
    """The status with which a request is refused, None if it is served."""
    request_headers = [("Host", host)] if host is not None else []
    raw = [(name.lower().encode(), value.encode()) for name, value in (*request_headers, *headers)]
    refusal = check(method, path, query.encode(), raw, TOKEN)
    return refusal.status if refusal else None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:4566", SERVED),
        ("127.0.0.1", SERVED),
        ("localhost:4566", SERVED),
        ("LOCALHOST:4566", SERVED),
        ("[::1]:4566", SERVED),
        ("bucket.localhost:4566", SERVED),
        ("attacker.example:4566", 421),
        ("attacker.example", 421),
        ("localhost.attacker.example", 421),
        ("127.0.0.1.attacker.example", 421),
        ("127.0.0.1:4566@attacker.example", 421),
        ("d1.cloudfront.net", 421),
        ("api.execute-api.localhost", 421),
        ("0.0.0.0:4566", 421),
        ("", 421),
        (None, 421),
    ],
)
def test_only_requests_for_known_hosts_are_served(host: str | None, expected: int | None):
    assert status(SIGNED, host=host) == expected
    if host:
        assert status(SIGNED, ("Host", host), host=host) == 421, "two Host headers"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], SERVED),
        ([("Origin", OWN)], SERVED),
        ([("Origin", "https://attacker.example")], 403),
        ([("Origin", "http://127.0.0.1:9999")], 403),
        ([("Origin", "http://localhost:4566")], 403),
        ([("Origin", "null")], 403),
        ([("Origin", "")], 403),
        ([("Origin", OWN), ("Origin", "https://attacker.example")], 403),
        ([("Sec-Fetch-Site", "cross-site")], 403),
        ([("Sec-Fetch-Site", "cross-site"), ("Origin", OWN)], 403),
        ([("Sec-Fetch-Site", "same-site")], SERVED),
        ([("Sec-Fetch-Site", "same-site"), ("Origin", "http://127.0.0.1:8080")], 403),
        ([("Sec-Fetch-Site", "same-origin")], SERVED),
        ([("Sec-Fetch-Site", "none")], SERVED),
    ],
)
def test_cross_origin_requests_of_pages_are_refused(headers: list[tuple[str, str]], expected: int | None):
    assert status(SIGNED, *headers) == expected
    assert status(*headers, path="/bucket/key", query=QUERY) == expected


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ([SIGNED], "", SERVED),
        ([], QUERY, SERVED),
        ([], "", 403),
        ([], "Action=CreateRole", 403),
        ([("Authorization", "Bearer x")], "", 403),
        ([("Authorization", "AWS key:signature")], "", 403),
        ([("Authorization", "AWS4-ECDSA-P256-SHA256 Credential=k/20260101/s3/aws4_request")], "", 403),
        ([SIGNED, SIGNED], "", 403),
        ([SIGNED], QUERY, 403),
        ([("Authorization", "Bearer x")], QUERY, 403),
        ([], QUERY.replace("X-Amz-Algorithm=AWS4-HMAC-SHA256&", ""), 403),
        ([], QUERY.replace("X-Amz-Signature", "x-amz-signature"), 403),
        ([], f"{QUERY}&X-Amz-Credential=other", 403),
        ([], f"{QUERY}&x-amz-credential=other", 403),
        ([], "AWSAccessKeyId=key&Signature=0", 403),
    ],
)
def test_unsigned_and_ambiguous_requests_are_refused(headers: list[tuple[str, str]], query: str, expected: int | None):
    assert status(*headers, query=query) == expected


@pytest.mark.parametrize("path", ["/v20180820/accesspoint", "/iceberg/v1/config"])
def test_a_presigned_request_is_served_by_s3_objects_and_buckets_only(path: str):
    assert status(path=path, query=QUERY) == 403
    assert status(SIGNED, path=path) is SERVED


@pytest.mark.parametrize(
    "path",
    [
        "/_setpieces/faults",
        "/_ministack/reset",
        "/_ministack/ses/messages",
        "/_ministack/ready",
        "/_localstack/health",
        "/_aws/execute-api/a/b/c",
        "/_alb/balancer/",
        "/health",
    ],
)
def test_administrative_routes_need_the_token(path: str):
    assert status(TRUSTED, path=path) is SERVED
    for headers in ([], [SIGNED], [(TOKEN_HEADER, "another")], [(TOKEN_HEADER, "")], [TRUSTED, TRUSTED]):
        assert status(*headers, path=path) == 403
    assert status(TRUSTED, path=path, host="d1.cloudfront.net") == 404, "the front door passes on paths of its clients"


def test_the_health_check_is_open():
    assert status(path="/_ministack/health") is SERVED
    assert status(path="/_ministack/health", method="POST") == 403
    assert status(("Origin", "https://attacker.example"), path="/_ministack/health") == 403


def test_the_front_door_reaches_the_cdn_by_its_name():
    assert status(TRUSTED, host="d1.cloudfront.net", path="/products") is SERVED
    assert status(TRUSTED, ("Origin", "http://127.0.0.1:8080"), host="d1.cloudfront.net", method="POST") is SERVED
    assert status((TOKEN_HEADER, "another"), host="d1.cloudfront.net", path="/products") == 421


def test_preflight_requests_are_refused():
    preflight = (("Origin", "https://attacker.example"), ("Access-Control-Request-Method", "PUT"))
    assert status(*preflight, method="OPTIONS") == 403
    assert status(*preflight[1:], method="OPTIONS") == 403


def test_the_token_is_not_forwarded():
    assert without_token([(TOKEN_HEADER.encode(), b"t"), (b"accept", b"*/*")]) == [(b"accept", b"*/*")]


def test_no_response_permits_other_origins():
    headers = [(b"Access-Control-Allow-Origin", b"*"), (b"access-control-max-age", b"1"), (b"etag", b"e")]
    assert without_cors(headers) == [(b"etag", b"e")]


def test_websockets_are_refused():
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    asyncio.run(server.application({"type": "websocket", "path": "/", "headers": []}, receive, send))
    assert messages == [{"type": "websocket.close", "code": 1008}]
