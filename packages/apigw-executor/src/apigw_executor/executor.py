"""One request through one API, in the order in which API Gateway checks it.

    web ACL -> size, route -> resource policy -> authorizer or IAM -> API key and quota -> throttles -> parameters, body ->
    integration

Whatever ends the way early is a GatewayError and becomes the document's gateway response for it. Nothing but
EndpointDown ever leaves `handle`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from apigw_executor import authorizers, java, models, policy, responses
from apigw_executor.authorizers import GrantCache
from apigw_executor.deployment import Api, Deployment
from apigw_executor.document import Operation
from apigw_executor.integrations import Integrator, proxy_event, request_event
from apigw_executor.messages import Request, Response, matches_media_type
from apigw_executor.parameters import Sources
from apigw_executor.ports import Cloud, EndpointDown, Invocation, Web
from apigw_executor.responses import GatewayError
from apigw_executor.routes import Match
from apigw_executor.throttles import Buckets, Quotas
from apigw_executor.web_acl import Firewall

LOG = logging.getLogger(__name__)


class Telemetry(Protocol):
    """Where access logs and metrics go. Neither call may block or raise."""

    def access(self, destination: str, line: str) -> None:
        """Takes one line of an access log for the destination's ARN."""
        ...

    def request(self, api: str, stage: str, status: int, latency: float, integration_latency: float | None) -> None:
        """Counts one request; latencies in milliseconds."""
        ...


class NoTelemetry:
    """Records nothing."""

    def access(self, destination: str, line: str) -> None:
        """Drops the line."""

    def request(self, api: str, stage: str, status: int, latency: float, integration_latency: float | None) -> None:
        """Drops the measurements."""


