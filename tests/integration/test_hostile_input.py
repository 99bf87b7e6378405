"""Hostile input to every route of every API document: never a 5xx, always a problem, and a refused request changes nothing.

Every route gets every hostile text in its path, query and headers, every media type and every broken body; the values in the
place of a member are so many that routes take turns. What the service has stored is compared after every few requests
that were refused.
"""

import json
import re
import string
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.hostile import BROKEN, STRINGS, duplicated, encodings, mutations
from tests.integration.routes import OPTIONAL, Attempt, Route, ready, routes
from tests.integration.stored import contents
from tools.client import Shop, eventually

ROUTES = routes()
# Every place of a body gets each seventh hostile value, beginning with another one for each route.
TURNS = 7
READS = ("GET", "OPTIONS")
# How many requests that could change something are sent before what is stored is compared.
GROUP = 10
DEEP = b'{"a":' * 2_000 + b"1" + b"}" * 2_000
MEDIA_TYPES = (
    *(None, "", ";", "text/plain", "application/xml", "multipart/form-data; boundary=x", "garbage", "*/*"),
    *("application/json; charset=utf-16", "application/x-www-form-urlencoded", "application/x-amz-json-1.0"),
)
SUFFIXES = (
    "/",
    "/%2e",
    "/..",
    "/%2e%2e/",
    "//",
    "/%00",
    "%2F..%2F",
    "?%",
    "?a=%ff&a=%fe",
    "?a[]=1&a=2",
    "?" + "q" * 4_000,
)
IN_URL: tuple[Any, ...] = (
    "\ud800".encode("utf-8", "surrogatepass"),
    *(".", "..", "...", "%2e", ".%00"),
    *(text[:512] for text in STRINGS if text),
    "a" * 2_049,
)
# What a header may hold on the wire; anything else no client can send.
IN_HEADER = [
    text[:512]
    for text in STRINGS
    if text == text.strip() and set(text) <= set(string.printable) - set("\r\n\t\x0b\x0c")
]
HEADERS = {
    "X-Correlation-Id": '"x",' * 500,
    "Accept": "application/xml",
    "Content-Encoding": "gzip",
    "X-HTTP-Method-Override": "DELETE",
    "X-Amzn-Trace-Id": "Root=1-zz;Parent=;Sampled=9",
    "X-Forwarded-For": "' OR '1'='1",
    "Origin": "null",
}
# They take turns: each route gets one.
NO_SESSIONS = (
    *("Bearer", "Bearer x", 'bearer "', "Basic Zm9vOmJhcg==", "Bearer " + "a" * 4_000, "AWS4-HMAC-SHA256 garbage"),
    "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=00",
)


def attempts(route: Route) -> Iterator[Attempt]:
    content = None if route.body is None else json.dumps(route.body)
    for name in re.findall(r"\{(\w+)", route.template):
        yield from (Attempt({name: text}, content=content) for text in IN_URL)
    yield from (Attempt(suffix=suffix, content=content) for suffix in SUFFIXES)
    for name in route.declared("querystring"):
        yield from (Attempt(suffix=f"?{name}={quote(text)}", content=content) for text in IN_URL)
    for name in set(route.declared("header")) - {"Authorization"}:
        yield from (Attempt(content=content, headers={name: text}) for text in (None, *IN_HEADER))
    yield from (Attempt(content=content, headers={name: text}) for name, text in HEADERS.items())
    yield from (Attempt(content=content or "{}", headers={"Content-Type": text}) for text in MEDIA_TYPES)
    yield from (Attempt(content=body, headers={"Content-Type": "application/json"}) for body in bodies(route))


def bodies(route: Route) -> Iterator[bytes]:
    yield from (*BROKEN, DEEP)
    if not isinstance(route.body, dict):
        return
    yield duplicated(json.dumps(route.body).encode())
    turn = ROUTES.index(route) % TURNS
    yield from (json.dumps(body).encode() for body, _ in islice(mutations(route.body), turn, None, TURNS))
    yield from islice(encodings(route.body), turn, None, TURNS)
    for left_out in route.body:
        yield json.dumps({name: value for name, value in route.body.items() if name != left_out}).encode()
    yield from (json.dumps(dict.fromkeys(route.body, text)).encode() for text in STRINGS)


