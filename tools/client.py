"""A client of a running shop, for tests, the demo and benchmarks."""

import json
import os
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import boto3
import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from local import emulator_client
from local.settings import FRONT_DOOR, SESSION, STATE, aws_environment
from model.settings import REGION, ROOT
from tools.stages import current_stage, stage_settings

T = TypeVar("T")

# Time limit of a whole flow: on a busy machine, or on AWS with Firehose's buffers, cold starts and retries after minutes.
FLOW_SECONDS = 120 if current_stage() == "local" else 600
# Time limit of one response: longer than the time-outs of gateways and functions.
RESPONSE_SECONDS = 60
# Seconds between the calls of a poll.
_PAUSES = (0.1, 0.1, 0.15, 0.2, 0.3, 0.5)
# Retried statuses. API Gateway returns 500 also for an authorizer that timed out.
_RETRIED = (429, 500, 502, 503, 504)
# Failures of a check while the flow is still in progress.
_NOT_YET = (AssertionError, LookupError, httpx.HTTPError, BotoCoreError, ClientError, json.JSONDecodeError)


def eventually(
    check: Callable[[], T | Literal[False] | None], timeout: float = FLOW_SECONDS, every: float | None = None
) -> T:
    """Poll ``check`` and return its first truthy result.

    Raises its last failure, or ``AssertionError``, after ``timeout`` seconds. Pauses are ``every`` seconds long; by default
    they grow from 0.1 to 0.5 s, because each call slows down the flow that it waits for.
    """
    deadline = time.monotonic() + timeout
    pauses = repeat(every) if every else chain(_PAUSES, repeat(_PAUSES[-1]))
    while True:
        failure: Exception | None = None
        try:
            result = check()
            if result:
                return result
        except _NOT_YET as error:
            failure = error
        if time.monotonic() > deadline:
            raise failure or AssertionError(f"{check} returned no result within {timeout} s")
        time.sleep(next(pauses))


def with_retries(send: Callable[[], httpx.Response], timeout: float = FLOW_SECONDS) -> httpx.Response:
    """The response of an idempotent request, retried after 429, 500, 502, 503, 504 and failed connections.

    Raises the last failure after ``timeout`` seconds.
    """

    def final_response() -> httpx.Response:
        response = send()
        assert response.status_code not in _RETRIED, f"{response.status_code} {response.text[:300]}"
        return response

    # Random, so that many clients do not retry at the same moment.
    return eventually(final_response, timeout, every=random.uniform(0.5, 2))


def fetch(url: str) -> httpx.Response:
    """GET a URL, e.g. a presigned one, without following redirects."""
    return _http().get(url, timeout=RESPONSE_SECONDS)


