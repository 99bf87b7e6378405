"""Every operation of every API document, with requests made from the document: those that fit it, those that miss it by one
thing, and its edges. The answers are held against it: never a 5xx, no status, header, media type or body that it does not
tell of, and what does not fit is refused.

The document is the one that callers are given (docs/api/openapi.json). Values that API documents leave to functions are random
in them; so every second request has what it works on in place, and of a body that fits all but one member from the sample.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any
from zlib import crc32

import pytest
import requests
import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok

from model.settings import REGION
from pages.openapi import bundle
from tests.abuse.seed import LONG, SEED
from tests.integration.routes import BEHIND_PROXY, OPTIONAL, TRY_AGAIN, Route, newcomer, ready, routes, signed_in
from tests.present import present
from tools.client import Shop, eventually, unique

EXAMPLES = 300 if LONG else 12
HELD = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)
# The API allows larger batches, but a million vouchers take minutes.
MANY = 100
SHOWN = "/catalog/v1/products/{sku}"
MISSED = {"required": True, "schema": {"type": "string"}}


def operation_of(route: Route) -> tuple[str, str]:
    """Where the document has a route; of the simulators, whose document leaves paths open, one operation for each method."""
    path = route.template.replace("{proxy+}", BEHIND_PROXY.get(route.method, ("",))[0].partition("?")[0])
    return route.method, f"/{route.service}{path}"


# Preflights of browsers have no input.
ROUTES = {operation_of(route): route for route in routes() if route.method != "OPTIONS"}


def document() -> dict[str, Any]:
    """The published document and the simulators' routes."""
    api = bundle()
    for (method, path), route in ROUTES.items():
        if route.operation.method == "ANY":
            body = {"type": "object", "properties": {name: {} for name in route.body or {}}}
            api["paths"].setdefault(path, {})[method.lower()] = {
                "parameters": [{"name": "key", "in": "query", "schema": {"type": "string"}}],
                "responses": {"default": {"description": "As the system answers."}},
                **({"requestBody": {"content": {"application/json": {"schema": body}}}} if route.body else {}),
            }
    return api


def configuration() -> SchemathesisConfig:
    # Requests have valid sessions, keys and signatures; test_authorisation_matrix.py covers missing permissions.
    generation = {"with-security-parameters": False, "max-examples": EXAMPLES, "no-shrink": True}
    phases: dict[str, Any] = {"coverage": {"unexpected-methods": []}}
    return SchemathesisConfig.from_dict({"seed": SEED, "generation": generation, "phases": phases})


SCHEMA = schemathesis.openapi.from_dict(document(), config=configuration())
load_all_checks()
CHECKED: list[Any] = CHECKS.get_by_names(HELD)


class Signed(requests.auth.AuthBase):
    """Signs any request for IAM."""

    def __init__(self, shop: Shop) -> None:
        self._credentials = present(shop.session.get_credentials())

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        request = AWSRequest(prepared.method, prepared.url, headers={}, data=prepared.body)
        SigV4Auth(self._credentials, "execute-api", REGION).add_auth(request)
        prepared.headers.update(dict(request.headers))
        return prepared


