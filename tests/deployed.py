"""What the templates deploy, for tests: tables, queues and what feeds them, and the environments and handlers of functions.

Resources are named ``<service>.<logical id>``. ``tests.service`` makes them in moto, ``tests.interleavings`` in memory.
"""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from apigw_executor.document import Document
from apigw_executor.routes import Routes
from model.templates import Piece, name_of, pieces, published_parameters


def origin(piece: Piece, placeholder: Any) -> tuple[Piece, Any]:
    """The template that declares what ``placeholder`` stands for, and its placeholder there.

    A parameter of ``piece`` leads to the template that publishes its value.
    """
    logical = name_of(placeholder)
    source = published_parameters(piece.source).get(logical)
    if logical in piece.resources or not source or "://" in placeholder:
        return piece, placeholder
    owner, _, published = source.partition("/")
    for parameter in pieces()[owner].of_type("AWS::SSM::Parameter").values():
        if parameter["Name"].endswith(f"/{owner}/{published}"):
            return origin(pieces()[owner], parameter["Value"])
    return piece, placeholder


def name(piece: Piece, placeholder: Any) -> Any:
    """``<service>.<logical id>`` of the resource that ``placeholder`` stands for; ``placeholder`` if it is no resource."""
    owner, value = origin(piece, placeholder)
    return f"{owner.service}.{name_of(value)}" if name_of(value) in owner.resources else value


@dataclass(frozen=True, eq=False)
class Function:
    """A function of a template."""

    piece: Piece
    logical_id: str

    @cached_property
    def _properties(self) -> dict[str, Any]:
        properties: dict[str, Any] = self.piece.of_type("AWS::Lambda::Function")[self.logical_id]
        return properties

    @property
    def variables(self) -> dict[str, Any]:
        """The environment variables as the template has them, with placeholders for what it refers to."""
        declared: dict[str, Any] = self._properties.get("Environment", {}).get("Variables", {})
        return declared

    @cached_property
    def environment(self) -> dict[str, str]:
        """The environment variables, with names of resources."""
        variables = self.variables
        # A password is made slow to check on purpose, which nothing here is about.
        cheap = {"PASSWORD_HASH_COST": "2"} if "PASSWORD_HASH_COST" in variables else {}
        return {key: str(name(self.piece, value)) for key, value in variables.items()} | cheap

    @cached_property
    def handler(self) -> Any:
        module, _, attribute = self._properties["Handler"].rpartition(".")
        return getattr(importlib.import_module(module), attribute)

    @property
    def milliseconds(self) -> int:
        return int(self._properties["Timeout"]) * 1000

    @property
    def name(self) -> str:
        return f"{self.piece.service}.{self.logical_id}"


@cache
def function(service: str, handler: str) -> Function:
    """The function whose handler is ``<package>.handlers.<handler>.handler``, or whose logical id it is."""
    piece = pieces()[service]
    for logical_id, properties in piece.of_type("AWS::Lambda::Function").items():
        if handler == logical_id or properties["Handler"].endswith(f".handlers.{handler}.handler"):
            return Function(piece, logical_id)
    raise KeyError(f"{service} has no function {handler}")


@cache
def tables(service: str) -> dict[str, dict[str, Any]]:
    """Arguments of CreateTable by name."""
    tables = {}
    for logical_id, properties in pieces()[service].of_type("AWS::DynamoDB::Table").items():
        members = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
        tables[f"{service}.{logical_id}"] = {key: properties[key] for key in members if key in properties}
    return tables


@dataclass(frozen=True)
class Queue:
    """``consumer`` is the function that its messages are delivered to, None if people read them."""

    name: str
    fifo: bool
    receives: int
    dead_letters: str
    consumer: Function | None


@cache
def queues(service: str) -> dict[str, Queue]:
    """By name."""
    piece = pieces()[service]
    consumers = {
        name_of(source["EventSourceArn"]): function(service, re.sub(r"Alias.*", "", name_of(source["FunctionName"])))
        for source in piece.of_type("AWS::Lambda::EventSourceMapping").values()
        if name_of(source["EventSourceArn"]) in piece.of_type("AWS::SQS::Queue")
    }
    queues = {}
    for logical_id, properties in piece.of_type("AWS::SQS::Queue").items():
        redrive = properties.get("RedrivePolicy", {})
        dead = name(piece, redrive["deadLetterTargetArn"]) if redrive else ""
        queues[f"{service}.{logical_id}"] = Queue(
            f"{service}.{logical_id}",
            bool(properties.get("FifoQueue")),
            int(redrive.get("maxReceiveCount", 1_000_000)),
            dead,
            consumers.get(logical_id),
        )
    return queues


@cache
def rules(service: str) -> tuple[tuple[dict[str, Any], str], ...]:
    """(pattern, queue) of each rule that puts events of the bus on a queue of the service."""
    piece = pieces()[service]
    return tuple(
        (rule["EventPattern"], name(piece, target["Arn"]))
        for rule in piece.of_type("AWS::Events::Rule").values()
        if "EventPattern" in rule
        for target in rule["Targets"]
        if name_of(target["Arn"]) in piece.of_type("AWS::SQS::Queue")
    )


@cache
def subscriptions(service: str) -> tuple[tuple[str, str], ...]:
    """(topic, queue)."""
    piece = pieces()[service]
    return tuple(
        (str(name(piece, each["TopicArn"])), name(piece, each["Endpoint"]))
        for each in piece.of_type("AWS::SNS::Subscription").values()
        if each["Protocol"] == "sqs"
    )


@dataclass(frozen=True, eq=False)
class Api:
    """An API of a service, and what its paths lead to."""

    piece: Piece
    document: Document
    routes: Routes


@cache
def api(service: str) -> Api:
    piece = pieces()[service]
    document = next(iter(piece.apis.values()))
    return Api(piece, document, Routes(document.resources))


def with_names(piece: Piece, value: Any) -> Any:
    """A request of an integration or a task with names instead of placeholders for tables."""
    if isinstance(value, Mapping):
        return {
            key: name(piece, inner) if key == "TableName" else with_names(piece, inner) for key, inner in value.items()
        }
    return value


@cache
def route(function: Function) -> tuple[str, str]:
    """(method, resource path) of the first operation that invokes ``function``."""
    for path, operations in api(function.piece.service).document.resources.items():
        for method, operation in operations.items():
            if operation.integration and re.search(rf"[:/]{function.logical_id}(Alias|/)", operation.integration.uri):
                return method, path
    raise KeyError(f"no operation of {function.piece.service} invokes {function.logical_id}")
