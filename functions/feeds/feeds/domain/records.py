"""Validates records against the schema of their feed (``schemas/feeds/<type>.json``)."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import setpieces
from feeds.domain.rejections import Rejection
from setpieces.json_schema import Validator

SCHEMAS = Path(setpieces.__file__).parent / "schemas" / "feeds"


@cache
def _validator(feed_type: str) -> Any:
    return Validator(json.loads((SCHEMAS / f"{feed_type}.json").read_text()))


def validate_record(feed_type: str, record: dict[str, Any]) -> dict[str, Any] | Rejection:
    """The members of a record that its schema defines; a ``Rejection`` if the record is invalid."""
    validator = _validator(feed_type)
    error = next(validator.iter_errors(record), None)
    if error:
        path = [*error.absolute_path, *([] if error.validator != "required" else _missing_member(error))]
        pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1")[:64] for part in path)
        return Rejection("INVALID_RECORD", f"{error.validator}: {str(error.validator_value)[:100]}", pointer)
    members = {name: record[name] for name in validator.schema["properties"] if name in record}
    try:
        # An unpaired surrogate can be written as a JSON escape but not as UTF-8, so the platform could not store it.
        json.dumps(members, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return Rejection("INVALID_UNICODE", "text with an unpaired surrogate")
    return members


def _missing_member(error: Any) -> list[str]:
    return [name for name in error.validator_value if name not in error.instance][:1]
