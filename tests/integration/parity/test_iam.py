"""The patches of ``local.emulator.patches.iam``, beside an emulator without patches."""

import hashlib
import json

import boto3
import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from local.credentials import ROOT_ACCESS_KEY_ID
from model.settings import REGION
from tests.integration.two_emulators import Cloud, allow, error_code
from tests.present import present
from tools.client import unique

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_secure_transport(plain: Cloud, patched: Cloud):
    def denial_code(cloud: Cloud) -> str:
        name = unique("bucket").lower()
        s3 = cloud.aws("s3")
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        insecure = {"Bool": {"aws:SecureTransport": "false"}}
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{name}/*"}
        policy = {"Version": "2012-10-17", "Statement": [deny | {"Condition": insecure}]}
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
        session = cloud.session(allow("s3:PutObject", f"arn:aws:s3:::{name}/*"))
        return error_code(cloud.aws("s3", session).put_object, Bucket=name, Key="probe", Body=b"")

    assert denial_code(plain) == "AccessDenied"
    assert denial_code(patched) == ""


def test_principal_arn(plain: Cloud, patched: Cloud):
    def denial_code(cloud: Cloud) -> str:
        name = unique("bucket").lower()
        s3 = cloud.aws("s3")
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        role = cloud.role("lambda")
        put = {
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{name}/*",
        }
        condition = {"ArnEquals": {"aws:PrincipalArn": role}}
        policy = {"Version": "2012-10-17", "Statement": [put | {"Condition": condition}]}
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
        keys = cloud.aws("sts").assume_role(RoleArn=role, RoleSessionName="probe")["Credentials"]
        session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=REGION)
        return error_code(cloud.aws("s3", session).put_object, Bucket=name, Key="probe", Body=b"")

    assert denial_code(plain) == "AccessDenied"
    assert denial_code(patched) == ""


def test_root_signatures(plain: Cloud, patched: Cloud):
    """Without the patch each key in the form of root's acts as root with any secret; with it, only a key with root's secret."""
    for key in ("test", ROOT_ACCESS_KEY_ID, "123456789012"):
        forged = boto3.Session(key, "not the secret", region_name=REGION)
        assert plain.aws("dynamodb", forged).list_tables()["TableNames"] == []
        code = "InvalidSignatureException" if key == ROOT_ACCESS_KEY_ID else "UnrecognizedClientException"
        with pytest.raises(ClientError, match=code):
            patched.aws("dynamodb", forged).list_tables()
    assert httpx.get(f"{plain.endpoint}/").is_success
    assert patched.aws("sts").get_caller_identity()["Arn"].endswith(":root")
    forged = boto3.Session(ROOT_ACCESS_KEY_ID, "not the secret", region_name=REGION)
    request = AWSRequest("GET", "http://shop/basket/v1", headers={"Host": "shop"})
    SigV4Auth(present(forged.get_credentials()), "execute-api", REGION).add_auth(request)
    signed_request = {"method": "GET", "raw_path": "/basket/v1", "query": [], "headers": [*request.headers.items()]}
    signed_request |= {"body_base64": "", "action": "execute-api:Invoke", "resource": "*"}
    decision = patched.emulator("POST", "/_setpieces/authorize", json=signed_request).json()
    assert decision["code"] == "SignatureDoesNotMatch"


def test_function_keys(plain: Cloud, patched: Cloud):
    """Without the patch a function's secret can be computed from its name and role."""
    for cloud, computed in ((plain, True), (patched, False)):
        function = cloud.function("import os\ndef handler(event, context): return os.environ['AWS_SECRET_ACCESS_KEY']")
        deployed = cloud.aws("lambda").get_function_configuration(FunctionName=function)
        digest = hashlib.sha256(f"{deployed['FunctionArn']}:{deployed['Role']}".encode()).hexdigest()
        assert (cloud.invoke(function) == hashlib.sha256(f"secret:{digest}".encode()).hexdigest()) is computed
