"""Requests as pages of other origins send them to the local cloud."""

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from urllib.parse import urlencode

from local.credentials import ROOT_ACCESS_KEY_ID
from model.settings import ACCOUNT_ID, REGION
from tools.client import Shop

KEYS = ("test", ROOT_ACCESS_KEY_ID, "AKIAIOSFODNN7EXAMPLE")


def forged(key: str, service: str) -> str:
    """The query of a request that names a key and has a signature of zeros."""
    scope = f"{key}/20260101/{REGION}/{service}/aws4_request"
    return urlencode({"X-Amz-Credential": scope, "X-Amz-Signature": "0" * 64, "X-Amz-SignedHeaders": "host"})


def foreign_requests(name: str, key: str) -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    """(method, path, headers, body): a role, a function with code, its invocation."""
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    form = urlencode(
        {"Action": "CreateRole", "Version": "2010-05-08", "RoleName": name, "AssumeRolePolicyDocument": trust}
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("app.py", "def handler(event, context): return 1")
    function = {
        "FunctionName": name,
        "Runtime": "python3.13",
        "Handler": "app.handler",
        "Role": f"arn:aws:iam::{ACCOUNT_ID}:role/{name}",
        "Code": {"ZipFile": base64.b64encode(archive.getvalue()).decode()},
    }
    plain = {"Content-Type": "text/plain"}
    content = {"Content-Type": "application/x-www-form-urlencoded"}
    yield "POST", f"/?{forged(key, 'iam')}", content, form.encode()
    yield "POST", f"/2015-03-31/functions?{forged(key, 'lambda')}", plain, json.dumps(function).encode()
    yield "POST", f"/2015-03-31/functions/{name}/invocations?{forged(key, 'lambda')}", plain, b"{}"


def created(shop: Shop, name: str) -> list[str]:
    """The resources that the requests above created."""
    functions = shop.aws("lambda").get_paginator("list_functions").paginate()
    roles = shop.aws("iam").get_paginator("list_roles").paginate()
    names = [each["FunctionName"] for page in functions for each in page["Functions"]]
    names += [each["RoleName"] for page in roles for each in page["Roles"]]
    return [each for each in names if each == name]
