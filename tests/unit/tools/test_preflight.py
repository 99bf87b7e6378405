"""``make preflight``: the findings for responses of AWS."""

from datetime import UTC, datetime

import boto3
import pytest
from click.testing import CliRunner

from tests.unit.tools.preflight_account import DEV, DOMAIN, ISSUED, READY, RECORD, ZONE, Stub, levels, look
from tools.failures import CommandFailed
from tools.preflight import command, domain, mail, names, permissions, quotas
from tools.preflight.account import Account
from tools.preflight.findings import LATER, MISSING, OK, UNKNOWN
from tools.preflight.names import UNIQUE_NAMES, UNVERIFIED
from tools.preflight.permissions import PROVIDER

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_account_that_is_ready_lacks_nothing():
    findings = look()
    assert levels(findings, MISSING) == []
    assert len(levels(findings, OK)) > 20
    # Unknown: the link in the mail to the sender, and whether AWS has verified the account, which no API returns.
    assert len(levels(findings, LATER)) == 1
    assert levels(findings, UNKNOWN) == list(UNVERIFIED.values())


@pytest.mark.parametrize(
    ("check", "responses", "level", "says"),
    [
        (
            permissions.caller_permissions,
            {"GetCallerIdentity": {"Arn": f"arn:aws:iam::{DEV}:root"}},
            LATER,
            "root user",
        ),
        (
            permissions.caller_permissions,
            {
                "SimulatePrincipalPolicy": lambda call: {
                    "EvaluationResults": [
                        {"EvalActionName": name, "EvalDecision": "implicitDeny"} for name in call["ActionNames"]
                    ]
                }
            },
            MISSING,
            "may not call cloudformation:CreateChangeSet",
        ),
        (
            permissions.bootstrap,
            {"HeadBucket": "404"},
            MISSING,
            "bucket setpieces-dev-artifacts-111122223333 does not exist",
        ),
        (
            permissions.bootstrap,
            {"GetRole": "NoSuchEntity"},
            MISSING,
            "role setpieces-dev-cloudformation does not exist",
        ),
        (permissions.bootstrap, {"GetPolicy": "NoSuchEntity"}, MISSING, "setpieces-dev-boundary"),
        (
            permissions.identity_provider,
            {"ListOpenIDConnectProviders": {"OpenIDConnectProviderList": []}},
            LATER,
            "cannot sign in",
        ),
        (
            quotas.resource_quotas,
            {"GetServiceQuota": {"Quota": {"Value": 1.0}}, "DescribeVpcs": {"Vpcs": [{"VpcId": "vpc-1"}]}},
            MISSING,
            "VPCs: 1 of 1",
        ),
        (quotas.fargate, {"GetServiceQuota": {"Quota": {"Value": 6.0}}}, LATER, "Fargate: 6 vCPUs"),
        (
            quotas.resource_quotas,
            {"ListTrails": {"Trails": [{"Name": f"t{n}"} for n in range(5)]}},
            MISSING,
            "trails: 5 of 5",
        ),
        (
            quotas.iam_roles,
            {"GetAccountSummary": {"SummaryMap": {"Roles": 950, "RolesQuota": 1000}}},
            MISSING,
            "IAM roles: 950",
        ),
        (mail.mail, {"GetAccount": {"SendingEnabled": False, "ProductionAccessEnabled": True}}, LATER, "paused"),
        (permissions.service_roles, {"GetRole": "NoSuchEntity"}, LATER, "AWSServiceRoleForECS"),
        (
            names.existing_names,
            {
                "ListQueues": {
                    "QueueUrls": [f"https://sqs.eu-central-1.amazonaws.com/{DEV}/setpieces-dev-shipping-completed"]
                }
            },
            MISSING,
            "AWS::SQS::Queue setpieces-dev-shipping-completed already exists",
        ),
        (
            names.existing_names,
            {"ListSecrets": {"SecretList": [{"Name": "setpieces-dev/storefront/sessions-token", "DeletedDate": NOW}]}},
            MISSING,
            "sessions-token already exists",
        ),
    ],
)
def test_a_missing_prerequisite_is_reported_with_its_remedy(check, responses, level, says):
    findings = [finding for finding in look(check, responses) if finding.level == level]
    assert any(says in finding.what for finding in findings), findings
    assert all(finding.remedy for finding in findings)


def test_queues_that_use_all_of_the_concurrency_are_reported():
    responses = {"GetAccountSettings": {"AccountLimit": {"ConcurrentExecutions": 10}}}
    (finding,) = look(quotas.concurrency, responses, piece="orders")
    assert finding.level == LATER
    assert "10 concurrent executions: busy queues alone use" in finding.what
    assert "L-B99A9384" in finding.remedy


def test_a_reservation_that_leaves_too_little_is_missing():
    responses = {"GetAccountSettings": {"AccountLimit": {"ConcurrentExecutions": 100}}}
    (finding,) = look(quotas.concurrency, responses, {"ProvisionedConcurrency": "1"})
    assert finding.level == MISSING
    assert "L-B99A9384" in finding.remedy


