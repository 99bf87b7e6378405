"""The cloud around the functions of a scenario, in one process: moto's tables and buckets, and queues, bus and partners here.

Every call of AWS and every HTTP request of a side is a moment at which another side may go on, or at which the call may meet
with a fault (``scheduler``). A request to another service of the shop or to a simulator of an external system is one call: what
happens inside it is not taken apart.
"""

import ast
import email.message
import hashlib
import importlib
import io
import json
import logging
import os
import pickle
import re
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
import pytest
import time_machine
from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError
from botocore.response import StreamingBody
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.events.models import EventPattern
from moto.events.utils import EventMessageType

from feeds.domain import records
from local.declared import definition, name_of, pieces
from local.gateway import mapping
from local.settings import REGION, ROOT
from setpieces import aws, connections, observability, settings
from setpieces.dynamodb_types import to_item
from tests import deployed
from tests.deployed import Function
from tests.faults import Crash, Fault, server_error
from tests.interleavings.scheduler import Run, Schedule
from tests.lambda_events import lambda_context, rest_event, sqs_record

WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"}
# Reading an address is nothing that others can get in between of: values are cached, and no service writes one.
QUIET = {"ssm"}
START = 1_800_000_000
# What a world remembers besides tables and buckets.
KEPT = (
    "queues", "deduplicated", "published", "announced", "invoked", "executions", "mappings", "mails", "answers", "facts",
    "objects", "uploads", "down", "_ids",
)  # fmt: skip
# Processes share nothing, so what a module keeps in a global variable belongs to one side. Parameters are the same for all.
SHARED = {("setpieces.parameters", "_provider")}
Response = SimpleNamespace


@dataclass
class Message:
    """A message of a queue; ``hidden`` while a consumer processes it."""

    message_id: str
    body: str
    attributes: dict[str, str]
    group: str | None = None
    receives: int = 0
    hidden: bool = False


