"""Web ACLs: which clients they count, what they refuse, and that no header of a client bypasses them."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from model.settings import ROOT
from model.templates import Piece, iter_resources, name_of, pieces, published_parameters
from pages.parity import differences

ACLS = [pytest.param(acl, id=f"{piece.service} {name}") for piece, name, acl in iter_resources("AWS::WAFv2::WebACL")]
API_STAGES = [pytest.param(piece, id=piece.service) for piece, _, _ in iter_resources("AWS::ApiGateway::Stage")]
# https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html: rules that look into bodies.
BODY_RULES = {
    "AWSManagedRulesAmazonIpReputationList": set(),
    "AWSManagedRulesCommonRuleSet": {
        *("CrossSiteScripting_BODY", "EC2MetaDataSSRF_BODY", "GenericLFI_BODY", "GenericRFI_BODY"),
        "SizeRestrictions_BODY",
    },
    "AWSManagedRulesKnownBadInputsRuleSet": {"JavaDeserializationRCE_BODY", "Log4JRCE_BODY", "ReactJSRCE_BODY"},
}
# Capacity units: those of the groups are on the same page, 1,500 are included in the price of a web ACL.
CAPACITY = {
    "AWSManagedRulesAmazonIpReputationList": 25,
    "AWSManagedRulesCommonRuleSet": 700,
    "AWSManagedRulesKnownBadInputsRuleSet": 200,
}
INTERNAL = "/v1/internal/"


def statements(value: Any, kind: str) -> Iterator[dict[str, Any]]:
    """Every statement of a kind at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == kind:
                yield inner
            yield from statements(inner, kind)
    elif isinstance(value, list):
        for inner in value:
            yield from statements(inner, kind)


def test_no_web_acl_shows_requests_in_full():
    """Sampled requests hold all headers and the whole address: sessions, codes and tokens."""
    visible = [
        setting for _, _, acl in iter_resources("AWS::WAFv2::WebACL") for setting in statements(acl, "VisibilityConfig")
    ]
    assert visible
    assert not any(setting["SampledRequestsEnabled"] for setting in visible)


# Parts of a request that hold sessions, keys, codes, tokens and names of baskets.
SECRET_PARTS = [
    {"UriPath": {}},
    {"QueryString": {}},
    *({"SingleHeader": {"Name": name}} for name in ("authorization", "cookie", "x-api-key", "x-storefront-token")),
]


@pytest.mark.parametrize("service", sorted({piece.service for piece, _, _ in iter_resources("AWS::WAFv2::WebACL")}))
def test_each_web_acl_logs_blocked_and_counted_requests_without_secrets(service: str):
    piece = pieces()[service]
    loggings = piece.of_type("AWS::WAFv2::LoggingConfiguration").values()
    assert sorted(logging["ResourceArn"].rpartition(":")[2] for logging in loggings) == sorted(
        piece.of_type("AWS::WAFv2::WebACL")
    )
    groups = piece.of_type("AWS::Logs::LogGroup")
    for logging in loggings:
        assert logging["RedactedFields"] == SECRET_PARTS
        (destination,) = logging["LogDestinationConfigs"]
        group = groups[destination.rpartition(":log-group:")[2]]
        # https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html
        assert group["LogGroupName"].startswith("aws-waf-logs-")
        (log_filter,) = logging["LoggingFilter"]["Filters"]
        assert logging["LoggingFilter"]["DefaultBehavior"] == "DROP"
        assert log_filter["Behavior"] == "KEEP"
        actions = {condition["ActionCondition"]["Action"] for condition in log_filter["Conditions"]}
        assert actions == {"BLOCK", "COUNT"}


@pytest.mark.parametrize("acl", ACLS)
def test_rules_on_bodies_only_count(acl: dict[str, Any]):
    for group in statements(acl["Rules"], "ManagedRuleGroupStatement"):
        counted = {
            rule["Name"] for rule in group.get("RuleActionOverrides", ()) if rule["ActionToUse"] == {"Count": {}}
        }
        assert BODY_RULES[group["Name"]] <= counted, group["Name"]


def test_every_managed_group_is_named_as_a_difference():
    """``make parity`` names every group that the local cloud cannot evaluate."""
    used = {
        group["Name"]
        for _, _, acl in iter_resources("AWS::WAFv2::WebACL")
        for group in statements(acl, "ManagedRuleGroupStatement")
    }
    assert used == {each.name for each in differences() if each.name.startswith("AWSManagedRules")}


@pytest.mark.parametrize("acl", ACLS)
def test_a_web_acl_has_capacity_left(acl: dict[str, Any]):
    groups = sum(CAPACITY[group["Name"]] for group in statements(acl["Rules"], "ManagedRuleGroupStatement"))
    own = sum(2 for _ in statements(acl["Rules"], "RateBasedStatement"))
    own += sum(
        12
        for _ in (*statements(acl["Rules"], "ByteMatchStatement"), *statements(acl["Rules"], "SizeConstraintStatement"))
    )
    assert groups + own <= 1500


@pytest.mark.parametrize("acl", ACLS)
def test_a_rate_limit_response_is_a_problem(acl: dict[str, Any]):
    for rule in acl["Rules"]:
        custom = rule.get("Action", {}).get("Block", {}).get("CustomResponse")
        if custom is None:
            continue
        names = [header["Name"].lower() for header in custom["ResponseHeaders"]]
        assert "content-type" not in names, "WAF refuses it"
        body = acl["CustomResponseBodies"][custom["CustomResponseBodyKey"]]
        if body["ContentType"] == "APPLICATION_JSON":
            assert {"type", "title", "status", "code", "detail"} <= json.loads(body["Content"]).keys()
            assert json.loads(body["Content"])["status"] == custom["ResponseCode"]
            assert "access-control-allow-origin" in names, "a browser would see a network error"


