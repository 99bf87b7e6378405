"""The cloud around the functions of a scenario, in one process: moto's tables and buckets, and queues, bus and partners here.

At every AWS call and every HTTP request of a side another side may continue, or the call may fail (``scheduler``). A request to
another service of the shop or to a simulator of an external system is one call; its inner calls do not interleave.
"""

import email.message
import json
import re
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from apigw_executor import mapping
from model.templates import definition, name_of, pieces
from setpieces import aws, connections
from tests import deployed
from tests.faults import Crash, Fault, server_error
from tests.interleavings.aws_operations import AwsOperations, with_unchanged_attributes
from tests.interleavings.function_runs import FunctionRuns
from tests.interleavings.module_globals import global_values, set_globals
from tests.interleavings.scheduler import Run, Schedule
from tests.interleavings.state import Response
from tests.lambda_events import rest_event

WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"}
# Reads of addresses do not interleave: values are cached, and no service writes one.
QUIET = {"ssm"}


class World(FunctionRuns, AwsOperations):
    """``services`` have their tables, queues and rules here; requests may go to any service."""

    def interleave(self, sides: Mapping[str, Callable[[], Any]], schedule: Schedule) -> Run:
        self.run = Run(sides, schedule, self._switch_to)
        try:
            return self.run.go()
        finally:
            self.run, self.side = None, ""
            set_globals(self._initial)

    def _switch_to(self, side: str) -> None:
        self._globals[self.side] = global_values()
        self.side = side
        set_globals(self._globals.get(side, self._initial))

    # --- requests ---

    def request(
        self,
        service: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str = "",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        **authorizer: str,
    ) -> Response:
        """A client's request to the API of a service: {status, body, headers}; 502 if the function crashed."""
        all_headers = (
            dict(headers or {}) | ({"Idempotency-Key": key} if key else {}) | {"Content-Type": "application/json"}
        )
        text = json.dumps(body) if body is not None else ""
        response = self._request(service, method, path, text, all_headers, dict(query or {}), authorizer)
        self.responses.append((self.side, f"{method} {service}{path}", response))
        return response

    def request_with_retries(self, request: Callable[[], Response], tries: int = 3) -> Response:
        """Repeat the request while the response is a 5xx, as clients do."""
        response = request()
        for _ in range(tries - 1):
            if response.status < 500:
                break
            response = request()
        return response

    def partner(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """A request to a simulator, e.g. ``partner("PUT", "commerce/products/SP-1", {...})``."""
        return self._request(
            "partners", method, f"/v1/{path}", json.dumps(body) if body is not None else "", headers, {}, {}
        )

    # --- calls of AWS ---

    def call_aws(self, real: Callable[..., Any], client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        service = client.meta.service_model.service_name
        perform = partial(self._call_service, real, client, service, operation, parameters)
        run = self.run
        if run is None or self.quiet or service in QUIET or not run.is_side():
            return perform()
        description = _description(service, operation, parameters)
        # Queries of the partitions of one index: calls between two of them make no difference.
        if operation == "Query" and run.steps and (run.steps[-1].side, run.steps[-1].call) == (self.side, description):
            return perform()
        if self.ticks:
            self.clock.shift(0.001)
        step, fault = run.reach_call(description, over_http=False)
        if fault in (Fault.CRASH_BEFORE, Fault.UNAVAILABLE):
            step.outcome = fault.value
            if fault is Fault.CRASH_BEFORE:
                raise Crash
            raise server_error(operation)
        try:
            response = perform()
        except ClientError as error:
            step.outcome = error.response["Error"]["Code"]
            if fault is None:
                raise
            response = None
        if fault is None:
            return response
        step.outcome = f"{step.outcome or 'done'}; {fault.value}"
        if fault is Fault.CRASH_AFTER:
            raise Crash
        if fault is Fault.UNANSWERED:
            raise ReadTimeoutError(endpoint_url=service)
        # Both attempts have the same token, so the second changes nothing (API_TransactWriteItems, ClientRequestToken).
        if operation == "TransactWriteItems" and response is not None:
            return response
        step, _ = run.reach_call(f"{description}, repeated", over_http=False)
        try:
            return perform()
        except ClientError as error:
            step.outcome = error.response["Error"]["Code"]
            raise

    def _call_service(
        self, real: Callable[..., Any], client: Any, service: str, operation: str, parameters: dict[str, Any]
    ) -> Any:
        replacement = getattr(self, f"_{service}_{operation}", None)
        if replacement is None and service != "dynamodb":
            raise NotImplementedError(f"{service} {operation} is not simulated")
        response = (
            replacement(client, **parameters)
            if replacement
            else with_unchanged_attributes(partial(real, client, operation), parameters)
        )
        if operation in WRITES:
            self.watch(self)
        return response

    # --- HTTP ---

    def call_http(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes | None, timeout: float, repeatable: bool
    ) -> connections.Reply:
        """Replaces ``connections.request``."""
        parts = urlsplit(url)
        service = parts.netloc.split(".")[0].split(":")[0]

        def respond() -> Response:
            if service in self.down or parts.path.split("/")[2] in self.down:
                return Response(status=503, body={}, headers={})
            self.quiet += 1
            values = global_values()
            try:
                text = (body or b"").decode()
                return self._request(service, method, parts.path, text, headers, dict(parse_qsl(parts.query)), {})
            finally:
                set_globals(values)
                self.quiet -= 1

        run = self.run
        if run is None or self.quiet or not run.is_side():
            return _reply(respond())
        step, fault = run.reach_call(f"{method} {service}{parts.path}", over_http=True)
        match fault:
            case Fault.CRASH_BEFORE:
                step.outcome = fault.value
                raise Crash
            case Fault.UNAVAILABLE:
                step.outcome = fault.value
                return _reply(Response(status=503, body={}, headers={}))
        response = respond()
        step.outcome = str(response.status)
        if fault is None:
            return _reply(response)
        step.outcome += f"; {fault.value}"
        if fault is Fault.CRASH_AFTER:
            raise Crash
        raise TimeoutError("no response")

    def _request(
        self,
        service: str,
        method: str,
        path: str,
        body: str,
        headers: Mapping[str, str],
        query: dict[str, str],
        authorizer: Mapping[str, str],
    ) -> Response:
        api = deployed.api(service)
        match = api.routes.match(path)
        operation = match.operation(method) if match else None
        assert match, f"{service} has no {path}"
        assert operation, f"{service} has no {method} {path}"
        assert operation.integration
        integration = operation.integration
        context = {"requestId": self.next_id(), "stage": "local", "path": f"/{service}{path}", "httpMethod": method}
        context["requestTimeEpoch"] = str(round(time.time() * 1000))
        if integration.kind == "aws_proxy":
            event = rest_event(
                method, path, body or None, headers=headers, path_parameters=match.parameters, query=query
            )
            event["requestContext"] |= context | {"authorizer": dict(authorizer)}
            target = re.sub(r"Alias.*", "", integration.uri.removesuffix("/invocations").rpartition("/")[2])
            try:
                raw = self.invoke(deployed.function(service, name_of(target)), event)
            except Crash:
                return Response(status=502, body={"message": "Internal server error"}, headers={})
            return Response(
                status=raw["statusCode"],
                body=json.loads(raw["body"]) if raw.get("body") else None,
                headers=raw.get("headers") or {},
            )
        return self._integrate(service, integration, body, headers, query, match.parameters, context, authorizer)

    def _integrate(
        self,
        service: str,
        integration: Any,
        body: str,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        path: Mapping[str, str],
        context: dict[str, Any],
        authorizer: Mapping[str, str],
    ) -> Response:
        """Call DynamoDB without a function, by the mapping templates of an operation."""
        params = {"path": dict(path), "querystring": dict(query), "header": dict(headers)}
        variables = context | {"authorizer": dict(authorizer), "responseOverride": {"header": {}}}
        parameters = json.loads(
            mapping.render(integration.request_templates["application/json"], body, params, variables, {})
        )
        if not isinstance(parameters, dict):
            raise TypeError(parameters)
        parameters = deployed.with_names(deployed.api(service).piece, parameters)
        operation = integration.uri.rpartition("/")[2]
        call = getattr(aws.client("dynamodb"), re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower())
        try:
            status, response = 200, {k: v for k, v in call(**parameters).items() if k != "ResponseMetadata"}
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            response = {"__type": error.response["Error"]["Code"], "Item": error.response.get("Item", {})}
        except (BotoCoreError, Crash):
            return Response(status=504, body={"message": "Endpoint request timed out"}, headers={})
        rules = [rule for rule in integration.responses if rule.pattern and rule.pattern.fullmatch(str(status))]
        rule = (rules or [rule for rule in integration.responses if not rule.pattern])[0]
        variables = context | {"responseOverride": {"header": {}}}
        text = mapping.render(rule.templates["application/json"], json.dumps(response), params, variables, {})
        override = variables["responseOverride"].get("status")
        return Response(status=int(override or rule.status), body=json.loads(text), headers={})

    def task(self, service: str, machine: str, state: str, data: Mapping[str, Any]) -> bool:
        """Run a state that updates an item, in up to three attempts; False if its condition does not hold."""
        piece = pieces()[service]
        states = _states(service, machine)
        definition_of_state = states.get(state) or next(
            inner["ItemProcessor"]["States"][state]
            for inner in states.values()
            if state in inner.get("ItemProcessor", {}).get("States", {})
        )
        substitutions = piece.source["Resources"][machine]["Properties"]["DefinitionSubstitutions"]
        substituted = {key: deployed.name(piece, piece.resolve(value)) for key, value in substitutions.items()}
        parameters = _fill_in(definition_of_state["Parameters"], data, substituted)
        for _ in range(3):
            try:
                aws.client("dynamodb").update_item(**parameters)
            except ClientError as error:
                if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                    return False
            except (BotoCoreError, Crash):
                continue
            else:
                return True
        raise RuntimeError(f"{state} was tried three times")


@cache
def _states(service: str, machine: str) -> dict[str, Any]:
    states: dict[str, Any] = definition(pieces()[service], machine)["States"]
    return states


def _fill_in(value: Any, data: Mapping[str, Any], substituted: Mapping[str, str]) -> Any:
    """Parameters of a state, with references into its input and substitutions of its definition resolved."""
    if isinstance(value, dict):
        result = {}
        for key, inner in value.items():
            if key.endswith(".$"):
                path = inner.removeprefix("$$.State.").removeprefix("$.").split(".")
                content: Any = {"EnteredTime": "2027-01-15T08:00:00.000Z"} if inner.startswith("$$") else data
                for name in path:
                    content = content[name]
                result[key.removesuffix(".$")] = content
            else:
                result[key] = _fill_in(inner, data, substituted)
        return result
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda match: substituted[match[1]], value)
    return value


def _reply(response: Response) -> connections.Reply:
    headers = email.message.Message()
    for name, value in response.headers.items():
        headers[name] = str(value)
    return connections.Reply(
        response.status, headers, b"" if response.body is None else json.dumps(response.body).encode()
    )


def _description(service: str, operation: str, parameters: Mapping[str, Any]) -> str:
    """One line of the trace about a call."""
    target = (
        parameters.get("TableName")
        or parameters.get("QueueUrl")
        or parameters.get("TopicArn")
        or parameters.get("Key")
        or parameters.get("name")
        or ""
    )
    key = parameters.get("Key") or parameters.get("Item")
    if isinstance(key, Mapping):
        target += " " + next(iter(next(iter(key.values())).values()))[:40]
    update = parameters.get("UpdateExpression", "")
    if update:
        values = {**parameters.get("ExpressionAttributeNames", {})}
        for name, value in parameters.get("ExpressionAttributeValues", {}).items():
            values[name] = json.dumps(next(iter(value.values())), default=sorted)
        text = re.sub(r"[#:]\w+", lambda match: str(values.get(match[0], match[0])), update)
        target += f" {text[:100]}"
    return f"{service} {operation} {target}".strip()
