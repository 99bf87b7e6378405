"""``schemas/types``: one rule for each SKU, amount, currency, country, address, e-mail address and order number.

Feeds and events are read by functions that start cold, and API Gateway resolves no reference to another file. So they have the
rules of a type in their own text, under the names below, and these tests compare them. A member may be narrower than its type.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from model.settings import ROOT
from pages.openapi import FIELDS, METHODS, TYPES, apis, bundle, dereference
from partners.simulators.products import PARTS
from setpieces import fields
from setpieces.errors import Refused
from setpieces.json_body import JsonBody
from setpieces.json_schema import Validator
from setpieces.rest_api import Request

Schema = dict[str, Any]

SCHEMAS = {file.stem: json.loads(file.read_text()) for file in TYPES.values()}
EXAMPLES = yaml.safe_load((ROOT / "tests" / "contract" / "type_examples.yaml").read_text())
# Members with other rules than their type, and why.
OTHERS = {
    ("login", "Credentials/email"): "any text: an address that no account can have gets the answer of a wrong one",
    ("orders", "InternalOrder/currency"): "empty until the order is validated",
    ("sequences", "Issued/value"): "a number, not an amount",
    ("tax", "QuotationRequest/order_number"): "a reference for the tax system, also of a quotation",
    **dict.fromkeys(
        [("orders", f"{name}/tax") for name in ("Quotation", "ChangedQuotation", "QuotationProblem/quotation")],
        "an object: how the tax was found",
    ),
}
AMOUNTS = (
    "unit_price",
    "line_total",
    "tax",
    "tax_total",
    "subtotal",
    "total",
    "amount",
    "value",
    "discount",
    "forfeited",
)
# Name of a member -> its type. An object of that name, such as ``tax`` with its source, is something else.
MEMBERS = {
    "sku": "sku",
    "currency": "currency",
    "country": "country",
    "order_number": "order_number",
    "email": "email",
    "notify": "email",
    **dict.fromkeys(AMOUNTS, "money"),
}
FUNCTIONS = {
    "sku": fields.SKU,
    "money": fields.MONEY,
    "currency": fields.CURRENCY,
    "country": fields.COUNTRY,
    "postal_address": fields.postal_address("country"),
    "email": fields.EMAIL,
    "order_number": fields.ORDER_NUMBER,
}
WORDS = {"$schema", "$id", "title", "description", "example", "examples"}


def rules(schema: Any) -> Any:
    """``schema`` without its words."""
    if isinstance(schema, list):
        return [rules(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: rules(value) for name, value in schema.items() if name not in WORDS or isinstance(value, dict)}


def members(schema: Schema, document: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """(path, schema) of each member within ``schema``, references followed."""
    schema = dereference(schema, document)
    for name, inner in schema.get("properties", {}).items():
        inner = dereference(inner, document)
        yield f"{path}/{name}", inner
        yield from members(inner, document, f"{path}/{name}")
    for inner in (*schema.get("allOf", []), *([schema["items"]] if "items" in schema else [])):
        yield from members(inner, document, path)


def documents() -> Iterator[tuple[str, str, Schema]]:
    """(document, path, schema) of each member of feeds, events and API documents whose name has a type."""
    for kind in ("feeds", "events"):
        for file in sorted((ROOT / "schemas" / kind).glob("*.json")):
            schema = json.loads(file.read_text())
            for path, inner in members(schema, schema, ""):
                yield f"{kind}/{file.stem}", f"{path.strip('/')}", inner
    for piece, body in apis():
        for component, schema in body.get("components", {}).get("schemas", {}).items():
            for path, inner in members(schema, body, component):
                yield piece.service, path, inner


MEMBERS_OF_DOCUMENTS = [
    pytest.param(document, path, schema, id=f"{document}-{path}")
    for document, path, schema in documents()
    if path.rpartition("/")[2] in MEMBERS and (document, path) not in OTHERS and "properties" not in schema
]


def is_within(schema: Schema, type_schema: Schema) -> bool:
    """True if all values of ``schema`` are of the type."""
    own, of_type = {"minLength": 0} | rules(schema), rules(type_schema)
    limits = {"minimum": max, "maximum": min, "minLength": max, "maxLength": min}
    return all(
        own.get(name) == value or (name in limits and name in own and limits[name](own[name], value) == own[name])
        for name, value in of_type.items()
    )


def is_accepted(schema: Schema, value: Any) -> bool:
    """True if a function accepts a body with this value."""
    text = json.dumps({"value": value})
    body = JsonBody({"type": "object", "properties": {"value": schema | {"description": "a value"}}})
    try:
        body.parse(Request("POST", "/", {}, {}, {"content-type": "application/json"}, text, "r", "c", {}, lambda: 5.0))
    except Refused:
        return False
    return True


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_type_describes_itself_with_examples(name: str):
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$id"].endswith(f"/types/{name}.json")
    assert schema["title"]
    assert schema["description"]
    assert [example for example in schema["examples"] if not Validator(schema).is_valid(example)] == []


def test_each_type_has_examples_and_a_rule_for_functions():
    assert set(SCHEMAS) == set(EXAMPLES) == set(FUNCTIONS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_functions_have_the_rules_of_the_type(name: str):
    assert rules(FUNCTIONS[name]) == rules(SCHEMAS[name])


@pytest.mark.parametrize("name", SCHEMAS)
def test_validators_of_bodies_feeds_and_events_accept_the_same(name: str):
    for value in (*SCHEMAS[name]["examples"], *EXAMPLES[name]["valid"]):
        assert Validator(SCHEMAS[name]).is_valid(value), value
        assert is_accepted(FUNCTIONS[name], value), value
    for value in EXAMPLES[name]["invalid"]:
        assert not Validator(SCHEMAS[name]).is_valid(value), value
        assert not is_accepted(FUNCTIONS[name], value), value


@pytest.mark.parametrize(("document", "path", "schema"), MEMBERS_OF_DOCUMENTS)
def test_a_member_has_the_rules_of_its_type(document: str, path: str, schema: Schema):
    assert is_within(schema, SCHEMAS[MEMBERS[path.rpartition("/")[2]]])


@pytest.mark.parametrize("part", PARTS)
def test_the_platform_takes_what_feeds_accept(part: str):
    """But for currencies that it does not sell in, and for one category that tests use: those fail at the platform."""
    feed = json.loads((ROOT / "schemas" / "feeds" / f"{part}.json").read_text())
    of_platform = PARTS[part].schema
    assert feed["required"] == of_platform["required"]
    assert feed["properties"].keys() == of_platform["properties"].keys()
    for name in feed["properties"].keys() - {"currency"}:
        allowed = {rule: value for rule, value in of_platform["properties"][name].items() if rule != "not"}
        assert is_within(feed["properties"][name], allowed), name


def test_a_component_with_the_name_of_a_type_has_its_rules():
    for piece, body in apis():
        for name, schema in body.get("components", {}).get("schemas", {}).items():
            if name in TYPES:
                resolved = {member: dereference(inner, body) for member, inner in schema.get("properties", {}).items()}
                own = schema | ({"properties": resolved} if resolved else {})
                assert rules(own) == rules(json.loads(TYPES[name].read_text())), (piece.service, name)


def test_the_shape_of_a_body_is_replaced_by_its_fields():
    assert not [
        name for _, body in apis() for name in body.get("components", {}).get("schemas", {}) if name.endswith(FIELDS)
    ]


def untyped(schema: Schema, path: str) -> Iterator[str]:
    """The paths of values within ``schema`` that may be anything, unless an object says so by ``additionalProperties``."""
    inner = [*schema.get("properties", {}).items(), *([("*", schema["items"])] if "items" in schema else [])]
    inner += [
        (f"{name}/{at}", each) for name in ("allOf", "anyOf", "oneOf") for at, each in enumerate(schema.get(name, []))
    ]
    is_free = schema.get("type") == "object" and not schema.keys() & {"properties", "additionalProperties"}
    if is_free or not (schema.keys() & {"$ref", "type", "enum"} or inner):
        yield path
    for name, each in inner:
        yield from untyped(each, f"{path}/{name}")


def test_every_value_of_every_body_has_a_type():
    document = bundle()
    for name, schema in document["components"]["schemas"].items():
        assert list(untyped(schema, name)) == []
    for path, methods in document["paths"].items():
        for method in methods.keys() & METHODS:
            bodies = {"request": methods[method].get("requestBody", {"content": {}}), **methods[method]["responses"]}
            for status, body in bodies.items():
                media = list(body.get("content", {}).values())
                assert media or status in ("request", "204", "303", "304"), (path, method, status)
                assert [place for each in media for place in untyped(each["schema"], f"{method} {path} {status}")] == []
