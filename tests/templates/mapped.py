"""The mapping templates of all APIs, each with its place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apigw_executor.document import Document, Integration, IntegrationResponse, Operation
from apigw_executor.responses import Lookup
from model.templates import Piece, pieces


@dataclass(frozen=True, eq=False)
class Mapped:
    """One mapping template in its place; ``response`` is None for a request template."""

    name: str
    piece: Piece
    document: Document
    operation: Operation
    integration: Integration
    media_type: str
    template: str
    response: IntegrationResponse | None = None

    def __str__(self) -> str:
        return self.name


def lookup_in(values: Mapping[str, Any], default: str) -> Lookup:
    """How the gateway finds the value of a name in one of its own responses."""
    return lambda name: values.get(name, default)


def mapped() -> Iterator[Mapped]:
    for service, piece in pieces().items():
        for document in piece.apis.values():
            for path, methods in document.resources.items():
                for operation in methods.values():
                    integration = operation.integration
                    assert integration, f"{service} {path} has no integration"
                    location = f"{service} {operation.method} {path}"
                    for kind, template in integration.request_templates.items():
                        yield Mapped(f"{location} {kind}", piece, document, operation, integration, kind, template)
                    for rule in integration.responses:
                        pattern = rule.pattern.pattern if rule.pattern else "default"
                        for kind, template in rule.templates.items():
                            name = f"{location} {pattern} {kind}"
                            yield Mapped(name, piece, document, operation, integration, kind, template, rule)


ALL = list(mapped())
REQUESTS = [case for case in ALL if case.response is None]
RESPONSES = [case for case in ALL if case.response is not None]
