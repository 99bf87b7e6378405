"""The cloud around the functions of a scenario, in one process: moto's tables and buckets, and queues, bus and partners here.

Every call of AWS and every HTTP request of a side is a moment at which another side may go on, or at which the call may meet
with a fault (``scheduler``). A request to another service of the shop or to a simulator of an external system is one call: what
happens inside it is not taken apart.
"""

import email.message
import json
import re
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
from tests.interleavings.aws_answers import AwsAnswers, as_aws
from tests.interleavings.function_runs import FunctionRuns
from tests.interleavings.module_globals import global_values, set_globals
from tests.interleavings.scheduler import Run, Schedule
from tests.interleavings.state import Response
from tests.lambda_events import rest_event

WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"}
# Reading an address is nothing that others can get in between of: values are cached, and no service writes one.
QUIET = {"ssm"}


class World(FunctionRuns, AwsAnswers):
    """``services`` are those that have tables, queues and rules here; requests may go to any service."""

    def interleave(self, sides: Mapping[str, Callable[[], Any]], schedule: Schedule) -> Run:
        self.run = Run(sides, schedule, self._goes_on)
        try:
            return self.run.go()
        finally:
            self.run, self.side = None, ""
            set_globals(self._initial)

    def _goes_on(self, side: str) -> None:
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
        sent = dict(headers or {}) | ({"Idempotency-Key": key} if key else {}) | {"Content-Type": "application/json"}
        text = json.dumps(body) if body is not None else ""
        answer = self._request(service, method, path, text, sent, dict(query or {}), authorizer)
        self.answers.append((self.side, f"{method} {service}{path}", answer))
        return answer

    def until_answered(self, request: Callable[[], Response], tries: int = 3) -> Response:
        """As a client does: the same request again while the answer is a 5xx."""
        answer = request()
        for _ in range(tries - 1):
            if answer.status < 500:
                break
            answer = request()
        return answer

    def partner(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """A request to a simulator, e.g. ``partner("PUT", "commerce/products/SP-1", {...})``."""
        return self._request(
            "partners", method, f"/v1/{path}", json.dumps(body) if body is not None else "", headers, {}, {}
        )

    # --- calls of AWS ---

    def call_aws(self, real: Callable[..., Any], client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        service = client.meta.service_model.service_name
        do = partial(self._answer, real, client, service, operation, parameters)
        run = self.run
        if run is None or self.quiet or service in QUIET or not run.is_side():
            return do()
        described = _described(service, operation, parameters)
        # The partitions of one index, one after the other: nothing that happens between two of them matters.
        if operation == "Query" and run.steps and (run.steps[-1].side, run.steps[-1].call) == (self.side, described):
            return do()
        if self.ticks:
            self.clock.shift(0.001)
        step, fault = run.reach(described, over_http=False)
        if fault in (Fault.CRASH_BEFORE, Fault.UNAVAILABLE):
            step.outcome = fault.value
            if fault is Fault.CRASH_BEFORE:
                raise Crash
            raise server_error(operation)
        try:
            answer = do()
        except ClientError as error:
            step.outcome = error.response["Error"]["Code"]
            if fault is None:
                raise
            answer = None
        if fault is None:
            return answer
        step.outcome = f"{step.outcome or 'done'}; {fault.value}"
        if fault is Fault.CRASH_AFTER:
            raise Crash
        if fault is Fault.UNANSWERED:
            raise ReadTimeoutError(endpoint_url=service)
        # One token for both attempts: the second finds what the first did (API_TransactWriteItems, ClientRequestToken).
        if operation == "TransactWriteItems" and answer is not None:
            return answer
        step, _ = run.reach(f"{described}, asked again", over_http=False)
        try:
            return do()
        except ClientError as error:
            step.outcome = error.response["Error"]["Code"]
            raise

    def _answer(
        self, real: Callable[..., Any], client: Any, service: str, operation: str, parameters: dict[str, Any]
    ) -> Any:
        own = getattr(self, f"_{service}_{operation}", None)
        if own is None and service != "dynamodb":
            raise NotImplementedError(f"the harness knows no {service} {operation}")
        answer = own(client, **parameters) if own else as_aws(partial(real, client, operation), parameters)
        if operation in WRITES:
            self.watch(self)
        return answer

    # --- HTTP ---

    def call_http(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes | None, timeout: float, repeatable: bool
    ) -> connections.Reply:
        """As ``connections.request``."""
        parts = urlsplit(url)
        service = parts.netloc.split(".")[0].split(":")[0]

        def do() -> Response:
            if service in self.down or parts.path.split("/")[2] in self.down:
                return Response(status=503, body={}, headers={})
            self.quiet += 1
            kept = global_values()
            try:
                text = (body or b"").decode()
                return self._request(service, method, parts.path, text, headers, dict(parse_qsl(parts.query)), {})
            finally:
                set_globals(kept)
                self.quiet -= 1

        run = self.run
        if run is None or self.quiet or not run.is_side():
            return _raw(do())
        step, fault = run.reach(f"{method} {service}{parts.path}", over_http=True)
        match fault:
            case Fault.CRASH_BEFORE:
                step.outcome = fault.value
                raise Crash
            case Fault.UNAVAILABLE:
                step.outcome = fault.value
                return _raw(Response(status=503, body={}, headers={}))
        answer = do()
        step.outcome = str(answer.status)
        if fault is None:
            return _raw(answer)
        step.outcome += f"; {fault.value}"
        if fault is Fault.CRASH_AFTER:
            raise Crash
        raise TimeoutError("no answer")

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
        """An API that calls DynamoDB without a function, by its mapping templates."""
        params = {"path": dict(path), "querystring": dict(query), "header": dict(headers)}
        known = context | {"authorizer": dict(authorizer), "responseOverride": {"header": {}}}
        sent = json.loads(mapping.render(integration.request_templates["application/json"], body, params, known, {}))
        if not isinstance(sent, dict):
            raise TypeError(sent)
        sent = deployed.with_names(deployed.api(service).piece, sent)
        operation = integration.uri.rpartition("/")[2]
        call = getattr(aws.client("dynamodb"), re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower())
        try:
            status, answer = 200, {k: v for k, v in call(**sent).items() if k != "ResponseMetadata"}
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            answer = {"__type": error.response["Error"]["Code"], "Item": error.response.get("Item", {})}
        except (BotoCoreError, Crash):
            return Response(status=504, body={"message": "Endpoint request timed out"}, headers={})
        rules = [rule for rule in integration.responses if rule.pattern and rule.pattern.fullmatch(str(status))]
        rule = (rules or [rule for rule in integration.responses if not rule.pattern])[0]
        known = context | {"responseOverride": {"header": {}}}
        text = mapping.render(rule.templates["application/json"], json.dumps(answer), params, known, {})
        override = known["responseOverride"].get("status")
        return Response(status=int(override or rule.status), body=json.loads(text), headers={})

    def task(self, service: str, machine: str, state: str, data: Mapping[str, Any]) -> bool:
        """A state of a state machine that updates an item, up to three times; False if its condition does not hold."""
        piece = pieces()[service]
        states = _states(service, machine)
        found = states.get(state) or next(
            inner["ItemProcessor"]["States"][state]
            for inner in states.values()
            if state in inner.get("ItemProcessor", {}).get("States", {})
        )
        substitutions = piece.source["Resources"][machine]["Properties"]["DefinitionSubstitutions"]
        known = {key: deployed.name(piece, piece.resolve(value)) for key, value in substitutions.items()}
        sent = _filled(found["Parameters"], data, known)
        for _ in range(3):
            try:
                aws.client("dynamodb").update_item(**sent)
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


def _filled(value: Any, data: Mapping[str, Any], known: Mapping[str, str]) -> Any:
    """Parameters of a state: references into its input, and substitutions of its definition."""
    if isinstance(value, dict):
        filled = {}
        for key, inner in value.items():
            if key.endswith(".$"):
                path = inner.removeprefix("$$.State.").removeprefix("$.").split(".")
                found: Any = {"EnteredTime": "2027-01-15T08:00:00.000Z"} if inner.startswith("$$") else data
                for name in path:
                    found = found[name]
                filled[key.removesuffix(".$")] = found
            else:
                filled[key] = _filled(inner, data, known)
        return filled
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda match: known[match[1]], value)
    return value


def _raw(answer: Response) -> connections.Reply:
    headers = email.message.Message()
    for name, value in answer.headers.items():
        headers[name] = str(value)
    return connections.Reply(answer.status, headers, b"" if answer.body is None else json.dumps(answer.body).encode())


def _described(service: str, operation: str, parameters: Mapping[str, Any]) -> str:
    """A call in a few words."""
    what = (
        parameters.get("TableName")
        or parameters.get("QueueUrl")
        or parameters.get("TopicArn")
        or parameters.get("Key")
        or parameters.get("name")
        or ""
    )
    key = parameters.get("Key") or parameters.get("Item")
    if isinstance(key, Mapping):
        what += " " + next(iter(next(iter(key.values())).values()))[:40]
    update = parameters.get("UpdateExpression", "")
    if update:
        values = {**parameters.get("ExpressionAttributeNames", {})}
        for name, value in parameters.get("ExpressionAttributeValues", {}).items():
            values[name] = json.dumps(next(iter(value.values())), default=sorted)
        text = re.sub(r"[#:]\w+", lambda match: str(values.get(match[0], match[0])), update)
        what += f" {text[:100]}"
    return f"{service} {operation} {what}".strip()
