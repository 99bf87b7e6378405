"""AWS WAF: the rules of a deployed web ACL, evaluated for one request.

https://docs.aws.amazon.com/waf/latest/developerguide/waf-rules.html: rules run by priority; Allow and Block end the
evaluation, Count goes on, and what a matching rule labels later rules see. Managed rule groups are AWS's own and match
nothing here. A statement, field or action that is not known is an `UnsupportedRule` when the web ACL is read.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus, urlencode

from apigw_executor.messages import Request, Response

DEFAULT_WINDOW = 300  # seconds of a RateBasedStatement
SLOT = 10  # seconds; requests are counted by slots of this length
# How much of a body WAF sees
# (https://docs.aws.amazon.com/waf/latest/developerguide/web-acl-setting-body-inspection-limit.html).
API_GATEWAY_BODY, LOAD_BALANCER_BODY = 16_384, 8_192
CONTENT_TYPES = {"APPLICATION_JSON": "application/json", "TEXT_HTML": "text/html", "TEXT_PLAIN": "text/plain"}


class UnsupportedRule(Exception):
    """A rule says what is not evaluated here."""


@dataclass(frozen=True)
class WebAcl:
    """A deployed web ACL. `rules` are as deployed, by priority; `ip_sets` is name/id to addresses."""

    arn: str
    name: str
    rules: tuple[Mapping[str, Any], ...]
    default: Mapping[str, Any]
    bodies: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ip_sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    body_limit: int = API_GATEWAY_BODY


@dataclass(frozen=True)
class Verdict:
    """`action` is Allow or Block, `rule` the rule that said so (empty for the default), `response` a Block's own response."""

    action: str
    rule: str = ""
    response: Response | None = None
    labels: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()


def key_of_arn(arn: str) -> str:
    """name/id, in which the ARN of a web ACL or an IP set ends."""
    return "/".join(arn.split("/")[-2:])


def read(properties: Mapping[str, Any], arn: str, ip_sets: Mapping[str, tuple[str, ...]], body_limit: int) -> WebAcl:
    """A web ACL of its CloudFormation properties. Raises UnsupportedRule."""
    rules = tuple(sorted(properties.get("Rules") or (), key=lambda rule: int(rule["Priority"])))
    for rule in rules:
        _check_statement(rule["Statement"])
        actions = set(rule.get("Action") or ()) - {"Allow", "Block", "Count"}
        if actions:
            raise UnsupportedRule(f"{properties['Name']}: action {', '.join(actions)} of rule {rule['Name']}")
    bodies = properties.get("CustomResponseBodies") or {}
    return WebAcl(arn, str(properties["Name"]), rules, properties["DefaultAction"], bodies, ip_sets, body_limit)