class World:
    """``services`` are those that have tables, queues and rules here; requests may go to any service."""

    def __init__(self, *services: str) -> None:
        self.services = (*services, "partners")
        self.run: Run | None = None
        self.side = ""
        self.quiet = 0
        self._environments: dict[str, list[Mapping[str, str]]] = defaultdict(list)
        self._globals: dict[str, dict[tuple[str, str], Any]] = {}
        self._initial = {key: value for key, value in _global_values().items() if key not in SHARED}
        self.begin()

    # --- a run ---

    def begin(self) -> None:
        """Reset all state."""
        self.queues: dict[str, list[Message]] = defaultdict(list)
        self.deduplicated: set[str] = set()
        self.published: list[dict[str, Any]] = []
        self.announced: list[tuple[str, str]] = []
        self.invoked: list[tuple[str, Any]] = []
        self.executions: dict[str, dict[str, Any]] = {}
        self.mappings: dict[str, bool] = {}
        self.mails: list[dict[str, Any]] = []
        self.answers: list[tuple[str, str, Response]] = []
        self.facts: dict[str, Any] = {}
        self.objects: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.down: set[str] = set()
        self.ticks = False
        self.watch: Callable[[World], None] = lambda world: None
        self._ids = 0
        self._globals.clear()
        self._environments.clear()
        _set_globals(self._initial)
        for table in _tables().values():
            table.items.clear()
        self.clock.move_to(START)

    def keep(self) -> bytes:
        """Snapshot of all state, for ``back_to``."""
        stored = {name: table.items for name, table in _tables().items()}
        own = {name: vars(self)[name] for name in KEPT}
        return pickle.dumps((time.time(), stored, own))

    def back_to(self, snapshot: bytes) -> None:
        now, stored, own = pickle.loads(snapshot)
        self._globals.clear()
        self._environments.clear()
        _set_globals(self._initial)
        for name, table in _tables().items():
            table.items = stored[name]
        vars(self).update(own)
        self.clock.move_to(now)

    def fingerprint(self) -> str:
        """The same for states that differ in nothing but made-up ids."""
        stored = {name: list(table.all_items()) for name, table in _tables().items()}
        own = [vars(self)[name] for name in KEPT if name not in ("_ids",)]
        text = json.dumps([time.time(), stored, own], default=_plain)
        known: dict[str, str] = {}
        return _MADE_UP.sub(lambda match: known.setdefault(match[0], f"~{len(known)}"), text)

    def interleave(self, sides: Mapping[str, Callable[[], Any]], schedule: Schedule) -> Run:
        self.run = Run(sides, schedule, self._goes_on)
        try:
            return self.run.go()
        finally:
            self.run, self.side = None, ""
            _set_globals(self._initial)

    def _goes_on(self, side: str) -> None:
        self._globals[self.side] = _global_values()
        self.side = side
        _set_globals(self._globals.get(side, self._initial))

    def later(self, seconds: float) -> None:
        self.clock.shift(seconds)

    def environment(self) -> Mapping[str, str]:
        """Of the function that runs."""
        stack = self._environments[self.side]
        return stack[-1] if stack else {}

    # --- functions ---

    def invoke(self, function: Function, event: Any) -> Any:
        """The result of a function. Raises what it raises, and ``Crash``."""
        context = lambda_context(function.name, seconds=function.milliseconds / 1000, request_id=self.next_id())
        stack = self._environments[self.side]
        stack.append(function.environment)
        try:
            return function.handler(event, context)
        finally:
            stack.remove(function.environment)

    @contextmanager
    def acting_as(self, function: Function) -> Iterator[None]:
        """Code of a service that a test calls itself has the environment of this function."""
        stack = self._environments[self.side]
        stack.append(function.environment)
        try:
            yield
        finally:
            stack.remove(function.environment)

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

    def deliver(self, queue: str, most: int = 1) -> int:
        """Up to ``most`` messages to the queue's function, one by one; how many were done with."""
        known = deployed.queues(queue.split(".")[0])[queue]
        assert known.consumer, f"{queue} has no function"
        done = 0
        for _ in range(most):
            waiting = [message for message in self.queues[queue] if not message.hidden]
            held = {message.group for message in self.queues[queue] if message.hidden and message.group}
            message = next((each for each in waiting if each.group not in held), None)
            if message is None:
                break
            message.hidden, message.receives = True, message.receives + 1
            try:
                record = sqs_record(
                    message.body,
                    message_id=message.message_id,
                    receive_count=message.receives,
                    group_id=message.group,
                    attributes=message.attributes,
                    queue=queue,
                    sent_at=START,
                )
                result = self.invoke(known.consumer, {"Records": [record]})
                failed = bool((result or {}).get("batchItemFailures"))
            except (Crash, Exception):
                failed = True
            message.hidden = False
            if not failed:
                self.queues[queue].remove(message)
                done += 1
            elif message.receives >= known.receives and known.dead_letters:
                self.queues[queue].remove(message)
                message.receives = 0
                self.queues[known.dead_letters].append(message)
        return done

    def scheduled(self, service: str, handler: str) -> Any:
        """What a schedule does: a run that fails or crashes is not repeated, the next one comes anyway. None for that."""
        try:
            return self.invoke(deployed.function(service, handler), {})
        except (Crash, Exception):
            return None

    def settle(
        self, *scheduled: tuple[str, str], until: Callable[[], bool], rounds: int = 3, minutes: float = 6
    ) -> None:
        """Run automatic steps: deliver messages until the queues are empty, and invoke schedules."""
        self._deliver_all()
        for _ in range(rounds):
            if until():
                break
            for service, handler in scheduled:
                self.later(60 * minutes)
                self.scheduled(service, handler)
                self._deliver_all()

    def _deliver_all(self) -> None:
        for _ in range(40):
            names = [
                queue.name
                for service in self.services
                for queue in deployed.queues(service).values()
                if queue.consumer and self.queues[queue.name]
            ]
            if not names and not self.invoked:
                return
            for name in names:
                self.deliver(name, len(self.queues[name]))
            # Deferred messages become visible again.
            self.later(30)
            while self.invoked:
                name, event = self.invoked.pop(0)
                self.invoke(deployed.function(*name.split(".")), event)

    # --- what is stored ---

    def items(self, table: str) -> list[dict[str, Any]]:
        """Every item of ``<service>.<logical id>``."""
        from setpieces.dynamodb_types import from_item

        items = _tables()[table].all_items()
        return [from_item(item.to_json()["Attributes"]) for item in items]

    def put(self, table: str, item: dict[str, Any]) -> None:
        """Store an item for the test: no step of a side, so that no fault meets it."""
        self.quiet += 1
        try:
            aws.client("dynamodb").put_item(TableName=table, Item=to_item(item))
        finally:
            self.quiet -= 1

    def files(self, bucket: str) -> set[str]:
        return set(self.objects[bucket])

    def partner(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """A request to a simulator, e.g. ``partner("PUT", "commerce/products/SP-1", {...})``."""
        return self._request(
            "partners", method, f"/v1/{path}", json.dumps(body) if body is not None else "", headers, {}, {}
        )

    def records(self, collection: str) -> dict[str, Any]:
        """The documents of a simulator, by key."""
        return {
            item["key"]: json.loads(item["document"])
            for item in self.items("partners.Table")
            if item["collection"] == collection
        }

    def effects(self, ledger: str) -> list[dict[str, Any]]:
        """What external systems really did."""
        return list(self.records(f"ledger/{ledger}").values())

    def events(self, *kind: str) -> list[dict[str, Any]]:
        """The published events of a kind: {meta_data, data}."""
        return [
            event
            for event in self.published
            if tuple(event["meta_data"][name] for name in ("type", "subtype", "status")) == kind
        ]

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
        answer = own(client, **parameters) if own else _as_aws(partial(real, client, operation), parameters)
        if operation in WRITES:
            self.watch(self)
        return answer

    def _ssm_GetParameter(self, client: Any, Name: str, **_: Any) -> Any:
        service, name = Name.split("/")[3:]
        if name == "api-url":
            value = f"https://{service}.test"
        elif service == "partners":
            value = f"https://partners.test/v1/{name.removesuffix('-url')}"
        else:
            value = f"{service}/{name}"
        return {"Parameter": {"Name": Name, "Value": value, "Type": "String"}}

    def _sqs_SendMessage(self, client: Any, QueueUrl: str, MessageBody: str, **sent: Any) -> Any:
        attributes = {name: each["StringValue"] for name, each in sent.get("MessageAttributes", {}).items()}
        deduplication = sent.get("MessageDeduplicationId")
        message = Message(self.next_id(), MessageBody, attributes, sent.get("MessageGroupId"))
        if deduplication is None or f"{QueueUrl}/{deduplication}" not in self.deduplicated:
            self.queues[QueueUrl].append(message)
        if deduplication is not None:
            self.deduplicated.add(f"{QueueUrl}/{deduplication}")
        return {"MessageId": message.message_id}

    def _sqs_SendMessageBatch(self, client: Any, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:
        done = []
        for entry in Entries:
            entry = dict(entry)
            identifier = entry.pop("Id")
            done.append({"Id": identifier, **self._sqs_SendMessage(client, QueueUrl, **entry)})
        return {"Successful": done, "Failed": []}

    def _sqs_ReceiveMessage(self, client: Any, QueueUrl: str, MaxNumberOfMessages: int = 1, **_: Any) -> Any:
        found = [message for message in self.queues[QueueUrl] if not message.hidden][:MaxNumberOfMessages]
        for message in found:
            message.hidden, message.receives = True, message.receives + 1
        return {
            "Messages": [
                {
                    "MessageId": message.message_id,
                    "ReceiptHandle": message.message_id,
                    "Body": message.body,
                    "Attributes": {"ApproximateReceiveCount": str(message.receives)}
                    | ({"MessageGroupId": message.group} if message.group else {}),
                }
                for message in found
            ]
        }

    def _sqs_DeleteMessage(self, client: Any, QueueUrl: str, ReceiptHandle: str) -> Any:
        self.queues[QueueUrl] = [each for each in self.queues[QueueUrl] if each.message_id != ReceiptHandle]
        return {}

    def _sqs_DeleteMessageBatch(self, client: Any, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:
        for entry in Entries:
            self._sqs_DeleteMessage(client, QueueUrl, entry["ReceiptHandle"])
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries], "Failed": []}

    def _sqs_ChangeMessageVisibility(self, client: Any, **_: Any) -> Any:
        return {}

    def _events_PutEvents(self, client: Any, Entries: list[dict[str, Any]]) -> Any:
        for entry in Entries:
            detail = json.loads(entry["Detail"])
            self.published.append(detail["event"] | {"source": entry["Source"]})
            event: EventMessageType = {
                "id": self.next_id(),
                "detail-type": entry["DetailType"],
                "source": entry["Source"],
                "account": "000000000000",
                "resources": entry.get("Resources", []),
                "detail": detail,
            }
            for service in self.services:
                for pattern, queue in deployed.rules(service):
                    if EventPattern.load(json.dumps(pattern)).matches_event(event):
                        self.queues[queue].append(Message(self.next_id(), json.dumps(event), {}))
        return {"FailedEntryCount": 0, "Entries": [{"EventId": self.next_id()} for _ in Entries]}

    def _sns_Publish(self, client: Any, TopicArn: str, Message: str, **sent: Any) -> Any:
        self.announced.append((TopicArn, Message))
        for service in self.services:
            for topic, queue in deployed.subscriptions(service):
                if topic == TopicArn:
                    self._sqs_SendMessage(client, queue, Message, MessageAttributes=sent.get("MessageAttributes", {}))
        return {"MessageId": self.next_id()}

    def _lambda_Invoke(self, client: Any, FunctionName: str, Payload: bytes, **_: Any) -> Any:
        self.invoked.append((FunctionName, json.loads(Payload)))
        return {"StatusCode": 202}

    def _lambda_UpdateEventSourceMapping(self, client: Any, UUID: str, Enabled: bool) -> Any:
        self.mappings[UUID] = Enabled
        return {"UUID": UUID, "State": "Updating"}

    def _stepfunctions_StartExecution(self, client: Any, stateMachineArn: str, name: str, input: str) -> Any:
        arn = f"arn:aws:states:{REGION}:000000000000:execution:{stateMachineArn}:{name}"
        known = self.executions.setdefault(arn, {"status": "RUNNING", "input": input, "name": name})
        if known["status"] != "RUNNING" or known["input"] != input:
            raise _refusal(client, "ExecutionAlreadyExists", "StartExecution")
        return {"executionArn": arn}

    def _stepfunctions_DescribeExecution(self, client: Any, executionArn: str) -> Any:
        if executionArn not in self.executions:
            raise _refusal(client, "ExecutionDoesNotExist", "DescribeExecution")
        return {"executionArn": executionArn, "status": self.executions[executionArn]["status"]}

    def _kms_GenerateMac(self, client: Any, Message: bytes, **_: Any) -> Any:
        return {"Mac": hashlib.sha256(Message).digest()}

    def _s3_PutObject(self, client: Any, Bucket: str, Key: str, Body: Any, **_: Any) -> Any:
        self.objects[Bucket][Key] = Body if isinstance(Body, bytes) else Body.read()
        return {"ETag": _etag(self.objects[Bucket][Key])}

    def _s3_GetObject(self, client: Any, Bucket: str, Key: str, Range: str = "", IfMatch: str = "", **_: Any) -> Any:
        if Key not in self.objects[Bucket]:
            raise _refusal(client, "NoSuchKey", "GetObject", 404)
        content = self.objects[Bucket][Key]
        if IfMatch and IfMatch != _etag(content):
            raise _refusal(client, "PreconditionFailed", "GetObject", 412)
        if Range:
            first, last = Range.removeprefix("bytes=").split("-")
            content = content[int(first) : int(last) + 1 if last else None]
        body = StreamingBody(io.BytesIO(content), len(content))
        return {"Body": body, "ETag": _etag(self.objects[Bucket][Key]), "ContentLength": len(content)}

    def _s3_DeleteObject(self, client: Any, Bucket: str, Key: str) -> Any:
        self.objects[Bucket].pop(Key, None)
        return {}

    def _s3_DeleteObjects(self, client: Any, Bucket: str, Delete: Any) -> Any:
        for each in Delete["Objects"]:
            self.objects[Bucket].pop(each["Key"], None)
        return {}

    def _s3_ListObjectsV2(self, client: Any, Bucket: str, Prefix: str = "", **_: Any) -> Any:
        found = sorted(key for key in self.objects[Bucket] if key.startswith(Prefix))
        return {"Contents": [{"Key": key, "Size": len(self.objects[Bucket][key])} for key in found]}

    def _s3_CreateMultipartUpload(self, client: Any, **_: Any) -> Any:
        upload = self.next_id()
        self.uploads[upload] = {}
        return {"UploadId": upload}

    def _s3_UploadPart(self, client: Any, UploadId: str, PartNumber: int, Body: bytes, **_: Any) -> Any:
        self.uploads[UploadId][PartNumber] = Body
        return {"ETag": _etag(Body), "ChecksumCRC32": "checksum"}

    def _s3_CompleteMultipartUpload(self, client: Any, Bucket: str, Key: str, UploadId: str, **_: Any) -> Any:
        if UploadId not in self.uploads:
            raise _refusal(client, "NoSuchUpload", "CompleteMultipartUpload", 404)
        self.objects[Bucket][Key] = b"".join(part for _, part in sorted(self.uploads.pop(UploadId).items()))
        return {}

    def _s3_AbortMultipartUpload(self, client: Any, UploadId: str, **_: Any) -> Any:
        self.uploads.pop(UploadId, None)
        return {}

    def _sts_AssumeRole(self, client: Any, RoleSessionName: str, **_: Any) -> Any:
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        return {"Credentials": {name: f"{name}-of-{RoleSessionName}" for name in names}}

    def _ses_SendEmail(self, client: Any, **sent: Any) -> Any:
        self.mails.append(sent)
        return {"MessageId": self.next_id()}

    _sesv2_SendEmail = _ses_SendEmail

    def _cloudfront_CreateInvalidation(self, client: Any, **_: Any) -> Any:
        return {"Invalidation": {"Id": self.next_id(), "Status": "InProgress"}}

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
            kept = _global_values()
            try:
                text = (body or b"").decode()
                return self._request(service, method, parts.path, text, headers, dict(parse_qsl(parts.query)), {})
            finally:
                _set_globals(kept)
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

    def next_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids}"

    clock: Any = None


