"""``make preflight``: what it finds for each answer of AWS. Answers come from tables; the clients are botocore's own."""

import json
import shlex
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from click.testing import CliRunner

from local import preflight
from local.declared import iter_resources, pieces
from local.failures import CommandFailed
from local.grants import allows, as_list, role_documents, statements
from local.preflight import LATER, MISSING, OK, UNKNOWN, Account
from local.settings import ACCOUNT_ID, REGION

DEV = "111122223333"
ROLE = f"arn:aws:iam::{DEV}:role/setpieces-dev-deploy"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
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
        "OpenIDConnectProviderList": [{"Arn": f"arn:aws:iam::{DEV}:oidc-provider/{preflight.GITHUB}"}]
    },
    "GetAccountSettings": {"AccountLimit": {"ConcurrentExecutions": 1000}},
    "GetServiceQuota": {"Quota": {"Value": 100.0}},
    "GetAccountSummary": {"SummaryMap": {"Roles": 20, "RolesQuota": 1000}},
    "GetAccount": {"SendingEnabled": True, "ProductionAccessEnabled": True},
    "GetEmailIdentity": "NotFoundException",
}
SETTINGS = {"MailFrom": "vouchers@shop.example.org"}


class Stub:
    """Answers the AWS calls of a session, empty without an answer, and keeps them: [(service, operation, parameters)]."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = answers
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.session = boto3.Session("test", "test", region_name="eu-central-1")
        events: Any = self.session.events
        events.register("provide-client-params", self._keep)
        events.register("before-call", self._answer)

    def _keep(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.calls.append((model.service_model.service_id.hyphenize(), model.name, params))

    def _answer(self, model: Any, **_: Any) -> tuple[Any, dict[str, Any]]:
        answer = self.answers.get(model.name, {})
        content = answer(self.calls[-1][2]) if callable(answer) else answer
        if isinstance(content, str):
            return SimpleNamespace(status_code=400, headers={}), {"Error": {"Code": content, "Message": ""}}
        return SimpleNamespace(status_code=200, headers={}), dict(content)


def look(
    check: Callable[[Account], Any] | None = None,
    answers: Mapping[str, Answer] | None = None,
    settings: dict[str, str] | None = None,
    stage: str = "dev",
    piece: str = "shop",
) -> list[preflight.Finding]:
    account = Account(Stub({**READY, **(answers or {})}).session, stage, piece)
    account.settings |= SETTINGS | (settings or {})
    found = list(check(account)) if check else preflight.findings(account)
    for finding in found:
        if finding.remedy.startswith("aws "):
            check_command(finding.remedy.partition(";")[0])
    return found


def check_command(command: str) -> None:
    """The AWS CLI knows this command and its options, and AWS requires no other one."""
    _, service, operation, *words = shlex.split(command)
    model = boto3.client(service, region_name="eu-central-1").meta.service_model
    name = next(name for name in model.operation_names if xform_name(name, "-") == operation)
    shape = model.operation_model(name).input_shape
    options = {word.removeprefix("--") for word in words if word.startswith("--")} - {"region"}
    assert options <= {xform_name(member, "-") for member in shape.members}, command
    assert {xform_name(member, "-") for member in shape.required_members} <= options, command


def levels(found: list[preflight.Finding], level: str) -> list[str]:
    return [finding.what for finding in found if finding.level == level]


def test_an_account_that_is_ready_lacks_nothing():
    found = look()
    assert levels(found, MISSING) == []
    assert len(levels(found, OK)) > 20
    # What is left: the link in the mail to the sender; and whether AWS has verified the account, which cannot be asked.
    assert len(levels(found, LATER)) == 1
    assert levels(found, UNKNOWN) == list(preflight.NOT_ASKABLE.values())


@pytest.mark.parametrize(
    ("check", "answers", "level", "says"),
    [
        (preflight.caller_permissions, {"GetCallerIdentity": {"Arn": f"arn:aws:iam::{DEV}:root"}}, LATER, "root user"),
        (
            preflight.caller_permissions,
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
            preflight.bootstrap,
            {"HeadBucket": "404"},
            MISSING,
            "bucket setpieces-dev-artifacts-111122223333 does not exist",
        ),
        (preflight.bootstrap, {"GetRole": "NoSuchEntity"}, MISSING, "role setpieces-dev-cloudformation does not exist"),
        (preflight.bootstrap, {"GetPolicy": "NoSuchEntity"}, MISSING, "setpieces-dev-boundary"),
        (
            preflight.identity_provider,
            {"ListOpenIDConnectProviders": {"OpenIDConnectProviderList": []}},
            LATER,
            "cannot sign in",
        ),
        (
            preflight.quotas,
            {"GetServiceQuota": {"Quota": {"Value": 1.0}}, "DescribeVpcs": {"Vpcs": [{"VpcId": "vpc-1"}]}},
            MISSING,
            "VPCs: 1 of 1",
        ),
        (preflight.quotas, {"GetServiceQuota": {"Quota": {"Value": 6.0}}}, LATER, "Fargate: 6 vCPUs"),
        (
            preflight.quotas,
            {"ListTrails": {"Trails": [{"Name": f"t{n}"} for n in range(5)]}},
            MISSING,
            "trails: 5 of 5",
        ),
        (
            preflight.quotas,
            {"GetAccountSummary": {"SummaryMap": {"Roles": 950, "RolesQuota": 1000}}},
            MISSING,
            "IAM roles: 950",
        ),
        (preflight.mail, {"GetAccount": {"SendingEnabled": False, "ProductionAccessEnabled": True}}, LATER, "paused"),
        (preflight.service_roles, {"GetRole": "NoSuchEntity"}, LATER, "AWSServiceRoleForECS"),
        (
            preflight.existing_names,
            {
                "ListQueues": {
                    "QueueUrls": [f"https://sqs.eu-central-1.amazonaws.com/{DEV}/setpieces-dev-shipping-completed"]
                }
            },
            MISSING,
            "AWS::SQS::Queue setpieces-dev-shipping-completed already exists",
        ),
        (
            preflight.existing_names,
            {"ListSecrets": {"SecretList": [{"Name": "setpieces-dev/storefront/sessions-token", "DeletedDate": NOW}]}},
            MISSING,
            "sessions-token already exists",
        ),
    ],
)
def test_what_is_missing_is_found_and_comes_with_a_way_to_get_it(check, answers, level, says):
    found = [finding for finding in look(check, answers) if finding.level == level]
    assert any(says in finding.what for finding in found), found
    assert all(finding.remedy for finding in found)


def test_queues_that_use_all_of_the_concurrency_are_said():
    answers = {"GetAccountSettings": {"AccountLimit": {"ConcurrentExecutions": 10}}}
    (finding,) = look(preflight.concurrency, answers, piece="orders")
    assert finding.level == LATER
    assert "10 concurrent executions: busy queues alone use" in finding.what
    assert "L-B99A9384" in finding.remedy


def test_a_reservation_that_leaves_too_little_is_missing():
    answers = {"GetAccountSettings": {"AccountLimit": {"ConcurrentExecutions": 100}}}
    (finding,) = look(preflight.concurrency, answers, {"ProvisionedConcurrency": "1"})
    assert finding.level == MISSING
    assert "L-B99A9384" in finding.remedy


def test_a_quota_that_the_account_has_no_value_of_is_the_default():
    found = look(preflight.quotas, {"GetServiceQuota": "NoSuchResourceException"})
    assert "VPCs: 0 of 5 in use, 1 more needed" in levels(found, OK)
    (containers,) = levels(found, LATER)
    assert containers.startswith("Fargate: 6 vCPUs")


@pytest.mark.parametrize("sender", ["", "vouchers@example.com"])
def test_a_sender_of_mails_has_to_be_set(sender: str):
    assert levels(look(preflight.mail, settings={"MailFrom": sender}), MISSING) == [
        "the sender of voucher mails is not set"
    ]


SENDER = SETTINGS["MailFrom"]


def ses(**states: str) -> dict[str, Answer]:
    """SES as it answers of these identities: the sender's ``address``, its ``domain``, and the one ``above`` that."""
    names = {"address": SENDER, "domain": "shop.example.org", "above": "example.org"}
    known = {names[name]: {"VerificationStatus": status} for name, status in states.items()}
    return {"GetEmailIdentity": lambda call: known.get(call["EmailIdentity"], "NotFoundException")}


