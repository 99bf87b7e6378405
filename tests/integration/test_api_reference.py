"""The API reference matches the APIs: the page is served, and its API knows every request of the collection."""

import json
import re
from typing import Any

import httpx
import pytest

from pages import openapi, postman
from tools.client import Shop
from tools.drivers.customers import sign_in

FOLDERS = json.loads(postman.FILE.read_text())["item"]
REQUESTS = [
    pytest.param(folder["name"], item, id=f"{folder['name']}-{item['name']}")
    for folder in FOLDERS
    for item in folder["item"]
]


@pytest.fixture(scope="module")
def variables(shop: Shop) -> dict[str, str]:
    people = {role: shop.samples[role] for role in ("customer", "admin")}
    tokens = {role: sign_in(shop, person["email"], person["password"]) for role, person in people.items()}
    return {
        "customerEmail": people["customer"]["email"],
        "customerPassword": people["customer"]["password"],
        "sessionToken": tokens["customer"],
        "adminToken": tokens["admin"],
        "ingestApiKey": shop.samples["ingest_api_key"],
    }


def filled(text: str, variables: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: variables[match[1]], text)


def headers(request: dict[str, Any], variables: dict[str, str]) -> dict[str, str]:
    request_headers = {header["key"]: header["value"] for header in request["header"] if not header.get("disabled")}
    auth = request["auth"]
    match auth["type"]:
        case "bearer":
            request_headers["Authorization"] = "Bearer " + filled(auth["bearer"][0]["value"], variables)
        case "apikey":
            request_headers["x-api-key"] = filled(auth["apikey"][1]["value"], variables)
    return request_headers


@pytest.mark.parametrize(("service", "item"), REQUESTS)
def test_a_request_of_the_collection_is_answered_as_documented(
    shop: Shop, variables: dict[str, str], service: str, item: dict[str, Any]
):
    request = item["request"]
    if item["name"] == "endSession":
        variables = variables | {
            "sessionToken": sign_in(shop, variables["customerEmail"], variables["customerPassword"])
        }
    path = request["url"]["raw"].partition("}}")[2]
    for one in request["url"]["variable"]:
        path = path.replace(f":{one['key']}", one["value"])
    response = shop.call(
        request["method"],
        f"/{service}{path}",
        content=filled(request["body"]["raw"], variables) if "body" in request else None,
        headers=headers(request, variables),
        sign=request["auth"]["type"] == "awsv4",
    )
    template = re.sub(r":(\w+)", r"{\1}", request["url"]["raw"].partition("}}")[2].partition("?")[0])
    documented = json.loads(openapi.FILE.read_text())["paths"][f"/{service}{template}"][request["method"].lower()][
        "responses"
    ]
    assert str(response.status_code) in documented or "default" in documented, response.text
    assert response.status_code < 500
    if response.status_code == 403:
        assert response.json()["code"] != "MISSING_AUTHENTICATION_TOKEN", "no API knows this request"


@pytest.mark.local_only("it asks the front door for its list of APIs")
def test_every_operation_is_in_the_document_and_in_the_collection(shop: Shop):
    apis = httpx.get(shop.url("/_front_door/apis")).json()["apis"]
    routes = {
        f"{one['service']} {route}"
        for one in apis
        for route in one["routes"]
        if not route.startswith(("OPTIONS", "ANY"))
    }
    paths = json.loads(openapi.FILE.read_text())["paths"]
    documented = {
        f"{path.split('/')[1]} {method.upper()} /{path.split('/', 2)[2]}"
        for path, item in paths.items()
        for method in item
        if method != "parameters"
    }
    assert documented == routes
    assert len(REQUESTS) == len(documented)


@pytest.mark.local_only("the page is one of the front door")
def test_the_page_shows_the_document(shop: Shop):
    page = httpx.get(shop.url("/_front_door/reference"))
    assert page.status_code == 200
    (config,) = set(re.findall(r'url: "([^"]+)"', page.text))
    assert httpx.get(shop.url(config)).json()["paths"] == json.loads(openapi.FILE.read_text())["paths"]
    for asset in re.findall(r'(?:src|href)="(/[^"]+)"', page.text):
        assert httpx.get(shop.url(asset)).status_code == 200, asset
