"""IAM policy evaluation for what API Gateway evaluates itself: authorizer policies and resource policies.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html: an explicit Deny wins,
otherwise an Allow, otherwise denied. `*` and `?` are the only wildcards, both may cross `/` and `:`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal

Decision = Literal["allow", "deny", "implicit-deny"]


class BadPolicy(ValueError):
    """Not a policy document."""


@lru_cache(maxsize=4096)
def _glob(pattern: str, fold: bool) -> re.Pattern[str]:
    body = "".join(".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.compile(body, re.S | (re.I if fold else 0))


def matches(pattern: str, value: str, *, fold: bool = False) -> bool:
    """True if the IAM glob `pattern` covers `value`; `fold` ignores case (actions do, resources do not)."""
    return _glob(pattern, fold).fullmatch(value) is not None


def _strings(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in values):
        raise BadPolicy("an Action, Resource or Principal is not text")
    return values


def statements(policy: Any) -> list[Mapping[str, Any]]:
    """The statements of `policy`; BadPolicy if it has not the form of one."""
    if not isinstance(policy, Mapping) or "Statement" not in policy:
        raise BadPolicy("no Statement")
    entries = policy["Statement"]
    entries = [entries] if isinstance(entries, Mapping) else entries
    if not isinstance(entries, list) or not all(isinstance(item, Mapping) for item in entries):
        raise BadPolicy("Statement is not a list of statements")
    for statement in entries:
        if statement.get("Effect") not in ("Allow", "Deny"):
            raise BadPolicy("Effect is neither Allow nor Deny")
        _strings(statement.get("Action", statement.get("NotAction", [])))
        _strings(statement.get("Resource", statement.get("NotResource", [])))
    return entries


def evaluate(
    policy: Any,
    action: str,
    resource: str | None,
    conditions: Mapping[str, str] | None = None,
    principals: Iterable[str] | None = None,
) -> Decision:
    """The decision on `action` at `resource`; None for a trust policy, whose statements name no resource.

    `conditions` are the condition keys of the request in lower case. With `principals` (the caller's ARN, account
    or service) each statement's Principal must name one of them, as in a resource policy; without, Principal is not
    looked at.
    """
    known = {key.lower(): value for key, value in (conditions or {}).items()}
    asking = None if principals is None else list(principals)
    decision: Decision = "implicit-deny"
    for statement in statements(policy):
        if not (
            _covers(statement, "Action", action, fold=True)
            and (resource is None or _covers(statement, "Resource", resource, fold=False))
            and (asking is None or _principal(statement, asking))
            and _conditions(statement.get("Condition") or {}, known)
        ):
            continue
        if statement["Effect"] == "Deny":
            return "deny"
        decision = "allow"
    return decision


def _covers(statement: Mapping[str, Any], key: str, value: str, *, fold: bool) -> bool:
    if key in statement:
        return any(matches(pattern, value, fold=fold) for pattern in _strings(statement[key]))
    if f"Not{key}" in statement:
        return not any(matches(pattern, value, fold=fold) for pattern in _strings(statement[f"Not{key}"]))
    return False


def _principal(statement: Mapping[str, Any], asking: list[str]) -> bool:
    principal = statement.get("Principal")
    if principal == "*":
        return True
    named = [text for value in principal.values() for text in _strings(value)] if isinstance(principal, Mapping) else []
    return "*" in named or any(name in asking for name in named)


def _conditions(blocks: Mapping[str, Any], known: Mapping[str, str]) -> bool:
    return all(
        _condition(
            operator,
            known.get(str(key).lower()),
            [str(item) for item in (expected if isinstance(expected, list) else [expected])],
        )
        for operator, keys in blocks.items()
        for key, expected in keys.items()
    )


def _condition(operator: str, value: str | None, expected: list[str]) -> bool:
    operator = operator.rsplit(":", 1)[-1]
    if operator.endswith("IfExists"):
        if value is None:
            return True
        operator = operator.removesuffix("IfExists")
    if operator == "Null":
        return (value is None) == (expected[0].lower() == "true")
    negated = "Not" in operator
    if value is None:
        return negated
    return any(_holds(operator.replace("Not", ""), value, item) for item in expected) is not negated


def _holds(operator: str, value: str, expected: str) -> bool:
    if operator in ("StringEquals", "ArnEquals") and not (
        operator == "ArnEquals" and ("*" in expected or "?" in expected)
    ):
        return value == expected
    if operator in ("StringLike", "ArnLike", "ArnEquals"):
        return matches(expected, value)
    if operator == "StringEqualsIgnoreCase":
        return value.lower() == expected.lower()
    if operator == "Bool":
        return value.lower() == expected.lower()
    if operator == "IpAddress":
        try:
            return ipaddress.ip_address(value) in ipaddress.ip_network(expected, strict=False)
        except ValueError:
            return False
    # An operator that is not known here must neither open a door nor leave a Deny unheeded.
    raise BadPolicy(f"the condition operator {operator} is not known to this evaluator")