class Firewall:
    """Evaluates web ACLs and keeps the counts of their rate-based rules. Safe for many threads.

    WAF estimates a rate every few seconds and lets a burst pass until then; here every request is counted at once, so that
    nothing passes that AWS would refuse.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._slots: defaultdict[tuple[str, str, str], deque[list[int]]] = defaultdict(deque)
        self._share = 1.0

    def scale(self, share: float) -> None:
        """From now on this share of every limit counts. As with WAF, a limit that changes begins to count anew."""
        with self._lock:
            if share != self._share:
                self._share = share
                self._slots.clear()

    def evaluate(self, acl: WebAcl, request: Request) -> Verdict:
        """What the web ACL does with the request."""
        labels: list[str] = []
        counted: list[str] = []
        for rule in acl.rules:
            name = str(rule["Name"])
            if not _Evaluation(self, acl, name, request, labels).matches(rule["Statement"]):
                continue
            labels += [f"awswaf:webacl:{acl.name}:{label['Name']}" for label in rule.get("RuleLabels") or ()]
            ((action, settings),) = rule["Action"].items()
            if action == "Count":
                counted.append(name)
                continue
            return Verdict(action, name, _custom_response(acl, action, settings), tuple(labels), tuple(counted))
        ((action, settings),) = acl.default.items()
        return Verdict(action, "", _custom_response(acl, action, settings), tuple(labels), tuple(counted))

    def exceeds(self, key: tuple[str, str, str], statement: Mapping[str, Any]) -> bool:
        """Counts a request of an aggregation instance; True if it is beyond the limit within the evaluation window.

        Refused requests count, too: who goes on sending stays refused.
        """
        window = int(statement.get("EvaluationWindowSec") or DEFAULT_WINDOW)
        slot = int(self._clock()) // SLOT
        with self._lock:
            slots = self._slots[key]
            while slots and slots[0][0] <= slot - window // SLOT:
                slots.popleft()
            if not slots or slots[-1][0] != slot:
                slots.append([slot, 0])
            slots[-1][1] += 1
            return sum(count for _, count in slots) > max(1.0, int(statement["Limit"]) * self._share)


def _custom_response(acl: WebAcl, action: str, settings: Mapping[str, Any]) -> Response | None:
    custom = (settings or {}).get("CustomResponse")
    if action != "Block" or not custom:
        return None
    body = acl.bodies.get(str(custom.get("CustomResponseBodyKey")))
    headers = [(str(each["Name"]), str(each["Value"])) for each in custom.get("ResponseHeaders") or ()]
    if body:
        headers.append(("Content-Type", CONTENT_TYPES[body["ContentType"]]))
    return Response(int(custom["ResponseCode"]), headers, body["Content"].encode() if body else b"")


class _Evaluation:
    """One rule of a web ACL and one request."""

    def __init__(self, firewall: Firewall, acl: WebAcl, rule: str, request: Request, labels: Iterable[str]) -> None:
        self._firewall, self._acl, self._rule = firewall, acl, rule
        self._request, self._labels = request, labels

    def matches(self, statement: Mapping[str, Any]) -> bool:
        ((kind, settings),) = statement.items()
        return _STATEMENTS[kind](self, settings)

    def and_(self, settings: Mapping[str, Any]) -> bool:
        return all(self.matches(inner) for inner in settings["Statements"])

    def or_(self, settings: Mapping[str, Any]) -> bool:
        return any(self.matches(inner) for inner in settings["Statements"])

    def not_(self, settings: Mapping[str, Any]) -> bool:
        return not self.matches(settings["Statement"])

    def byte_match(self, settings: Mapping[str, Any]) -> bool:
        content = self._field(settings)
        if isinstance(content, bool):
            return content
        return _POSITIONS[settings["PositionalConstraint"]](content, str(settings["SearchString"]).encode())

    def size_constraint(self, settings: Mapping[str, Any]) -> bool:
        content = self._field(settings)
        if isinstance(content, bool):
            return content
        return _COMPARISONS[settings["ComparisonOperator"]](len(content), int(settings["Size"]))

    def label_match(self, settings: Mapping[str, Any]) -> bool:
        key, whole = ":" + str(settings["Key"]).lstrip(":"), settings["Scope"] == "LABEL"
        return any((f":{label}".endswith(key) if whole else key in f":{label}") for label in self._labels)

    def ip_set_reference(self, settings: Mapping[str, Any]) -> bool:
        networks = [ipaddress.ip_network(each) for each in self._acl.ip_sets[key_of_arn(settings["ARN"])]]
        forwarded = settings.get("IPSetForwardedIPConfig")
        if not forwarded:
            return _within(self._request.source_ip, networks)
        value = self._request.header(forwarded["HeaderName"])
        if value is None:
            return False
        addresses = [each.strip() for each in value.split(",")]
        chosen = {"FIRST": addresses[:1], "LAST": addresses[-1:], "ANY": addresses}[forwarded["Position"]]
        if not all(_is_address(each) for each in chosen):
            return bool(forwarded["FallbackBehavior"] == "MATCH")
        return any(_within(each, networks) for each in chosen)

    def rate_based(self, settings: Mapping[str, Any]) -> bool:
        scope_down = settings.get("ScopeDownStatement")
        if scope_down and not self.matches(scope_down):
            return False
        key = self._aggregation_key(settings)
        if isinstance(key, bool):
            return key
        return self._firewall.exceeds((self._acl.arn, self._rule, key), settings)

    def managed_rule_group(self, settings: Mapping[str, Any]) -> bool:
        return False

    def _aggregation_key(self, settings: Mapping[str, Any]) -> str | bool:
        """What a request is counted under; a bool if it is not counted, but matches or does not."""
        match settings["AggregateKeyType"]:
            case "IP":
                return self._request.source_ip
            case "CONSTANT":
                return ""
        forwarded = settings["ForwardedIPConfig"]
        value = self._request.header(forwarded["HeaderName"])
        if value is None:
            return False
        # The first address of the header, as WAF takes it.
        first = value.split(",", 1)[0].strip()
        return first if _is_address(first) else bool(forwarded["FallbackBehavior"] == "MATCH")

    def _field(self, settings: Mapping[str, Any]) -> bytes | bool:
        """The part of the request that is looked at, transformed; a bool if the statement is decided without."""
        request = self._request
        ((kind, options),) = settings["FieldToMatch"].items()
        match kind:
            case "SingleHeader":
                value = request.header(options["Name"])
                if value is None:
                    return False
                content = value.encode("latin-1")
            case "UriPath":
                content = (request.public_path or request.path).encode("latin-1")
            case "QueryString":
                content = urlencode(request.query).encode()
            case "Method":
                content = request.method.encode()
            case _:
                content = request.body
                if len(content) > self._acl.body_limit:
                    handling = (options or {}).get("OversizeHandling", "CONTINUE")
                    if handling != "CONTINUE":
                        return bool(handling == "MATCH")
                    content = content[: self._acl.body_limit]
        for each in sorted(settings["TextTransformations"], key=lambda each: int(each["Priority"])):
            content = _TRANSFORMATIONS[each["Type"]](content)
        return content


_STATEMENTS: dict[str, Callable[[_Evaluation, Mapping[str, Any]], bool]] = {
    "AndStatement": _Evaluation.and_,
    "OrStatement": _Evaluation.or_,
    "NotStatement": _Evaluation.not_,
    "ByteMatchStatement": _Evaluation.byte_match,
    "SizeConstraintStatement": _Evaluation.size_constraint,
    "LabelMatchStatement": _Evaluation.label_match,
    "IPSetReferenceStatement": _Evaluation.ip_set_reference,
    "RateBasedStatement": _Evaluation.rate_based,
    "ManagedRuleGroupStatement": _Evaluation.managed_rule_group,
}
_FIELDS = {"SingleHeader", "UriPath", "QueryString", "Method", "Body"}
_AGGREGATIONS = {"IP", "FORWARDED_IP", "CONSTANT"}
_POSITIONS: dict[str, Callable[[bytes, bytes], bool]] = {
    "EXACTLY": lambda content, searched: content == searched,
    "STARTS_WITH": lambda content, searched: content.startswith(searched),
    "ENDS_WITH": lambda content, searched: content.endswith(searched),
    "CONTAINS": lambda content, searched: searched in content,
}
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "EQ": lambda size, limit: size == limit,
    "NE": lambda size, limit: size != limit,
    "LE": lambda size, limit: size <= limit,
    "LT": lambda size, limit: size < limit,
    "GE": lambda size, limit: size >= limit,
    "GT": lambda size, limit: size > limit,
}
_TRANSFORMATIONS: dict[str, Callable[[bytes], bytes]] = {
    "NONE": lambda content: content,
    "LOWERCASE": bytes.lower,
    "URL_DECODE": lambda content: unquote_plus(content.decode("latin-1"), "latin-1").encode("latin-1"),
}


def _check_statement(statement: Mapping[str, Any]) -> None:
    """Raises UnsupportedRule for what is not evaluated here, however deep."""
    ((kind, settings),) = statement.items()
    unknown = [kind] if kind not in _STATEMENTS else []
    unknown += [name for name in settings.get("FieldToMatch", ()) if name not in _FIELDS]
    transformations = [each["Type"] for each in settings.get("TextTransformations", ())]
    unknown += [name for name in transformations if name not in _TRANSFORMATIONS]
    unknown += [settings[name] for name in ("PositionalConstraint",) if settings.get(name, "EXACTLY") not in _POSITIONS]
    if kind == "RateBasedStatement" and settings["AggregateKeyType"] not in _AGGREGATIONS:
        unknown.append(settings["AggregateKeyType"])
    if unknown:
        raise UnsupportedRule(f"{', '.join(unknown)} is not evaluated")
    nested = [*settings.get("Statements", ()), settings.get("Statement"), settings.get("ScopeDownStatement")]
    for inner in filter(None, nested):
        _check_statement(inner)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _within(address: str, networks: Iterable[Any]) -> bool:
    return any(ipaddress.ip_address(address) in network for network in networks)