@dataclass(frozen=True)
class Clock:
    """`now` is seconds since the epoch, `monotonic` seconds since anything."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


class _Exchange:
    """One request on its way: what is known of it so far."""

    def __init__(self, api: Api, request: Request, clock: Clock) -> None:
        self.api = api
        self.started = clock.monotonic()
        self.integration_latency: float | None = None
        now = clock.now()
        trace = request.header("x-amzn-trace-id")
        if trace is None:
            # https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
            trace = f"Root=1-{int(now):08x}-{secrets.token_hex(12)}"
            request = replace(request, headers=(*request.headers, ("X-Amzn-Trace-Id", trace)))
        self.trace = trace
        self.request = request
        context = _context(api, request, now, trace)
        binary = matches_media_type(request.content_type, api.document.binary_media_types)
        body = base64.b64encode(request.body).decode() if binary else request.body.decode("utf-8", "replace")
        self.sources = Sources(request, {}, context, api.stage.variables, request_body=body)

    def lookup(self, name: str) -> Any:
        """A name of a gateway response's template or of an access log's format."""
        return self.sources.value(name)


def _context(api: Api, request: Request, now: float, trace: str) -> dict[str, Any]:
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


_EVENT_CONTEXT = (
    "accountId", "apiId", "deploymentId", "domainName", "domainPrefix", "extendedRequestId", "httpMethod", "identity",
    "path", "protocol", "requestId", "requestTime", "requestTimeEpoch", "resourceId", "resourcePath", "stage",
)  # fmt: skip


class Executor:
    """Runs requests against a deployment. One executor serves all APIs; `handle` is called from many threads."""

    def __init__(self, cloud: Cloud, web: Web, telemetry: Telemetry, clock: Clock | None = None) -> None:
        self._cloud = cloud
        self._telemetry = telemetry
        self._clock = clock or Clock()
        self._integrator = Integrator(cloud, web)
        self._grants = GrantCache(self._clock.monotonic)
        self._buckets = Buckets(self._clock.monotonic)
        self._quotas = Quotas(self._clock.now)
        self.firewall = Firewall(self._clock.monotonic)

    def forget(self) -> None:
        """Drops what was cached of the former deployment; throttles count in full. Buckets and quotas go on counting."""
        self._grants.clear()
        self.scale_throttles(1)

    def scale_throttles(self, share: float) -> None:
        """From now on, or until the deployment is read again, this share of every throttle and rate limit counts."""
        self._buckets.share = share
        self.firewall.scale(share)

    def handle(self, deployment: Deployment, api: Api, request: Request) -> Response:
        """The response to `request`, always one; EndpointDown if the endpoint does not answer."""
        exchange = _Exchange(api, request, self._clock)
        try:
            response = self._answer(deployment, exchange)
        except GatewayError as error:
            response = self._refusal(exchange, error)
        except EndpointDown:
            raise
        except Exception:
            # A fault of this program: the client sees a 500 as of any fault inside API Gateway, the log the
            # traceback.
            LOG.exception("%s %s %s", api.name, request.method, request.path)
            response = self._refusal(exchange, GatewayError("DEFAULT_5XX"))
        context = exchange.sources.context
        response.set("x-amzn-RequestId", context["requestId"])
        response.set("x-amz-apigw-id", context["extendedRequestId"])
        response.set("X-Amzn-Trace-Id", exchange.trace)
        self._record(exchange, response)
        return response

    def _refusal(self, exchange: _Exchange, error: GatewayError) -> Response:
        context = exchange.sources.context
        context["error"] = error.variables()
        if error.reason or error.status >= 500:
            LOG.warning("%s %s %s: %s", exchange.api.name, exchange.request.method, exchange.request.path, error)
        rules = exchange.api.document.gateway_responses
        return responses.render(error, rules, exchange.request.header("accept"), exchange.lookup)

    def _record(self, exchange: _Exchange, response: Response) -> None:
        api, context = exchange.api, exchange.sources.context
        latency = (self._clock.monotonic() - exchange.started) * 1000
        context["status"] = response.status
        context["responseLength"] = len(response.body)
        context["responseLatency"] = round(latency)
        if exchange.integration_latency is not None:
            context["integrationLatency"] = round(exchange.integration_latency)
            context.setdefault("integration", {})["latency"] = round(exchange.integration_latency)
            context["integrationStatus"] = context["integration"].get("integrationStatus")
        self._telemetry.request(api.name, api.stage.name, response.status, latency, exchange.integration_latency)
        log = api.stage.access_log
        if log is not None:
            self._telemetry.access(log.destination, responses.substitute(log.format, exchange.lookup, missing="-"))

    # --- the checks ---

    def _answer(self, deployment: Deployment, exchange: _Exchange) -> Response:
        api, request, sources = exchange.api, exchange.request, exchange.sources
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-control-access-aws-waf.html: before all else
        verdict = self.firewall.evaluate(api.web_acl, request) if api.web_acl else None
        if verdict and verdict.action == "Block":
            if verdict.response is None:
                raise GatewayError("WAF_FILTERED")
            return verdict.response
        if len(request.body) > models.MAX_BODY:
            raise GatewayError("REQUEST_TOO_LARGE")
        match = api.routes.match(request.path)
        operation = match.operation(request.method) if match else None
        if match is None or operation is None:
            raise GatewayError("MISSING_AUTHENTICATION_TOKEN")
        sources.path_parameters = match.parameters
        context = sources.context
        context["resourcePath"] = match.resource_path
        context["resourceId"] = hashlib.sha256(match.resource_path.encode()).hexdigest()[:6]
        context["operationName"] = operation.operation_name
        arn = api.arn(request.method, request.path)
        usage_key = self._authorize(exchange, operation, match, arn)
        self._check_key(deployment, exchange, operation, usage_key)
        setting, limits = api.stage.limits_for(operation)
        if not self._buckets.take((api.api_id, api.stage.name, *setting), limits):
            raise GatewayError("THROTTLED")
        models.check_parameters(operation, request, match.parameters)
        models.check_body(operation, request, api.document.schemas)
        return self._integrate(exchange, operation, match)

    def _authorize(self, exchange: _Exchange, operation: Operation, match: Match, arn: str) -> str | None:
        """Resource policy, authorizer, IAM. The authorizer's usageIdentifierKey, if it gave one."""
        api, request, sources = exchange.api, exchange.request, exchange.sources
        by_policy = self._resource_policy(exchange, arn)
        if by_policy == "deny":
            raise GatewayError("ACCESS_DENIED", "User is not authorized to access this resource with an explicit deny")
        if operation.iam:
            self._check_iam(exchange, arn)
            return None
        if operation.authorizer is None:
            # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html, tables
            # A to C
            if by_policy == "implicit-deny":
                raise GatewayError(
                    "ACCESS_DENIED",
                    f"User: anonymous is not authorized to perform: execute-api:Invoke on resource: {arn}",
                )
            return None

        def event() -> dict[str, Any]:
            return request_event(
                request, match.resource_path, match.parameters, sources.stage_variables, self._event_context(exchange)
            )

        def invoke(function: str, payload: bytes, role: str | None, name: str) -> Invocation:
            source = f"arn:aws:execute-api:{api.region}:{api.account}:{api.api_id}/authorizers/{name}"
            self._check_permission(api, function, role, source, "AUTHORIZER_CONFIGURATION_ERROR")
            return self._cloud.invoke(function, payload, role=role, asynchronous=False, timeout=authorizers.TIMEOUT)

        # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html, table A: the
        # authorizer's policy and the resource policy are evaluated together, an Allow of either is enough.
        grant = authorizers.authorize(
            operation.authorizer,
            (api.api_id, api.stage.name),
            arn,
            sources,
            event,
            self._grants,
            invoke,
            allowed=by_policy == "allow",
        )
        # Templates, logs and events see each value as text (documentation, "Output from a Lambda authorizer").
        context = sources.context
        context["authorizer"] = {name: java.text(value) for name, value in context["authorizer"].items()}
        return grant.usage_key

    def _resource_policy(self, exchange: _Exchange, arn: str) -> policy.Decision | None:
        document = exchange.api.document.policy
        if not document:
            return None
        request = exchange.request
        conditions = {"aws:SourceIp": request.source_ip, "aws:SecureTransport": str(request.scheme == "https").lower()}
        if request.header("user-agent"):
            conditions["aws:UserAgent"] = str(request.header("user-agent"))
        if request.header("referer"):
            conditions["aws:Referer"] = str(request.header("referer"))
        try:
            # The short form of a resource, `execute-api:/stage/METHOD/path`, stands for this API's own ARN.
            expanded = _expanded(document, exchange.api)
            return policy.evaluate(expanded, "execute-api:Invoke", arn, conditions, ["*"])
        except policy.BadPolicy as error:
            raise GatewayError("API_CONFIGURATION_ERROR", reason=f"resource policy: {error}") from None

    def _check_iam(self, exchange: _Exchange, arn: str) -> None:
        request = exchange.request
        signed = (request.header("authorization") or "").startswith("AWS4-HMAC-SHA256")
        if not signed and "X-Amz-Signature" not in request.last_query:
            raise GatewayError("MISSING_AUTHENTICATION_TOKEN")
        decision = self._cloud.authorize(request, arn)
        identity = exchange.sources.context["identity"]
        identity["accountId"], identity["accessKey"] = decision.account_id, decision.access_key
        identity["userArn"] = identity["caller"] = identity["user"] = decision.principal_arn
        if decision.allowed:
            return
        code = decision.code
        if "Expired" in code:
            raise GatewayError("EXPIRED_TOKEN", decision.message or None)
        if "MissingAuthentication" in code:
            raise GatewayError("MISSING_AUTHENTICATION_TOKEN")
        if any(
            word in code for word in ("Signature", "InvalidClientTokenId", "UnrecognizedClient", "InvalidAccessKey")
        ):
            raise GatewayError("INVALID_SIGNATURE", decision.message or None)
        principal = decision.principal_arn or "anonymous"
        raise GatewayError(
            "ACCESS_DENIED", f"User: {principal} is not authorized to perform: execute-api:Invoke on resource: {arn}"
        )

    def _check_key(
        self, deployment: Deployment, exchange: _Exchange, operation: Operation, usage_key: str | None
    ) -> None:
        """API key, the plan's throttle and quota. A key is looked at only where the method requires one."""
        if not operation.api_key_required:
            return
        api, identity = exchange.api, exchange.sources.context["identity"]
        from_authorizer = api.document.api_key_source == "AUTHORIZER"
        value = usage_key if from_authorizer else exchange.request.header("x-api-key")
        key = deployment.keys.get(value or "")
        stage = (api.api_id, api.stage.name)
        plan = next(
            (
                deployment.plans[name]
                for name in (key.plans if key and key.enabled else ())
                if name in deployment.plans and stage in deployment.plans[name].stages
            ),
            None,
        )
        if key is None or plan is None:
            raise GatewayError("INVALID_API_KEY")
        identity["apiKey"], identity["apiKeyId"] = value, key.key_id
        limits = plan.stages[stage]
        method = next((limits[route] for route in self._routes_of(operation) if route in limits), None)
        if method is not None and not self._buckets.take(
            (plan.plan_id, key.key_id, *stage, operation.resource_path, operation.method), method
        ):
            raise GatewayError("THROTTLED")
        if plan.limits is not None and not self._buckets.take((plan.plan_id, key.key_id), plan.limits):
            raise GatewayError("THROTTLED")
        if plan.quota is not None and not self._quotas.take((plan.plan_id, key.key_id), plan.quota):
            raise GatewayError("QUOTA_EXCEEDED")

    @staticmethod
    def _routes_of(operation: Operation) -> tuple[tuple[str, str], ...]:
        return (operation.resource_path, operation.method), (operation.resource_path, "*")

    # --- the integration ---

    def _integrate(self, exchange: _Exchange, operation: Operation, match: Match) -> Response:
        if operation.integration is None:
            raise GatewayError("API_CONFIGURATION_ERROR", reason="the method has no integration")
        api, request, sources = exchange.api, exchange.request, exchange.sources
        binary_types = api.document.binary_media_types

        def event() -> dict[str, Any]:
            return proxy_event(
                request,
                match.resource_path,
                match.parameters,
                sources.stage_variables,
                self._event_context(exchange),
                binary_types,
            )

        def invoke(function: str, payload: bytes, role: str | None, asynchronous: bool, timeout: float) -> Invocation:
            self._check_permission(
                api, function, role, api.arn(request.method, request.path), "API_CONFIGURATION_ERROR"
            )
            return self._cloud.invoke(function, payload, role=role, asynchronous=asynchronous, timeout=timeout)

        started = self._clock.monotonic()
        try:
            return self._integrator.run(operation.integration, sources, event, binary_types, invoke)
        finally:
            exchange.integration_latency = (self._clock.monotonic() - started) * 1000

    def _event_context(self, exchange: _Exchange) -> dict[str, Any]:
        """`requestContext` of an event."""
        context = exchange.sources.context
        found = {name: context[name] for name in _EVENT_CONTEXT}
        if context.get("operationName"):
            found["operationName"] = context["operationName"]
        if context.get("authorizer"):
            found["authorizer"] = context["authorizer"]
        return found

    def _check_permission(self, api: Api, function: str, role: str | None, source_arn: str, kind: str) -> None:
        """Without a role, the function's own policy must let API Gateway invoke it for this API
        (https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html#apigateway-permissions)."""
        if role is not None:
            return
        document = self._cloud.function_policy(function)
        decision: policy.Decision = "implicit-deny"
        if document is not None:
            known = {"aws:SourceArn": source_arn, "aws:SourceAccount": api.account}
            with contextlib.suppress(policy.BadPolicy):
                decision = policy.evaluate(
                    document, "lambda:InvokeFunction", function, known, ["apigateway.amazonaws.com"]
                )
        if decision != "allow":
            raise GatewayError(kind, reason=f"Invalid permissions on Lambda function {function} for {source_arn}")


def _expanded(document: Mapping[str, Any], api: Api) -> dict[str, Any]:
    base = f"arn:aws:execute-api:{api.region}:{api.account}:{api.api_id}"

    def full(resource: Any) -> Any:
        if isinstance(resource, list):
            return [full(item) for item in resource]
        short = isinstance(resource, str) and resource.startswith("execute-api:/")
        return f"{base}/{resource.removeprefix('execute-api:/')}" if short else resource

    return {
        **document,
        "Statement": [
            {key: full(value) if key in ("Resource", "NotResource") else value for key, value in statement.items()}
            for statement in policy.statements(document)
        ],
    }