@pytest.mark.parametrize(
    ("states", "level", "says"),
    [
        (
            {},
            LATER,
            f"{SENDER} is not in SES yet: the deployment creates it, and SES refuses mails until it is confirmed",
        ),
        ({"domain": "PENDING"}, LATER, "confirmed; its domain shop.example.org waits for its confirmation"),
        ({"domain": "FAILED", "above": "PENDING"}, LATER, "was not confirmed in time; its domain example.org waits"),
        ({"domain": "SUCCESS"}, OK, "not in SES yet; its domain shop.example.org is confirmed, so mails are sent"),
        ({"domain": "FAILED", "above": "SUCCESS"}, OK, "its domain example.org is confirmed"),
        *(
            ({"address": status}, MISSING, f"{SENDER} already exists in SES and {state}: the stack cannot create it")
            for status, state in preflight.CONFIRMATION.items()
        ),
    ],
)
def test_the_state_of_the_sender_is_told(states: dict[str, str], level: str, says: str):
    (finding,) = [finding for finding in look(preflight.mail, ses(**states)) if SENDER in finding.what]
    assert finding.level == level
    assert says in finding.what
    assert level == OK or SENDER in finding.remedy


@pytest.mark.parametrize(
    ("states", "says"),
    [
        ({"address": "SUCCESS"}, "SES sends it a mail whose link must be opened"),
        ({"address": "PENDING", "domain": "SUCCESS"}, "its domain shop.example.org stays confirmed"),
    ],
)
def test_a_sender_that_ses_knows_is_deleted_first_or_another_one_is_set(states: dict[str, str], says: str):
    """CloudFormation imports a resource into a stack that exists only, so not into the first creation."""
    (finding,) = [finding for finding in look(preflight.mail, ses(**states)) if finding.level == MISSING]
    assert finding.remedy.startswith(f"aws sesv2 delete-email-identity --email-identity {SENDER};")
    assert says in finding.remedy
    assert "another MailFrom" in finding.remedy


