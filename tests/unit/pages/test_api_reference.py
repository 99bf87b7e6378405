"""docs/api: one OpenAPI document, a request for each operation, and a row for each code of a problem."""

import ast
from functools import cache

import pytest

from model.settings import ROOT
from pages import openapi, postman, problems
from setpieces.rest_api import STATUS

BODY = {
    "components": {
        "schemas": {
            "Basket": {
                "type": "object",
                "required": ["items", "total"],
                "properties": {
                    "items": {"type": "array", "minItems": 2, "items": {"$ref": "#/components/schemas/Item"}},
                    "total": {"type": "integer", "minimum": 0},
                    "note": {"type": "string"},
                },
            },
            "Item": {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string", "example": "A"}}},
        }
    }
}


def operations() -> list[tuple[str, str, str]]:
    """(service, path, method) of each operation of the deployed documents."""
    return [
        (piece.service, path, method)
        for piece, body in openapi.apis()
        for path, item in body["paths"].items()
        for method in openapi.METHODS
        if method in item
    ]


def test_the_bundle_has_every_operation_under_the_path_of_its_service():
    paths = openapi.bundle()["paths"]
    assert all(method in paths[f"/{service}{path}"] for service, path, method in operations())


def test_the_bundle_has_no_extensions_of_api_gateway():
    assert "x-amazon-" not in next(iter(openapi.files().values()))


def test_every_reference_of_the_bundle_has_a_target():
    bundle = openapi.bundle()

    def references(value):
        if isinstance(value, dict):
            if "$ref" in value:
                yield value
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    assert [openapi.dereference(reference, bundle) for reference in references(bundle)]


def test_the_collection_has_a_request_for_every_operation():
    requests = [item for folder in postman.collection()["item"] for item in folder["item"]]
    assert len(requests) == len(operations())


def test_the_collection_defines_every_variable_that_it_uses():
    text = next(iter(postman.files().values()))
    defined = {variable["key"] for variable in postman.collection()["variable"]}
    assert {name.split("}}")[0] for name in text.split("{{")[1:]} <= defined


def test_an_example_has_the_required_members_only():
    assert postman.example({"$ref": "#/components/schemas/Basket"}, BODY) == {
        "items": [{"sku": "A"}, {"sku": "A"}],
        "total": 0,
    }


@pytest.mark.parametrize(
    ("code", "errors"),
    [
        ("Refused('BASKET_NOT_FOUND', 'No such basket')", [("BASKET_NOT_FOUND", 404, "No such basket")]),
        ('RetryLater(5, "The platform is busy", "PLATFORM_BUSY")', [("PLATFORM_BUSY", 503, "The platform is busy")]),
        ('HttpRefusal(418, "TEAPOT", "Short and stout")', [("TEAPOT", 418, "Short and stout")]),
        ('HttpRefusal(status, "TEAPOT")', [("TEAPOT", 0, "")]),
        ("Refused(code, detail)", []),
        ('Refused(f"VOUCHER_{status}")', []),
        (
            'Refused("UNKNOWN_SKU", f"{item.sku} is not one of {len(items)} products")',
            [("UNKNOWN_SKU", 404, "{sku} is not one of … products")],
        ),
        ('Refused("UNKNOWN_SKU", "is not sold", "/sku")', [("UNKNOWN_SKU", 404, "`/sku`: is not sold")]),
        ('JsonBody(schema, code="INVALID_BASKET", status=422)', [("INVALID_BASKET", 422, "")]),
        ('print("NOT_FOUND")', []),
    ],
)
def test_errors_of_the_code_have_their_status_and_detail(code, errors):
    assert list(problems._errors(ast.parse(code))) == errors


@cache
def literals(service: str) -> tuple[frozenset[str], frozenset[str]]:
    """(texts, beginnings of f-strings) in the code of a service and of the layer, but for the layer's table of statuses."""
    files = [*(problems.FUNCTIONS / service).rglob("*.py"), *(problems.FUNCTIONS / "common").rglob("*.py")]
    texts, beginnings = set(), set()
    for node in (
        node for file in files if file.name != "rest_api.py" for node in ast.walk(ast.parse(file.read_text()))
    ):
        match node:
            case ast.Constant(str(text)):
                texts.add(text)
            case ast.JoinedStr([ast.Constant(str(text)), *_]) if text:
                beginnings.add(text)
    return frozenset(texts), frozenset(beginnings)


def is_in_code(service: str, code: str) -> bool:
    """True if the code is a text of the service, or the beginning of an f-string and a text: ``VOUCHER_{status}``."""
    texts, beginnings = literals(service)
    return code in texts or any(code.startswith(each) and code.removeprefix(each) in texts for each in beginnings)


def test_every_code_with_a_status_is_on_the_page():
    assert STATUS.keys() - problems.problems().keys() == set()


@pytest.mark.parametrize(("service", "status", "code"), sorted(set(problems.documented())))
def test_every_documented_code_is_in_the_code_of_its_service(service: str, status: int, code: str):
    templates = (ROOT / "schemas" / "api" / f"{service}.yaml").read_text().replace('\\"', '"')
    assert is_in_code(service, code) or f'"{code}"' in templates


def test_a_code_of_another_service_is_not_in_the_code():
    assert is_in_code("vouchers", "VOUCHER_NOT_YET_VALID")
    assert not is_in_code("vouchers", "BASKET_FULL")
    assert not is_in_code("vouchers", "VOUCHER_MISPRINTED")


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ('{"status": 503, "code": "ORDERS_UNAVAILABLE"}', ("503", "ORDERS_UNAVAILABLE")),
        ('#set($problem = 410)\n  #set($code = "ORDER_EXPIRED")', ("410", "ORDER_EXPIRED")),
    ],
)
def test_codes_of_mapping_templates_have_their_status(template: str, found: tuple[str, str]):
    matches = problems._MAPPING_TEMPLATE.findall(template) + problems._SET_IN_TEMPLATE.findall(template)
    assert [match[:2] for match in matches] == [found]
