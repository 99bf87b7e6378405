"""`$input`, `$util`, `$context` and `$stageVariables` of mapping templates."""

from __future__ import annotations

import base64
import contextlib
import json
import urllib.parse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_executor.mapping import PayloadTooLarge, TemplateFault, escape_javascript, render

BODY = json.dumps(
    {
        "name": "it's",
        "n": 3,
        "big": 12345678901234567890,
        "rate": 1.5,
        "rates": [123456789.125, 1e-5, 0.5, 1e308],
        "control": "\x1f\\u001f",
        "yes": True,
        "nothing": None,
        "tags": ["a", "b"],
        "lines": [{"sku": "1", "qty": 2}, {"sku": "2", "qty": 1}],
        "deep": {"x-y": {"z": "w"}},
        "count": "own",
    }
)
PARAMS = {
    "path": {"id": "p", "both": "path"},
    "querystring": {"q": "s", "both": "query"},
    "header": {"Accept": "a/b", "both": "header"},
}


def out(template: str, body: str = BODY, context: dict[str, Any] | None = None) -> str:
    return render(template, body, PARAMS, context if context is not None else {"requestId": "r1"}, {"colour": "red"})


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("$input.body", BODY),
        ("$input.json('$.lines')", '[{"sku":"1","qty":2},{"sku":"2","qty":1}]'),
        ("$input.json('$.name')", '"it\'s"'),
        ("$input.json('$.nothing')", "null"),
        ("$input.json('$.missing')", '""'),
        ("$input.json('$.rates')", "[1.23456789125E8,1.0E-5,0.5,1.0E308]"),
        ("$input.json('$.control')", '"\\u001F\\\\u001f"'),
        ("$input.json('$.big')", "12345678901234567890"),
        ("$input.path('$.n')$input.path('$.yes')$input.path('$.rate')", "3true1.5"),
        ("$input.path('$.missing')$input.path('$.nothing')", ""),
        ("$input.path('$.lines')", '[{"sku":"1","qty":2},{"sku":"2","qty":1}]'),
        ("$input.path('$.deep')", "{x-y={z=w}}"),
        ("$input.path('$.deep.x-y.z')$input.path(\"$['deep']['x-y']\").z", "ww"),
        ("$input.path('$.lines[0].sku')$input.path('$.lines[-1].sku')", "12"),
        ("$input.path('$.lines[*].sku')", '["1","2"]'),
        ("$input.path('$..qty').size()", "2"),
        ("$input.path('$.lines.length()')", "2"),
        ("$input.path('$.lines[?(@.qty > 1)].sku')", '["1"]'),
        ("$input.path('$.missing[*].sku').size()", "0"),
        ("#set($root = $input.path('$'))$root.name $root.lines.size() $root.lines[1].qty", "it's 2 1"),
        ("$input.path('$').count$input.path('$').keys", "own"),
        ("#foreach($l in $input.path('$.lines'))$l.sku#if($foreach.hasNext),#end#end", "1,2"),
        ("#if($input.path('$.missing'))Y#{else}N#end", "N"),
        ("#if($input.path('$.name') && $input.path('$.name') != '')Y#end", "Y"),
        ("#if(\"$!input.path('$.missing')\" == '')absent#end", "absent"),
        ("$input.params('id')$input.params('q')$input.params('Accept')$input.params('accept')", "psa/ba/b"),
        ("$input.params('both')", "path"),
        ("#if($input.params('missing') == '')empty#end", "empty"),
        ("$input.params().header.get('Accept') $input.params().querystring.q $input.params().path.id", "a/b s p"),
        ("#foreach($k in $input.params().path.keySet())$k #end", "id both "),
        ("$context.requestId $stageVariables.colour $stageVariables.get('colour')", "r1 red red"),
        ("$context.missing$context.identity.sourceIp", ""),
        ("$util.base64Encode('é\\n') $util.base64Decode('w6k=')", base64.b64encode("é\\n".encode()).decode() + " é"),
        ("$util.base64Encode($input.json('$.tags'))", base64.b64encode(b'["a","b"]').decode()),
        ("$util.urlEncode('a b&c/~*é') $util.urlDecode('a+b%26')", "a+b%26c%2F%7E*%C3%A9 a b&"),
        ('$util.parseJson(\'{"a":[1,{"b":2}]}\').a[1].b', "2"),
        ("$util.parseJson('1').intValue()", "1"),
        ("$util.escapeJavaScript($input.path('$.name'))", "it\\'s"),
        ("$util.escapeJavaScript($input.path('$.name')).replaceAll(\"\\\\'\", \"'\")", "it's"),
        ("$util.escapeJavaScript($input.path('$.missing'))$util.nope('x')", ""),
    ],
)
def test_variables(template: str, expected: str) -> None:
    assert out(template) == expected


