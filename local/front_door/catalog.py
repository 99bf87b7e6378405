"""Reads what is deployed in the emulator, and keeps it until a reload."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from apigw_executor.deployment import assemble
from local.front_door import cdn
from local.front_door.cdn import Site
from local.front_door.emulator import Emulator

RELOAD_INTERVAL = 1.0  # seconds between reloads caused by unknown services


class Catalog:
    """The deployment, read again on demand. ``read`` may raise ``EndpointDown``; it never runs twice at the same time."""

    def __init__(self, read: Callable[[], Site], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._last = float("-inf")
        self.deployment = Site()

    def reload(self) -> Site:
        """Read the deployment again."""
        with self._lock:
            return self._load()

    def _load(self) -> Site:
        self._last = self._clock()
        self.deployment = self._read()
        return self.deployment

    def find(self, service: str) -> Site:
        """The deployment; read again if it lacks ``service`` and the last read is at least ``RELOAD_INTERVAL`` ago."""
        if service not in self.deployment.apis:
            with self._lock:
                if service not in self.deployment.apis and self._clock() - self._last >= RELOAD_INTERVAL:
                    self._load()
        return self.deployment


def read_deployment(emulator: Emulator, stage: str) -> Site:
    """The APIs, usage plans and CDN that ``emulator`` has for ``stage``. Raises ``EndpointDown``."""
    resources = emulator.resources()
    values: dict[str, str] = {}
    memberships: list[tuple[str, str]] = []
    plans = [str(each["physical_id"]) for each in resources if each.get("type") == "AWS::ApiGateway::UsagePlan"]
    if plans:
        for key in _items(emulator.get_json("apigateway", "/apikeys", {"includeValues": "true", "limit": "500"})):
            values[str(key.get("id"))] = str(key.get("value") or "")
    for plan in plans:
        keys = _items(emulator.get_json("apigateway", f"/usageplans/{plan}/keys", {"limit": "500"}))
        memberships += [(plan, str(key.get("id"))) for key in keys]
    deployment = assemble(
        resources,
        values,
        memberships,
        prefix=f"setpieces-{stage}-",
        stage=stage,
        region=emulator.region,
        account=_account(resources),
    )
    return Site(
        **vars(deployment),
        domain=cdn.distribution(resources, stage),
        files=cdn.file_patterns(resources),
        viewer_headers=cdn.viewer_headers(resources),
    )


def _items(response: Any) -> list[dict[str, Any]]:
    """The list in a response of API Gateway's control plane, whose member on the wire is ``item``."""
    items = (response.get("item") or response.get("items") or []) if isinstance(response, dict) else []
    return items if isinstance(items, list) else [items]


def _account(resources: list[dict[str, Any]]) -> str:
    """The account of the deployed stacks, from the first ARN of their resources."""
    for resource in resources:
        for text in (str(resource.get("physical_id")), str(resource.get("stack"))):
            parts = text.split(":")
            if len(parts) > 5 and parts[0] == "arn" and parts[4].isdigit():
                return parts[4]
    return os.environ.get("MINISTACK_ACCOUNT_ID", "000000000000")