def test_a_quota_without_a_value_in_the_account_has_its_default():
    unchanged = {"GetServiceQuota": "NoSuchResourceException"}
    assert "VPCs: 0 of 5 in use, 1 more needed" in levels(look(quotas.resource_quotas, unchanged), OK)
    (containers,) = levels(look(quotas.fargate, unchanged), LATER)
    assert containers.startswith("Fargate: 6 vCPUs")


@pytest.mark.parametrize(
    ("responses", "says"),
    [
        ({}, None),
        ({"DescribeCertificate": "ResourceNotFoundException"}, "certificate arn:"),
        (
            {
                "DescribeCertificate": {
                    "Certificate": {"DomainName": "*.shop.example.org", "Status": "PENDING_VALIDATION"}
                }
            },
            "PENDING",
        ),
        (
            {"DescribeCertificate": {"Certificate": {"DomainName": "other.example.org", "Status": "ISSUED"}}},
            "not for www",
        ),
        ({"GetHostedZone": "NoSuchHostedZone"}, "hosted zone 'Z1' does not exist"),
        ({"GetHostedZone": {"HostedZone": {"Name": "example.net."}}}, "is for example.net, not for www"),
        ({"ListResourceRecordSets": RECORD}, "already has a record: A"),
    ],
)
def test_a_domain_name_needs_a_certificate_and_no_existing_record(responses, says):
    findings = look(
        domain.domain, {**ISSUED, **ZONE, "ListResourceRecordSets": {"ResourceRecordSets": []}, **responses}, DOMAIN
    )
    missing = levels(findings, MISSING)
    assert (len(missing) == 1 and says in missing[0]) if says else missing == []


def test_without_a_domain_name_the_shop_needs_neither_certificate_nor_zone():
    assert [finding.level for finding in look(domain.domain)] == [OK]


def test_prod_needs_the_addresses_of_the_real_systems():
    findings = look(
        names.external_system_urls,
        {"DescribeParameters": {"Parameters": [{"Name": "/setpieces/prod/partners/tax-url"}]}},
        stage="prod",
    )
    assert levels(findings, OK) == ["/setpieces/prod/partners/tax-url is set"]
    assert "/setpieces/prod/partners/payments-url is not set" in levels(findings, MISSING)
    assert look(names.external_system_urls) == []


def test_before_the_bootstrap_only_its_own_resources_are_checked():
    (finding,) = look(permissions.identity_provider, piece="delivery")
    assert finding.level == MISSING
    assert "OIDC_PROVIDER=arn:aws:iam::" in finding.remedy
    provider = {PROVIDER: finding.what.split()[-1]}
    assert [each.level for each in look(permissions.identity_provider, settings=provider, piece="delivery")] == [OK]
    findings = look(
        names.existing_names, {"ListRoles": {"Roles": [{"RoleName": "setpieces-dev-deploy"}]}}, piece="delivery"
    )
    assert levels(findings, MISSING) == ["AWS::IAM::Role setpieces-dev-deploy already exists"]
    assert look(permissions.bootstrap, piece="delivery") == look(mail.mail, piece="delivery") == []


def test_a_missing_prerequisite_stops_the_deployment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    stub = Stub(READY | {"HeadBucket": "404"})
    with pytest.raises(CommandFailed, match="1 missing"):
        command.require("dev", "sequences", stub.session)
    assert "make bootstrap ENV=dev" in capsys.readouterr().out


def test_every_type_with_a_name_of_the_shop_is_checked_for_existing_names():
    """Names of the shop contain the stage. Types whose names may repeat, or are unique only in a parent, are left out."""
    accepted = {
        "AWS::ApiGateway::ApiKey": "names of keys may repeat",
        "AWS::ApiGateway::RestApi": "names of APIs may repeat",
        "AWS::ApiGateway::UsagePlan": "names of usage plans may repeat",
        "AWS::ApplicationAutoScaling::ScalingPolicy": "goes with its service",
        "AWS::ECS::Service": "goes with its cluster",
        "AWS::Lambda::LayerVersion": "another version",
    }
    named = {
        kind
        for account in (
            Account(boto3.Session(region_name="eu-central-1"), "dev", piece) for piece in ("shop", "delivery")
        )
        for kind, properties in account.resources
        if any(
            isinstance(value, str) and "setpieces-dev" in value and key.endswith(("Name", "Id")) and "arn:" not in value
            for key, value in properties.items()
        )
    }
    assert named - set(UNIQUE_NAMES) == set(accepted)


def test_the_local_stage_is_refused():
    result = CliRunner().invoke(command.main, ["--env", "local"])
    assert result.exit_code == 1
    assert "Set ENV=dev, test or prod" in result.output


def test_the_command_says_that_the_account_is_ready(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(command, "session_for", lambda stage: Stub(READY).session)
    monkeypatch.setattr(command, "check_account", lambda stage, session: None)
    result = CliRunner().invoke(command.main, ["--env", "dev", "--piece", "sequences"])
    assert result.exit_code == 0, result.output
    assert "The account of dev is ready for sequences." in result.output