@pytest.mark.parametrize("piece", API_STAGES)
def test_an_unverified_signature_or_key_does_not_bypass_the_rate_limit(piece: Piece):
    """APIs behind the web ACL that trusts an unverified signature or key require one on every route, and those behind the
    other have exactly the routes that require a signature under one path."""
    (document,) = piece.apis.values()
    operations = [
        (path, operation)
        for path, methods in document.resources.items()
        for method, operation in methods.items()
        if method != "OPTIONS"
    ]
    if published_parameters(piece.source)["WebAclArn"] == "foundation/internal-web-acl-arn":
        open_routes = [path for path, operation in operations if not (operation.iam or operation.api_key_required)]
        assert not open_routes, open_routes
    else:
        for path, operation in operations:
            assert operation.iam == path.startswith(INTERNAL), path


def test_the_public_web_acl_exempts_unverified_signatures_under_that_path_only():
    acl = pieces()["foundation"].of_type("AWS::WAFv2::WebACL")["WebAcl"]
    (rate,) = statements(acl, "RateBasedStatement")
    signed = [
        group["Statements"]
        for group in statements(rate, "AndStatement")
        if any("AWS4" in match["SearchString"] for match in statements(group, "ByteMatchStatement"))
    ]
    assert [each["ByteMatchStatement"]["SearchString"] for each in signed[0]] == ["AWS4-HMAC-SHA256 ", INTERNAL]
    (either,) = statements(rate, "OrStatement")
    assert not any("AWS4" in str(each.get("ByteMatchStatement")) for each in either["Statements"])


def signed_calls() -> Iterator[Any]:
    """(service, method, path) of every call that a function makes to another service; a path's parameters are ``{}``."""
    for file in sorted((ROOT / "functions").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "signed_client.call":
                service, method = (ast.literal_eval(argument) for argument in node.args[:2])
                path = re.sub(r"\{[^{}]*\}", "{}", ast.unparse(node.args[2])).removeprefix("f").strip("'")
                yield pytest.param(service, method, path, id=f"{file.parent.name}/{file.name} {method} {service}{path}")


@pytest.mark.parametrize(("service", "method", "path"), list(signed_calls()))
def test_calls_between_services_use_signed_routes(service: str, method: str, path: str):
    """Functions of all customers share few addresses: their requests to a public route would count as one customer's."""
    (document,) = pieces()[service].apis.values()
    routes = {re.sub(r"\{[^{}]*\}", "{}", template): operations for template, operations in document.resources.items()}
    route = routes.get(path) or next(methods for template, methods in routes.items() if fits(template, path))
    assert route[method].iam, f"{method} {path} of {service} asks for no signature"


def fits(template: str, path: str) -> bool:
    parts = "[^/]+".join(map(re.escape, template.split("{}")))
    return re.fullmatch(parts, path) is not None


# --- the edge ---


def behaviors() -> list[Any]:
    (distribution,) = pieces()["edge"].of_type("AWS::CloudFront::Distribution").values()
    config = distribution["DistributionConfig"]
    behaviors_by_path = [("default", config["DefaultCacheBehavior"])]
    behaviors_by_path += [(each["PathPattern"], each) for each in config["CacheBehaviors"]]
    return [pytest.param(each, id=path) for path, each in behaviors_by_path if each["TargetOriginId"] == "balancer"]


def viewer_header() -> str:
    """The header that the function of the CDN sets to the viewer's address."""
    (function,) = pieces()["edge"].of_type("AWS::CloudFront::Function").values()
    assert function["AutoPublish"] is True
    (name,) = re.findall(r"headers\['([a-z-]+)'\] = \{value: event\.viewer\.ip\}", function["FunctionCode"])
    return name


@pytest.mark.parametrize("behavior", behaviors())
def test_requests_to_the_load_balancer_carry_the_viewer_address(behavior: dict[str, Any]):
    """The CDN overwrites the counted header and forwards it to the origin."""
    (association,) = behavior["FunctionAssociations"]
    assert association["EventType"] == "viewer-request"
    assert name_of(association["FunctionARN"].removesuffix(".FunctionARN")).startswith("ViewerAddress")
    assert behavior["OriginRequestPolicyId"]


def test_the_edge_counts_by_the_header_that_the_cdn_sets():
    (acl,) = pieces()["edge"].of_type("AWS::WAFv2::WebACL").values()
    (rate,) = statements(acl, "RateBasedStatement")
    assert rate["AggregateKeyType"] == "FORWARDED_IP"
    assert rate["ForwardedIPConfig"]["HeaderName"].lower() == viewer_header()
    for policy in pieces()["edge"].of_type("AWS::CloudFront::CachePolicy").values():
        key = policy["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]["HeadersConfig"]["Headers"]
        assert viewer_header() not in [name.lower() for name in key]
    (policy,) = pieces()["edge"].of_type("AWS::CloudFront::OriginRequestPolicy").values()
    forwarded = policy["OriginRequestPolicyConfig"]["HeadersConfig"]["Headers"]
    assert viewer_header() in [name.lower() for name in forwarded]


def test_the_storefront_trusts_no_other_header():
    assert "--no-proxy-headers" in (ROOT / "storefront/Dockerfile").read_text()


def test_nothing_at_the_edge_looks_up_the_address_of_the_cdn():
    """A reputation list sees the connection's address only."""
    (acl,) = pieces()["edge"].of_type("AWS::WAFv2::WebACL").values()
    assert "Reputation" not in str(acl["Rules"])