def test_every_state_that_ses_has_is_known():
    model = boto3.client("sesv2", region_name=REGION).meta.service_model
    assert set(preflight.CONFIRMATION) == set(model.shape_for("VerificationStatus").enum)


@pytest.mark.parametrize(
    ("review", "says", "remedy"),
    [
        ({}, "only to confirmed addresses", "--production-access-enabled"),
        ({"Status": "FAILED"}, "only to confirmed addresses", "--production-access-enabled"),
        ({"Status": "PENDING", "CaseId": "17"}, "reviewing the request", "Wait for AWS's decision in support case 17."),
        ({"Status": "DENIED", "CaseId": "17"}, "denied production access", "Reply to AWS in support case 17."),
    ],
)
def test_the_sandbox_comes_with_the_way_out(review: dict[str, str], says: str, remedy: str):
    account = {"SendingEnabled": True, "ProductionAccessEnabled": False, "Details": {"ReviewDetails": review}}
    (finding,) = [finding for finding in look(preflight.mail, {"GetAccount": account}) if "sandbox" in finding.what]
    assert finding.level == LATER
    assert says in finding.what
    assert remedy in finding.remedy


def test_an_account_out_of_the_sandbox_is_told_so():
    assert levels(look(preflight.mail), OK) == ["SES is out of its sandbox: it sends to all recipients"]


