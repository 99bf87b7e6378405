"""A plugin of pytest: everything that functions read in a test was written by a newer version.

    python -m pytest -n 0 -p tests.unit.common.newer_versions tests/unit/orders

Items, messages, JSON objects of S3 and answers of other services get members that no version has today, at every level, and
events the next minor version. ``READ_BY`` names a file into which the places are written that have read such things.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from setpieces import dynamodb_types, eventbridge_consumer, external, sqs_consumer, stored
from tests.unit.common.newer import NEWER, NEWER_JSON, newer, newer_json

FUNCTIONS = Path(__file__).parents[3] / "functions"
_read: dict[str, set[str]] = {}


def newer_message(event: dict[str, Any]) -> dict[str, Any]:
    """An event of SQS whose bodies are newer; what is no JSON object stays as it is."""
    return event | {"Records": [record | {"body": _newer_body(record["body"])} for record in event["Records"]]}


def _newer_body(text: str) -> str:
    try:
        body = json.loads(text)
    except ValueError:
        return text
    return json.dumps(newer(body, unknown=NEWER_JSON)) if isinstance(body, dict) else text


def _place(frame: FrameType) -> str:
    """``orders/orders/repository.py:read``, empty for code that is not a function's."""
    path = Path(frame.f_code.co_filename)
    if not path.is_relative_to(FUNCTIONS):
        return ""
    return f"{path.relative_to(FUNCTIONS)}:{frame.f_code.co_qualname.partition('.<')[0]}"


def _note(place: str) -> None:
    _read.setdefault(place, set()).add(os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0])


_from_item, _from_stored, _loads, _attribute = (
    dynamodb_types.from_item,
    stored.from_stored,
    json.loads,
    external.Answer.__getattribute__,
)


def _newer_from_item(item: dict[str, dict[str, Any]]) -> dict[str, Any]:
    plain, place = _from_item(item), _place(sys._getframe(1))
    if not plain or not place:
        return plain
    _note(place)
    return newer(plain)


def _newer_from_stored(kind: type[Any], members: dict[str, Any]) -> Any:
    if place := _place(sys._getframe(1)):
        _note(place)
    return _from_stored(kind, {**members, **NEWER})


def _newer_loads(text: Any, **options: Any) -> Any:
    """For documents of services: the layer reads requests, messages and answers, the simulators what other systems keep."""
    place, value = _place(sys._getframe(1)), _loads(text, **options)
    if not place or place.startswith(("common/", "partners/")):
        return value
    _note(place)
    return newer_json(value)


def _newer_attribute(response: external.Answer, name: str) -> Any:
    value, place = _attribute(response, name), _place(sys._getframe(1))
    if name != "body" or not place:
        return value
    _note(place)
    return newer_json(value)


def _consumer(make: Callable[[Any], Callable[[Any, Any], Any]]) -> Callable[[Any], Callable[[Any, Any], Any]]:
    def newer_consumer(process: Any) -> Callable[[Any, Any], Any]:
        handler, place = make(process), _place(sys._getframe(1))
        if "/handlers/" not in place or not place.endswith(":<module>"):
            return handler

        def newer_handler(event: dict[str, Any], context: Any) -> Any:
            _note(place)
            return handler(newer_message(event), context)

        return newer_handler

    return newer_consumer


# Applies to the whole run and is never undone.
_patch = pytest.MonkeyPatch()
_patch.setattr(dynamodb_types, "from_item", _newer_from_item)
_patch.setattr(stored, "from_stored", _newer_from_stored)
_patch.setattr(json, "loads", _newer_loads)
_patch.setattr(external.Answer, "__getattribute__", _newer_attribute)
_patch.setattr(eventbridge_consumer, "bus_handler", _consumer(eventbridge_consumer.bus_handler))
_patch.setattr(sqs_consumer, "queue_handler", _consumer(sqs_consumer.queue_handler))
_patch.setattr(sqs_consumer, "batch_handler", _consumer(sqs_consumer.batch_handler))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if path := os.environ.get("READ_BY"):
        Path(path).write_text(json.dumps({place: sorted(tests) for place, tests in _read.items()}, indent=1))
