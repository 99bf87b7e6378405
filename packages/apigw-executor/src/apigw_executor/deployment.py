"""What is deployed: APIs, stages, usage plans and API keys, read from the deployed CloudFormation resources.

Input is a list of resources, `{"type", "physical_id", "properties"}` each with its intrinsics resolved, and the API keys
of the control plane. Nothing here does I/O.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from apigw_executor.document import ANY, Document, Operation, read
from apigw_executor.document_shape import BadDocument
from apigw_executor.routes import Routes
from apigw_executor.throttles import Limits, Quota
from apigw_executor.web_acl import API_GATEWAY_BODY, LOAD_BALANCER_BODY, UnsupportedRule, WebAcl, key_of_arn
from apigw_executor.web_acl import read as read_web_acl

LOG = logging.getLogger(__name__)

MethodLimits = Mapping[tuple[str, str], Limits]
"""(resource path, HTTP method) to limits; `("/*", "*")` is the default of a stage."""


@dataclass(frozen=True)
class AccessLog:
    """Where the stage's access log goes (an ARN) and the `$context` format of a line."""

    destination: str
    format: str


@dataclass(frozen=True)
class Stage:
    """A deployed stage."""

    name: str
    variables: Mapping[str, str] = field(default_factory=dict)
    limits: MethodLimits = field(default_factory=dict)
    access_log: AccessLog | None = None

    def limits_for(self, operation: Operation) -> tuple[tuple[str, str], Limits]:
        """(the setting that applies, its limits): the method's own, then its resource's, then the stage's default."""
        path, method = operation.resource_path, operation.method
        for key in ((path, method), (path, "*"), ("/*", method), ("/*", "*")):
            if key in self.limits:
                return key, self.limits[key]
        return ("/*", "*"), Limits()


@dataclass(frozen=True)
class Api:
    """A deployed API. `base_path` is the first path segment of its address on a custom domain."""

    base_path: str
    api_id: str
    name: str
    region: str
    account: str
    document: Document
    routes: Routes
    stage: Stage
    web_acl: WebAcl | None = None

    @property
    def root_arn(self) -> str:
        """The execute-api ARN of the API: `arn:aws:execute-api:{region}:{account}:{api}`."""
        return f"arn:aws:execute-api:{self.region}:{self.account}:{self.api_id}"

    def arn(self, method: str, path: str) -> str:
        """The execute-api ARN of a request: `{root_arn}/{stage}/{METHOD}/{path}`."""
        return f"{self.root_arn}/{self.stage.name}/{method}/{path.removeprefix('/')}"


@dataclass(frozen=True)
class UsagePlan:
    """A usage plan: the API stages it opens, and limits for each of its keys."""

    plan_id: str
    stages: Mapping[tuple[str, str], MethodLimits]
    limits: Limits | None
    quota: Quota | None


@dataclass(frozen=True)
class ApiKey:
    """An API key, its value aside."""

    key_id: str
    enabled: bool
    plans: tuple[str, ...]


@dataclass(frozen=True)
class Deployment:
    """All that is deployed: base path to API, key value to key, plan id to plan, protected ARN to web ACL."""

    apis: Mapping[str, Api] = field(default_factory=dict)
    keys: Mapping[str, ApiKey] = field(default_factory=dict)
    plans: Mapping[str, UsagePlan] = field(default_factory=dict)
    web_acls: Mapping[str, WebAcl] = field(default_factory=dict)


def assemble(
    resources: Iterable[Mapping[str, Any]],
    key_values: Mapping[str, str],
    memberships: Iterable[tuple[str, str]],
    *,
    prefix: str,
    stage: str,
    region: str,
    account: str,
) -> Deployment:
    """The deployment in `resources`. `key_values` is key id to value, `memberships` are (plan id, key id) of the
    control plane.

    An API counts if its Name starts with `prefix`; the rest of the name is its base path. One whose document cannot be
    read is left out and logged.
    """
    by_type: dict[str, list[Mapping[str, Any]]] = {}
    for resource in resources:
        by_type.setdefault(str(resource.get("type")), []).append(resource)
    stages: dict[str, list[Mapping[str, Any]]] = {}
    for resource in by_type.get("AWS::ApiGateway::Stage", []):
        stages.setdefault(str(resource["properties"].get("RestApiId")), []).append(resource["properties"])
    acls = _web_acls(by_type)
    apis = {}
    for resource in by_type.get("AWS::ApiGateway::RestApi", []):
        api = _api(resource, stages, prefix, stage, region, account)
        if api is not None:
            protected = f"/restapis/{api.api_id}/stages/{api.stage.name}"
            acl = next((acl for arn, acl in acls.items() if arn.endswith(protected)), None)
            apis[api.base_path] = replace(api, web_acl=acl)
    plans = {str(item["physical_id"]): _plan(item) for item in by_type.get("AWS::ApiGateway::UsagePlan", [])}
    joined = set(memberships)
    for resource in by_type.get("AWS::ApiGateway::UsagePlanKey", []):
        joined.add((str(resource["properties"].get("UsagePlanId")), str(resource["properties"].get("KeyId"))))
    keys = {}
    declared = {str(item["physical_id"]): item["properties"] for item in by_type.get("AWS::ApiGateway::ApiKey", [])}
    for key_id in {*key_values, *declared}:
        value = key_values.get(key_id) or declared.get(key_id, {}).get("Value")
        if value:
            # CloudFormation's own default is a disabled key; SAM writes Enabled.
            enabled = str(declared.get(key_id, {}).get("Enabled", True)).lower() == "true"
            keys[str(value)] = ApiKey(key_id, enabled, tuple(sorted(plan for plan, key in joined if key == key_id)))
    return Deployment(apis, keys, plans, acls)


