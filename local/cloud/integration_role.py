"""The role of the integration tests in the local cloud, deployed from ``templates/delivery.yaml`` and assumed as on AWS.

The other resources of the template are for administrators and the pipeline, which the local cloud lacks.
"""

import base64
import json
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import boto3
import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from local.settings import STACK
from model.settings import ACCOUNT_ID, REGION, STAGE
from model.templates import Piece, pieces
from tools.client import Shop, credentials, eventually

SERVICE = "delivery"
TESTS_STACK = f"{STACK}-{SERVICE}"
# On AWS the pipeline assumes the role with a token for the repository's environment of the same name as the stage.
REPOSITORY, ISSUER = "owner/name", "token.actions.githubusercontent.com"
PARAMETERS = {
    "Stage": STAGE,
    "StageAccountId": ACCOUNT_ID,
    "Repository": REPOSITORY,
    "OidcProviderArn": f"arn:aws:iam::{ACCOUNT_ID}:oidc-provider/{ISSUER}",
}
SECONDS = 14_400
FORM = "application/x-www-form-urlencoded"
CLAIMS = {"iss": f"https://{ISSUER}", "aud": "sts.amazonaws.com", "sub": f"repo:{REPOSITORY}:environment:{STAGE}"}


def integration_roles() -> Piece:
    """The delivery template reduced to the resources that only stages with tests have."""
    source = pieces()[SERVICE].source
    resources = {name: one for name, one in source["Resources"].items() if one.get("Condition") == "IsTested"}
    sections = {name: section for name, section in source.items() if name not in ("Transform", "Outputs")}
    return Piece(SERVICE, sections | {"Resources": resources})


def session(root: Shop) -> boto3.Session:
    """A session of the role, after its stack was created or updated. ``root`` is the shop with root's credentials."""
    _deploy(root.aws("cloudformation"))
    parts = (b"{}", json.dumps(CLAIMS).encode(), b"unsigned")
    parameters = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": f"arn:aws:iam::{ACCOUNT_ID}:role/setpieces-{STAGE}-integration-tests",
        "RoleSessionName": "tests",
        "DurationSeconds": str(SECONDS),
        "WebIdentityToken": ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts),
    }
    # The emulator requires a signature, unlike AWS. It evaluates the role's trust policy with the claims of the token.
    request = AWSRequest("POST", root.endpoint, data=urlencode(parameters), headers={"Content-Type": FORM})
    SigV4Auth(credentials(root.session), "sts", REGION).add_auth(request)
    response = httpx.post(str(root.endpoint), content=request.body, headers=dict(request.headers)).raise_for_status()
    keys = {element.tag.rpartition("}")[2]: element.text for element in ElementTree.fromstring(response.text).iter()}
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=REGION)


def _deploy(cloudformation: Any) -> None:
    stack = {
        "StackName": TESTS_STACK,
        "TemplateBody": json.dumps(dict(integration_roles().source)),
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in PARAMETERS.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
    }
    try:
        cloudformation.create_stack(**stack)
    except cloudformation.exceptions.AlreadyExistsException:
        try:
            cloudformation.update_stack(**stack)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
    status = eventually(lambda: _status(cloudformation))
    assert status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), f"{TESTS_STACK}: {status}"


def _status(cloudformation: Any) -> str:
    status = str(cloudformation.describe_stacks(StackName=TESTS_STACK)["Stacks"][0]["StackStatus"])
    return "" if status.endswith("IN_PROGRESS") else status
