"""Web ACLs: statements, rates, actions and labels."""

from __future__ import annotations

from typing import Any

import pytest

from apigw_executor.messages import Request
from apigw_executor.web_acl import Firewall, UnsupportedRule, Verdict, WebAcl, read

NONE = [{"Priority": 0, "Type": "NONE"}]
SETS = {"ours/1": ("203.0.113.0/24", "2001:db8::/32")}


def bytes_in(field: dict[str, Any], position: str, text: str, transformation: str = "NONE") -> dict[str, Any]:
    transformations = [{"Priority": 0, "Type": transformation}]
    match = {"FieldToMatch": field, "PositionalConstraint": position, "SearchString": text}
    return {"ByteMatchStatement": match | {"TextTransformations": transformations}}


def size(field: dict[str, Any], comparison: str, limit: int) -> dict[str, Any]:
    settings = {"FieldToMatch": field, "ComparisonOperator": comparison, "Size": limit, "TextTransformations": NONE}
    return {"SizeConstraintStatement": settings}


def header(name: str) -> dict[str, Any]:
    return {"SingleHeader": {"Name": name}}


def addresses(**forwarded: str) -> dict[str, Any]:
    arn = "arn:aws:wafv2:eu:1:regional/ipset/ours/1"
    config = {"IPSetForwardedIPConfig": {"HeaderName": "X-From", **forwarded}} if forwarded else {}
    return {"IPSetReferenceStatement": {"ARN": arn, **config}}


def rule(statement: dict[str, Any], action: str = "Block", name: str = "rule", **more: Any) -> dict[str, Any]:
    return {"Name": name, "Priority": 0, "Action": {action: more.pop("settings", {})}, "Statement": statement, **more}


def acl(*rules: dict[str, Any], default: str = "Allow", body_limit: int = 16) -> WebAcl:
    numbered = [each | {"Priority": priority} for priority, each in enumerate(rules)]
    properties = {"Name": "acl", "DefaultAction": {default: {}}, "Rules": numbered[::-1]}
    return read(properties, "arn:acl", SETS, body_limit)


def ask(*headers: tuple[str, str], source: str = "198.51.100.1", body: bytes = b"", **more: Any) -> Request:
    settings = {"method": "GET", "path": "/v1/a%2Fb", "query": (("q", "x"),)} | more
    return Request(headers=headers, source_ip=source, body=body, **settings)


YES, NO = bytes_in({"Method": {}}, "EXACTLY", "GET"), bytes_in({"Method": {}}, "EXACTLY", "PUT")
BODY = {"Body": {"OversizeHandling": "CONTINUE"}}


@pytest.mark.parametrize(
    ("statement", "request_", "matches"),
    [
        (YES, ask(), True),
        (NO, ask(), False),
        ({"NotStatement": {"Statement": NO}}, ask(), True),
        ({"AndStatement": {"Statements": [YES, NO]}}, ask(), False),
        ({"OrStatement": {"Statements": [NO, YES]}}, ask(), True),
        (bytes_in(header("X-Token"), "EXACTLY", "a"), ask(("x-token", "a")), True),
        (bytes_in(header("x-token"), "EXACTLY", "a"), ask(("X-Token", "A")), False),
        (bytes_in(header("x-token"), "EXACTLY", "a", "LOWERCASE"), ask(("X-Token", "A")), True),
        (bytes_in(header("x-token"), "CONTAINS", ""), ask(), False),
        (bytes_in({"UriPath": {}}, "STARTS_WITH", "/v1/a%2F"), ask(), True),
        (bytes_in({"UriPath": {}}, "STARTS_WITH", "/v1/a/"), ask(), False),
        (bytes_in({"UriPath": {}}, "ENDS_WITH", "a/b", "URL_DECODE"), ask(), True),
        (bytes_in({"UriPath": {}}, "STARTS_WITH", "/shop"), ask(public_path="/shop/v1"), True),
        (bytes_in({"QueryString": {}}, "CONTAINS", "q=x"), ask(), True),
        (bytes_in(BODY, "CONTAINS", "end"), ask(body=b"0123456789the end"), False),
        (bytes_in(BODY, "CONTAINS", "the"), ask(body=b"0123456789the end"), True),
        (size({"Body": {"OversizeHandling": "MATCH"}}, "GT", 99), ask(body=b"0" * 17), True),
        (size({"Body": {"OversizeHandling": "NO_MATCH"}}, "GT", 1), ask(body=b"0" * 17), False),
        (size(header("x-key"), "GT", 0), ask(("x-key", "k")), True),
        (size(header("x-key"), "GT", 0), ask(("x-key", "")), False),
        (size(header("x-key"), "LE", 9), ask(), False),
        (addresses(), ask(source="203.0.113.9"), True),
        (addresses(), ask(source="2001:db8::1"), True),
        (addresses(), ask(source="192.0.2.1"), False),
        (addresses(Position="FIRST", FallbackBehavior="NO_MATCH"), ask(("X-From", "203.0.113.9, 192.0.2.1")), True),
        (addresses(Position="LAST", FallbackBehavior="NO_MATCH"), ask(("X-From", "203.0.113.9, 192.0.2.1")), False),
        (addresses(Position="ANY", FallbackBehavior="NO_MATCH"), ask(("X-From", "192.0.2.1, 203.0.113.9")), True),
        (addresses(Position="FIRST", FallbackBehavior="MATCH"), ask(("X-From", "nobody")), True),
        (addresses(Position="FIRST", FallbackBehavior="NO_MATCH"), ask(("X-From", "nobody")), False),
        (addresses(Position="FIRST", FallbackBehavior="MATCH"), ask(), False),
        ({"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet"}}, ask(), False),
    ],
)
def test_a_statement(statement: dict[str, Any], request_: Request, matches: bool) -> None:
    verdict = Firewall().evaluate(acl(rule(statement)), request_)
    assert verdict == (Verdict("Block", "rule") if matches else Verdict("Allow"))