def _web_acls(by_type: Mapping[str, list[Mapping[str, Any]]]) -> dict[str, WebAcl]:
    """The ARN of what is protected to its web ACL. One with a rule that is not evaluated is left out and logged."""
    sets = {_acl_key(item): tuple(item["properties"]["Addresses"]) for item in by_type.get("AWS::WAFv2::IPSet", [])}
    declared = {_acl_key(item): item["properties"] for item in by_type.get("AWS::WAFv2::WebACL", [])}
    acls = {}
    for item in by_type.get("AWS::WAFv2::WebACLAssociation", []):
        protected, arn = str(item["properties"]["ResourceArn"]), str(item["properties"]["WebACLArn"])
        properties = declared.get(key_of_arn(arn))
        if properties is not None:
            limit = API_GATEWAY_BODY if "/restapis/" in protected else LOAD_BALANCER_BODY
            try:
                acls[protected] = read_web_acl(properties, arn, sets, limit)
            except UnsupportedRule as error:
                LOG.error("%s is not protected here: %s", protected, error)
    return acls


def _acl_key(resource: Mapping[str, Any]) -> str:
    """name/id of the physical id of what WAF has, name|id|scope."""
    return "/".join(str(resource["physical_id"]).split("|")[:2])


def _api(
    resource: Mapping[str, Any],
    stages: Mapping[str, list[Mapping[str, Any]]],
    prefix: str,
    stage: str,
    region: str,
    account: str,
) -> Api | None:
    properties, api_id = resource["properties"], str(resource["physical_id"])
    name = str(properties.get("Name") or "")
    body = properties.get("Body")
    if not name.startswith(prefix) or not isinstance(body, Mapping):
        return None
    try:
        document = read({**body, **_properties_over(properties, body)})
        routes = Routes(document.resources)
    except BadDocument as error:
        LOG.error("%s: %s", name, error)
        return None
    deployed = stages.get(api_id) or [{}]
    stage_properties = next((item for item in deployed if item.get("StageName") == stage), deployed[0])
    return Api(
        base_path=name.removeprefix(prefix),
        api_id=api_id,
        name=name,
        region=region,
        account=account,
        document=document,
        routes=routes,
        stage=_stage(stage_properties, stage),
    )


def _properties_over(properties: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """What the RestApi resource itself states beside its Body, in the Body's own words."""
    over: dict[str, Any] = {}
    if properties.get("BinaryMediaTypes"):
        over["x-amazon-apigateway-binary-media-types"] = [
            *(body.get("x-amazon-apigateway-binary-media-types") or ()),
            *properties["BinaryMediaTypes"],
        ]
    if properties.get("ApiKeySourceType"):
        over["x-amazon-apigateway-api-key-source"] = properties["ApiKeySourceType"]
    if properties.get("Policy"):
        over["x-amazon-apigateway-policy"] = properties["Policy"]
    return over


def _limits(raw: Mapping[str, Any], rate: str, burst: str) -> Limits | None:
    if raw.get(rate) is None and raw.get(burst) is None:
        return None
    default = Limits()
    return Limits(float(raw.get(rate, default.rate)), int(raw.get(burst, default.burst)))


def _stage(raw: Mapping[str, Any], default_name: str) -> Stage:
    limits = {}
    for setting in raw.get("MethodSettings") or ():
        throttle = _limits(setting, "ThrottlingRateLimit", "ThrottlingBurstLimit")
        if throttle is not None:
            # CloudFormation writes a path's slashes as ~1 after the first: `/~1v1~1pets`.
            path = "/" + str(setting.get("ResourcePath", "/*")).replace("~1", "/").lstrip("/")
            method = str(setting.get("HttpMethod", "*"))
            limits[(path, ANY if method == "x-amazon-apigateway-any-method" else method)] = throttle
    log = raw.get("AccessLogSetting") or {}
    return Stage(
        name=str(raw.get("StageName") or default_name),
        variables={str(name): str(value) for name, value in (raw.get("Variables") or {}).items()},
        limits=limits,
        access_log=AccessLog(str(log["DestinationArn"]), str(log["Format"]))
        if log.get("DestinationArn") and log.get("Format")
        else None,
    )


def _plan(resource: Mapping[str, Any]) -> UsagePlan:
    properties = resource["properties"]
    stages: dict[tuple[str, str], MethodLimits] = {}
    for item in properties.get("ApiStages") or ():
        limits = {}
        for route, raw in (item.get("Throttle") or {}).items():
            path, _, method = str(route).rpartition("/")
            throttle = _limits(raw, "RateLimit", "BurstLimit")
            if throttle is not None:
                limits[(path or "/", method)] = throttle
        stages[(str(item.get("ApiId")), str(item.get("Stage")))] = limits
    quota = properties.get("Quota") or {}
    return UsagePlan(
        plan_id=str(resource["physical_id"]),
        stages=stages,
        limits=_limits(properties.get("Throttle") or {}, "RateLimit", "BurstLimit"),
        quota=Quota(int(quota["Limit"]), str(quota.get("Period", "MONTH")).upper(), int(quota.get("Offset", 0)))
        if quota.get("Limit") is not None
        else None,
    )
