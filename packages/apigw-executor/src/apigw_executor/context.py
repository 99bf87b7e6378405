"""One request on its way through an API: what is known of it so far."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
import uuid
from dataclasses import dataclass, field, replace
from typing import Any

from apigw_executor import policy
from apigw_executor.authorizer_cache import GrantCache
from apigw_executor.deployment import Api, Deployment
from apigw_executor.document import Operation
from apigw_executor.messages import Request, matches_media_type
from apigw_executor.parameters import Sources
from apigw_executor.ports import Clock, Cloud, Web
from apigw_executor.routes import Match
from apigw_executor.throttles import Buckets, Quotas
from apigw_executor.web_acl import Firewall


@dataclass(frozen=True)
class Runtime:
    """What all requests share: the backends, and what is cached and counted."""

    cloud: Cloud
    web: Web
    clock: Clock
    grants: GrantCache
    buckets: Buckets
    quotas: Quotas
    firewall: Firewall


@dataclass
class RequestContext:
    """The request, its API, and the results of the steps so far.

    `sources` has the names of mapping expressions. `match` and `operation` are set by the step that finds the route,
    `policy_decision` by the resource policy, `usage_key` by the authorizer. `integration_latency` is in milliseconds.
    """

    runtime: Runtime
    deployment: Deployment
    api: Api
    request: Request
    sources: Sources
    started: float
    match: Match = field(init=False)
    operation: Operation = field(init=False)
    policy_decision: policy.Decision | None = None
    usage_key: str | None = None
    integration_latency: float | None = None

    @classmethod
    def start(cls, runtime: Runtime, deployment: Deployment, api: Api, request: Request) -> RequestContext:
        """The context of a request that has just arrived. A request without a trace header gets one."""
        started = runtime.clock.monotonic()
        now = runtime.clock.now()
        trace = request.header("x-amzn-trace-id")
        if trace is None:
            # https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
            trace = f"Root=1-{int(now):08x}-{secrets.token_hex(12)}"
            request = replace(request, headers=(*request.headers, ("X-Amzn-Trace-Id", trace)))
        variables = _variables(api, request, now, trace)
        binary = matches_media_type(request.content_type, api.document.binary_media_types)
        body = base64.b64encode(request.body).decode() if binary else request.body.decode("utf-8", "replace")
        sources = Sources(request, {}, variables, api.stage.variables, request_body=body)
        return cls(runtime, deployment, api, request, sources, started)

    @property
    def variables(self) -> dict[str, Any]:
        """`$context`"""
        return self.sources.context

    @property
    def method_arn(self) -> str:
        """The execute-api ARN of the request."""
        return self.api.arn(self.request.method, self.request.path)

    @property
    def integration_arn(self) -> str:
        """The execute-api ARN that a function's policy has to allow.

        It lacks the trailing slash that routing ignores (https://github.com/aws-powertools/powertools-lambda-python/issues/1552),
        unless the resource itself ends with one (https://github.com/aws/serverless-application-model/issues/665).
        """
        slash = "/" if self.match.resource_path.endswith("/") else ""
        return self.api.arn(self.request.method, self.request.path.removesuffix("/") + slash)

    @property
    def stage_key(self) -> tuple[str, str]:
        """(API id, stage name)"""
        return self.api.api_id, self.api.stage.name


def _variables(api: Api, request: Request, now: float, trace: str) -> dict[str, Any]:
    """`$context` before the request is routed
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html)."""
    return {
        "accountId": api.account,
        "apiId": api.api_id,
        "awsEndpointRequestId": str(uuid.uuid4()),
        "deploymentId": hashlib.sha256(api.api_id.encode()).hexdigest()[:6],
        "domainName": request.host,
        "domainPrefix": request.host.split(".", 1)[0].split(":", 1)[0],
        "extendedRequestId": base64.b64encode(secrets.token_bytes(11)).decode(),
        "httpMethod": request.method,
        "identity": {
            "accountId": None,
            "accessKey": None,
            "apiKey": None,
            "apiKeyId": None,
            "caller": None,
            "cognitoAuthenticationProvider": None,
            "cognitoAuthenticationType": None,
            "cognitoIdentityId": None,
            "cognitoIdentityPoolId": None,
            "principalOrgId": None,
            "sourceIp": request.source_ip,
            "user": None,
            "userAgent": request.header("user-agent"),
            "userArn": None,
        },
        # Behind a custom domain the path has the base path of the API, at its execute-api address the stage.
        "path": request.public_path or f"/{api.stage.name}{request.path}",
        "protocol": "HTTP/1.1",
        "requestId": str(uuid.uuid4()),
        "requestOverride": {"header": {}, "path": {}, "querystring": {}},
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "requestTimeEpoch": int(now * 1000),
        "resourcePath": None,
        "resourceId": None,
        "responseOverride": {"header": {}},
        "stage": api.stage.name,
        "xrayTraceId": trace,
    }
