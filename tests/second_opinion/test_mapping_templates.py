"""Every mapping template, rendered by Apache Velocity 1.7 and by the local gateway: the same bytes, the same overrides.

A template is compared with good input, with hostile values in each place, and with generated ones.
"""

import itertools
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from apigw_executor.responses import KINDS, GatewayError
from apigw_executor.responses import render as render_gateway_response
from model.templates import pieces
from tests.hostile import BROKEN, LITERALS, STRINGS, mutations
from tests.second_opinion.velocity_engine import Rendering, Result, by_gateway, by_velocity
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

FRACTIONS = (1.0, 123456789.125, -0.0, 0.001, 1e-5, 1e7, 1e308)
GENERATED = 40  # generated values for each template
# Payloads for which the two differ by design, with why: a backend that answers so gets a 500 here.
BY_DESIGN = {
    "1e999": "Jackson reads Infinity, which is no JSON any more when it is written; here the payload is no JSON",
    "[" * 600: "Python's stack ends at some hundred levels, Java's at some thousands",
}
WRITTEN = ("#foreach($i in [1,2])\n$i\n#end", "#* c *#", "## c\n")
# The language, where our templates do not go today: white space, escapes, null, numbers and comparisons.
LANGUAGE = (
    *(f"A{before}{directive}{after}B" for before, directive, after in itertools.product(
        ("", "\n", " ", "\n ", "\n\t", "\n\n  ", "\r\n "),
        ("#set($x = 1)", "#if(true)C#end", "#if(true)\nC\n#else\nD\n#end", *WRITTEN),
        ("", " ", "\n", " \n", "\t\r\n", "\n\n", " \t", "\r"),
    )),
    "  #set($x = 1)\n\t#set($y = 2)\n\n  #set($z = 3)$x$y$z",
    "$nope$!nope${nope}$context.nope.nope$context.nope()",
    "#set($x = 'a')#set($x = $nope)$x",
    "#set($t = '')#set($n = 0)#set($l = [])#if($nope)a#elseif($t)b#end#if($n)c#end#if($l)d#end",
    "#if($nope == '')a#end#if(1 == 1.0)b#end#if('1' == 1)c#end#if($nope == $nada)d#end",
    "#if(1 < 2 && 2 <= 2 || false)a#end#if(!$nope)b#end#if('a' < 'b')c#end",
    "#set($x = 7 / 2)#set($y = -7 / 2)#set($z = -7 % 3)$x|$y|$z",
    "#set($x = 1.0)#set($y = 1 + 0.5)#set($z = 10000000.0)$x|$y|$z",
    "#set($x = 'a' + 1)$x#set($y = 1 + 'a')$y",
    "#foreach($i in {'a': 1, 'b': 2})$i#end#foreach($i in [3..1])$i#end#foreach($i in $nope)x#end",
    "#foreach($i in [1,2,3])$foreach.index$foreach.count$foreach.hasNext$velocityCount#if($i == 2)#break#end#end",
    "#set($m = {'a': 'b'})$m.a$m['a']$m.get('a')$m.nope$m$m.size()$m.keySet()$m.containsKey('a')",
    "#set($l = ['a', 'b'])$l[0]$l.get(1)$l$l.size()$l.isEmpty()$l[-1]",
    *(f"#set($l = ['a', 'b'])[{used}]" for used in ("$l[7]", "$l[-3]", "$!l[2].x", "#if($l[7])x#end", "#set($l[5] = 'b')")),
    "$l.get(7)#set($l = ['a'])$l.get(7)",
    "#set($s = 'a,b,,')$s.split(',').size()$s.length()$s.substring(1)$s.substring(1, 2)",
    "#set($s = 'a,b,,')$s.indexOf('b')$s.replaceAll('[a-z]', '-')",
    "#set($s = 'a')$s.substring(5)",
    "#set($n = 1)$n.parseInt('12')$n.compareTo(2)#set($s = 'b')$s.compareTo('a')$s.equals('b')$s.matches('[a-c]')",
    "#set($n = 1)$n.parseInt('x')",
    "#set($x = \"$context.requestId #if(true)yes#end\")$x#set($y = '$context.requestId')$y",
    "#set($q = \"a \"\"quoted\"\" text\")$q",
    "$util.base64Encode('é 漢 😀')$util.urlEncode('a b~*é')$util.urlDecode('a+b%20c')$util.base64Decode('w6k=')",
    "$util.parseJson('{\"a\": [1, \"b\", null, {\"c\": true}]}').a",
    "$util.escapeJavaScript($nope)|$!util.escapeJavaScript($nope)",
    "#set($context.responseOverride.status = 404)#set($context.responseOverride.header.X = 'y')",
    "#if(true)a",
    "#end",
    "#set($x = )",
    "#stop after",
    "#define($d)x$context.requestId#end$d$d",
    "#macro(m $a)[$a]#end#m('x')#m('y')",
)  # fmt: skip


