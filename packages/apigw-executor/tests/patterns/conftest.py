"""A plain MiniStack, and the examples run against it by the installed package."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import boto3
import pytest
import yaml
from botocore.credentials import Credentials
from gateway_fakes import HANG

from apigw_executor import Gateway, Request, Response

EXAMPLES = Path(__file__).parents[2] / "examples"
ACCOUNT, REGION = "000000000000", "us-east-1"
SETTINGS = {
    "AUTH": "true",
    "BIND_HOST": "127.0.0.1",
    "MINISTACK_ACCOUNT_ID": ACCOUNT,
    "MINISTACK_REGION": REGION,
    "PERSIST_STATE": "0",
    "S3_PERSIST": "0",
    "IOT_MTLS_ENABLED": "0",
    "SFTP_ENABLED": "0",
    "LOG_LEVEL": "WARNING",
}


@dataclass(frozen=True)
class Emulator:
    """The AWS APIs of MiniStack, with the credentials of its account's root."""

    endpoint: str

    def client(self, service: str) -> Any:
        """A client of boto3."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def create_role(self, name: str, service: str) -> str:
        """The ARN of a role without permissions that `service` may assume, and root for it."""
        principals = {"Service": f"{service}.amazonaws.com", "AWS": f"arn:aws:iam::{ACCOUNT}:root"}
        trust = {"Effect": "Allow", "Principal": principals, "Action": "sts:AssumeRole"}
        role = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
        return str(role["Role"]["Arn"])

    def permit(self, role: str, statements: list[dict[str, Any]]) -> None:
        """Replaces the permissions of a role."""
        self.client("iam").put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=policy(*statements))


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """`python -m ministack`, empty and with IAM on."""
    home = tmp_path_factory.mktemp("ministack")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    directories = {"TMPDIR": str(home), "STATE_DIR": str(home / "state"), "S3_DATA_DIR": str(home / "s3")}
    environment = {"PATH": os.environ["PATH"], "GATEWAY_PORT": str(port)} | directories | SETTINGS
    endpoint = f"http://127.0.0.1:{port}"
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"], cwd=home, env=environment, stdout=log, stderr=log
        )
    try:
        _wait_until_healthy(process, endpoint, home / "log")
        yield Emulator(endpoint)
    finally:
        process.terminate()
        process.wait(HANG)


def _wait_until_healthy(process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    deadline = time.monotonic() + HANG
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"MiniStack does not run:\n{log.read_text()}")


@dataclass(frozen=True)
class Example:
    """A folder of `examples`: `openapi.yaml` as it is deployed, and `example.yaml` with its role and its requests."""

    name: str
    emulator: Emulator

    @property
    def table(self) -> dict[str, Any]:
        """The content of `example.yaml`."""
        return dict(yaml.safe_load((EXAMPLES / self.name / "example.yaml").read_text()))

    def gateway(self, **settings: Any) -> Gateway:
        """A new gateway for the document, which enforces IAM."""
        settings.setdefault("stage_variables", self.table.get("stage_variables"))
        return Gateway.from_document(
            (EXAMPLES / self.name / "openapi.yaml").read_text(),
            endpoint=self.emulator.endpoint,
            region=REGION,
            account=ACCOUNT,
            credentials=Credentials("test", "test"),
            enforce_permissions=True,
            **settings,
        )

    def run(self, **settings: Any) -> None:
        """Sends all requests and checks the responses.

        Before the role of the document has its permissions, the response to the first request is `without_permissions`.
        """
        requests = self.table["requests"]
        if "role" in self.table:
            self.emulator.create_role(self.name, "apigateway")
            refused = {"request": requests[0]["request"], **self.table["without_permissions"]}
            check(refused, self.gateway(**settings).handle(parse_request(requests[0])))
            self.emulator.permit(self.name, self.table["role"])
        gateway = self.gateway(**settings)
        for row in requests:
            check(row, gateway.handle(parse_request(row)))


def parse_request(row: dict[str, Any]) -> Request:
    """The request of a row of `example.yaml`."""
    method, target = row["request"].split(" ", 1)
    path, _, query = target.partition("?")
    body = base64.b64decode(row["body_base64"]) if "body_base64" in row else row.get("body", "").encode()
    return Request(
        method,
        path,
        headers=tuple(row.get("headers", {}).items()),
        query=tuple(parse_qsl(query, keep_blank_values=True)),
        body=body,
    )


def check(row: dict[str, Any], response: Response) -> None:
    """Compares a response with its row: the status, the body as bytes or as a pattern, and the headers as patterns."""
    assert response.status == row["status"], f"{row['request']}: {response}"
    if "response_pattern" in row:
        assert re.fullmatch(row["response_pattern"], response.body.decode(), re.DOTALL), f"{row['request']}: {response}"
    else:
        body = base64.b64decode(row["response_base64"]) if "response_base64" in row else row["response"].encode()
        assert response.body.strip() == body.strip(), row["request"]
    for name, pattern in row.get("response_headers", {}).items():
        values = ", ".join(value for header, value in response.headers if header.lower() == name.lower())
        assert re.fullmatch(pattern, values), f"{row['request']}: {name} is {values!r}"


@pytest.fixture
def example(request: pytest.FixtureRequest, emulator: Emulator) -> Example:
    """The example that the name of the test names: `test_s3_proxy` runs `s3-proxy`."""
    return Example(request.function.__name__.removeprefix("test_").replace("_", "-"), emulator)
