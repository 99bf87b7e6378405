"""A faithful executor of Amazon API Gateway REST APIs (v1).

The package runs the OpenAPI document of a deployed API: routes, authorizers, API keys, throttles, validators, mapping
templates, integrations and gateway responses.

    gateway, server   one document in front of one endpoint, and over HTTP; `Gateway` is the public interface
    deployment        several APIs from deployed CloudFormation resources, as `Api` values
    document          one OpenAPI or Swagger document, as typed values; `document_shape` has the JSON Schema of it
    executor          from a `Request` to a `Response`: runs the `steps` over a `context`
    steps             the order of the checks, as a tuple of functions of the context
    web_acl, routes, resource_policy, iam, authorizers, usage_plans, throttles, models   the checks
    integrations      one module for each kind of integration
    mapping, vtl      mapping templates: `$input` and `$util`, and the Velocity language
    parameters, jsonpaths, json_text, services   what is mapped to and from backends
    responses         gateway responses (errors made by the gateway itself)
    messages, ports   requests and responses; the interfaces of backends
    backends, telemetry   all that does I/O; the rest is pure and takes these injected
"""

from apigw_executor.document_shape import BadDocument
from apigw_executor.gateway import Gateway
from apigw_executor.messages import Request, Response
from apigw_executor.ports import EndpointDown
from apigw_executor.server import Server

__all__ = ["BadDocument", "EndpointDown", "Gateway", "Request", "Response", "Server"]