def check(attempt: Attempt, response: httpx.Response) -> None:
    """Fails for good, also inside ``eventually``: a fault that comes once is a fault."""
    if (
        response.status_code >= 500
        or "Traceback" in response.text
        or (response.is_client_error and not _is_problem(response))
    ):
        pytest.fail(f"{attempt}: {response.status_code} {response.headers} {response.text[:1_000]}")


def _is_problem(response: httpx.Response) -> bool:
    if not response.headers.get("content-type", "").startswith("application/problem+json"):
        return False
    problem = response.json()
    return bool(problem["code"]) and problem.get("status", response.status_code) == response.status_code


@pytest.mark.local_only("it sends more requests than the web ACL takes from one address")
@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_refused_request_is_a_problem_and_changes_nothing(shop: Shop, route: Route):
    called, stored = ready(shop, route), contents(shop, route.service)

    def send(group: list[Attempt]) -> tuple[list[Attempt], bool]:
        """(those that were refused or only read, whether what is stored is as before)"""
        nonlocal called, stored
        before, refused = stored, []
        for attempt in group:
            response = called.call(shop, attempt)
            check(attempt, response)
            if route.method in READS or not response.is_success:
                refused.append(attempt)
            elif route.uses_up:
                called = ready(shop, route)
        stored = contents(shop, route.service)
        return refused, stored == before

    everything = list(attempts(route))
    size = len(everything) if route.method in READS else GROUP
    for rest in (everything[start : start + size] for start in range(0, len(everything), size)):

        def harmless() -> bool:
            """Refused requests change nothing: they are sent again without the accepted ones, which may change everything.

            The service may still be at work on that, which will have an end.
            """
            nonlocal rest
            group_before = rest
            rest, unchanged = send(group_before)
            return unchanged and len(rest) == len(group_before)

        eventually(harmless)


@pytest.mark.parametrize("route", [r for r in ROUTES if r.method == "GET" and "+" not in r.template], ids=str)
def test_a_trailing_slash_changes_nothing(shop: Shop, route: Route):
    called = ready(shop, route)
    without, with_slash = (called.call(shop, Attempt(suffix=suffix)) for suffix in ("", "/"))
    assert with_slash.status_code == without.status_code, with_slash.text


@pytest.mark.parametrize("route", [route for route in ROUTES if route.guarded], ids=str)
def test_strangers_are_turned_away(shop: Shop, route: Route):
    called, content = ready(shop, route), json.dumps(route.body)
    turn = NO_SESSIONS[ROUTES.index(route) % len(NO_SESSIONS)]
    for text in ("", turn) if route.authorizer == OPTIONAL else (None, "", turn):
        attempt = Attempt(content=content, headers={"Authorization": text, "x-api-key": text})
        response = called.call(shop, attempt, sign=False)
        check(attempt, response)
        # For the gateway a request without a signature is one to a path that does not exist.
        assert response.status_code in ((401, 403, 404) if route.operation.iam else (401, 403)), (
            f"{text}: {response.text}"
        )


@pytest.mark.parametrize(("service", "template"), sorted({(route.service, route.template) for route in ROUTES}))
def test_other_methods_are_refused(shop: Shop, service: str, template: str):
    declared = {route.method: route for route in ROUTES if (route.service, route.template) == (service, template)}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - set(declared):
        attempt = Attempt(content="{}")
        response = replace(next(iter(declared.values())), method=method).call(shop, attempt)
        check(attempt, response)
        assert response.status_code in (403, 404, 405), f"{method}: {response.text}"


def test_a_counter_advances_by_accepted_requests_only(shop: Shop):
    route = next(route for route in ROUTES if route.template == "/v1/sequences/{sequence}/lease")
    table = shop.address("sequences", "table-name")

    def counters() -> dict[str, int]:
        items = shop.aws("dynamodb").scan(TableName=table, ConsistentRead=True)["Items"]
        return {item["id"]["S"]: int(item["num"]["N"]) for item in items}

    def counter_matches_accepted() -> bool:
        """Other requests may take order numbers meanwhile; then all is repeated."""
        before = counters()
        responses = [route.call(shop, attempt) for attempt in attempts(route)]
        accepted = sum(response.json()["count"] for response in responses if response.is_success)
        return counters() == before | {"order": before["order"] + accepted}

    eventually(counter_matches_accepted)
