"""Runs requests through the steps of API Gateway.

A step that raises GatewayError ends the request with the document's gateway response for it. `handle` raises nothing but
EndpointDown.
"""

from __future__ import annotations

import logging

from apigw_executor import responses
from apigw_executor.authorizer_cache import GrantCache
from apigw_executor.context import RequestContext, Runtime
from apigw_executor.deployment import Api, Deployment
from apigw_executor.messages import Request, Response
from apigw_executor.ports import Clock, Cloud, EndpointDown, Telemetry, Web
from apigw_executor.responses import GatewayError
from apigw_executor.steps import STEPS
from apigw_executor.throttles import Buckets, Quotas
from apigw_executor.web_acl import Firewall

LOG = logging.getLogger(__name__)


class Executor:
    """Runs requests against a deployment. One executor serves all APIs; `handle` is called from many threads."""

    def __init__(self, cloud: Cloud, web: Web, telemetry: Telemetry, clock: Clock | None = None) -> None:
        self._telemetry = telemetry
        self._clock = clock = clock or Clock()
        self.firewall = Firewall(clock.monotonic)
        self._runtime = Runtime(
            cloud=cloud,
            web=web,
            clock=clock,
            grants=GrantCache(clock.monotonic),
            buckets=Buckets(clock.monotonic),
            quotas=Quotas(clock.now),
            firewall=self.firewall,
        )

    def forget(self) -> None:
        """Drops what was cached of the former deployment, and scales throttles to their full limits.

        Buckets and quotas go on counting.
        """
        self._runtime.grants.clear()
        self.scale_throttles(1)

    def scale_throttles(self, share: float) -> None:
        """Applies this share of every throttle and rate limit, until `forget`."""
        self._runtime.buckets.share = share
        self.firewall.scale(share)

    def handle(self, deployment: Deployment, api: Api, request: Request) -> Response:
        """The response to `request`. Raises EndpointDown if the endpoint does not answer."""
        context = RequestContext.start(self._runtime, deployment, api, request)
        try:
            response = _run(context)
        except GatewayError as error:
            response = _refuse(context, error)
        except EndpointDown:
            raise
        except Exception:
            # A fault of this program: the client sees a 500 as of any fault inside API Gateway, the log the
            # traceback.
            LOG.exception("%s %s %s", api.name, request.method, request.path)
            response = _refuse(context, GatewayError("DEFAULT_5XX"))
        response.set("x-amzn-RequestId", context.variables["requestId"])
        response.set("x-amz-apigw-id", context.variables["extendedRequestId"])
        response.set("X-Amzn-Trace-Id", context.variables["xrayTraceId"])
        self._record(context, response)
        return response

    def _record(self, context: RequestContext, response: Response) -> None:
        """Adds the outcome to `$context`, and sends metrics and the access log."""
        api, variables = context.api, context.variables
        latency = (self._clock.monotonic() - context.started) * 1000
        variables["status"] = response.status
        variables["responseLength"] = len(response.body)
        variables["responseLatency"] = round(latency)
        if context.integration_latency is not None:
            variables["integrationLatency"] = round(context.integration_latency)
            variables.setdefault("integration", {})["latency"] = round(context.integration_latency)
            variables["integrationStatus"] = variables["integration"].get("integrationStatus")
        self._telemetry.request(api.name, api.stage.name, response.status, latency, context.integration_latency)
        log = api.stage.access_log
        if log is not None:
            line = responses.substitute(log.format, context.sources.value, missing="-")
            self._telemetry.access(log.destination, line)


def _run(context: RequestContext) -> Response:
    """The response of the first step that returns one."""
    for step in STEPS:
        response = step(context)
        if response is not None:
            return response
    raise GatewayError("DEFAULT_5XX", reason="no step returned a response")


def _refuse(context: RequestContext, error: GatewayError) -> Response:
    """The gateway response for `error`."""
    context.variables["error"] = error.variables()
    if error.reason or error.status >= 500:
        LOG.warning("%s %s %s: %s", context.api.name, context.request.method, context.request.path, error)
    rules = context.api.document.gateway_responses
    return responses.render(error, rules, context.request.header("accept"), context.sources.value)
