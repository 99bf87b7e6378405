"""Velocity as API Gateway runs it. Rows marked `library` are those where airspeed-ext's own evaluator differs."""

from __future__ import annotations

import threading
from typing import Any

import airspeed
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_executor.vtl import Template, TemplateFault, values


def render(source: str, **variables: Any) -> str:
    return Template(source).render(dict(variables))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # references
        ("$x", "5"),
        ("${x}px", "5px"),
        ("$!x", "5"),
        ("$nope|${nope}|$!nope|$!{nope}", "|||"),
        ("$m.a $m.get('a') $m['a']", "1 1 1"),
        ("$m.nope.deeper.still()", ""),
        ("$l[0]$l.get(1)$l[-1]", "789"),
        ("$5.00 and \\$x", "$5.00 and $x"),
        ("$b $n", "true "),
        # null, truth and negation of Velocity 1.7
        ("#if($nope)Y#{else}N#end", "N"),
        ("#if($n)Y#{else}N#end", "N"),
        ("#if(!$nope)Y#{else}N#end", "Y"),
        ("#if($empty)Y#{else}N#end", "Y"),
        ("#if(0)Y#{else}N#end", "Y"),
        ("#if([])Y#{else}N#end", "Y"),
        ("#if($f)Y#{else}N#end", "N"),
        ("#if($nope == '')Y#{else}N#end", "N"),
        ("#if($nope == $n)Y#{else}N#end", "Y"),
        ("#if($x == '5')Y#{else}N#end", "Y"),
        ("#if($x == 5.0)Y#{else}N#end", "Y"),
        ("#if($nope && $nope.size() > 0)Y#{else}N#end", "N"),
        ("#if($x == 5 || $nope.boom.bang)Y#end", "Y"),
        ("#if($nope < 3)Y#{else}N#end", "N"),
        ("#if('a' < 'b')Y#{else}N#end", "N"),
        ("#if(!($x == 5 && $b) || false)Y#{else}N#end", "N"),
        ("#if($x == 4)4#elseif($x == 5)5#{else}6#end", "5"),
        ("#if(1 + 2 * 3 == 7 and 2 lt 3)Y#end", "Y"),
        ("#if(10 - 3 - 2 == 5)Y#end", "Y"),
        # Java numbers
        ("#set($r = -7 / 2)$r", "-3"),
        ("#set($r = 7 / -2)$r", "-3"),
        ("#set($r = -7 % 3)$r", "-1"),
        ("#set($r = 7 / 0)$!r", ""),
        ("#set($r = 1 + 2)$r", "3"),
        ("#set($r = 'a' + 1)$r", "a1"),
        ("#set($r = 1 + 'a')$r", "1a"),
        ("#set($r = 7 / 2.0)$r", "3.5"),
        ("#set($i = 0)$i.parseInt('41')", "41"),
        # assignment
        ("#set($r = 'old')#set($r = $nope)$r", "old"),
        ("#set($m.z = 3)$m.z#set($l[0] = 1)$l[0]", "31"),
        ("#set($m['k y'] = 3)$m.get('k y')", "3"),
        ("#set($nope.a.b = 3)ok", "ok"),
        ('#set($r = "a${x}b")$r', "a5b"),
        ("#set($r = 'a${x}b')$r", "a${x}b"),
        ('#set($r = "say ""hi""")$r', 'say "hi"'),
        ("#set($r = {'k': [1, 'b'], 'j': true})$r", "{k=[1, b], j=true}"),
        # loops
        ("#foreach($i in $l)$i#if($foreach.hasNext),#end#end", "7,8,9"),
        ("#foreach($i in $l)$foreach.index:$foreach.count:$velocityCount #end", "0:1:1 1:2:2 2:3:3 "),
        ("#foreach($i in $l)#if($foreach.first)<#end$i#if($foreach.last)>#end#end", "<789>"),
        ("#foreach($v in $m)$v#end", "12"),
        ("#foreach($k in $m.keySet())$k#end", "ab"),
        ("#foreach($e in $m.entrySet())$e.key=$e.getValue();#end", "a=1;b=2;"),
        ("#foreach($i in $nope)x#end-", "-"),
        ("#foreach($i in 'text')x#end-", "-"),
        ("#foreach($i in [1..3])$i#end#foreach($i in [2..0])$i#end", "123210"),
        ("#foreach($i in $l)#foreach($j in [1..2])$foreach.parent.index$j #end#end", "01 02 11 12 21 22 "),
        ("#foreach($i in $l)$i#if($i == 8)#break#end#end!", "78!"),
        ("#set($c = 0)#foreach($i in $l)#set($c = $c + $i)#end$c", "24"),
        ("#set($i = 'kept')#foreach($i in $l)#end$i", "kept"),
        # the rest
        ("a#stop b", "a"),
        ("a## comment\nb#* block *#c", "abc"),
        ("#macro(pair $a $b)[$a|$b]#end#pair('x' 1)#pair('y' 2)", "[x|1][y|2]"),
        ("#define($d)<$x>#end#set($x = 6)$d", "<6>"),
        ("#evaluate('1$x')", "15"),
        ("#ff00ff and #hello", "#ff00ff and #hello"),
    ],
)
def test_language(source: str, expected: str) -> None:
    rendered = render(source, x=5, b=True, f=False, n=None, empty="", m={"a": 1, "b": 2}, l=[7, 8, 9])
    assert rendered == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("$s.length()", "11"),
        ("$s.toUpperCase()$s.toLowerCase()", "HELLO WORLDhello world"),
        ("$s.substring(6) $s.substring(0, 5)", "World Hello"),
        ("$s.indexOf('o') $s.lastIndexOf('o') $s.indexOf('z')", "4 7 -1"),
        ("$s.contains('World') $s.startsWith('He') $s.endsWith('d')", "true true true"),
        ("$s.replace('l', 'L')", "HeLLo WorLd"),
        ("$s.replaceAll('[aeiou]', '_')", "H_ll_ W_rld"),
        ("$s.replaceAll('(\\w+) (\\w+)', '$2 $1')", "World Hello"),
        ("$s.replaceFirst('l', '')", "Helo World"),
        ("$s.matches('Hello') $s.matches('Hello.*')", "false true"),
        ("$s.split(' ').size() $s.split(' ')[1]", "2 World"),
        ("$s.equals('Hello World') $s.equalsIgnoreCase('hello world')", "true true"),
        ("$s.charAt(1)$s.concat('!')", "eHello World!"),
        ("'  a '.trim()", "'  a '.trim()"),
        ("$s.isEmpty() $s.empty", "false false"),
        ('#set($q = "it\\\'s")$q.replaceAll("\\\\\'", "\'")', "it's"),
        ("#set($p = '\\p{Punct}')$s.concat('!?').replaceAll($p, '')", "Hello World"),
        ("$l.size() $l.isEmpty() $l.contains(8) $l.indexOf(9)", "3 false true 2"),
        ("$l.add(1) $l $l.remove(0) $l", "true [7, 8, 9, 1] 7 [8, 9, 1]"),
        ("$m.size() $m.containsKey('a') $m.isEmpty() $m.values()", "2 true false [1, 2]"),
        ("$m.put('a', 9) $m.put('c', 3)$m", "1 {a=9, b=2, c=3}"),
        ("$m.getOrDefault('z', 4) $m.remove('a') $m", "4 1 {b=2}"),
        # nothing of Python can be reached: a missing member is null, not a bound method
        ("$s.count$s.format$l.append$m.items$m.keys$s.__class__$m.pop", ""),
        ("$s.format('x')$m.items()$s.__class__.__mro__", ""),
    ],
)
def test_java_methods(source: str, expected: str) -> None:
    assert render(source, s="Hello World", l=[7, 8, 9], m={"a": 1, "b": 2}) == expected


