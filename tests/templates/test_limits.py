"""The deployment fits into AWS's quotas in every stage and region: ``limits.yaml``. The margins are printed.

Names and policies are measured with the longest stage, the longest region and an account of twelve digits.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from rich.table import Table

from model.grants import role_documents
from model.settings import REGION
from model.settings import STAGE as LOCAL
from model.templates import definition, iter_resources, pieces
from tools.stages import STAGES

LIMITS = {limit["name"]: limit for limit in yaml.safe_load(Path(__file__).with_name("limits.yaml").read_text())}
# https://docs.aws.amazon.com/general/latest/gr/rande.html
LONGEST_REGION = "ap-southeast-1"
LONGEST_STAGE = max(STAGES, key=len)


def longest(value: Any) -> str:
    """A text, or a document as compact JSON, with the longest stage and region in it."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return re.sub(rf"\b{LOCAL}\b", LONGEST_STAGE, text).replace(REGION, LONGEST_REGION)


def measured() -> Iterator[tuple[str, str, int]]:
    """(name of the limit, of what, how much)."""
    yield from _stacks()
    yield from _policies()
    yield from _names()
    yield from _parts()


def _stacks() -> Iterator[tuple[str, str, int]]:
    for service, piece in pieces().items():
        expanded = piece._template
        yield "template-bytes", service, len(json.dumps(expanded).encode())
        yield "resources", service, len(expanded["Resources"])
        yield "parameters", service, len(expanded.get("Parameters", ()))
        yield "outputs", service, len(expanded.get("Outputs", ()))
        yield "mappings", service, len(expanded.get("Mappings", ()))


def _policies() -> Iterator[tuple[str, str, int]]:
    for piece, name, role in iter_resources("AWS::IAM::Role"):
        where = f"{piece.service} {name}"
        yield "inline-policies", where, sum(len(longest(document)) for document in role_documents(piece, name))
        yield "trust-policy", where, len(longest(role["AssumeRolePolicyDocument"]))
        yield "managed-policies", where, len(role.get("ManagedPolicyArns", ()))
    for limit, kind, key in (
        ("managed-policy", "AWS::IAM::ManagedPolicy", "PolicyDocument"),
        ("bucket-policy", "AWS::S3::BucketPolicy", "PolicyDocument"),
        ("key-policy", "AWS::KMS::Key", "KeyPolicy"),
        ("topic-policy", "AWS::SNS::TopicPolicy", "PolicyDocument"),
        ("logs-policy", "AWS::Logs::ResourcePolicy", "PolicyDocument"),
    ):
        for piece, name, properties in iter_resources(kind):
            yield limit, f"{piece.service} {name}", len(longest(properties[key]).encode())
    yield "logs-policies", "the shop", len(list(iter_resources("AWS::Logs::ResourcePolicy")))


def _names() -> Iterator[tuple[str, str, int]]:
    for limit in LIMITS:
        kind, _, key = limit.partition(" ")
        for piece, name, properties in iter_resources(kind) if key else ():
            if isinstance(properties.get(key), str):
                yield limit, f"{piece.service} {name}", len(longest(properties[key]))


