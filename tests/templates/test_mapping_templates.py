"""Every mapping template of every API, rendered with good and hostile input by the engine of the local gateway.

A template is text with values in it, so a value that is not escaped can become structure. Here each is rendered behind its
method's model, as the gateway does: what the model lets through must give JSON in one of the shapes that good input gives, with
the same table, key and expressions.
"""

import itertools
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_executor import mapping
from apigw_executor.responses import KINDS, GatewayError
from apigw_executor.responses import render as render_gateway_response
from model.templates import pieces
from tests.hostile import BROKEN, STRINGS, mutations
from tests.templates.mapped import REQUESTS, RESPONSES, Mapped, lookup_in
from tests.templates.mapping_inputs import (
    GATEWAY,
    accepted,
    backend_response,
    context,
    literals,
    model_sample,
    names,
    parameters,
)
from tests.templates.rendered import read, rendered_response, respond, unique

# What an integration does is fixed; only values come from the caller.
FIXED = re.compile(
    r"TableName|\w*Expression|ExpressionAttributeNames|IndexName|ReturnValues\w*|Action|Version|QueueUrl|TopicArn"
    r"|DeliveryStreamName|StreamName|EventBusName|Source|DetailType|stateMachineArn|FunctionName"
)
# A successful write answers all that it promises; a read may find nothing.
READS = ("GetItem", "BatchGetItem", "Query", "Scan")
MAY_BE_BARE = [
    case for case in RESPONSES if (case.response and case.response.pattern) or case.integration.uri.endswith(READS)
]


# --- rendered documents ---


def shape(value: Any) -> Any:
    """The structure without the values, hashable."""
    match value:
        case dict():
            return tuple(sorted((name, shape(inner)) for name, inner in value.items()))
        case list() | tuple():
            return tuple(map(shape, value))
        case bool() | None:
            return "literal"
        case int() | float():
            return "number"
        case _:
            return "text"


def fixed(value: Any) -> Any:
    """The parts that no caller may influence."""
    match value:
        case {"form": pairs}:
            return [pair for pair in pairs if FIXED.fullmatch(pair[0])]
        case dict():
            inner = {name: item if FIXED.fullmatch(name) else fixed(item) for name, item in value.items()}
            return {name: item for name, item in inner.items() if item}
        case list():
            return [item for item in map(fixed, value) if item]
        case _:
            return None


# --- requests ---


def rendered_request(case: Mapped, body: bytes, params: Mapping[str, Mapping[str, str]]) -> Any:
    text = mapping.render(case.template, body.decode("utf-8", "replace"), params, context(), {})
    return read(case, text)


@cache
def good_requests(case: Mapped) -> list[Any]:
    """The requests rendered from valid input: with and without each optional value, and for each value it looks for."""
    body = model_sample(case)
    required = case.operation.models.get(case.media_type, {}).get("required", ()) if isinstance(body, dict) else ()
    bodies = [
        body,
        *({k: v for k, v in body.items() if k != left_out} for left_out in body if left_out not in required),
        *(body | {name: []} for name, value in body.items() if isinstance(value, list)),
    ]
    values = ["", *literals(case.template)]
    return [
        rendered_request(case, json.dumps(tried).encode(), parameters(case, value))
        for tried in bodies
        if accepted(case, json.dumps(tried).encode())
        for value in values
    ]


@pytest.mark.parametrize("case", REQUESTS, ids=str)
def test_good_input_gives_a_request(case: Mapped):
    assert good_requests(case)


@pytest.mark.parametrize("case", REQUESTS, ids=str)
def test_a_hostile_parameter_stays_a_value(case: Mapped):
    good = good_requests(case)
    body = json.dumps(model_sample(case)).encode()
    for name in itertools.chain(*names(case).values()):
        for hostile in STRINGS:
            request = rendered_request(case, body, parameters(case, hostile, only=name))
            assert shape(request) in set(map(shape, good)), (name, hostile)
            assert fixed(request) in list(map(fixed, good)), (name, hostile)


