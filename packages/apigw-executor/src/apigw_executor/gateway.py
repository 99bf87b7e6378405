"""One API document in front of one AWS endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import botocore.session
import yaml
from botocore.credentials import Credentials

from apigw_executor.backends import AwsEndpoint, HttpPool
from apigw_executor.deployment import Api, ApiKey, Deployment, Stage, UsagePlan
from apigw_executor.document import read
from apigw_executor.document_shape import BadDocument
from apigw_executor.executor import Executor
from apigw_executor.messages import Request, Response
from apigw_executor.ports import Telemetry
from apigw_executor.routes import Routes
from apigw_executor.telemetry import NoTelemetry
from apigw_executor.throttles import Limits, Quota

_PLAN = "gateway"


class Gateway:
    """An API that answers requests. `handle` may be called from many threads."""

    def __init__(self, executor: Executor, deployment: Deployment, api: Api) -> None:
        self._executor, self._deployment, self.api = executor, deployment, api

    @classmethod
    def from_document(
        cls,
        document: str | Mapping[str, Any],
        *,
        endpoint: str,
        region: str,
        credentials: Credentials | None = None,
        account: str = "000000000000",
        api_id: str = "local",
        stage: str = "prod",
        stage_variables: Mapping[str, str] | None = None,
        api_keys: Iterable[str] = (),
        limits: Limits | None = None,
        quota: Quota | None = None,
        enforce_permissions: bool = False,
        telemetry: Telemetry | None = None,
    ) -> Gateway:
        """The API of `document`: OpenAPI 3.0 or Swagger 2.0 as text (YAML or JSON) or as a mapping, without intrinsics.

        `endpoint` is the URL that takes the requests of all AWS services. `credentials` sign them; None takes those of the
        environment, as the AWS SDK does. `api_keys` are the values that an operation with an API key accepts; `limits` and
        `quota` are the throttle and the quota of each key.

        With `enforce_permissions`, integrations run with the role that they name, if it trusts API Gateway, and functions
        are invoked if their policies allow it, as in AWS. Otherwise every request is signed with `credentials`.

        Raises `BadDocument`.
        """
        raw = _load(document)
        credentials = credentials or botocore.session.get_session().get_credentials()
        if credentials is None:
            raise ValueError("no credentials: pass them, or set them in the environment")
        parsed = read(raw)
        api = Api(
            base_path="",
            api_id=api_id,
            name=parsed.title,
            region=region,
            account=account,
            document=parsed,
            routes=Routes(parsed.resources),
            stage=Stage(stage, dict(stage_variables or {})),
        )
        plan = UsagePlan(_PLAN, {(api_id, stage): {}}, limits, quota)
        keys = {value: ApiKey(f"key{number}", True, (_PLAN,)) for number, value in enumerate(api_keys, 1)}
        aws = AwsEndpoint(endpoint, region, credentials, HttpPool(), enforce_permissions=enforce_permissions)
        executor = Executor(aws, HttpPool(), telemetry or NoTelemetry())
        return cls(executor, Deployment({"": api}, keys, {_PLAN: plan}), api)

    def handle(self, request: Request) -> Response:
        """The response to `request`. Raises `EndpointDown` if the endpoint does not answer."""
        return self._executor.handle(self._deployment, self.api, request)


def _load(document: str | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(document, str):
        return document
    try:
        raw = yaml.safe_load(document)
    except yaml.YAMLError as error:
        raise BadDocument(f"not YAML: {error}") from None
    except RecursionError:
        raise BadDocument("not an API document: nested too deeply") from None
    if not isinstance(raw, Mapping):
        raise BadDocument("not an API document: no mapping")
    return raw
