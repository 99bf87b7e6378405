"""Gateway responses: which one, its status, its body, its headers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_executor.document import GatewayResponseRule
from apigw_executor.responses import KINDS, GatewayError, header_text, render, substitute


def rule(status: int | None = None, templates: dict[str, str] | None = None, **parameters: str) -> GatewayResponseRule:
    headers = {f"gatewayresponse.header.{name.replace('_', '-')}": value for name, value in parameters.items()}
    return GatewayResponseRule(status, templates or {}, headers)


def lookup_of(values: dict[str, Any]) -> Any:
    return values.get


@pytest.mark.parametrize("kind", KINDS)
def test_defaults(kind: str) -> None:
    error = GatewayError(kind)
    values = {f"context.error.{name}": value for name, value in error.variables().items()}
    response = render(error, {}, None, lookup_of(values))
    assert response.status == KINDS[kind].status
    assert json.loads(response.body) == {"message": KINDS[kind].message}
    assert response.header("content-type") == "application/json"
    assert response.header("x-amzn-errortype") == KINDS[kind].error_type


def test_own_rule_then_default_then_built_in() -> None:
    rules = {"THROTTLED": rule(503), "DEFAULT_4XX": rule(418), "DEFAULT_5XX": rule(None, None, X_A="'a'")}
    assert render(GatewayError("THROTTLED"), rules, None, lambda name: None).status == 503
    assert render(GatewayError("UNAUTHORIZED"), rules, None, lambda name: None).status == 418
    failed = render(GatewayError("DEFAULT_5XX", status=502), rules, None, lambda name: None)
    assert (failed.status, failed.header("x-a")) == (502, "a")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "application/json"),
        ("text/html", "application/json"),
        ("application/xml", "application/xml"),
        ("text/html, application/xml;q=0.5", "application/xml"),
    ],
)
def test_the_template_by_accept(accept: str | None, expected: str) -> None:
    rules = {"THROTTLED": rule(None, {"application/xml": "<x/>", "application/json": "{}"})}
    assert render(GatewayError("THROTTLED"), rules, accept, lambda name: None).header("content-type") == expected


def test_templates_are_substitution_only() -> None:
    values = {
        "context.error.messageString": '"say \\"hi\\""',
        "context.error.validationErrorString": '[object has missing required properties (["a"])]',
        "context.requestId": "r",
        "method.request.header.Origin": "https://a.example",
        "stageVariables.x": "1",
    }
    template = (
        '{"m":$context.error.messageString,"v":"$context.error.validationErrorString","r":"${context.requestId}",'
        '"o":"$method.request.header.Origin","x":$stageVariables.x,"none":"$context.nope.a","end":"$context.requestId."}'
    )
    response = render(
        GatewayError("BAD_REQUEST_BODY"),
        {"BAD_REQUEST_BODY": rule(422, {"application/problem+json": template})},
        None,
        lookup_of(values),
    )
    assert response.header("content-type") == "application/problem+json"
    assert json.loads(response.body) == {
        "m": 'say "hi"',
        "v": '[object has missing required properties (["a"])]',
        "r": "r",
        "o": "https://a.example",
        "x": 1,
        "none": "",
        "end": "r.",
    }
    untouched = '#if(true)$util.escapeJavaScript("x")$input.body#end'
    assert substitute(untouched, lambda name: "value") == untouched


@given(st.text())
def test_a_client_value_cannot_break_the_json(text: str) -> None:
    rendered = substitute('{"a":"$method.request.header.X"}', lambda name: text, json=True)
    assert json.loads(rendered) == {"a": text}


@given(st.text())
def test_a_header_is_one_line(text: str) -> None:
    assert not set(header_text(text)) & {"\r", "\n", "\x00"}


def test_header_parameters() -> None:
    rules = {
        "THROTTLED": rule(None, None, A="'static'", B="method.request.header.X", C="context.requestId", D="context.no")
    }
    values = {"method.request.header.X": "a\r\nb", "context.requestId": "r"}
    response = render(GatewayError("THROTTLED"), rules, None, lookup_of(values))
    assert [response.header(name) for name in "ABCD"] == ["static", "a  b", "r", None]