_MADE_UP = re.compile(r"id-\d+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,64}|[A-Za-z0-9_-]{43}")


def _plain(value: Any) -> Any:
    to_json = getattr(value, "to_json", None)
    if to_json:
        return to_json()
    return sorted(value) if isinstance(value, set) else getattr(value, "__dict__", None) or repr(value)


@cache
def _states(service: str, machine: str) -> dict[str, Any]:
    states: dict[str, Any] = definition(pieces()[service], machine)["States"]
    return states


def _tables() -> dict[str, Any]:
    tables: dict[str, Any] = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables
    return tables


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


def _as_aws(call: Callable[[dict[str, Any]], Any], parameters: dict[str, Any]) -> Any:
    """moto leaves out of UPDATED_NEW what was set to the value that it had before; DynamoDB does not."""
    if parameters.get("ReturnValues") != "UPDATED_NEW":
        return call(parameters)
    answer = call(parameters | {"ReturnValues": "ALL_NEW"})
    updated = re.findall(r"(\w+) =", parameters["UpdateExpression"])
    return answer | {"Attributes": {name: answer["Attributes"][name] for name in updated}}


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _refusal(client: Any, code: str, operation: str, status: int = 400) -> ClientError:
    error = client.exceptions.from_code(code)
    refused: ClientError = error({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)
    return refused


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


# --- modules that functions share here, and do not in Lambda ---


@cache
def _global_names() -> tuple[tuple[str, str], ...]:
    """(module, name) of what functions of this repository assign with a ``global`` statement."""
    found = []
    for path in sorted((ROOT / "functions").rglob("*.py")):
        names = {
            name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Global)
            for name in node.names
        }
        _, *inner = path.relative_to(ROOT / "functions").with_suffix("").parts
        found += [(".".join(inner), name) for name in sorted(names)]
    return tuple(found)


