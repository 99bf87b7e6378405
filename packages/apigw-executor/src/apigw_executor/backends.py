"""One endpoint with the APIs of AWS, and the web, over pooled connections.

Every call is a signed HTTP request on one urllib3 pool: no client of boto3 is made for a request, and nothing is
retried, as API Gateway retries nothing. Roles are assumed through STS and their credentials kept until shortly before
they expire.
"""

from __future__ import annotations

import datetime
import logging
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlencode

import urllib3
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from urllib3.exceptions import HTTPError, NewConnectionError, TimeoutError

from apigw_executor import json_text, policy
from apigw_executor.messages import Pairs, Request
from apigw_executor.ports import (
    Answer,
    BackendTimeout,
    BackendUnreachable,
    EndpointDown,
    IamDecision,
    Invocation,
    RoleUnusable,
)
from apigw_executor.services import ServiceRequest

LOG = logging.getLogger(__name__)

CONNECT_TIMEOUT = 3.0  # seconds
CONTROL_TIMEOUT = 20.0  # seconds, for calls that are none of the client's integration
POLICY_TTL = 30.0  # seconds that a function's policy is cached
REFUSED_TTL = 1.0  # seconds that the lack of one is
RENEWAL = 120.0  # seconds before their end that credentials are renewed
OPEN_POLICY = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
UNKNOWN_KEY = (b"InvalidClientTokenId", b"UnrecognizedClientException")


class HttpPool:
    """Any HTTP endpoint, without following redirects or retrying."""

    def __init__(self, size: int = 64) -> None:
        self._manager = urllib3.PoolManager(num_pools=32, maxsize=size, block=False, retries=False)

    def send(self, method: str, url: str, headers: Pairs, body: bytes, *, timeout: float) -> Answer:
        """The answer; BackendTimeout, BackendUnreachable."""
        limit = urllib3.Timeout(connect=min(CONNECT_TIMEOUT, timeout), read=timeout)
        try:
            response = self._manager.request(
                method, url, headers=dict(headers), body=body, timeout=limit, redirect=False, decode_content=False
            )
        except NewConnectionError as error:
            raise BackendUnreachable(f"{url}: {error}") from None
        except TimeoutError as error:
            raise BackendTimeout(f"{url}: {error}") from None
        except (HTTPError, ValueError) as error:
            raise BackendUnreachable(f"{url}: {error}") from None
        return Answer(response.status, tuple(response.headers.items()), response.data)


