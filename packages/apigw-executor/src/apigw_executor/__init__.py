"""A faithful executor of deployed API Gateway REST APIs (v1).

The package runs the OpenAPI document that CloudFormation deployed: routes, authorizers, API keys, throttles,
validators, mapping templates, integrations and gateway responses. It knows nothing of any service of this repository;
all it reads is what was deployed.

    deployment   the deployed resources, read once per deploy, as `Api` values
    document     one OpenAPI or Swagger document, as typed values
    routes       request path to operation
    executor     the order of checks of API Gateway, from a `Request` to a `Response`
    messages, ports                                requests and responses; what is asked of the world outside
    authorizers, policy, throttles, models         the checks
    integrations, services, parameters             the backends and what is mapped to and from them
    velocity, java, mapping, jsonpaths, json_text  mapping templates
    responses                                      gateway responses (errors made by the gateway itself)
    backends, telemetry                            all that does I/O; the rest is pure and takes these injected
"""
