"""The emulator as a backend of the gateway: the API of AWS, and administrative routes for authorization and resources."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from time import time
from typing import Any

from botocore.credentials import Credentials

from apigw_executor import json_text
from apigw_executor.backends import CONTROL_TIMEOUT, AwsEndpoint, HttpPool
from apigw_executor.messages import Pairs, Request
from apigw_executor.ports import BackendTimeout, BackendUnreachable, EndpointDown, IamDecision
from apigw_executor.services import ServiceRequest


class Emulator(AwsEndpoint):
    """The emulator at ``endpoint``. ``admin_headers`` give access to its administrative routes."""

    def __init__(
        self,
        endpoint: str,
        region: str,
        credentials: Credentials,
        http: HttpPool,
        clock: Callable[[], float] = time,
        admin_headers: Pairs = (),
    ) -> None:
        super().__init__(endpoint, region, credentials, http, clock)
        self._admin_headers = tuple(admin_headers)

    def authorize(self, request: Request, resource: str) -> IamDecision:
        """The emulator's decision about a signed request."""
        decision = self._admin(
            "POST",
            "/_setpieces/authorize",
            {
                "method": request.method,
                "raw_path": request.public_path,
                "query": [list(pair) for pair in request.query],
                "headers": [list(pair) for pair in request.headers],
                "body_base64": base64.b64encode(request.body).decode(),
                "action": "execute-api:Invoke",
                "resource": resource,
            },
        )
        return IamDecision(
            allowed=decision.get("allowed") is True,
            code=str(decision.get("code") or ""),
            message=str(decision.get("message") or ""),
            principal_arn=decision.get("principal_arn"),
            account_id=decision.get("account_id"),
            access_key=decision.get("access_key"),
        )

    def resources(self) -> list[dict[str, Any]]:
        """Each deployed resource with its stack and properties, see ``local.emulator.server``."""
        resources = self._admin("GET", "/_setpieces/resources", None)
        return resources if isinstance(resources, list) else []

    def get_json(self, service: str, path: str, query: Mapping[str, str]) -> Any:
        """The response to a GET of a REST service's control plane; None unless the status is 200."""
        request = ServiceRequest(
            service, self.region, "GET", path, tuple(query.items()), {"Accept": "application/json"}, b""
        )
        response = self.send(request, CONTROL_TIMEOUT)
        return json_text.parse(response.body) if response.status == 200 else None

    def _admin(self, method: str, path: str, body: Any) -> Any:
        payload = json_text.encode(json_text.dump(body)) if body is not None else b""
        headers = (("Content-Type", "application/json"), *self._admin_headers)
        try:
            response = self.http.send(method, self.endpoint + path, headers, payload, timeout=CONTROL_TIMEOUT)
        except (BackendTimeout, BackendUnreachable) as error:
            raise EndpointDown(str(error)) from None
        if response.status != 200:
            raise EndpointDown(f"{path} answered {response.status}")
        try:
            return json_text.parse(response.body)
        except json_text.MalformedJson as error:
            raise EndpointDown(f"{path}: {error}") from None