class AwsEndpoint:
    """The AWS APIs at one endpoint, as API Gateway uses them: `ports.Cloud`.

    With `enforce_permissions`, roles are assumed if they trust API Gateway, and the policies of functions are read.
    Otherwise `credentials` sign all requests, and every function may be invoked.
    """

    def __init__(
        self,
        endpoint: str,
        region: str,
        credentials: Credentials,
        http: HttpPool,
        clock: Callable[[], float] = time.time,
        *,
        enforce_permissions: bool = True,
    ) -> None:
        self.endpoint, self.region = endpoint.rstrip("/"), region
        self._own = credentials
        self.http = http
        self._enforces_permissions = enforce_permissions
        self._clock = clock
        self._roles: dict[str, tuple[float, Credentials]] = {}
        self._policies: dict[str, tuple[float, Mapping[str, Any] | None]] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Drops cached policies and credentials, after a deploy."""
        with self._lock:
            self._roles.clear()
            self._policies.clear()

    # --- ports.Cloud ---

    def invoke(
        self, function_arn: str, payload: bytes, *, role: str | None, asynchronous: bool, timeout: float
    ) -> Invocation:
        """Lambda's Invoke (https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html)."""
        request = ServiceRequest(
            "lambda",
            self.region,
            "POST",
            f"/2015-03-31/functions/{quote(function_arn, safe='')}/invocations",
            (),
            {
                "Content-Type": "application/json",
                "X-Amz-Invocation-Type": "Event" if asynchronous else "RequestResponse",
            },
            payload,
        )
        answer = self._send_as(role, request, timeout)
        error = next((value for name, value in answer.headers if name.lower() == "x-amz-function-error"), None)
        return Invocation(answer.status, answer.body, error)

    def call(self, request: ServiceRequest, *, role: str, timeout: float) -> Answer:
        """Any service, under `role`."""
        return self._send_as(role, request, timeout)

    def function_policy(self, function_arn: str) -> Mapping[str, Any] | None:
        """Lambda's GetPolicy, cached for POLICY_TTL seconds."""
        if not self._enforces_permissions:
            return OPEN_POLICY
        now = self._clock()
        cached = self._policies.get(function_arn)
        if cached is not None and now < cached[0]:
            return cached[1]
        request = ServiceRequest(
            "lambda", self.region, "GET", f"/2015-03-31/functions/{quote(function_arn, safe='')}/policy", (), {}, b""
        )
        answer = self.send(request, CONTROL_TIMEOUT)
        document: Mapping[str, Any] | None = None
        if answer.status == 200:
            try:
                document = json_text.parse(json_text.parse(answer.body)["Policy"])
            except (json_text.MalformedJson, KeyError, TypeError) as error:
                LOG.warning("policy of %s: %s", function_arn, error)
        self._policies[function_arn] = (now + (POLICY_TTL if document else REFUSED_TTL), document)
        return document

    def authorize(self, request: Request, resource: str) -> IamDecision:
        """Refuses every signed request: no API of AWS verifies another program's signature. A subclass may know how."""
        LOG.warning("%s: signatures are not verified, so operations with AWS_IAM refuse all requests", resource)
        return IamDecision(False, "AccessDenied")

    # --- signing and roles ---

    def send(self, request: ServiceRequest, timeout: float) -> Answer:
        """Sends a request with the endpoint's own credentials. Raises BackendTimeout, EndpointDown."""
        return self._send(request, self._own, timeout)

    def _send(self, request: ServiceRequest, credentials: Credentials, timeout: float) -> Answer:
        url = f"{self.endpoint}{request.path}" + (
            f"?{urlencode(request.query, quote_via=quote)}" if request.query else ""
        )
        signed = AWSRequest(request.method, url, headers=dict(request.headers), data=request.body)
        signer = S3SigV4Auth if request.signing_name == "s3" else SigV4Auth
        signer(credentials, request.signing_name, request.region).add_auth(signed)
        headers = tuple((name, str(value)) for name, value in signed.headers.items())
        try:
            return self.http.send(request.method, url, headers, request.body, timeout=timeout)
        except BackendUnreachable as error:
            raise EndpointDown(str(error)) from None

    def _send_as(self, role: str | None, request: ServiceRequest, timeout: float) -> Answer:
        answer = self._send(request, self._credentials(role), timeout)
        if role is not None and answer.status in (400, 403) and any(code in answer.body for code in UNKNOWN_KEY):
            # An emulator that was restarted no longer knows its sessions.
            self._roles.pop(role, None)
            return self._send(request, self._credentials(role), timeout)
        return answer

    def _credentials(self, role: str | None) -> Credentials:
        if role is None or not self._enforces_permissions:
            return self._own
        cached = self._roles.get(role)
        if cached is not None and self._clock() < cached[0] - RENEWAL:
            return cached[1]
        with self._lock:
            lock = self._locks.setdefault(role, threading.Lock())
        with lock:
            # Others may have waited here for the same role.
            cached = self._roles.get(role)
            if cached is None or self._clock() >= cached[0] - RENEWAL:
                self._check_trust(role)
                cached = self._roles[role] = self._assume(role)
            return cached[1]

    def _query(self, service: str, fields: Mapping[str, str]) -> Answer:
        body = urlencode(fields).encode()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        # IAM has one endpoint, signed for us-east-1.
        region = "us-east-1" if service == "iam" else self.region
        return self.send(ServiceRequest(service, region, "POST", "/", (), form, body), CONTROL_TIMEOUT)

    def _check_trust(self, role: str) -> None:
        """The trust policy of the role must name API Gateway; STS sees another caller, so it cannot check this."""
        name = role.rsplit("/", 1)[-1]
        answer = self._query("iam", {"Action": "GetRole", "Version": "2010-05-08", "RoleName": name})
        if answer.status != 200:
            raise RoleUnusable(f"role {role} is not there")
        text = _xml_text(answer.body, "AssumeRolePolicyDocument") or ""
        try:
            document = json_text.parse(text if text.lstrip().startswith("{") else unquote(text))
            decision = policy.evaluate(document, "sts:AssumeRole", None, {}, ["apigateway.amazonaws.com"])
        except (json_text.MalformedJson, policy.BadPolicy) as error:
            raise RoleUnusable(f"trust policy of {role}: {error}") from None
        if decision != "allow":
            raise RoleUnusable(f"role {role} does not trust apigateway.amazonaws.com")

    def _assume(self, role: str) -> tuple[float, Credentials]:
        fields = {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "RoleArn": role,
            "RoleSessionName": "BackplaneAssumeRoleSession",
            "DurationSeconds": "3600",
        }
        answer = self._query("sts", fields)
        key, secret, token = (_xml_text(answer.body, f) for f in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
        if answer.status != 200 or not key or not secret:
            raise RoleUnusable(f"assuming {role} answered {answer.status}: {answer.body[:500]!r}")
        credentials = Credentials(key, secret, token)
        return _expiry(_xml_text(answer.body, "Expiration"), self._clock() + 3600), credentials


def _xml_text(body: bytes, name: str) -> str | None:
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return None
    return next((element.text for element in root.iter() if element.tag.rsplit("}", 1)[-1] == name), None)


def _expiry(text: str | None, default: float) -> float:
    try:
        return datetime.datetime.fromisoformat((text or "").replace("Z", "+00:00")).timestamp()
    except ValueError:
        return default
