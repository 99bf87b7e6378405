"""The schemas by which functions check bodies, beside the models by which the gateway does.

``NEW_BATCH`` of ``vouchers.requests`` is ``NewBatch`` in ``schemas/api/vouchers.yaml``. The gateway guards the shape, which is
object, an object, its names and the required ones; the function checks the values, because it can point at the member. Clients
read these rules in ``NewBatchFields``.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft4Validator

from model.templates import pieces
from pages.openapi import apis, dereference
from setpieces.json_body import JsonBody

# The simulators check bodies by themselves.
OTHERS = {"partners"}


def models() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(service, name, model) of each body that a function gets."""
    for service, piece in pieces().items():
        for document in piece.apis.values():
            for methods in document.resources.values():
                for operation in methods.values():
                    for reference in operation.models.values():
                        if operation.integration and operation.integration.kind == "aws_proxy":
                            name = reference["$ref"].rpartition("/")[2]
                            yield service, name, document.schemas["components"]["schemas"][name]


MODELS = [pytest.param(*model, id="-".join(model[:2])) for model in models() if model[0] not in OTHERS]


def body_of(service: str, model: str) -> JsonBody:
    constant = "".join(f"_{letter}" if letter.isupper() else letter for letter in model).strip("_").upper()
    requests = importlib.import_module(f"{service.replace('-', '_')}.requests")
    parts = pkgutil.iter_modules(getattr(requests, "__path__", []), f"{requests.__name__}.")
    modules = [requests, *(importlib.import_module(part.name) for part in parts)]
    (body,) = [getattr(module, constant) for module in modules if hasattr(module, constant)]
    assert isinstance(body, JsonBody)
    return body


def schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schemas of all values within ``schema``."""
    for inner in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])):
        yield inner
        yield from schemas(inner)


def rules(schema: Any, document: dict[str, Any]) -> Any:
    """``schema`` as draft 4 without descriptions and examples, references followed."""
    if isinstance(schema, list):
        return [rules(each, document) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = dereference(schema, document)
    words = {"$schema", "description", "example"}
    own = {
        name: rules(value, document) for name, value in schema.items() if name not in words or isinstance(value, dict)
    }
    if own.pop("nullable", False) is True:
        own["type"] = [own["type"], "null"]
    return own


def test_there_are_models_to_compare():
    assert len(MODELS) >= 7


@pytest.mark.parametrize(("service", "name", "model"), MODELS)
def test_the_function_and_the_gateway_agree_on_members(service: str, name: str, model: dict[str, Any]):
    schema = body_of(service, name).schema
    assert set(schema["properties"]) == set(model["properties"])
    assert set(schema.get("required", [])) == set(model.get("required", []))
    assert schema["type"] == model["type"] == "object"
    assert schema["additionalProperties"] is model["additionalProperties"] is False


@pytest.mark.parametrize(("service", "name", "model"), MODELS)
def test_clients_read_the_rules_by_which_the_function_checks(service: str, name: str, model: dict[str, Any]):
    (document,) = (body for piece, body in apis() if piece.service == service)
    assert rules(document["components"]["schemas"][name], document) == rules(body_of(service, name).schema, {})


@pytest.mark.parametrize(("service", "name", "model"), MODELS)
def test_every_value_has_a_description_for_its_message(service: str, name: str, model: dict[str, Any]):
    schema = body_of(service, name).schema
    Draft4Validator.check_schema(schema)
    assert [inner for inner in schemas(schema) if not inner.get("description")] == []
