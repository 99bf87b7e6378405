"""Mapping templates keep to the part of Velocity that API Gateway documents and the local gateway is tested for.

https://docs.aws.amazon.com/apigateway/latest/developerguide/models-mappings.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from model.settings import ROOT
from model.templates import pieces
from tests.templates.mapped import ALL, Mapped

DIRECTIVES = {"set", "if", "elseif", "else", "end", "foreach"}
UNAVAILABLE = {"macro", "parse", "include", "evaluate", "define", "stop", "break"}
ROOTS = {"input", "util", "context", "stageVariables", "foreach"}
METHODS: dict[str, set[str]] = {
    "input": {"body", "json", "params", "path"},
    "util": {"base64Decode", "base64Encode", "escapeJavaScript", "parseJson", "urlDecode", "urlEncode"},
}
# Of java.lang.String, Integer, List and Map.
JAVA_METHODS = {
    *(
        "compareTo",
        "contains",
        "endsWith",
        "equals",
        "indexOf",
        "isEmpty",
        "length",
        "matches",
        "replaceAll",
        "split",
        "startsWith",
    ),
    *("substring", "toLowerCase", "toString", "toUpperCase", "trim", "parseInt", "parseLong"),
    *("containsKey", "entrySet", "get", "keySet", "size"),
}
MAX_CHARACTERS = 300 * 1024


@pytest.mark.parametrize("case", ALL, ids=str)
def test_only_known_directives(case: Mapped):
    written = set(re.findall(r"#\{?([a-z]+)", case.template))
    assert not written & UNAVAILABLE
    # A DynamoDB placeholder such as "#status" is text to Velocity, unless it begins as a directive does.
    assert not [name for name in written - DIRECTIVES if name.startswith(tuple(DIRECTIVES))]
    assert "#[[" not in case.template
    assert len(case.template) <= MAX_CHARACTERS


@pytest.mark.parametrize("case", ALL, ids=str)
def test_only_known_variables(case: Mapped):
    """A misspelt variable is printed as nothing, and compared as nothing."""
    assigned = set(re.findall(r"#set\(\s*\$(\w+)", case.template))
    assigned |= set(re.findall(r"#foreach\(\s*\$(\w+)", case.template))
    # JSONPath in quotes, as in $input.path('$.a'), is no reference.
    used = set(re.findall(r"(?<!['\"])\$!?\{?([A-Za-z_]\w*)", case.template))
    assert used <= assigned | ROOTS


@pytest.mark.parametrize("case", ALL, ids=str)
def test_only_known_methods(case: Mapped):
    for root, known in METHODS.items():
        assert set(re.findall(rf"\${root}\.(\w+)", case.template)) <= known
    called = set(re.findall(r"\.(\w+)\(", case.template)) - set[str]().union(*METHODS.values())
    assert called <= JAVA_METHODS


@pytest.mark.parametrize("case", ALL, ids=str)
def test_no_template_uses_formal_references(case: Mapped):
    """``${x}`` belongs to CloudFormation here: within Fn::Sub it would replace one that is meant for Velocity."""
    assert "${" not in case.template


@pytest.mark.parametrize("case", ALL, ids=str)
def test_authorizer_values_use_quiet_references(case: Mapped):
    """Velocity prints a plain reference to nothing as its own source text, which is no customer's number either."""
    assert not re.search(r"\$\{?context\.authorizer\b", case.template)


def substitutions() -> Iterator[tuple[str, str]]:
    """(service, text) of every Fn::Sub in an API document."""
    for service, piece in pieces().items():
        path = ROOT / "schemas" / "api" / f"{service}.yaml"
        if piece.apis and path.exists():
            yield from ((service, text) for text in _subs(yaml.safe_load(path.read_text())))


def _subs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "Fn::Sub" in value:
            yield value["Fn::Sub"]
        for inner in value.values():
            yield from _subs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _subs(inner)


def test_every_substitution_of_a_document_names_something_of_its_template():
    for service, text in substitutions():
        piece = pieces()[service]
        known = {*piece.resources, *piece.source.get("Parameters", {})}
        for name in re.findall(r"\$\{([^}]+)\}", text):
            assert name.partition(".")[0] in known or name.startswith("AWS::"), f"{service}: ${{{name}}}"