def unique(prefix: str) -> str:
    """A name that no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def new_basket_id(prefix: str) -> str:
    """The id of a new basket, which cannot be guessed."""
    return f"{prefix}-{uuid.uuid4()}"


@dataclass(frozen=True)
class Shop:
    """The shop of a stage. ``endpoint`` (AWS) and ``front_door`` (APIs and pages) are set for the local cloud only."""

    stage: str
    session: boto3.Session
    endpoint: str | None
    front_door: str | None

    @classmethod
    def from_environment(cls) -> "Shop":
        """The shop of ``SETPIECES_STAGE`` (default local); the local one with root's credentials unless ``SESSION`` is set.

        A stage on AWS has its own region, regardless of the profile of the credentials.
        """
        stage = current_stage()
        if stage != "local":
            return cls(stage, boto3.Session(region_name=stage_settings(stage)["region"]), None, None)
        local = aws_environment()
        root = {
            "aws_access_key_id": local["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": local["AWS_SECRET_ACCESS_KEY"],
        }
        session = boto3.Session(**json.loads(os.environ.get(SESSION, "null")) or root, region_name=REGION)
        return cls(stage, session, local["AWS_ENDPOINT_URL"], FRONT_DOOR)

    @property
    def samples(self) -> dict[str, Any]:
        return json.loads(samples_file(self.stage).read_text())

    def aws(self, service: str) -> Any:
        return _client(self.session, service, self.endpoint)

    def emulator(self, method: str, path: str, **content: Any) -> httpx.Response:
        """The response of an administrative route of the local cloud's emulator."""
        if self.endpoint is None:
            raise LookupError(f"stage {self.stage} is on AWS, which has no {path}")
        return emulator_client.request(
            method, path, endpoint=self.endpoint, secret=credentials(self.session).secret_key, **content
        )

    def address(self, service: str, name: str) -> str:
        """The value published as ``/setpieces/<stage>/<service>/<name>``."""
        response = self.aws("ssm").get_parameter(Name=f"/setpieces/{self.stage}/{service}/{name}")
        return response["Parameter"]["Value"]

    def url(self, path: str) -> str:
        """The URL of ``/<service>/v1/...`` or of a page; dot segments and escapes of the path are kept."""
        if self.front_door:
            return self.front_door + path
        service, _, rest = path.lstrip("/").partition("/")
        if (ROOT / "schemas" / "api" / f"{service}.yaml").exists():
            return f"{_published(self, service, 'api-url')}/{rest}"
        return f"https://{_published(self, 'edge', 'site-host')}{path}"

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        sign: bool | None = None,
        session: boto3.Session | None = None,
        timeout: float = RESPONSE_SECONDS,
    ) -> httpx.Response:
        """Call an API, signed for IAM as ``session`` (default: the shop's) if ``sign``; by default for simulators only."""
        request_headers = dict(headers or {})
        if json is not None:
            content = _dumps(json)
            request_headers.setdefault("Content-Type", "application/json")
        url = self.url(path)
        if sign or (sign is None and path.startswith("/partners/")):
            request_headers["Host"] = urlsplit(url).netloc
            request = AWSRequest(method=method, url=url, data=content, headers=request_headers)
            caller = session or self.session
            SigV4Auth(credentials(caller), "execute-api", caller.region_name).add_auth(request)
            request_headers = dict(request.headers)
        return _http().request(method, url, content=content, headers=request_headers, timeout=timeout)

    @contextmanager
    def faults(self, system: str, **fault: Any) -> Iterator[None]:
        """Slow down or break an external system during the block."""
        path = f"/partners/v1/faults/{system}"
        body = {"latency_ms": 0, "error_rate": 0, "outage": False, **fault}
        try:
            assert with_retries(lambda: self.call("PUT", path, json=body)).status_code == 200
            yield
        finally:
            # Also if the PUT had no response: the fault must not affect the next test.
            assert with_retries(lambda: self.call("DELETE", path)).status_code == 204

    def ledger(self, name: str, key: str) -> list[dict[str, Any]]:
        """The entries of an external system's ledger for ``key``, oldest first."""
        entries: list[dict[str, Any]] = []
        query = f"key={key}"
        while True:
            path = f"/partners/v1/ledger/{name}?{query}"
            page = with_retries(partial(self.call, "GET", path)).json()
            entries += page["entries"]
            if "next_page_token" not in page:
                return entries
            query = f"key={key}&page_token={page['next_page_token']}"

    def event(self, path: str) -> Any:
        """A sample event of the repository."""
        return json.loads((ROOT / "events" / path).read_text())


def credentials(session: boto3.Session) -> Credentials:
    """The credentials of a session. Raises ``NoCredentialsError``."""
    keys = session.get_credentials()
    if keys is None:
        raise NoCredentialsError
    return keys


def samples_file(stage: str) -> Path:
    """The file in which ``tools.seed`` writes the sample customer, admin and API key of a stage."""
    return STATE / ("samples.json" if stage == "local" else f"samples-{stage}.json")


@cache
def _published(shop: Shop, service: str, name: str) -> str:
    """A published value, read once: Parameter Store's default quota is 40 calls a second."""
    return shop.address(service, name)


def _dumps(value: Any) -> str:
    return json.dumps(value)


_of_thread = threading.local()


def _http() -> httpx.Client:
    """The HTTP client of this thread.

    httpcore's pool takes an idle connection that can be read for one that the server has closed. Shared by threads, it may
    close a connection that another thread has just begun to use.
    """
    if not hasattr(_of_thread, "http"):
        _of_thread.http = httpx.Client(verify=emulator_client.tls())
    http: httpx.Client = _of_thread.http
    return http


@cache
def _client(session: boto3.Session, service: str, endpoint: str | None) -> Any:
    return session.client(service, endpoint_url=endpoint, config=Config(max_pool_connections=64))