def _global_values() -> dict[tuple[str, str], Any]:
    return {
        (module, name): getattr(sys.modules[module], name)
        for module, name in _global_names()
        if module in sys.modules and (module, name) not in SHARED
    }


def _set_globals(values: Mapping[tuple[str, str], Any]) -> None:
    for (module, name), value in values.items():
        setattr(sys.modules[module], name, value)


@contextmanager
def world(monkeypatch: pytest.MonkeyPatch, *services: str) -> Iterator[World]:
    """A world whose functions call it instead of AWS and the network."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for module, _ in _global_names():
        importlib.import_module(module)
    # No test here reads logs, metrics and traces, and writing them takes a fourth of the time.
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    monkeypatch.setattr(observability.tracer, "provider", _Untraced())
    logging.disable(logging.CRITICAL)
    _do_not_sleep(monkeypatch)
    # The layer is not built: what it carries is where its build takes it from.
    monkeypatch.setattr(records, "SCHEMAS", ROOT / "schemas" / "feeds")
    monkeypatch.setattr("random.uniform", lambda low, high: low)
    monkeypatch.setattr(os, "urandom", _in_stock(os.urandom))
    real = vars(BaseClient)["_make_api_call"]
    for make in (aws.client, aws.patient_client, aws.single_try_client):
        make.cache_clear()
    with mock_aws(), time_machine.travel(START, tick=False) as clock:
        dynamodb = boto3.client("dynamodb")
        for service in {*services, "partners", "sequences"}:
            for table, arguments in deployed.tables(service).items():
                dynamodb.create_table(TableName=table, **arguments)
        World.clock = clock
        made = World(*services)
        monkeypatch.setattr(settings, "os", SimpleNamespace(environ=_Environment(made)))
        monkeypatch.setattr(BaseClient, "_make_api_call", lambda *called: made.call_aws(real, *called))
        monkeypatch.setattr(connections, "request", made.call_http)
        yield made
    logging.disable(logging.NOTSET)
    for make in (aws.client, aws.patient_client, aws.single_try_client):
        make.cache_clear()


def _in_stock(urandom: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """Random numbers of the system, many at a time: to ask for them is slow, and SDKs do with each call."""
    stock = io.BytesIO()

    def taken(size: int) -> bytes:
        nonlocal stock
        found = stock.read(size)
        if len(found) < size:
            stock = io.BytesIO(urandom(max(size, 1 << 16)))
            found = stock.read(size)
        return found

    return taken


def _do_not_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """What functions do does not wait. Threads that others began, of the local cloud for example, do: they would spin."""
    others, sleep = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}, time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(seconds) if threading.get_ident() in others else None)


class _Untraced:
    """A provider of Powertools' tracer, and a segment of it."""

    def in_subsegment(self, name: str) -> AbstractContextManager["_Untraced"]:
        return nullcontext(self)

    def put_annotation(self, **_: Any) -> None: ...

    put_metadata = put_annotation


class _Environment(Mapping[str, str]):
    def __init__(self, made: World) -> None:
        self._made = made

    def __getitem__(self, key: str) -> str:
        return self._made.environment()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made.environment())

    def __len__(self) -> int:
        return len(self._made.environment())
