"""What mapping templates render."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from apigw_executor import mapping
from apigw_executor.messages import media_type
from tests.templates.mapped import Mapped
from tests.templates.mapping_inputs import backend_response, context, parameters


def read(case: Mapped, text: str) -> Any:
    """The rendered text as its content type says; fails unless it is exactly that."""
    kind = case.media_type
    if case.response is None:
        content_type = case.integration.request_parameters.get("integration.request.header.Content-Type", "")
        kind = content_type.strip("'") or "application/json"
    if media_type(kind) == "application/x-www-form-urlencoded":
        return {"form": parse_qsl(text, keep_blank_values=True, strict_parsing=True)}
    assert re.search(r"[/+](json|x-amz-json-1\.[01])$", media_type(kind)), f"{kind}: say here how to read it"
    return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    assert len(members) == len(pairs), f"the same name twice: {[name for name, _ in pairs]}"
    return members


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def rendered_response(case: Mapped, body: str, parameter: str, claim: str = "a") -> tuple[int, Any]:
    """(status, document) for a backend's answer; each parameter is ``parameter``, each claim ``claim``."""
    assert case.response
    claims = dict.fromkeys(re.findall(r"\$context\.authorizer\.(\w+)", case.template), claim)
    request_context = context(responseOverride={"header": {}}, authorizer=claims)
    document = read(case, mapping.render(case.template, body, parameters(case, parameter), request_context, {}))
    return int(request_context["responseOverride"].get("status") or case.response.status), document


def respond(case: Mapped, stored: str, parameter: str) -> tuple[int, Any]:
    """The response for what the backend holds; it is the caller's own."""
    return rendered_response(case, json.dumps(backend_response(case, stored)), parameter, claim=stored)