@pytest.mark.parametrize("body", ["", "  "])
def test_an_empty_body(body: str) -> None:
    assert out("$input.json('$')|$input.json('$.a')|$input.path('$.a')|$input.path('$')", body) == '{}|""||'


@pytest.mark.parametrize(
    ("template", "body"),
    [
        ("$input.json('$')", "not json"),
        ("$input.json('$')", "[NaN]"),
        ("$input.path('$.a')", "[" * 100_000),
        ("$input.path('$[')", "{}"),
        ("$util.parseJson('{')", "{}"),
        # An index out of range throws in Velocity 1.7, also read quietly.
        ("#set($l = $input.path('$.l'))$!l[1]", '{"l": ["a"]}'),
        ("#set($l = $input.path('$.l'))#set($l[1] = 'b')", '{"l": ["a"]}'),
        ("#set($n = $input.path('$.n'))#foreach($i in [1..3])#set($n = $n * $n)#end$n", '{"n":' + "9" * 4000 + "}"),
        ("#set($n = $input.path('$.n') * 1.5)$n", '{"n":' + "9" * 4000 + "}"),
    ],
)
def test_faults(template: str, body: str) -> None:
    with pytest.raises(TemplateFault):
        out(template, body)


def test_an_assigned_text_does_not_count_towards_the_output_limit() -> None:
    template = """#set($a = "$input.body$input.body")$input.body"""
    assert len(out(template, "x" * 4_000_000)) == 4_000_000


def test_more_than_a_payload_is_too_large() -> None:
    with pytest.raises(PayloadTooLarge):
        out("$input.body$input.body", "x" * 6_000_000)


@pytest.mark.parametrize("payload", ['"{\\"a\\": 1}"', '"#[[x]]#"', '"[1]"', "1", "true", "null"])
def test_a_scalar_has_no_children(payload: str) -> None:
    """A text that looks like a document, above all."""
    assert out("[$!input.path('$.a')][$input.json('$.a')][$input.path('$[0]')]", payload) == '[][""][]'


def test_a_scalar_is_itself() -> None:
    assert out("$input.path('$')|$input.json('$')", '"{}"') == '{}|"{}"'


def test_overrides_reach_the_context() -> None:
    context: dict[str, Any] = {"responseOverride": {"header": {}}, "requestOverride": {"header": {}}}
    out(
        "#set($context.responseOverride.status = 409)"
        "#set($context.responseOverride.header.Location = '/x')"
        "#set($context.requestOverride.header['X-A'] = 'b')",
        context=context,
    )
    assert context == {
        "responseOverride": {"header": {"Location": "/x"}, "status": 409},
        "requestOverride": {"header": {"X-A": "b"}},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'", "\\'"),
        ('"', '\\"'),
        ("\\", "\\\\"),
        ("/", "\\/"),
        ("\n\t\r\b\f", "\\n\\t\\r\\b\\f"),
        ("\x01\x1f", "\\u0001\\u001F"),
        ("é\u2028", "\\u00E9\\u2028"),
        ("\U0001f600", "\\uD83D\\uDE00"),
        ("\x7f~ ", "\x7f~ "),
    ],
)
def test_escape_javascript(text: str, expected: str) -> None:
    assert escape_javascript(text) == expected


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_documented_aws_idiom_makes_json_of_any_text(text: str) -> None:
    template = '"$util.escapeJavaScript($input.path(\'$.t\')).replaceAll("\\\\\'", "\'")"'
    assert json.loads(out(template, json.dumps({"t": text}))) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_encodings_are_reversible(text: str) -> None:
    body = json.dumps({"t": text})
    assert out("$util.base64Decode($util.base64Encode($input.path('$.t')))", body) == text
    assert urllib.parse.unquote_plus(out("$util.urlEncode($input.path('$.t'))", body)) == text
    assert out("$util.urlDecode($util.urlEncode($input.path('$.t')))", body) == text


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON)
def test_input_json_is_the_same_json(value: Any) -> None:
    assert json.loads(out("$input.json('$')", json.dumps(value))) == value


@given(st.text())
def test_no_body_is_more_than_a_template_fault(body: str) -> None:
    template = "$input.path('$.a.b')$input.json('$..x')#foreach($i in $input.path('$'))$i.x#end"
    with contextlib.suppress(TemplateFault):
        assert isinstance(out(template, body), str)
