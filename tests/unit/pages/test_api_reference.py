"""docs/api: one OpenAPI document, a request for each operation, and a row for each code of a problem."""

import ast

import pytest

from pages import openapi, postman, problems

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