def test_rules_run_by_priority_until_one_terminates() -> None:
    web_acl = acl(
        rule(NO, name="no"), rule(YES, "Count", "count"), rule(YES, "Allow", "allow"), rule(YES, name="block")
    )
    assert Firewall().evaluate(web_acl, ask()) == Verdict("Allow", "allow", counted=("count",))
    assert Firewall().evaluate(acl(rule(NO), default="Block"), ask()).action == "Block"


@pytest.mark.parametrize(
    ("scope", "key", "matches"),
    [
        ("LABEL", "team:slow", True),
        ("LABEL", "slow", True),
        ("LABEL", "team", False),
        ("NAMESPACE", "team:", True),
        ("NAMESPACE", "awswaf:webacl:acl:", True),
        ("NAMESPACE", "eam:", False),
    ],
)
def test_a_label_is_seen_by_later_rules(scope: str, key: str, matches: bool) -> None:
    match = {"LabelMatchStatement": {"Scope": scope, "Key": key}}
    labelled = rule(YES, "Count", "label", RuleLabels=[{"Name": "team:slow"}])
    assert (Firewall().evaluate(acl(labelled, rule(match)), ask()).action == "Block") is matches
    assert Firewall().evaluate(acl(rule(match), labelled), ask()).action == "Allow"


def rate(limit: int = 10, **more: Any) -> WebAcl:
    settings = {"Limit": limit, "AggregateKeyType": "IP"} | more
    return acl(rule({"RateBasedStatement": settings}))


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def allowed(
    firewall: Firewall, web_acl: WebAcl, count: int, *headers: tuple[str, str], source: str = "192.0.2.1"
) -> int:
    verdicts = [firewall.evaluate(web_acl, ask(*headers, source=source)) for _ in range(count)]
    return sum(verdict.action == "Allow" for verdict in verdicts)


def test_a_rate_is_of_an_address_and_of_the_window() -> None:
    clock = Time()
    firewall, web_acl = Firewall(clock), rate(EvaluationWindowSec=60)
    assert allowed(firewall, web_acl, 12) == 10
    assert allowed(firewall, web_acl, 12, source="192.0.2.2") == 10
    clock.now = 59
    assert allowed(firewall, web_acl, 1) == 0, "within the window, and refused requests count"
    clock.now = 70
    assert allowed(firewall, web_acl, 12) == 9
    clock.now = 300
    assert allowed(firewall, web_acl, 12) == 10


def test_the_default_window_is_five_minutes() -> None:
    clock = Time()
    firewall, web_acl = Firewall(clock), rate()
    assert allowed(firewall, web_acl, 10) == 10
    clock.now = 299
    assert allowed(firewall, web_acl, 1) == 0
    clock.now = 310
    assert allowed(firewall, web_acl, 1) == 1


def test_a_limit_that_changes_counts_anew() -> None:
    firewall, web_acl = Firewall(Time()), rate(100)
    assert allowed(firewall, web_acl, 101) == 100
    firewall.scale(1)
    assert allowed(firewall, web_acl, 1) == 0
    firewall.scale(0.1)
    assert allowed(firewall, web_acl, 12) == 10


def test_a_request_outside_the_scope_down_statement_is_not_counted() -> None:
    scope = {"NotStatement": {"Statement": bytes_in(header("x-token"), "EXACTLY", "ours")}}
    firewall, web_acl = Firewall(Time()), rate(ScopeDownStatement=scope)
    assert allowed(firewall, web_acl, 50, ("X-Token", "ours")) == 50
    assert allowed(firewall, web_acl, 12, ("X-Token", "guess")) == 10
    assert allowed(firewall, web_acl, 50, ("X-Token", "ours")) == 50


@pytest.mark.parametrize(("fallback", "let_through"), [("MATCH", 0), ("NO_MATCH", 12)])
def test_a_forwarded_address_is_the_first_of_its_header(fallback: str, let_through: int) -> None:
    config = {"HeaderName": "X-From", "FallbackBehavior": fallback}
    firewall, web_acl = Firewall(Time()), rate(AggregateKeyType="FORWARDED_IP", ForwardedIPConfig=config)
    assert allowed(firewall, web_acl, 12, ("X-From", "192.0.2.7, 192.0.2.8")) == 10
    assert allowed(firewall, web_acl, 12, ("X-From", "192.0.2.8")) == 10
    assert allowed(firewall, web_acl, 12, ("X-From", "no address")) == let_through
    assert allowed(firewall, web_acl, 12) == 12, "without the header nothing is counted"


@pytest.mark.parametrize(
    "unknown",
    [
        rule({"GeoMatchStatement": {"CountryCodes": ["AQ"]}}),
        rule({"NotStatement": {"Statement": {"RegexMatchStatement": {}}}}),
        rule(bytes_in({"Cookies": {}}, "EXACTLY", "a")),
        rule(bytes_in({"Method": {}}, "EXACTLY", "a", "BASE64_DECODE")),
        rule(bytes_in({"Method": {}}, "CONTAINS_WORD", "a")),
        rule({"RateBasedStatement": {"Limit": 10, "AggregateKeyType": "CUSTOM_KEYS"}}),
        rule(YES, "Captcha"),
    ],
)
def test_an_unsupported_web_acl_is_refused_when_it_is_read(unknown: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedRule):
        acl(unknown)
