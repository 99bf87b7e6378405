"""An account for the tests of ``make preflight``: botocore's clients with responses from tables."""

import shlex
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import boto3
from botocore import xform_name

from tools.preflight.account import Account
from tools.preflight.command import run_checks
from tools.preflight.findings import Finding
from tools.preflight.permissions import GITHUB

DEV = "111122223333"
Answer = dict[str, Any] | str | Callable[[dict[str, Any]], dict[str, Any] | str]
# An account that is ready: the answer of each operation; a text is the code of an error.
READY: dict[str, Answer] = {
    "GetCallerIdentity": {"Arn": f"arn:aws:sts::{DEV}:assumed-role/setpieces-dev-deploy/session", "Account": DEV},
    "GetRole": lambda call: {"Role": {"Arn": f"arn:aws:iam::{DEV}:role/{call['RoleName']}"}},
    "SimulatePrincipalPolicy": lambda call: {
        "EvaluationResults": [{"EvalActionName": name, "EvalDecision": "allowed"} for name in call["ActionNames"]]
    },
    "HeadBucket": {},
    "GetPolicy": {"Policy": {}},
    "ListOpenIDConnectProviders": {
        "OpenIDConnectProviderList": [{"Arn": f"arn:aws:iam::{DEV}:oidc-provider/{GITHUB}"}]
    },
    "GetAccountSettings": {"AccountLimit": {"ConcurrentExecutions": 1000}},
    "GetServiceQuota": {"Quota": {"Value": 100.0}},
    "GetAccountSummary": {"SummaryMap": {"Roles": 20, "RolesQuota": 1000}},
    "GetAccount": {"SendingEnabled": True, "ProductionAccessEnabled": True},
    "GetEmailIdentity": "NotFoundException",
}
SETTINGS = {"MailFrom": "vouchers@shop.example.org"}


class Stub:
    """Answers the AWS calls of a session, by default with {}, and records them: [(service, operation, parameters)]."""

    def __init__(self, responses: Mapping[str, Answer]) -> None:
        self.answers = responses
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.session = boto3.Session("test", "test", region_name="eu-central-1")
        events: Any = self.session.events
        events.register("provide-client-params", self._keep)
        events.register("before-call", self._answer)

    def _keep(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.calls.append((model.service_model.service_id.hyphenize(), model.name, params))

    def _answer(self, model: Any, **_: Any) -> tuple[Any, dict[str, Any]]:
        response = self.answers.get(model.name, {})
        content = response(self.calls[-1][2]) if callable(response) else response
        if isinstance(content, str):
            return SimpleNamespace(status_code=400, headers={}), {"Error": {"Code": content, "Message": ""}}
        return SimpleNamespace(status_code=200, headers={}), dict(content)


def look(
    check: Callable[[Account], Any] | None = None,
    responses: Mapping[str, Answer] | None = None,
    settings: dict[str, str] | None = None,
    stage: str = "dev",
    piece: str = "shop",
) -> list[Finding]:
    account = Account(Stub({**READY, **(responses or {})}).session, stage, piece)
    account.parameters |= SETTINGS | (settings or {})
    findings = list(check(account)) if check else run_checks(account)
    for finding in findings:
        if finding.remedy.startswith("aws "):
            check_command(finding.remedy.partition(";")[0])
    return findings


def check_command(command: str) -> None:
    """Assert that the AWS CLI has this command and its options, and that no required option is missing."""
    _, service, operation, *words = shlex.split(command)
    model = boto3.client(service, region_name="eu-central-1").meta.service_model
    name = next(name for name in model.operation_names if xform_name(name, "-") == operation)
    shape = model.operation_model(name).input_shape
    options = {word.removeprefix("--") for word in words if word.startswith("--")} - {"region"}
    assert options <= {xform_name(member, "-") for member in shape.members}, command
    assert {xform_name(member, "-") for member in shape.required_members} <= options, command


def levels(findings: list[Finding], level: str) -> list[str]:
    return [finding.what for finding in findings if finding.level == level]


DOMAIN = {"DomainName": "www.shop.example.org", "CertificateId": "abc", "HostedZoneId": "Z1"}
ISSUED = {"DescribeCertificate": {"Certificate": {"DomainName": "*.shop.example.org", "Status": "ISSUED"}}}
ZONE = {"GetHostedZone": {"HostedZone": {"Name": "shop.example.org."}}}
RECORD = {"ResourceRecordSets": [{"Name": "www.shop.example.org.", "Type": "A"}]}
