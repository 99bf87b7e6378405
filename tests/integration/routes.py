"""Every route of every API document, and how to call it: signed, with a session or a key where the document asks for one."""

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx

from local.declared import pieces
from local.gateway.document import Document, Operation
from local.settings import ROOT
from local.shop import Shop, eventually
from tests.hostile import sample

# Path parameters of routes without a function, which therefore have no sample event.
KNOWN = {"sequence": "order", "order_number": "T100000000"}
ANY = ("GET", "POST", "PUT", "DELETE")


@dataclass(frozen=True, eq=False)
class Route:
    """One method of one path. ``path`` are the sample's path parameters, ``body`` its JSON body or None."""

    service: str
    method: str
    template: str
    operation: Operation
    document: Document
    path: dict[str, str]
    body: Any

    def __str__(self) -> str:
        return f"{self.method} {self.service}{self.template}"

    def url(self, **changed: str) -> str:
        """The path with the sample's parameters, or ``changed`` ones, percent-encoded, slashes too."""
        values = {**self.path, **changed}
        names = re.compile(r"\{(\w+)\+?\}")
        return f"/{self.service}" + names.sub(lambda match: quote(values.get(match[1], "a"), safe=""), self.template)

    def call(
        self, shop: Shop, url: str | None = None, content: bytes | str | None = None, **headers: str
    ) -> httpx.Response:
        """The answer. Systems outside may be slow on a busy machine, which is a 503: then it is asked again."""
        sent = {
            **credentials(shop, self.operation),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }

        def answer() -> httpx.Response:
            return shop.call(
                self.method, url or self.url(), content=content, headers=sent, sign=self.operation.iam, timeout=60
            )

        found = answer()
        return (
            eventually(lambda: (again := answer()).status_code != 503 and again) if found.status_code == 503 else found
        )


def credentials(shop: Shop, operation: Operation) -> dict[str, str]:
    """The headers that let the sample customer, or where only those may the sample admin, call an operation."""
    headers = {"x-api-key": shop.samples["ingest_api_key"]} if operation.api_key_required else {}
    if operation.authorizer:
        person = "admin" if "admin" in operation.authorizer.name.lower() else "customer"
        headers["Authorization"] = f"Bearer {session(shop, person)}"
    return headers


@cache
def session(shop: Shop, person: str) -> str:
    who = shop.samples[person]
    signed_in = {"email": who["email"], "password": who["password"]}

    def token() -> str:
        answer = shop.call("POST", "/login/v1/sessions", json=signed_in)
        assert answer.status_code == 201, answer.text
        return answer.json()["session_token"]

    return eventually(token)


def samples(service: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The sample events of an API's functions, by method and resource."""
    events = [json.loads(path.read_text()) for path in sorted((ROOT / "events" / service).glob("*.json"))]
    return {(event["httpMethod"], event["resource"]): event for event in events if "resource" in event}


def routes() -> list[Route]:
    found = []
    for service, piece in pieces().items():
        for document in piece.apis.values():
            for template, methods in document.resources.items():
                for operation in methods.values():
                    for method in ANY if operation.method == "ANY" else (operation.method,):
                        found.append(_route(service, method, template, operation, document))
    return found


def _route(service: str, method: str, template: str, operation: Operation, document: Document) -> Route:
    event = samples(service).get((method, template), {})
    model = operation.models.get("application/json")
    body = json.loads(event["body"]) if event.get("body") else sample(model, document.schemas) if model else None
    path = KNOWN | (event.get("pathParameters") or {})
    return Route(service, method, template, operation, document, path, body)
