"""A client of the simulators as their template deploys them."""

import json
from typing import Any, NamedTuple

from partners.handlers import simulate
from tests.lambda_events import lambda_context, rest_event
from tests.service import Service


class Response(NamedTuple):
    """``body`` is parsed, None if it is empty."""

    status: int
    body: Any
    headers: dict[str, str]


class Simulators:
    """``call`` sends a request below ``/v1/``, also from several threads. ``delays`` are the function's sleeps in seconds."""

    def __init__(self, service: Service, delays: list[float]) -> None:
        self.delays = delays
        self.table = service.name("Table")
        self._service = service

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """A ``body`` that is no text is sent as JSON."""
        event = rest_event(method, f"/v1/{path}", body, headers=headers, path_parameters={"proxy": path}, query=query)
        # Not by Service.invoke, which changes the environment of all threads.
        response = simulate.handler(event, lambda_context("simulate", seconds=29))
        response_body = json.loads(response["body"]) if response["body"] else None
        return Response(response["statusCode"], response_body, response["headers"])

    def ledger(self, name: str, key: str) -> list[dict[str, Any]]:
        """The entries of a ledger for a key, on the first page."""
        entries: list[dict[str, Any]] = self.call("GET", f"ledger/{name}", query={"key": key}).body["entries"]
        return entries

    def items(self) -> list[dict[str, Any]]:
        """Every item of the table."""
        return self._service.items("Table")