@pytest.mark.parametrize(
    "source",
    [
        "$s.substring(5, 2)",
        "$s.substring(99)",
        "$s.charAt(-1)",
        "$l.get(3)",
        "$s.replaceAll('[', '')",
        "$s.replaceAll('a', '$9')",
        "$s.replaceAll('(a)', '$\u0661')",
        "$s.replaceAll('(a)', '$\u00b2')",
        "$s.replaceAll('(a)', '${\u00b2}')",
        "$s.replaceAll('(a)', '${b}')",
        "$s.replace('a')",
        "#set($i = 0)$i.parseInt('x')",
        "#set($i = 0)$i.parseInt('99999999999')",
        "#foreach($i in [1..9000000])$i#end",
        "#macro(again)#again()#end#again()",
    ],
)
def test_a_java_exception_is_a_fault(source: str) -> None:
    with pytest.raises(TemplateFault):
        render(source, s="ab", l=[1])


@pytest.mark.parametrize("source", ["#if($x)", "#foreach($i in)", "#set($x", "#include('x')", "#return($x)", "#end"])
def test_invalid_velocity_is_a_fault(source: str) -> None:
    with pytest.raises(TemplateFault):
        render(source)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, "1.0"),
        (0.1, "0.1"),
        (-2.5, "-2.5"),
        (1e7, "1.0E7"),
        (9999999.0, "9999999.0"),
        (1.5e300, "1.5E300"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (-123456789.125, "-1.23456789125E8"),
        (0.0, "0.0"),
        (True, "true"),
        (None, "null"),
        ([1, None, "a"], "[1, null, a]"),
        ({"a": {"b": [1]}}, "{a={b=[1]}}"),
        (values.from_json({"a": [1, {"b": "c"}]}), '{a=[1,{"b":"c"}]}'),
    ],
)
def test_to_string(value: Any, expected: str) -> None:
    assert values.to_string(value) == expected


@given(st.integers(), st.integers().filter(bool))
def test_division_and_remainder_are_javas(dividend: int, divisor: int) -> None:
    quotient, rest = values.arithmetic("/", dividend, divisor), values.arithmetic("%", dividend, divisor)
    assert quotient * divisor + rest == dividend
    assert abs(rest) < abs(divisor)
    assert rest == 0 or (rest < 0) == (dividend < 0)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_doubles_text_is_its_value(value: float) -> None:
    assert float(values.to_string(value)) == value


def test_one_template_in_many_threads() -> None:
    template = Template("#set($a = $x)#foreach($i in [1..200])#set($a = $a + 0)#end$a")
    results: dict[int, str] = {}

    def run(number: int) -> None:
        results[number] = template.render({"x": number})

    threads = [threading.Thread(target=run, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: str(number) for number in range(16)}


def test_the_library_still_differs_where_we_replace_its_evaluator() -> None:
    """When all of these fail, `vtl` can hand rendering back to airspeed-ext."""
    assert airspeed.Template("#if($nope)Y#{else}N#end").merge({"nope": None}) == "Y"
    assert airspeed.Template("#set($r = -7 / 2)$r").merge({}) == "-4"
    assert "built-in" in airspeed.Template("$s.count").merge({"s": "x"})
