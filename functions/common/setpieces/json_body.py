"""Bodies of requests, checked against JSON Schema.

    NEW_ITEM = JsonBody(
        {
            "type": "object",
            "required": ["sku", "quantity"],
            "properties": {"sku": SKU, "quantity": whole_number(1, 100)},
            "additionalProperties": False,
        }
    )
    body = NEW_ITEM.parse(request)

Schemas are draft 4, like API Gateway's models: an ``integer`` is written without a point or an exponent. Each has a
``description`` of what a value has to be, which becomes the message: "must be a whole number from 1 to 100". Schemas that
services share are in ``setpieces.fields``.
"""

from collections.abc import Mapping
from typing import Any

import fastjsonschema
from fastjsonschema import JsonSchemaValueException

from setpieces.errors import Refused
from setpieces.rest_api import Request

# So that a hostile name does not fill a log.
MAX_NAME_LENGTH = 64
# That of JSON (RFC 8259, section 2); ``str.strip`` takes more for whitespace.
_WHITESPACE = " \t\n\r"
_DRAFT = "http://json-schema.org/draft-04/schema#"


class JsonBody:
    """A request body's schema, compiled once when its module is imported."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = {"$schema": _DRAFT, **schema}
        self._validate = fastjsonschema.compile(self.schema, use_default=False, use_formats=False)

    def parse(self, request: Request, *, required: bool = True) -> dict[str, Any]:
        """The body of ``request``; ``{}`` for an empty one that is not ``required``.

        Raises ``Refused`` as ``Request.json`` does, and INVALID_REQUEST with a pointer to the first fault. In each object,
        missing members come first (in the order of ``required``), then values (in the order of ``properties``), then unknown
        members.
        """
        if not required and not request.raw_body.strip(_WHITESPACE):
            return {}
        body = request.json()
        try:
            self._validate(body)
        except JsonSchemaValueException as error:
            raise _refusal(error) from None
        return body


def _refusal(error: JsonSchemaValueException) -> Refused:
    members, schema, value = error.path[1:], error.definition, error.value
    match error.rule:
        case "required":
            members.append(next(name for name in schema["required"] if name not in value))
            message = "is required"
        case "additionalProperties":
            members.append(next(name for name in value if name not in schema["properties"]))
            message = f"is not a member of {schema.get('description', 'this request')}"
        case _:
            message = f"must be {schema['description']}"
    return Refused("INVALID_REQUEST", message, "".join(f"/{_escape(name)}" for name in members))


def _escape(name: str) -> str:
    """A reference token of a JSON pointer (RFC 6901)."""
    return name[:MAX_NAME_LENGTH].replace("~", "~0").replace("/", "~1")