def generated(strategy: st.SearchStrategy[Any], number: int) -> list[Any]:
    """The same values in each run."""
    values: list[Any] = []

    @seed(1)
    @settings(max_examples=number, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(value: Any) -> None:
        values.append(value)

    collect()
    return values


# What a number looks like is not a matter of the templates: those that a double has without loss, in plain notation.
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
TEXTS = generated(st.text(max_size=60), GENERATED)
VALUES = generated(JSON_VALUES, GENERATED)


def requests(case: Mapped) -> Iterator[Rendering]:
    sample = model_sample(case)
    body = json.dumps(sample)
    located = list(itertools.chain(*names(case).values()))
    tried = [(body, parameters(case, value)) for value in ("", *literals(case.template))]
    tried += [(body, parameters(case, text, only=name)) for name in located for text in (*STRINGS, *TEXTS)]
    hostile = [json.dumps(other).encode() for other, _ in mutations(sample)]
    if isinstance(sample, dict):
        hostile += [
            json.dumps({**sample, name: value}).encode()
            for name in sample
            for value in (*VALUES, *FRACTIONS, [{"a": 1e9}])
        ]
        hostile += [json.dumps({**sample, name: [sample[name]] * 3}).encode() for name in sample]
    for encoded in (*hostile, *BROKEN):
        if accepted(case, encoded):
            tried.append((encoded.decode("utf-8", "replace"), parameters(case, "a")))
    for text, params in tried:
        yield Rendering(case.name, case.template, text, params, context())
    # Of a guest there is no authorizer.
    yield Rendering(case.name, case.template, body, parameters(case, "a"), {**context(), "authorizer": {}})


def responses(case: Mapped) -> Iterator[Rendering]:
    payloads = ["", *literals(case.template)]
    bodies = [(json.dumps(backend_response(case, stored)), parameter) for stored in payloads for parameter in payloads]
    for text in (*STRINGS, *TEXTS):
        bodies += [(json.dumps(backend_response(case, text)), "a"), (json.dumps(backend_response(case, "a")), text)]
    bodies += [(json.dumps(value), "a") for value in VALUES]
    bodies += [(text, "a") for text in ("", "{}", "[]", "null", '"text"', '"{\\"Item\\": {}}"', "1", "true")]
    bodies += [
        (json.dumps(backend_response(case, "a")).replace('"a"', literal), "a") for literal in ("null", *LITERALS)
    ]
    for body, parameter in bodies:
        for authorizer in ({"customer_id": "a"}, {}):
            override = context(responseOverride={"header": {}}, authorizer=authorizer)
            yield Rendering(case.name, case.template, body, parameters(case, parameter), override)


Differences = dict[str, list[tuple[Rendering, Result, Result]]]


def compared(renderings: list[Rendering]) -> tuple[int, Differences, set[str]]:
    """(how many were the same, those that were not by name, which of ``BY_DESIGN`` were met)."""
    differences: Differences = defaultdict(list)
    met: set[str] = set()
    for rendering, velocity_text in zip(renderings, by_velocity(renderings), strict=True):
        executor_text = by_gateway(rendering)
        if executor_text != velocity_text:
            payloads = {payload for payload in BY_DESIGN if payload in rendering.body}
            met |= payloads
            if not payloads:
                differences[rendering.name].append((rendering, velocity_text, executor_text))
    return len(renderings) - sum(map(len, differences.values())), dict(differences), met


def format_differences(differences: Differences) -> str:
    """One example for each template, with the difference."""
    lines = []
    for name, examples in differences.items():
        rendering, velocity_text, executor_text = examples[0]
        lines.append(
            f"{name}: {len(examples)} differ, for example\n  {rendering.body[:200]!r} {str(rendering.params)[:200]}"
        )
        lines.append(
            f"  Velocity {_around(velocity_text, executor_text)}\n  ours     {_around(executor_text, velocity_text)}"
        )
    return "\n".join(lines)


def _around(one: Result, other: Result) -> str:
    at = next((i for i, (a, b) in enumerate(zip(one[0], other[0], strict=False)) if a != b), 0)
    return f"{one[0][max(0, at - 40) : at + 80]!r} {str(one[1] and one[1].get('responseOverride'))[:100]}"


@pytest.fixture(autouse=True)
def _stack_of_the_front_door() -> Iterator[None]:
    """MiniStack, which reads loops of templates, imports jsonata, and that raises Python's limit. The front door does not."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(limit)


def test_requests_are_the_same_bytes():
    same, differences, _ = compared([one for case in REQUESTS for one in requests(case)])
    assert not differences, format_differences(differences)
    print(f"{len(REQUESTS)} request templates, {same} renderings")
    assert same > 20 * len(REQUESTS)


def test_responses_are_the_same_bytes():
    same, differences, met = compared([one for case in RESPONSES for one in responses(case)])
    assert not differences, format_differences(differences)
    print(f"{len(RESPONSES)} response templates, {same} renderings")
    assert same > 100 * len(RESPONSES)
    assert met == set(BY_DESIGN), "a difference by design that there is no more"


def test_the_language_is_the_same():
    override: dict[str, Any] = {"responseOverride": {"header": {}}}
    _, differences, _ = compared([Rendering(text, text, context=context(**override)) for text in LANGUAGE])
    assert not differences, format_differences(differences)


def test_gateway_responses_are_the_same_bytes():
    """They are no Velocity to API Gateway, which only substitutes: Velocity must find nothing in them but references."""
    renderings, executor_texts = [], []
    hostile = ("a", '"', "it's", "é\n", *TEXTS[:5])
    for (service, api), kind, message in itertools.product(GATEWAY, sorted(KINDS), hostile):
        rules = pieces()[service].apis[api].gateway_responses
        error = GatewayError(kind, message)
        rule = rules.get(kind) or rules["DEFAULT_4XX" if error.status < 500 else "DEFAULT_5XX"]
        context = {
            "path": "/v1/things",
            "requestId": "r-1",
            "authorizer": {"reason": "REVOKED"},
            "error": error.variables(),
        }
        variables = {f"context.error.{name}": value for name, value in error.variables().items()}
        variables |= {"context.path": "/v1/things", "context.requestId": "r-1", "context.authorizer.reason": "REVOKED"}
        response = render_gateway_response(error, rules, None, lookup_in(variables, ""))
        executor_texts.append((response.body.decode(), context))
        (template,) = rule.templates.values()
        renderings.append(Rendering(f"{service} {kind}", template, context=context))
    assert by_velocity(renderings) == executor_texts
    print(f"{len({one.template for one in renderings})} gateway responses, {len(renderings)} renderings")
