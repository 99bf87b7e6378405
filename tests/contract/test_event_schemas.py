"""Every event of the bus has one schema, and the code that publishes and the schema that describes it agree."""

import ast
import json
from collections.abc import Iterator

import pytest
from jsonschema import Draft202012Validator, ValidationError

from local.settings import ROOT
from setpieces import events

SCHEMAS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "schemas" / "events").glob("*.json"))}
SAMPLES = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "events" / "bus").glob("*.json"))}
NAMES = sorted(SCHEMAS)


@pytest.fixture(autouse=True)
def _schemas(monkeypatch: pytest.MonkeyPatch):
    """The layer's build copies the schemas beside the code; it is not built here."""
    monkeypatch.setattr(events, "_SCHEMAS", ROOT / "schemas" / "events")


def kind(name: str) -> tuple[str, str, str]:
    first, second, third = name.upper().split(".")
    return first, second, third


def kinds_in(source: str) -> Iterator[tuple[str, ...]]:
    """Every event kind that code names: a tuple of three words in capitals."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Tuple) and len(node.elts) == 3:
            words = [item.value for item in node.elts if isinstance(item, ast.Constant) and isinstance(item.value, str)]
            if len(words) == 3 and all(word.isalpha() and word.isupper() for word in words):
                yield tuple(words)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_draft_2020_12_and_is_found_by_its_kind(name: str):
    schema = SCHEMAS[name]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)
    assert schema["$id"].endswith(f"/{name}.json")
    meta_data = schema["properties"]["event"]["properties"]["meta_data"]["properties"]
    assert tuple(meta_data[part]["const"] for part in ("type", "subtype", "status")) == kind(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_envelope_is_closed_and_the_same_for_all(name: str):
    """Consumers and rules read meta_data, so nothing else may be in it; data may grow."""
    event = SCHEMAS[name]["properties"]["event"]
    first = SCHEMAS[NAMES[0]]["properties"]["event"]
    meta_data, common = event["properties"]["meta_data"], first["properties"]["meta_data"]
    assert (
        SCHEMAS[name]["additionalProperties"]
        is event["additionalProperties"]
        is meta_data["additionalProperties"]
        is False
    )
    assert meta_data["required"] == common["required"]
    own = {"type", "subtype", "status"}
    assert {k: v for k, v in meta_data["properties"].items() if k not in own} == {
        k: v for k, v in common["properties"].items() if k not in own
    }
    assert event["properties"]["data"].get("additionalProperties", True)
    assert event["properties"]["data"]["required"]


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_fits_and_what_the_code_makes_of_it_fits(name: str):
    Draft202012Validator(SCHEMAS[name]).validate(SAMPLES[name])
    event = events.parse(SAMPLES[name])
    assert event.kind == kind(name)
    events.check(event)
    with pytest.raises(ValidationError):
        events.check(events.Event(event.kind, {}))


def test_every_sample_has_a_schema():
    assert set(SAMPLES) == set(SCHEMAS)


def test_every_kind_that_code_names_has_a_schema():
    named = {
        (path.relative_to(ROOT).as_posix(), found)
        for path in (ROOT / "functions").rglob("*.py")
        for found in kinds_in(path.read_text())
    }
    assert named
    assert {(path, found) for path, found in named if ".".join(found).lower() not in SCHEMAS} == set()
