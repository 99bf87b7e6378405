"""Every route of every API document, and how to call it: the samples of ``events/``, with valid credentials."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, reduce
from operator import or_
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import httpx

from apigw_executor.document import Document, Operation
from model.settings import ROOT
from model.templates import pieces
from tests.hostile import sample
from tools import accounts
from tools.client import Shop, eventually, new_basket_id, unique
from tools.drivers.customers import sign_in

# Path parameters of routes that have no sample event, because they have no function, or share one.
KNOWN = {"sequence": "order", "order_number": "T100000000", "identity_id": "id-hostile"}
# Ids that callers choose, and how: one of their own for every test.
CHOSEN = {"basket_id": new_basket_id}
# What `{proxy+}` stands for: of the simulators one operation for each method.
BEHIND_PROXY: dict[str, tuple[str, Any]] = {
    "GET": ("ledger/charges?key=T100000000", None),
    "POST": ("commerce/customers/hostile/syncs", {"kind": "vip", "event_id": "hostile", "data": {}}),
    "PUT": ("content/pages/hostile", {"title": "A page", "body": "Text"}),
    "DELETE": ("commerce/legacy/customers/hostile", None),
}
# The authorizer that also lets those in who have no session.
OPTIONAL = "guest"
# Too many at once, or something outside is slow because the machine is busy.
TRY_AGAIN = (429, 503)


@dataclass(frozen=True)
class Attempt:
    """What one request has in place of the sample's; header None leaves it out."""

    path: dict[str, str] = field(default_factory=dict)
    suffix: str = ""
    content: bytes | str | None = None
    headers: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Route:
    """One method of one path, with the path parameters, headers and JSON body (or None) of a request that fits it."""

    service: str
    method: str
    template: str
    operation: Operation
    path: dict[str, str]
    headers: dict[str, str]
    body: Any

    def __str__(self) -> str:
        return f"{self.method} {self.service}{self.template}"

    @property
    def authorizer(self) -> str:
        """The name of the Lambda authorizer, "" without one."""
        return self.operation.authorizer.name if self.operation.authorizer else ""

    @property
    def needs_session(self) -> bool:
        """A sample with an optional session is sent without one: the sample order belongs to no signed-in customer."""
        return self.authorizer not in ("", OPTIONAL) or "Authorization" in self.declared("header")

    @property
    def guarded(self) -> bool:
        """True if the route authenticates its caller."""
        return bool(self.authorizer) or self.operation.iam or self.operation.api_key_required or self.needs_session

    @property
    def uses_up(self) -> bool:
        """After it was taken the sample would not do again: what it works on is gone, or full."""
        return self.method == "DELETE" or any(f"{{{name}}}" in self.template for name in CHOSEN)

    @property
    def creates(self) -> bool:
        """True if an unauthenticated caller may create something here."""
        return self.method == "POST" and bool(self.body) and not (self.operation.iam or self.needs_session)

    def declared(self, location: str) -> list[str]:
        """Names of declared parameters in the path, querystring or header."""
        return [parameter.name for parameter in self.operation.parameters if parameter.location == location]

    def call(self, shop: Shop, attempt: Attempt, sign: bool = True) -> httpx.Response:
        """The response; the request is repeated after 429 and 503."""
        path = self.address(attempt.path) + attempt.suffix
        headers = {name: text for name, text in (self.headers | attempt.headers).items() if text is not None}
        signed = sign and self.operation.iam

        def send() -> httpx.Response:
            return shop.call(self.method, path, content=attempt.content, headers=headers, sign=signed)

        def patient() -> httpx.Response:
            response = send()
            assert response.status_code not in TRY_AGAIN, response.text
            return response

        response = send()
        return eventually(patient) if response.status_code in TRY_AGAIN else response

    def address(self, hostile: Mapping[str, str] = MappingProxyType({})) -> str:
        """The path with its parameters, ``hostile`` ones in place of the sample's.

        Dots of hostile ones are encoded, too: a client resolves dot segments before it sends them.
        """

        def value(match: re.Match[str]) -> str:
            name = match[1]
            return (
                quote(hostile[name], safe="").replace(".", "%2E")
                if name in hostile
                else quote(self.path[name], safe="/?=")
            )

        return f"/{self.service}" + re.sub(r"\{(\w+)\+?\}", value, self.template)


@cache
def routes() -> tuple[Route, ...]:
    return tuple(
        _route(service, method, operation, document)
        for service, piece in pieces().items()
        for document in piece.apis.values()
        for methods in document.resources.values()
        for operation in methods.values()
        for method in (BEHIND_PROXY if operation.method == "ANY" else (operation.method,))
    )


def ready(shop: Shop, route: Route) -> Route:
    """The route with the resources it needs, and credentials that may call it."""
    parameters = {name: choose("hostile") for name, choose in CHOSEN.items()}
    path, headers = route.path | parameters, dict(route.headers)
    if route.operation.api_key_required:
        headers["x-api-key"] = shop.samples["ingest_api_key"]
    if route.needs_session:
        person = shop.samples["admin"] if "admin" in route.authorizer.lower() else newcomer(shop)
        headers["Authorization"] = f"Bearer {signed_in(shop, person)}"
        if route.authorizer.startswith("customer"):
            path["customer_id"] = person["customer_id"]
    else:
        path |= _created(shop, route, parameters)
    return replace(route, path=path, headers=headers)


def _created(shop: Shop, route: Route, values: dict[str, str]) -> dict[str, str]:
    """Path parameters that name what the service's open POST routes have created just now."""
    named: dict[str, str] = {}
    for creating in routes():
        if creating.service == route.service and creating.creates and creating.template != route.template:
            response = replace(creating, path=creating.path | values).call(
                shop, Attempt(content=json.dumps(creating.body))
            )
            named |= response.json() if response.is_success else {}
    return {name: text for name, text in named.items() if name in route.path}


@cache
def newcomer(shop: Shop) -> dict[str, str]:
    """{email, password, customer_id} of a new customer that no other test uses."""
    person = {"email": f"{unique('hostile')}@example.com", "password": unique("a long password"), "name": "Ada Hostile"}
    return person | {"customer_id": accounts.create(shop, **person)}


def signed_in(shop: Shop, person: dict[str, str]) -> str:
    """A session token."""
    return eventually(lambda: sign_in(shop, person["email"], person["password"]))


def _route(service: str, method: str, operation: Operation, document: Document) -> Route:
    samples = _samples(service)
    event = samples.get((method, operation.resource_path), {})
    path = reduce(or_, [event["pathParameters"] or {} for event in samples.values()], KNOWN)
    if operation.method == "ANY":
        path["proxy"], body = BEHIND_PROXY[method]
    else:
        model = operation.models.get("application/json")
        body = json.loads(event["body"]) if event.get("body") else sample(model, document.schemas) if model else None
    headers = {"If-Match": "*"} if method == "PATCH" else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    return Route(service, method, operation.resource_path, operation, path, headers, body)


@cache
def _samples(service: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The sample events of an API's functions, by method and resource."""
    events = [json.loads(path.read_text()) for path in sorted((ROOT / "events" / service).glob("*.json"))]
    return {(event["httpMethod"], event["resource"]): event for event in events if "resource" in event}
