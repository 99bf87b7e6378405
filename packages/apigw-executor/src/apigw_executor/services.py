"""Integration URIs of AWS services, as the HTTP request that the service takes.

`arn:aws:apigateway:{region}:{subdomain.service|service}:{action|path}/{rest}`
(https://docs.aws.amazon.com/apigateway/latest/api/API_Integration.html, `uri`). `action/` names an operation, sent by
the service's own protocol as botocore's service model states it, and may have parameters (`action/Publish&Subject=Hi`);
`path/` is the HTTP path as it is, `path//` the root. The subdomain of S3 is a bucket. API Gateway sends the method of the
integration, which services of `action/` refuse if it is not POST.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import botocore.session
from botocore.exceptions import BotoCoreError

from apigw_executor.messages import first_by_name, merge_headers

_URI = re.compile(
    r"arn:aws[\w-]*:apigateway:(?P<region>[\w-]+):(?P<service>[\w.-]+):(?P<kind>path|action)/(?P<rest>.*)", re.S
)
_FUNCTION = re.compile(r"[\d-]+/functions/(?P<arn>.+)/invocations$", re.S)
# Where a service's address differs from botocore's name of it.
_NAMES = {"states": "stepfunctions", "email": "ses", "monitoring": "cloudwatch", "sfn": "stepfunctions"}


class BadUri(ValueError):
    """Not an integration URI, or an operation that its service does not have."""


@dataclass(frozen=True)
class ServiceUri:
    """A parsed integration URI. `function` is the ARN of a Lambda function, None for any other service.

    `path` is a template, with a query string where the URI has parameters.
    """

    region: str
    service: str
    action: str | None
    path: str
    function: str | None


@dataclass(frozen=True)
class ServiceRequest:
    """An unsigned request to a service; `path` is encoded, `signing_name` is the service of the signature's scope."""

    signing_name: str
    region: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes


@lru_cache(maxsize=1024)
def parse(uri: str) -> ServiceUri:
    """The parts of `uri`; BadUri if it has none."""
    match = _URI.fullmatch(uri)
    if not match:
        raise BadUri(f"not an integration URI: {uri}")
    subdomain, _, service = match["service"].rpartition(".")
    if match["kind"] == "action":
        action, _, parameters = match["rest"].partition("&")
        return ServiceUri(match["region"], service, action, f"/?{parameters}", None)
    rest = match["rest"].removeprefix("/")
    function = _FUNCTION.fullmatch(rest) if service == "lambda" else None
    path = f"/{subdomain}/{rest}" if service == "s3" and subdomain else f"/{rest}"
    return ServiceUri(match["region"], service, None, path, function["arn"] if function else None)


@lru_cache(maxsize=64)
def _metadata(service: str) -> Mapping[str, Any]:
    try:
        model = botocore.session.get_session().get_service_model(_NAMES.get(service, service))
    except (BotoCoreError, ValueError) as error:
        raise BadUri(f"unknown service {service}: {error}") from None
    return {**model.metadata, "operations": frozenset(model.operation_names)}


def signing_name(service: str) -> str:
    """The service name in the scope of a signature."""
    metadata = _metadata(service)
    return str(metadata.get("signingName") or metadata["endpointPrefix"])


def expand(template: str, values: Mapping[str, str]) -> str:
    """`template` with each `{name}` replaced by its encoded value; a name without one becomes empty."""
    return re.sub(r"\{([\w.-]+)\+?\}", lambda match: quote(values.get(match[1], ""), safe="/~"), template)


def build(
    uri: ServiceUri,
    method: str,
    path_values: Mapping[str, str],
    query: tuple[tuple[str, str], ...],
    headers: Mapping[str, str],
    body: bytes,
) -> ServiceRequest:
    """The request for `uri`. `path_values` fill `{name}` in its path; `headers` win over those of the protocol."""
    scope = signing_name(uri.service)
    path, _, parameters = expand(uri.path, path_values).partition("?")
    query = (*parse_qsl(parameters, keep_blank_values=True), *query)
    if uri.action is None:
        defaults = {"Content-Type": "application/x-www-form-urlencoded"} if uri.service in ("sqs", "sns") else {}
        return ServiceRequest(scope, uri.region, method, path, query, merge_headers(defaults, headers), body)
    metadata = _metadata(uri.service)
    if uri.action not in metadata["operations"]:
        raise BadUri(f"{uri.service} has no operation {uri.action}")
    content_type = first_by_name(headers.items(), "content-type") or ""
    as_json = body.lstrip()[:1] == b"{" or "json" in content_type
    if "targetPrefix" in metadata and (as_json or not query) and "urlencoded" not in content_type:
        target = {
            "X-Amz-Target": f"{metadata['targetPrefix']}.{uri.action}",
            "Content-Type": f"application/x-amz-json-{metadata.get('jsonVersion', '1.0')}",
        }
        return ServiceRequest(scope, uri.region, method, "/", query, merge_headers(target, headers), body)
    protocols = metadata.get("protocols") or [metadata["protocol"]]
    if not {"query", "ec2"} & {metadata["protocol"], *protocols} and uri.service != "sqs":
        raise BadUri(f"{uri.service} speaks {metadata['protocol']}: it takes path/, not action/")
    fields = [("Action", uri.action), ("Version", metadata["apiVersion"]), *query]
    form_fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    fields += [pair for pair in form_fields if pair[0] not in ("Action", "Version")]
    form = merge_headers(headers, {"Content-Type": "application/x-www-form-urlencoded"})
    return ServiceRequest(scope, uri.region, method, "/", (), form, urlencode(fields).encode())
