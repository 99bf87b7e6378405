"""The type of every problem that no function writes is its code, in lower case with hyphens: docs/api/problems.md."""

import itertools
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from apigw_executor.responses import KINDS, GatewayError
from apigw_executor.responses import render as render_gateway_response
from customers.domain.access import Caller, Verdict
from customers.views.policies import policy_view
from local.front_door import messages
from model.templates import iter_resources, pieces
from setpieces.rest_api import PROBLEM_TYPES
from tests.templates.mapped import RESPONSES, Mapped, lookup_in
from tests.templates.mapping_inputs import GATEWAY, literals
from tests.templates.rendered import rendered_response, respond

METHOD = "arn:aws:execute-api:eu-central-1:000000000000:api/local/GET/v1/customers/C1/profile"
CODE = re.compile(r'"code": "(\w+)"|#set\(\$code = "(\w+)"\)')
WRITE_PROBLEMS = [case for case in RESPONSES if CODE.search(case.template)]


def right(problem: dict[str, Any]) -> bool:
    return bool(problem["type"] == PROBLEM_TYPES + problem["code"].lower().replace("_", "-"))


def problems(case: Mapped) -> list[dict[str, Any]]:
    """The problems that a template writes for valid input, and for an item that does not exist."""
    texts = ["", *literals(case.template)]
    documents = [respond(case, stored, parameter)[1] for stored, parameter in itertools.product(texts, repeat=2)]
    documents += [rendered_response(case, "{}", parameter)[1] for parameter in texts]
    return [document for document in documents if "code" in document]


@pytest.mark.parametrize("case", WRITE_PROBLEMS, ids=str)
def test_of_a_mapping_template(case: Mapped):
    """A code that needs other input than ``problems`` has is set in place of all others."""
    for code in sorted(filter(None, itertools.chain(*CODE.findall(case.template)))):
        template = re.sub(r'#set\(\$code = "\w+"\)', f'#set($code = "{code}")', case.template)
        written = [*problems(case), *problems(replace(case, template=template))]
        assert code in [problem["code"] for problem in written]
        assert [problem for problem in written if not right(problem)] == []


def test_mapping_templates_that_write_problems_are_found():
    assert {case.piece.service for case in WRITE_PROBLEMS} == {"ingestion", "orders", "sequences"}


@pytest.mark.parametrize(("service", "api"), GATEWAY)
@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.IDENTITY_UNAVAILABLE])
def test_of_a_gateway_response(service: str, api: str, verdict: Verdict):
    """The authorizer of customers gives the reason of its denial."""
    claims = policy_view(Caller("C1", "identity"), verdict, METHOD)["context"]
    rules = pieces()[service].apis[api].gateway_responses
    for kind in KINDS:
        error = GatewayError(kind, "message")
        variables = {f"context.error.{name}": value for name, value in error.variables().items()}
        variables |= {f"context.authorizer.{name}": value for name, value in claims.items()}
        response = render_gateway_response(error, rules, None, lookup_in(variables, "x"))
        assert right(json.loads(response.body)), kind


def test_of_a_web_acl():
    bodies = [
        json.loads(body["Content"])
        for _, _, acl in iter_resources("AWS::WAFv2::WebACL")
        for body in acl.get("CustomResponseBodies", {}).values()
        if body["ContentType"] == "APPLICATION_JSON"
    ]
    assert bodies
    assert all(map(right, bodies))


def test_of_the_front_door():
    assert right(messages.problem(503, "LOCAL_CLOUD_DOWN", "Down", "Run `make start`."))
