"""Every event of the bus has one schema, and the code that publishes and the schema that describes it agree."""

import ast
import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from model.settings import ROOT
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
    """What a publisher may put into meta_data: consumers and rules read it. Data may grow."""
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
def test_a_sample_and_the_event_built_from_it_are_valid(name: str):
    Draft202012Validator(SCHEMAS[name]).validate(SAMPLES[name])
    event = events.parse(SAMPLES[name])
    assert event.kind == kind(name)
    events.validate_event(event)
    with pytest.raises(events.InvalidEvent):
        events.validate_event(events.Event(event.kind, {}))


def newer(name: str, version: str) -> dict[str, Any]:
    """The sample as a later release may publish it, with unknown members at every level."""
    sample = SAMPLES[name]["event"]
    return {
        "event": {
            "meta_data": sample["meta_data"] | {"version": version, "tenant": {"id": 7}},
            "data": sample["data"] | {"channel": "app"},
            "signature": "x",
        },
        "trace": [1],
    }


@pytest.mark.parametrize("version", ["1", "1.1", "1.12"])
@pytest.mark.parametrize("name", NAMES)
def test_a_consumer_reads_a_newer_minor_version_and_ignores_unknown_members(name: str, version: str):
    event = events.parse(newer(name, version))
    assert event.kind == kind(name)
    assert event.data == SAMPLES[name]["event"]["data"] | {"channel": "app"}


@pytest.mark.parametrize("version", ["2", "2.0", "0.9", "10", ""])
@pytest.mark.parametrize("name", NAMES)
def test_another_major_version_differs_from_an_invalid_event(name: str, version: str):
    with pytest.raises(events.UnknownVersion):
        events.parse(newer(name, version) | {"event": {**newer(name, version)["event"], "data": []}})


@pytest.mark.parametrize("name", NAMES)
def test_a_consumer_reports_the_pointer_of_an_invalid_member_and_not_its_value(name: str):
    for member in SCHEMAS[name]["properties"]["event"]["properties"]["data"]["required"]:
        for spoiled in ({"a secret": 1}, None):
            sample = newer(name, "1.1")
            sample["event"]["data"][member] = spoiled
            if spoiled is None:
                del sample["event"]["data"][member]
            with pytest.raises(events.InvalidEvent) as refused:
                events.parse(sample)
            assert str(refused.value) == f"/event/data/{member}"


@pytest.mark.parametrize("name", NAMES)
def test_a_publisher_keeps_to_the_schema_exactly(name: str, monkeypatch: pytest.MonkeyPatch):
    event = events.parse(SAMPLES[name])
    detail = event.detail()
    detail["event"]["meta_data"]["tenant"] = "x"
    monkeypatch.setattr(events.Event, "detail", lambda self: detail)
    with pytest.raises(events.InvalidEvent, match=r"^/event/meta_data$"):
        events.validate_event(event)


def test_every_sample_has_a_schema():
    assert set(SAMPLES) == set(SCHEMAS)


def test_every_kind_that_code_names_has_a_schema():
    named = {
        (path.relative_to(ROOT).as_posix(), words)
        for path in (ROOT / "functions").rglob("*.py")
        for words in kinds_in(path.read_text())
    }
    assert named
    assert {(path, words) for path, words in named if ".".join(words).lower() not in SCHEMAS} == set()