def test_credentials_that_may_not_ask_for_the_sender_are_told_so():
    found = look(answers={"GetEmailIdentity": "AccessDeniedException"})
    assert "mail: these credentials may not call GetEmailIdentity" in levels(found, UNKNOWN)


DOMAIN = {"DomainName": "www.shop.example.org", "CertificateId": "abc", "HostedZoneId": "Z1"}
ISSUED = {"DescribeCertificate": {"Certificate": {"DomainName": "*.shop.example.org", "Status": "ISSUED"}}}
ZONE = {"GetHostedZone": {"HostedZone": {"Name": "shop.example.org."}}}
RECORD = {"ResourceRecordSets": [{"Name": "www.shop.example.org.", "Type": "A"}]}


@pytest.mark.parametrize(
    ("answers", "says"),
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
def test_the_name_of_the_shop_needs_a_certificate_and_a_free_record(answers, says):
    found = look(
        preflight.domain, {**ISSUED, **ZONE, "ListResourceRecordSets": {"ResourceRecordSets": []}, **answers}, DOMAIN
    )
    missing = levels(found, MISSING)
    assert (len(missing) == 1 and says in missing[0]) if says else missing == []


def test_without_a_name_of_its_own_the_shop_needs_neither():
    assert [finding.level for finding in look(preflight.domain)] == [OK]


def test_prod_needs_the_addresses_of_the_real_systems():
    found = look(
        preflight.partner_addresses,
        {"DescribeParameters": {"Parameters": [{"Name": "/setpieces/prod/partners/tax-url"}]}},
        stage="prod",
    )
    assert levels(found, OK) == ["/setpieces/prod/partners/tax-url is set"]
    assert "/setpieces/prod/partners/payments-url is not set" in levels(found, MISSING)
    assert look(preflight.partner_addresses) == []


def test_before_the_bootstrap_only_what_it_makes_is_looked_at():
    (finding,) = look(preflight.identity_provider, piece="delivery")
    assert finding.level == MISSING
    assert "OIDC_PROVIDER=arn:aws:iam::" in finding.remedy
    named = {preflight.PROVIDER: finding.what.split()[-1]}
    assert [each.level for each in look(preflight.identity_provider, settings=named, piece="delivery")] == [OK]
    found = look(
        preflight.existing_names, {"ListRoles": {"Roles": [{"RoleName": "setpieces-dev-deploy"}]}}, piece="delivery"
    )
    assert levels(found, MISSING) == ["AWS::IAM::Role setpieces-dev-deploy already exists"]
    assert look(preflight.bootstrap, piece="delivery") == look(preflight.mail, piece="delivery") == []


@pytest.mark.parametrize("code", sorted(preflight.NOT_ALLOWED))
def test_credentials_that_may_not_look_are_told_so(code: str):
    found = look(answers={"GetAccount": code})
    assert levels(found, MISSING) == []
    assert "mail: these credentials may not call GetAccount" in levels(found, UNKNOWN)


def test_a_bucket_that_answers_without_an_error_document_is_told_so_too():
    assert "bootstrap: these credentials may not call HeadBucket" in levels(
        look(answers={"HeadBucket": "403"}), UNKNOWN
    )


def test_another_failure_of_aws_is_not_taken_for_an_answer():
    with pytest.raises(ClientError, match="InternalFailure"):
        look(answers={"GetAccount": "InternalFailure"})


def test_a_deployment_stops_if_something_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    stub = Stub(READY | {"HeadBucket": "404"})
    with pytest.raises(CommandFailed, match="1 missing"):
        preflight.require("dev", "sequences", stub.session)
    assert "make bootstrap ENV=dev" in capsys.readouterr().out


def test_every_type_with_a_name_of_ours_is_looked_for():
    """A fixed name is one that has the stage in it; a type that AWS does not refuse, or that a parent names, is left out."""
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
    assert named - set(preflight.LISTERS) == set(accepted)


def test_the_role_of_the_pipeline_may_look_at_everything():
    """``make deploy`` runs the checks with the role's credentials: what it may not call would stay unknown."""
    stub = Stub(READY | ISSUED | ZONE | {"ListResourceRecordSets": RECORD})
    account = Account(stub.session, "prod")
    account.settings |= SETTINGS | DOMAIN
    preflight.findings(account)
    role = next(
        role
        for piece, name, role in iter_resources("AWS::IAM::Role")
        if (piece.service, name) == ("delivery", "DeployRole")
    )
    allowed = {
        action
        for policy in role["Policies"]
        for statement in statements(policy["PolicyDocument"])
        for action in as_list(statement["Action"])
    }
    called = {action_of(service, operation) for service, operation, _ in stub.calls}
    assert called - allowed == NEEDS_NO_GRANT


@pytest.mark.parametrize(("piece", "allowed"), [("shop", True), ("delivery", False)])
def test_the_role_of_the_pipeline_may_deploy_the_shop_and_not_bootstrap(piece: str, allowed: bool):
    """IAM's simulator would answer for the deploy role of the template as its policies say."""
    written = json.dumps(role_documents(pieces()["delivery"], "DeployRole"))
    # local.declared makes up ARNs of what has none before it is made.
    for made_up, arn in {
        f"arn:aws:s3:{REGION}:{ACCOUNT_ID}:Artifacts": f"arn:aws:s3:::setpieces-dev-artifacts-{DEV}",
        f"arn:aws:iam:{REGION}:{ACCOUNT_ID}:CloudFormationRole": f"arn:aws:iam::{DEV}:role/setpieces-dev-cloudformation",
    }.items():
        written = written.replace(made_up, arn)
    documents = preflight._renamed(json.loads(written), "dev", DEV)

    def simulate(call: dict[str, Any]) -> dict[str, Any]:
        action, resource = call["ActionNames"][0], call["ResourceArns"][0]
        context = {entry["ContextKeyName"]: entry["ContextKeyValues"][0] for entry in call["ContextEntries"]}
        decision = "allowed" if allows(documents, action, resource, context) else "implicitDeny"
        return {"EvaluationResults": [{"EvalActionName": action, "EvalDecision": decision}]}

    found = look(preflight.caller_permissions, {"SimulatePrincipalPolicy": simulate}, piece=piece)
    assert [finding.level for finding in found] == [OK if allowed else MISSING], found


def test_the_local_stage_has_no_account_to_look_at():
    result = CliRunner().invoke(preflight.main, ["--env", "local"])
    assert result.exit_code == 1
    assert "Set ENV=dev, test or prod" in result.output


# IAM's prefix where it is not the SDK's name of the service.
PREFIXES = {
    "elastic-load-balancing-v2": "elasticloadbalancing",
    "cloudwatch-logs": "logs",
    "eventbridge": "events",
    "route-53": "route53",
    "sesv2": "ses",
    "sfn": "states",
    "service-quotas": "servicequotas",
    "secrets-manager": "secretsmanager",
}
ACTIONS = {"s3:HeadBucket": "s3:ListBucket"}
NEEDS_NO_GRANT = {"sts:GetCallerIdentity"}


def action_of(service: str, operation: str) -> str:
    """The IAM action of a call, as the Service Authorization Reference names it."""
    action = f"{PREFIXES.get(service, service)}:{operation}"
    return ACTIONS.get(action, action)


def test_the_command_says_that_the_account_is_ready(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(preflight, "session_for", lambda stage: Stub(READY).session)
    monkeypatch.setattr(preflight, "check_account", lambda stage, session: None)
    result = CliRunner().invoke(preflight.main, ["--env", "dev", "--piece", "sequences"])
    assert result.exit_code == 0, result.output
    assert "The account of dev is ready for sequences." in result.output
