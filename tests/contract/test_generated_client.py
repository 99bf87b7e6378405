"""A client generated from ``docs/api/openapi.json`` has a type for each value; ``tests/integration`` buys with it."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any, get_args, get_type_hints

import attrs
import pytest

from tests import generated_client


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return generated_client.generate(tmp_path_factory.mktemp("client"))


def models() -> Iterator[type]:
    module = importlib.import_module(f"{generated_client.PACKAGE}.models")
    yield from (each for each in vars(module).values() if attrs.has(each))


def operations() -> Iterator[ModuleType]:
    """The module of each operation."""
    api = importlib.import_module(f"{generated_client.PACKAGE}.api")
    for module in pkgutil.walk_packages(api.__path__, f"{api.__name__}."):
        if not module.ispkg:
            yield importlib.import_module(module.name)


def test_each_member_of_a_model_has_a_type(client: ModuleType):
    untyped = [
        f"{model.__name__}.{field.name}"
        for model in models()
        for field in attrs.fields(model)
        if "Any" in str(field.type) and field.name != "additional_properties"
    ]
    assert len(list(models())) > 50
    assert untyped == []


def test_each_body_of_a_response_has_a_type(client: ModuleType):
    """The generator writes ``Any`` for a response that has no body (204, 303, 304)."""
    for operation in operations():
        is_any = Any in get_args(get_type_hints(operation._parse_response)["return"])
        assert is_any == ("cast(Any, None)" in inspect.getsource(operation._parse_response)), operation.__name__
        assert "response.json()" in inspect.getsource(operation._parse_response)