@pytest.mark.parametrize("case", REQUESTS, ids=str)
def test_a_hostile_body_is_refused_or_stays_a_value(case: Mapped):
    good = good_requests(case)
    shapes, frames = set(map(shape, good)), list(map(fixed, good))
    for body, same_type in mutations(model_sample(case)):
        encoded = json.dumps(body).encode()
        if accepted(case, encoded):
            request = rendered_request(case, encoded, parameters(case, "a"))
            assert not same_type or shape(request) in shapes, body
            assert set(request) in [set(other) for other in good], body
            assert fixed(request) in frames, body
    for encoded in BROKEN:
        if accepted(case, encoded):
            assert fixed(rendered_request(case, encoded, parameters(case, "a"))) in frames, encoded[:40]


# --- responses ---


@cache
def branches(case: Mapped) -> dict[Any, tuple[str, str]]:
    """The shape of every response to valid input, with a (stored, parameter) that renders it."""
    texts = ["", *literals(case.template)]
    return {shape(respond(case, stored, parameter)[1]): (stored, parameter) for stored in texts for parameter in texts}


@pytest.mark.parametrize("case", RESPONSES, ids=str)
def test_a_valid_backend_answer_renders_a_response(case: Mapped):
    for stored, parameter in branches(case).values():
        status, document = respond(case, stored, parameter)
        if status >= 400:
            assert {"type", "title", "status", "code"} <= set(document)
            assert document["status"] == status


@pytest.mark.parametrize("case", RESPONSES, ids=str)
def test_a_hostile_caller_or_backend_cannot_shape_the_response(case: Mapped):
    for (stored, parameter), hostile in itertools.product(branches(case).values(), STRINGS):
        for tried in ((stored, hostile), (hostile, parameter), (hostile, hostile)):
            assert shape(respond(case, *tried)[1]) in branches(case), tried


def newer(value: Any) -> Any:
    """``value`` as a newer version would have stored it: with an attribute that no version has today in each map."""
    if isinstance(value, list):
        return [newer(each) for each in value]
    if not isinstance(value, dict):
        return value
    unknown = {"from_a_newer_version": {"M": {"a": {"S": 'a"b'}}}}
    return unknown | {name: newer(each) for name, each in value.items()} | {"zz_newer": {"N": "1.5"}}


@pytest.mark.parametrize("case", RESPONSES, ids=str)
def test_items_of_a_newer_version_render_the_same_response(case: Mapped):
    for stored, parameter in branches(case).values():
        newer_response = json.dumps(newer(backend_response(case, stored)))
        assert rendered_response(case, newer_response, parameter, claim=stored) == respond(case, stored, parameter)


@pytest.mark.parametrize("case", MAY_BE_BARE, ids=str)
def test_an_answer_without_expected_members_renders_a_response(case: Mapped):
    for parameter in literals(case.template):
        for body in ("", "{}", "[]", "null", '"text"', json.dumps(backend_response(case, "a")).replace('"a"', "null")):
            rendered_response(case, body, parameter)


@pytest.fixture(scope="module")
def response_branches():
    """Finds the branches of all templates before a property test runs: Hypothesis does not nest ``find`` in ``given``."""
    for case in RESPONSES:
        branches(case)


@settings(max_examples=50, deadline=None)
@given(text=st.text(min_size=1, max_size=200))
def test_texts_never_change_the_structure(response_branches: None, text: str):
    for case in RESPONSES:
        for stored, parameter in branches(case).values():
            assert shape(respond(case, text, parameter)[1]) in branches(case)
            assert shape(respond(case, stored, text)[1]) in branches(case)


# --- gateway responses ---


@pytest.mark.parametrize(("service", "api"), GATEWAY)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_gateway_responses_are_problems_for_any_input(service: str, api: str, kind: str):
    rules = pieces()[service].apis[api].gateway_responses
    for hostile in STRINGS:
        error = GatewayError(kind, hostile, validation=hostile)
        variables = {f"context.error.{name}": value for name, value in error.variables().items()}
        response = render_gateway_response(error, rules, None, lookup_in(variables, hostile))
        problem = json.loads(response.body, object_pairs_hook=unique)
        assert response.header("content-type") == "application/problem+json"
        assert {"type", "title", "code"} <= set(problem)
        assert problem.get("status", response.status) == response.status
