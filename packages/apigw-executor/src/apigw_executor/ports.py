"""The interfaces of what the gateway needs: backends, telemetry, time. `backends` implements them, tests use fakes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from apigw_executor.messages import Pairs, Request
from apigw_executor.services import ServiceRequest


class BackendTimeout(Exception):
    """No answer within the integration's timeout."""


class BackendUnreachable(Exception):
    """No connection, or one that broke before an answer."""


class RoleUnusable(Exception):
    """API Gateway may not assume the role: it is not there, or does not trust apigateway.amazonaws.com."""


class EndpointDown(Exception):
    """The endpoint of the AWS services does not answer at all."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer of a backend."""

    status: int
    headers: Pairs
    body: bytes


@dataclass(frozen=True)
class Invocation:
    """The outcome of a Lambda invocation. `function_error` is X-Amz-Function-Error, None for success; `status` is
    HTTP's."""

    status: int
    payload: bytes
    function_error: str | None = None


@dataclass(frozen=True)
class IamDecision:
    """The signer of a request, and the decision of IAM."""

    allowed: bool
    code: str = ""
    message: str = ""
    principal_arn: str | None = None
    account_id: str | None = None
    access_key: str | None = None


class Cloud(Protocol):
    """The AWS services behind the gateway. A `role` of None is the gateway itself. Timeouts are in seconds."""

    def invoke(
        self, function_arn: str, payload: bytes, *, role: str | None, asynchronous: bool, timeout: float
    ) -> Invocation:
        """Invokes a function. Raises BackendTimeout, BackendUnreachable, RoleUnusable."""
        ...

    def call(self, request: ServiceRequest, *, role: str, timeout: float) -> Answer:
        """Sends a signed request to a service. Raises BackendTimeout, BackendUnreachable, RoleUnusable."""
        ...

    def function_policy(self, function_arn: str) -> Mapping[str, Any] | None:
        """The function's resource policy, None if it has none."""
        ...

    def authorize(self, request: Request, resource: str) -> IamDecision:
        """Verifies the request's signature and asks IAM for execute-api:Invoke at `resource`."""
        ...


class Web(Protocol):
    """Any HTTP endpoint."""

    def send(self, method: str, url: str, headers: Pairs, body: bytes, *, timeout: float) -> Answer:
        """Sends a request. Raises BackendTimeout, BackendUnreachable."""
        ...


class Telemetry(Protocol):
    """Where access logs and metrics go. Neither call may block or raise."""

    def access(self, destination: str, line: str) -> None:
        """Takes one line of an access log for the destination's ARN."""
        ...

    def request(self, api: str, stage: str, status: int, latency: float, integration_latency: float | None) -> None:
        """Counts one request; latencies in milliseconds."""
        ...


@dataclass(frozen=True)
class Clock:
    """`now` is seconds since the epoch, `monotonic` seconds since anything."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