class Callers:
    """Who may call each route, with what it works on in place: what others of its service have created, if they have."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.customer = f"Bearer {signed_in(shop, newcomer(shop))}"
        self._ready: dict[Route, Route] = {}
        self._created: dict[str, dict[str, str]] = {}

    def of(self, route: Route) -> Route:
        if route not in self._ready:
            self._ready[route] = ready(self.shop, route)
        sample, created = self._ready[route], self._created.get(route.service, {})
        return replace(sample, path=sample.path | {name: created[name] for name in sample.path if name in created})

    def learn(self, route: Route, response: schemathesis.Response) -> None:
        if response.status_code < 300 and route.uses_up:
            self._ready.pop(route, None)
        if response.status_code in (201, 202):
            texts = {name: text for name, text in response.json().items() if isinstance(text, str)}
            self._created.setdefault(route.service, {}).update(texts)


@pytest.fixture(scope="module")
def callers(shop: Shop) -> Callers:
    return Callers(shop)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as one:
        yield one


@SCHEMA.parametrize()
@settings(
    deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate)
)
def test_responses_conform_to_the_document(case: schemathesis.Case, callers: Callers, session: requests.Session):
    route = ROUTES[case.method.upper(), case.path]
    called = callers.of(route)
    # The same case is made into the same request, also when it is made again from the seed.
    turn = crc32(repr(case).encode())
    if turn % 2:
        fit(case, called, turn // 2)
    modest(case, route)
    credentials = {name: text for name, text in called.headers.items() if name in ("Authorization", "x-api-key")}
    if route.authorizer == OPTIONAL and turn % 4 > 1:
        credentials["Authorization"] = callers.customer

    def call() -> schemathesis.Response:
        signed = Signed(callers.shop) if route.operation.iam else None
        options: dict[str, Any] = {"session": session, "auth": signed, "allow_redirects": False, "timeout": 60}
        return case.call(callers.shop.front_door, headers=credentials, **options)

    def call_until_available() -> schemathesis.Response:
        response = call()
        assert response.status_code not in TRY_AGAIN, response.text
        return response

    response = call()
    if response.status_code in TRY_AGAIN:
        response = eventually(call_until_available)
    callers.learn(route, response)
    case.validate_response(response, checks=CHECKED, headers=credentials)


def fit(case: schemathesis.Case, called: Route, turn: int) -> None:
    """What the request works on is there; a body of known names becomes the sample, or keeps one member as it is."""
    part = case.meta.components.get(ParameterLocation.PATH) if case.meta else None
    if case.path_parameters and not (part and part.mode.is_negative):
        case.path_parameters = {name: called.path[name] for name in case.path_parameters}
    if isinstance(case.body, dict) and isinstance(called.body, dict) and set(case.body) <= set(called.body):
        member = sorted(case.body)[turn % len(case.body)] if case.body and turn % 3 else None
        case.body = called.body | ({member: case.body[member]} if member else {})


def modest(case: schemathesis.Case, route: Route) -> None:
    """Limits the work that a request causes."""
    match route.operation.operation_name, case.body:
        case "createBatch" | "leaseVoucherNumbers", {"count": int(count)} if MANY < count <= 1_000_000:
            assert isinstance(case.body, dict)
            case.body = case.body | {"count": MANY}
        case "startRun", _ if len(case.headers.get("Idempotency-Key", "")) <= 255:
            case.headers["Idempotency-Key"] = one_run()


@cache
def one_run() -> str:
    """The key of the one run of sitemaps that a campaign starts."""
    return unique("fuzz")


def test_every_operation_is_fuzzed():
    operations = [result.ok() for result in SCHEMA.get_all_operations() if isinstance(result, Ok)]
    fuzzed = {(operation.method.upper(), operation.path) for operation in operations}
    assert fuzzed == set(ROUTES)


@pytest.mark.parametrize(
    ("sku", "changed"),
    [
        ("SP-10001", lambda api: api["paths"][SHOWN]["get"]["responses"].pop("200")),
        ("SP-10001", lambda api: api["paths"][SHOWN]["get"]["responses"]["200"].update(content={"text/xml": {}})),
        ("SP-10001", lambda api: api["paths"][SHOWN]["get"]["responses"]["200"]["headers"].update(Colour=MISSED)),
        ("SP-10001", lambda api: api["components"]["schemas"]["CatalogProduct"]["required"].append("colour")),
        ("none", lambda api: api["components"]["schemas"]["Problem"]["required"].append("colour")),
    ],
)
def test_a_wrong_document_fails_the_checks(shop: Shop, sku: str, changed: Callable[[dict[str, Any]], None]):
    wrong = document()
    changed(wrong)
    operation = schemathesis.openapi.from_dict(wrong, config=configuration())[SHOWN]["GET"]
    with pytest.raises(FailureGroup):
        operation.Case(path_parameters={"sku": sku}).call_and_validate(shop.front_door, checks=CHECKED)
