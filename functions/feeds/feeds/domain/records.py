"""Records judged against the schema of their feed (``schemas/feeds/<type>.json``), and what is passed on of them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.validators import extend

import setpieces
from feeds.domain.reader import Rejection

SCHEMAS = Path(setpieces.__file__).parent / "schemas" / "feeds"


def _is_whole(checker: Any, value: Any) -> bool:
    """JSON Schema takes 1.0 for an integer; versions and money are whole as written."""
    return isinstance(value, int) and not isinstance(value, bool)


_Validator = extend(Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_whole))


@cache
def _validator(feed_type: str) -> Any:
    return _Validator(json.loads((SCHEMAS / f"{feed_type}.json").read_text()))


def checked(feed_type: str, record: dict[str, Any]) -> dict[str, Any] | Rejection:
    """The members that the schema knows, if they fit it."""
    validator = _validator(feed_type)
    error = next(validator.iter_errors(record), None)
    if error:
        path = [*error.absolute_path, *([] if error.validator != "required" else _missing(error))]
        pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1")[:64] for part in path)
        return Rejection("INVALID_RECORD", f"{error.validator}: {str(error.validator_value)[:100]}", pointer)
    kept = {name: record[name] for name in validator.schema["properties"] if name in record}
    try:
        # Half a surrogate pair can be written as an escape but not as UTF-8, so nobody behind could store it.
        json.dumps(kept, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return Rejection("INVALID_UNICODE", "text with half a surrogate pair")
    return kept


def _missing(error: Any) -> list[str]:
    return [name for name in error.validator_value if name not in error.instance][:1]
