"""Every policy of every template by ``parliament``: unknown actions and conditions, resources that an action does not take."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from model.settings import REGION
from model.templates import Piece, pieces
from tests.second_opinion import tools

# The latter is what the former imports and does not name.
PARLIAMENT = ("parliament==1.6.4", "setuptools==80.9.0")
ANALYSE = """
import json, sys, warnings
warnings.simplefilter("ignore")
from parliament import analyze_policy_string
for text in json.load(sys.stdin):
    found = analyze_policy_string(text).findings
    print(json.dumps(sorted({(one.issue, str(one.detail)) for one in found})))
"""
# What an ARN of each type looks like: the placeholders of ``model.templates`` name the resource, and not in AWS's form.
ARNS = {
    "AWS::DynamoDB::Table": "dynamodb:{here}:table/{name}",
    "AWS::ECR::Repository": "ecr:{here}:repository/{name}",
    "AWS::Events::Rule": "events:{here}:rule/{name}",
    "AWS::IAM::ManagedPolicy": "iam::{account}:policy/{name}",
    "AWS::IAM::OIDCProvider": "iam::{account}:oidc-provider/token.actions.githubusercontent.com",
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::KMS::Key": "kms:{here}:key/{name}",
    "AWS::KinesisFirehose::DeliveryStream": "firehose:{here}:deliverystream/{name}",
    "AWS::Lambda::Function": "lambda:{here}:function:{name}",
    "AWS::Logs::LogGroup": "logs:{here}:log-group:{name}:*",
    "AWS::S3::Bucket": "s3:::{name}",
    "AWS::SNS::Topic": "sns:{here}:{name}",
    "AWS::SQS::Queue": "sqs:{here}:{name}",
    "AWS::SecretsManager::Secret": "secretsmanager:{here}:secret:{name}-AbCdEf",
    "AWS::StepFunctions::StateMachine": "states:{here}:stateMachine:{name}",
}
PARAMETERS = {
    r"\w+AuthorizerArn": ARNS["AWS::Lambda::Function"],
    r"\w+ApiArn": "execute-api:{here}:{name}/stage",
    r"\w+TopicArn": ARNS["AWS::SNS::Topic"],
    r"\w+TableArn": ARNS["AWS::DynamoDB::Table"],
    r"\w+TokenArn": ARNS["AWS::SecretsManager::Secret"],
    "EventBusArn": "events:{here}:event-bus/{name}",
    "KmsKeyArn": ARNS["AWS::KMS::Key"],
    "PlatformArn": ARNS["AWS::IAM::Role"],
}
ACCOUNT = "123456789012"
PLACEHOLDER = re.compile(r"^(?:arn:aws:[\w-]+:[\w-]*:\d*:)?(\w+)")


@dataclass(frozen=True)
class Policy:
    """``location`` is service, logical id and property."""

    location: str
    kind: str
    document: dict[str, Any]


def policies() -> Iterator[Policy]:
    for service, piece in pieces().items():
        for name, resource in piece.resources.items():
            for path, document in iter_documents(resource["Properties"]):
                yield Policy(f"{service} {name} {path}", resource["Type"], document)


def iter_documents(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """(the name of the property or policy, the document)"""
    if isinstance(value, list):
        for inner in value:
            yield from iter_documents(inner, path)
    elif isinstance(value, dict):
        if {"Version", "Statement"} <= set(value):
            yield path, value
            return
        for name, inner in value.items():
            yield from iter_documents(inner, str(value.get("PolicyName", name)))


def as_deployed(piece: Piece, value: Any) -> Any:
    """A policy with each placeholder as the ARN that AWS would put there."""
    if isinstance(value, dict):
        return {name: as_deployed(piece, inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_deployed(piece, inner) for inner in value]
    placeholder = PLACEHOLDER.match(value) if isinstance(value, str) else None
    if not placeholder:
        return value
    name = placeholder[1]
    form = ARNS.get(piece.resources.get(name, {}).get("Type", ""))
    if name in piece.source.get("Parameters", {}):
        form = next((form for pattern, form in PARAMETERS.items() if re.fullmatch(pattern, name)), None)
    if not form:
        return value
    return f"arn:aws:{form.format(here=f'{REGION}:{ACCOUNT}', account=ACCOUNT, name=name)}{value[placeholder.end() :]}"


def to_analyse(policy: Policy) -> dict[str, Any]:
    """``parliament`` knows no trust policies: it stops at a statement without resources."""
    statements = as_list(policy.document["Statement"])
    if policy.location.endswith(" AssumeRolePolicyDocument"):
        statements = [{**statement, "Resource": "*"} for statement in statements]
    return as_deployed(pieces()[policy.location.split()[0]], {**policy.document, "Statement": statements})


def analysed(documents: list[dict[str, Any]]) -> list[list[tuple[str, str]]]:
    """The (issue, detail) of each document."""
    interpreter = tools.python_packages(*PARLIAMENT)
    request = json.dumps([json.dumps(document) for document in documents])
    done = subprocess.run(
        (str(interpreter), "-c", ANALYSE), input=request, capture_output=True, text=True, timeout=300, check=True
    )
    return [[(issue, detail) for issue, detail in json.loads(line)] for line in done.stdout.splitlines()]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


ALL = list(policies())
# Parliament's findings that are wrong or that other tests cover: location, issue, detail, why.
ACCEPTED = (
    (" AssumeRolePolicyDocument$", "RESOURCE_STAR", "", "a trust policy has no resource; this test adds one"),
    (" KeyPolicy$", "RESOURCE_STAR", "", "the resource of a key policy is its key, written as a star"),
    (
        "^delivery ",
        "RESOURCE_STAR",
        "",
        "a boundary, and actions that AWS limits to no resource; test_policies.py judges the rest",
    ),
    (
        " KeyPolicy$",
        "MISMATCHED_TYPE",
        "^Type mismatch: Arn(Equals|Like) requires",
        "ARNs in an encryption context are AWS's own example",
    ),
    (
        " KeyPolicy$",
        "UNKNOWN_CONDITION_FOR_ACTION",
        "aws:logs:arn for action kms:DescribeKey",
        "AWS's own example for encrypted log groups",
    ),
    (
        "^delivery .* AssumeRole",
        "UNKNOWN_CONDITION_FOR_ACTION",
        "token.actions.githubusercontent.com",
        "keys of GitHub's provider, as GitHub names them",
    ),
    (
        "^delivery .* AssumeRole",
        "UNKNOWN_FEDERATION_SOURCE",
        "token.actions.githubusercontent.com",
        "a provider that the list lacks",
    ),
    (
        "^delivery ",
        "INVALID_ARN",
        "^Account expected",
        "arn:aws:cloudformation:region:aws:transform/* is AWS's own account",
    ),
    (
        "^partners Api Policy$",
        "INVALID_ARN",
        "Does not have 6 parts",
        "execute-api:/stage/* is how API Gateway's documentation lets a policy name its own API",
    ),
    (
        "^delivery ",
        "RESOURCE_MISMATCH",
        "states:|DescribeStackSet|ForObjectLambda",
        "stars over kinds: a part of the actions fits",
    ),
    (
        "^sitemaps ",
        "RESOURCE_MISMATCH",
        "arn:\\*:states:\\*:\\*:express",
        "of a standard execution; express ones have ARNs of their own",
    ),
    (
        "^foundation CheckVersions",
        "RESOURCE_MISMATCH",
        "PutLifecycleEventHookExecutionStatus",
        "SAM's own example grants it on deployment groups",
    ),
)


def accepts(row: tuple[str, str, str, str], location: str, issue: str, detail: str) -> bool:
    return bool(re.search(row[0], location) and row[1] == issue and re.search(row[2], detail))


def test_no_policy_has_a_fault():
    unexplained, used = [], set()
    for policy, findings in zip(ALL, analysed([to_analyse(policy) for policy in ALL]), strict=True):
        for issue, detail in findings:
            reasons = [row for row in ACCEPTED if accepts(row, policy.location, issue, detail)]
            used.update(reasons)
            if not reasons:
                unexplained.append((policy.location, issue, detail))
    assert unexplained == []
    assert used == set(ACCEPTED), "accepted, and not found any more"
    print(f"{len(ALL)} policies")


def test_parliament_reports_a_fault_in_any_policy():
    """Each policy gets an unknown action."""
    broken = [to_analyse(policy) for policy in ALL]
    for document in broken:
        document["Statement"] = [{**statement, "Action": ["dynamodb:GetItems"]} for statement in document["Statement"]]
    assert all("UNKNOWN_ACTION" in dict(findings) for findings in analysed(broken))
    wrong = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "arn:aws:s3:::bucket"}
    odd = {**wrong, "Resource": "*", "Condition": {"StringEquals": {"s3:prefix": "a"}}}
    results = [
        dict(findings) for findings in analysed([{"Version": "2012-10-17", "Statement": [one]} for one in (wrong, odd)])
    ]
    assert "RESOURCE_MISMATCH" in results[0]
    assert "UNKNOWN_CONDITION_FOR_ACTION" in results[1]
