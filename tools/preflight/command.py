"""Runs the checks and prints their findings."""

from collections.abc import Callable, Iterator

import boto3
import click
from botocore.exceptions import ClientError

from model.settings import STAGE as LOCAL
from tools.failures import CREDENTIALS, CommandFailed
from tools.options import PIECE, STAGE
from tools.preflight.account import Account
from tools.preflight.domain import domain
from tools.preflight.findings import MISSING, UNKNOWN, Finding, error_code, print_findings
from tools.preflight.mail import mail
from tools.preflight.names import existing_names, external_system_urls, unverified_account
from tools.preflight.permissions import PROVIDER, bootstrap, caller_permissions, identity_provider, service_roles
from tools.preflight.quotas import concurrency, fargate, iam_roles, resource_quotas
from tools.progress import step
from tools.stacks import check_account, session_for
from tools.stages import WHOLE_SHOP

CHECKS: tuple[Callable[[Account], Iterator[Finding]], ...] = (
    caller_permissions,
    bootstrap,
    identity_provider,
    concurrency,
    resource_quotas,
    iam_roles,
    fargate,
    mail,
    domain,
    service_roles,
    external_system_urls,
    existing_names,
    unverified_account,
)
# HeadBucket has no body, so its error code is the status: 403 also for a bucket of another account.
NOT_ALLOWED = CREDENTIALS | {"403", "AuthorizationError", "UnauthorizedOperation", "AuthorizationErrorException"}


def run_checks(account: Account) -> list[Finding]:
    """The findings of all checks. A check that lacks a permission has one finding, ``UNKNOWN``."""
    findings: list[Finding] = []
    for check in CHECKS:
        try:
            findings += check(account)
        except ClientError as error:
            if error_code(error) not in NOT_ALLOWED:
                raise
            area = check.__name__.replace("_", " ")
            findings.append(
                Finding(
                    UNKNOWN,
                    f"{area}: these credentials may not call {error.operation_name}",
                    "Run make preflight as an administrator.",
                )
            )
    return findings


def require(stage: str, piece: str, session: boto3.Session, oidc_provider: str | None = None) -> None:
    """Print the findings. Raises ``CommandFailed`` if the first deployment of ``piece`` would fail."""
    with step(f"checking the account of {stage}"):
        account = Account(session, stage, piece)
        account.parameters[PROVIDER] = oidc_provider or ""
        findings = run_checks(account)
    print_findings(findings, account.deployment["region"])
    missing = sum(finding.level == MISSING for finding in findings)
    if missing:
        raise CommandFailed(f"The account of {stage} is not ready: {missing} missing, see above. Nothing was deployed.")


@click.command(epilog="make preflight ENV=dev")
@click.option("--env", "stage", type=STAGE, envvar="ENV", required=True, help="The stage whose account is checked.")
@click.option(
    "--piece", type=PIECE, envvar="PIECE", default=WHOLE_SHOP, show_default=True, help="One set piece, or the shop."
)
@click.option("--oidc-provider", envvar="OIDC_PROVIDER", help="For delivery: see make bootstrap.")
def main(stage: str, piece: str, oidc_provider: str | None) -> None:
    """Check the account for missing prerequisites before the first deployment."""
    if stage == LOCAL:
        raise CommandFailed("Stage local runs on this machine and has no account. Set ENV=dev, test or prod.")
    session = session_for(stage)
    check_account(stage, session)
    require(stage, piece, session, oidc_provider)
    click.echo(f"The account of {stage} is ready for {piece}.")
