"""Inputs of a mapping template: context, parameters, bodies and backend answers."""

import itertools
import re
from functools import cache
from typing import Any

from hypothesis import find
from hypothesis import strategies as st

from apigw_executor.messages import Request
from apigw_executor.models import check_body
from apigw_executor.responses import GatewayError
from model.templates import pieces
from tests.hostile import sample
from tests.templates.mapped import Mapped


def context(**over: Any) -> dict[str, Any]:
    return {
        "requestId": "11111111-2222-3333-4444-555555555555",
        "path": "/service/v1/things/%22",
        "resourcePath": "/v1/things/{id}",
        "httpMethod": "POST",
        "stage": "local",
        "requestTime": "23/Nov/2026:15:00:00 +0000",
        "requestTimeEpoch": 1_795_446_000_000,
        "identity": {"sourceIp": "127.0.0.1", "userAgent": 'a "browser"\\ $input.body', "caller": "AIDA"},
        "authorizer": {"principalId": "user", "customer_id": "C100000000"},
        **over,
    }


def names(case: Mapped) -> dict[str, list[str]]:
    """The parameters that the template can see, by location, declared or only read."""
    names_by_location: dict[str, list[str]] = {"path": [], "querystring": [], "header": []}
    for parameter in case.operation.parameters:
        names_by_location[parameter.location].append(parameter.name)
    declared = set(itertools.chain(*names_by_location.values()))
    names_by_location["header"] += sorted(set(re.findall(r"\$input\.params\('([^']+)'\)", case.template)) - declared)
    return names_by_location


def parameters(case: Mapped, value: str, only: str | None = None) -> dict[str, dict[str, str]]:
    """Every parameter "a", but ``only`` (or all) ``value``."""
    located = names(case).items()
    return {
        location: {name: value if only in (None, name) else "a" for name in parameter_names}
        for location, parameter_names in located
    }


@cache
def literals(template: str) -> list[str]:
    """Texts that the template's directives mention, and one that fits each pattern: they may take it another way."""
    directives = "\n".join(line for line in template.splitlines() if line.startswith("#"))
    fitting = [find(st.from_regex(p, fullmatch=True), bool) for p in re.findall(r'\.matches\("([^"]+)"\)', directives)]
    return ["a", *sorted(set(re.findall(r'"([^"$]+)"', directives))), *fitting]


def accepted(case: Mapped, body: bytes) -> bool:
    """True if the method's model accepts this body."""
    request = Request("POST", "/", (("Content-Type", case.media_type),), body=body)
    try:
        check_body(case.operation, request, case.document.schemas)
    except GatewayError:
        return False
    return True


def model_sample(case: Mapped) -> Any:
    model = case.operation.models.get(case.media_type)
    return sample(model, case.document.schemas) if model else {}


_PATH = re.compile(r"\$input\.(?:path|json)\('\$\.([\w.]+)'\)")


_ALIAS = re.compile(r"#set\(\s*\$(\w+)\s*=\s*\$input\.path\('\$\.([\w.]+)'\)\s*\)")


def paths(template: str) -> set[str]:
    """The JSONPaths that a template reads, through variables too: {"Item.owner.S"}."""
    json_paths = set(_PATH.findall(template))
    for variable, path in _ALIAS.findall(template):
        json_paths |= {f"{path}{rest}" for rest in re.findall(rf"\${variable}((?:\.\w+)+)\b(?!\()", template)}
        json_paths |= {f"{path}{rest}" for rest in re.findall(rf"\${variable}((?:\.\w+)+)\.\w+\(", template)}
    return {path for path in json_paths if not any(other.startswith(f"{path}.") for other in json_paths)}


def backend_response(case: Mapped, value: str) -> dict[str, Any]:
    """A backend's answer with ``value`` wherever the template looks; numbers, booleans and lists stay what they are."""
    document: dict[str, Any] = {}
    kinds = {
        "N": "2000000000",
        "BOOL": True,
        "FailedPutCount": 1,
        "RequestResponses": [{"RecordId": value}, {"ErrorCode": value}],
    }
    for path in paths(case.template):
        *steps, last = path.split(".")
        inner = document
        for step in steps:
            inner = inner.setdefault(step, {})
        inner[last] = kinds.get(last, value)
    return document


GATEWAY = [(service, api) for service, piece in pieces().items() for api in piece.apis]
