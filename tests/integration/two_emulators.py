"""MiniStack with and without patches, each in its own process, and helpers that create resources in them."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import ClientError

from local import emulator_client
from local.cloud.clone import free_ports
from local.cloud.processes import EMULATOR
from local.cloud.start import install_lambda_runtime
from local.credentials import ROOT_ACCESS_KEY_ID, root_secret
from local.settings import HOST, LAMBDA_PYTHON
from model.settings import ACCOUNT_ID, REGION, ROOT
from tools.client import FLOW_SECONDS, eventually, unique

PLAIN, PATCHED = "ministack", "local.emulator.server"
ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})
ENDED = ("COMPLETE", "FAILED")


@dataclass(frozen=True)
class Cloud:
    """One emulator, and the secret of its account's root."""

    endpoint: str
    secret: str

    @cached_property
    def root(self) -> boto3.Session:
        return boto3.Session(ROOT_ACCESS_KEY_ID, self.secret, region_name=REGION)

    def aws(self, service: str, session: boto3.Session | None = None) -> Any:
        return (session or self.root).client(service, endpoint_url=self.endpoint, config=ONE_ATTEMPT)

    def emulator(self, method: str, path: str, **content: Any) -> httpx.Response:
        """The response of an administrative route."""
        return emulator_client.request(method, path, endpoint=self.endpoint, secret=self.secret, **content)

    def role(self, service: str, *statements: dict[str, Any]) -> str:
        """The ARN of a new role that ``service`` and root may assume, with ``statements`` as its only policy."""
        name = unique("role")
        principals = {"Service": f"{service}.amazonaws.com", "AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"}
        trust = {"Effect": "Allow", "Principal": principals, "Action": "sts:AssumeRole"}
        role = self.aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))["Role"]
        if statements:
            self.aws("iam").put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=_policy(*statements))
        return role["Arn"]

    def session(self, *statements: dict[str, Any]) -> boto3.Session:
        """A session of a role whose only policy has these statements."""
        assumed = self.aws("sts").assume_role(RoleArn=self.role("lambda", *statements), RoleSessionName="probe")
        keys = assumed["Credentials"]
        return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=REGION)

    def queue(self, **attributes: str) -> tuple[str, str]:
        """(URL, ARN) of a new queue."""
        name = unique("queue") + (".fifo" if "FifoQueue" in attributes else "")
        url = self.aws("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url, f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{url.rsplit('/', 1)[-1]}"

    def received(self, url: str) -> list[dict[str, Any]]:
        """The messages that a queue returns now."""
        return self.aws("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])

    def function(self, code: str, **settings: Any) -> str:
        """The name of a new function whose file is ``code``, and whose role has no permissions.

        Its timeout is 30 s, as a busy machine may need more than the default of 3 s."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as files:
            files.writestr(zipfile.ZipInfo("app.py"), code)  # without its time: the same code is the same archive
        name = unique("function")
        defaults = {"Runtime": "python3.13", "Handler": "app.handler", "Role": self.role("lambda"), "Timeout": 30}
        settings = defaults | settings
        self.aws("lambda").create_function(FunctionName=name, Code={"ZipFile": archive.getvalue()}, **settings)
        return name

    def invoke(self, function: str) -> Any:
        return json.load(self.aws("lambda").invoke(FunctionName=function, Payload=b"{}")["Payload"])

    def invoke_at_once(self, function: str, count: int) -> list[Any]:
        """The responses of ``count`` concurrent invocations of a function."""
        with ThreadPoolExecutor(count) as clients:
            return list(clients.map(lambda _: self.invoke(function), range(count)))

    def stack(
        self, template: dict[str, Any], name: str = "", role: str | None = None, **parameters: str
    ) -> tuple[str, str]:
        """(name, final status) of a new stack, or of the update of stack ``name``; ``REFUSED`` if the template is rejected.

        CloudFormation uses ``role``, or the caller's permissions."""
        api, new = self.aws("cloudformation"), not name
        name = name or unique("stack")
        stack_parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        send = api.create_stack if new else api.update_stack
        try:
            send(
                StackName=name,
                TemplateBody=json.dumps(template),
                Parameters=stack_parameters,
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
                **({"RoleARN": role} if role else {}),
            )
        except api.exceptions.ClientError:
            return name, "REFUSED"
        return name, eventually(lambda: _ended(api, name))

    def deletion_status(self, stack: str) -> str:
        """The final status of a stack's deletion."""

        def final_status() -> str:
            try:
                status = self.aws("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
            except ClientError:
                return "DELETE_COMPLETE"
            return status if status in ("DELETE_COMPLETE", "DELETE_FAILED") else ""

        return eventually(final_status)

    def send_event(self, *targets: dict[str, Any]) -> None:
        """Send an event that a new rule routes to these targets."""
        bus, source = self.aws("events"), unique("source")
        bus.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
        bus.put_targets(Rule=source, Targets=[{"Id": str(number), **target} for number, target in enumerate(targets)])
        bus.put_events(Entries=[{"Source": source, "DetailType": "probe", "Detail": "{}"}])

    def nested(self, template: dict[str, Any], **parameters: Any) -> dict[str, Any]:
        """A template whose only resource is a nested stack with ``template``."""
        bucket, s3 = unique("templates"), self.aws("s3")
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=bucket, Key="child.json", Body=json.dumps(template))
        child = {"TemplateURL": f"{self.endpoint}/{bucket}/child.json", "Parameters": parameters}
        return {"Resources": {"Child": {"Type": "AWS::CloudFormation::Stack", "Properties": child}}}


def allow(action: str, resource: str = "*", **condition: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def error_code(call: Any, **arguments: Any) -> str:
    """The error code of a call of an AWS API; empty if it succeeds."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


def printed_numbers(patch: str, code: str) -> tuple[int, int]:
    """The number that ``code`` prints without and with ``patch``: tests count work and do not measure time."""
    apply = f"from local.emulator.patches import PATCHES; next(p for p in PATCHES if p.name == '{patch}').apply()"

    def run(source: str) -> int:
        command = [sys.executable, "-c", source]
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split()[-1])

    return run(code), run(f"{apply}\n{code}")


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _ended(api: Any, name: str) -> str:
    status = api.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    return status if status.endswith(ENDED) else ""


@contextmanager
def running(module: str, home: Path) -> Iterator[Cloud]:
    """``python -m module`` as an emulator with its state in ``home`` and the settings of the local cloud."""
    port = str(free_ports(1)[0])
    install_lambda_runtime()
    (home / "lambda-runtime").symlink_to(LAMBDA_PYTHON.parent.parent)
    (home / "tmp").mkdir()
    overrides = {
        "GATEWAY_PORT": port,
        "SETPIECES_AWS_PORT": port,
        "SETPIECES_STATE": str(home),
        "TMPDIR": str(home / "tmp"),
    }
    overrides |= {
        "STATE_DIR": str(home / "state"),
        "S3_DATA_DIR": str(home / "s3"),
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
    }
    environment = EMULATOR.environment() | overrides
    with (home / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=environment, stdout=log, stderr=log)
    endpoint = f"http://{HOST}:{port}"
    try:
        eventually(lambda: httpx.get(f"{endpoint}/_ministack/health", timeout=5).is_success)
        yield Cloud(endpoint, root_secret(home))
    finally:
        process.terminate()
        process.wait(FLOW_SECONDS)
