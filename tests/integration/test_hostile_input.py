"""Hostile input to every route of every API document: never a 5xx, always a problem, and what is refused changes nothing."""

import hashlib
import itertools
import json
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from local.declared import pieces
from local.shop import Shop, eventually
from tests.hostile import BROKEN, STRINGS, duplicated, mutations
from tests.integration.routes import Route, routes

ROUTES = routes()
DEEP = b'{"a":' * 2_000 + b"1" + b"}" * 2_000
MEDIA_TYPES = (
    *("", "text/plain", "application/xml", "multipart/form-data; boundary=x", "garbage", "*/*", "application/jsonp"),
    *("application/json; charset=utf-16", "application/x-www-form-urlencoded", "application/x-amz-json-1.0"),
)
IN_URL = [text[:512] for text in STRINGS if text]
# What a header may hold on the wire; anything else no client can send.
IN_HEADER = [
    text for text in IN_URL if text == text.strip() and set(text) <= set(string.printable) - set("\r\n\t\x0b\x0c")
]


@dataclass(frozen=True)
class Attempt:
    """One hostile request: arguments of ``Route.call``."""

    url: str | None = None
    content: bytes | str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, shop: Shop, route: Route) -> httpx.Response:
        return route.call(shop, self.url, self.content, **self.headers)


JSON = {"Content-Type": "application/json"}


def attempts(route: Route) -> Iterator[Attempt]:
    content = None if route.body is None else json.dumps(route.body)
    headers = JSON if content else {}
    for name in re.findall(r"\{(\w+)", route.template):
        yield from (Attempt(route.url(**{name: text}), content, headers) for text in IN_URL)
    for suffix in ("/..", "/%2e%2e/", "//", "/%00", "%2F..%2F", "?%", "?a=%ff&a=%fe", "?a[]=1&a=2", "?" + "q" * 4_000):
        yield Attempt(route.url() + suffix, content, headers)
    for parameter in route.operation.parameters:
        if parameter.location == "querystring":
            yield from (Attempt(f"{route.url()}?{parameter.name}={quote(text)}", content, headers) for text in IN_URL)
        elif parameter.location == "header" and parameter.name != "Authorization":
            yield from (Attempt(None, content, headers | {parameter.name: text}) for text in IN_HEADER)
    for media_type in MEDIA_TYPES:
        yield Attempt(None, content or "{}", {"Content-Type": media_type} if media_type else {})
    yield from (Attempt(None, body, JSON) for body in (*BROKEN, DEEP))
    if isinstance(route.body, dict):
        yield Attempt(None, duplicated(json.dumps(route.body).encode()), JSON)
        yield from (Attempt(None, json.dumps(body), JSON) for body in bodies(route.body))


def bodies(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every hostile value in every place would take minutes over HTTP, so they take turns: each place has every seventh."""
    yield from (hostile for hostile, _ in itertools.islice(mutations(body), 0, None, 7))
    yield from ({name: value for name, value in body.items() if name != left_out} for left_out in body)
    yield from (dict.fromkeys(body, text) for text in STRINGS)


def check(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text[:500]
    assert "Traceback" not in answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"].startswith("application/problem+json"), answer.text[:500]
        problem = answer.json()
        assert problem["code"]
        assert problem.get("status", answer.status_code) == answer.status_code


def tables(shop: Shop, service: str) -> list[str]:
    """The physical names of a service's tables."""
    cloudformation = shop.aws("cloudformation")

    def of(stack: str, resource_type: str) -> dict[str, str]:
        found = cloudformation.list_stack_resources(StackName=stack)["StackResourceSummaries"]
        return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in found if r["ResourceType"] == resource_type}

    nested = of(f"setpieces-{shop.stage}", "AWS::CloudFormation::Stack")
    for name, resource in pieces()["shop"].source["Resources"].items():
        if resource["Properties"]["Location"] == f"{service}.yaml":
            return sorted(of(nested[name], "AWS::DynamoDB::Table").values())
    return []


def contents(shop: Shop, service: str) -> str:
    """A digest of everything that a service has stored."""
    digest = hashlib.sha256()
    for table in tables(shop, service):
        pages = shop.aws("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        items = [json.dumps(item, sort_keys=True, default=str) for page in pages for item in page["Items"]]
        digest.update("\n".join(sorted(items)).encode())
    return digest.hexdigest()


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_hostile_input_is_refused_and_changes_nothing_or_is_harmless(shop: Shop, route: Route):
    before = contents(shop, route.service)
    refused, taken = [], []
    for attempt in attempts(route):
        answer = attempt.call(shop, route)
        check(answer)
        (refused if answer.status_code >= 400 else taken).append(attempt)
    if not taken and contents(shop, route.service) == before:
        return

    def unchanged() -> bool:
        """Some was taken, or another flow wrote meanwhile: what was refused is tried again by itself."""
        kept = contents(shop, route.service)
        for attempt in refused:
            check(attempt.call(shop, route))
        return contents(shop, route.service) == kept

    eventually(unchanged, timeout=60)


def test_a_counter_moves_by_what_was_taken_and_by_nothing_else(shop: Shop):
    route = next(route for route in ROUTES if route.template == "/v1/sequences/{sequence}/lease")
    table = shop.address("sequences", "table-name")

    def counters() -> dict[str, int]:
        items = shop.aws("dynamodb").scan(TableName=table, ConsistentRead=True)["Items"]
        return {item["id"]["S"]: int(item["num"]["N"]) for item in items}

    before = counters()
    answers = [attempt.call(shop, route) for attempt in attempts(route)]
    taken = sum(answer.json()["count"] for answer in answers if answer.status_code == 200)
    assert counters() == before | {"order": before["order"] + taken}