def _parts() -> Iterator[tuple[str, str, int]]:
    rules_of_bus: dict[str, int] = defaultdict(int)
    for piece, name, function in iter_resources("AWS::Lambda::Function"):
        where = f"{piece.service} {name}"
        # References become names of up to 128 characters, or ARNs.
        variables = function.get("Environment", {}).get("Variables", {})
        yield "environment", where, sum(len(key) + max(len(longest(value)), 128) for key, value in variables.items())
        yield "layers", where, len(function.get("Layers", ()))
    for piece, name, rule in iter_resources("AWS::Events::Rule"):
        yield "rule-targets", f"{piece.service} {name}", len(rule.get("Targets", ()))
        yield "event-pattern", f"{piece.service} {name}", len(longest(rule.get("EventPattern", "")))
        rules_of_bus[str(rule.get("EventBusName", "default"))] += 1
    for bus, count in rules_of_bus.items():
        yield "bus-rules", bus, count
    for piece, name, alarm in iter_resources("AWS::CloudWatch::Alarm"):
        yield "alarm-metrics", f"{piece.service} {name}", len(alarm.get("Metrics", ())) or 1
    yield "alarms", "the shop", len(list(iter_resources("AWS::CloudWatch::Alarm")))
    for piece, name, table in iter_resources("AWS::DynamoDB::Table"):
        yield "table-indexes", f"{piece.service} {name}", len(table.get("GlobalSecondaryIndexes", ()))
    for piece, name, api in iter_resources("AWS::ApiGateway::RestApi"):
        yield "api-resources", f"{piece.service} {name}", _resources(api["Body"]["paths"])
        schemes = api["Body"].get("components", {}).get("securitySchemes", {}).values()
        authorizers = sum("x-amazon-apigateway-authorizer" in scheme for scheme in schemes)
        yield "api-authorizers", f"{piece.service} {name}", authorizers
        for location, text in _mapping_templates(api["Body"]):
            yield "mapping-template", f"{piece.service} {location}", len(text.encode())
    for service, piece in pieces().items():
        for name in piece.of_type("AWS::StepFunctions::StateMachine"):
            yield "state-machine", f"{service} {name}", len(json.dumps(definition(piece, name)).encode())
    for piece, name, rule in iter_resources("AWS::ElasticLoadBalancingV2::ListenerRule"):
        values = [value for condition in rule["Conditions"] for value in _values(condition)]
        yield "listener-values", f"{piece.service} {name}", len(values)
    for piece, name, policy in iter_resources("AWS::CloudFront::CachePolicy"):
        settings = policy["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]
        keys = settings["QueryStringsConfig"].get("QueryStrings", ())
        yield "query-keys", f"{piece.service} {name}", len(keys.split(",") if isinstance(keys, str) else keys)
    for piece, name, distribution in iter_resources("AWS::CloudFront::Distribution"):
        yield "behaviours", f"{piece.service} {name}", len(distribution["DistributionConfig"]["CacheBehaviors"])


def _resources(paths: dict[str, Any]) -> int:
    """API Gateway counts a resource for each part of each path."""
    return len({path[: match.end()] for path in paths for match in re.finditer(r"/[^/]*", path)})


def _mapping_templates(value: Any, location: str = "") -> Iterator[tuple[str, str]]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if key in ("requestTemplates", "responseTemplates") and isinstance(inner, dict):
            yield from ((f"{location} {kind}", text) for kind, text in inner.items() if isinstance(text, str))
        else:
            yield from _mapping_templates(inner, str(key) if str(key).startswith("/") else location)


def _values(condition: dict[str, Any]) -> list[Any]:
    return [value for config in condition.values() if isinstance(config, dict) for value in config.get("Values", ())]


@pytest.fixture(scope="module")
def most() -> dict[str, tuple[int, str]]:
    """The largest measure of each limit: (how much, of what)."""
    largest: dict[str, tuple[int, str]] = {}
    for name, where, amount in measured():
        largest[name] = max(largest.get(name, (-1, "")), (amount, where))
    return largest


def test_everything_fits_with_a_margin(most: dict[str, tuple[int, str]], capsys: pytest.CaptureFixture[str]):
    table = Table("limit", "most", "quota", "margin", "where")
    for name, (amount, where) in sorted(most.items(), key=lambda entry: -entry[1][0] / LIMITS[entry[0]]["quota"]):
        quota = LIMITS[name]["quota"]
        table.add_row(name, f"{amount:,}", f"{quota:,}", f"{1 - amount / quota:.0%}", where)
    with capsys.disabled():
        Console(width=160, highlight=False).print(table)
    too_much = {name: entry for name, entry in most.items() if entry[0] > LIMITS[name]["quota"]}
    assert too_much == {}


def test_every_limit_is_measured_and_has_its_source(most: dict[str, tuple[int, str]]):
    assert set(most) == set(LIMITS)
    assert all(re.fullmatch(r"[\w/.-]+\.html", limit["source"]) for limit in LIMITS.values())
