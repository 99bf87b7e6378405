"""A handle on a running shop, for tests, the demo and benchmarks."""

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

# How long a whole flow may take: here on a busy machine; on AWS with Firehose's buffers, retries after minutes and cold
# starts. A poll ends as soon as its condition holds.
FLOW_SECONDS = 120 if current_stage() == "local" else 600
# How long one answer may take: longer than any gateway or function waits before it gives up by itself.
ANSWER_SECONDS = 60
# Seconds between the calls of a poll.
_PAUSES = (0.1, 0.1, 0.15, 0.2, 0.3, 0.5)
# Answers that decide nothing; 500 is also what API Gateway says of an authorizer that took too long.
_UNDECIDED = (429, 500, 502, 503, 504)
# What a check may fail with because the flow is not there yet.
_NOT_YET = (AssertionError, LookupError, httpx.HTTPError, BotoCoreError, ClientError, json.JSONDecodeError)


def eventually(
    check: Callable[[], T | Literal[False] | None], timeout: float = FLOW_SECONDS, every: float | None = None
) -> T:
    """The first truthy answer of ``check``; its last failure, or an AssertionError, once ``timeout`` seconds are over.

    ``check`` is called after pauses of ``every`` seconds; without it they grow, as each call takes time from what it waits for.
    """
    deadline = time.monotonic() + timeout
    pauses = repeat(every) if every else chain(_PAUSES, repeat(_PAUSES[-1]))
    while True:
        failure: Exception | None = None
        try:
            answer = check()
            if answer:
                return answer
        except _NOT_YET as error:
            failure = error
        if time.monotonic() > deadline:
            raise failure or AssertionError(f"{check} gave nothing within {timeout} s")
        time.sleep(next(pauses))


def patiently(send: Callable[[], httpx.Response], timeout: float = FLOW_SECONDS) -> httpx.Response:
    """The first answer that decides something; until then the request, which must bear repetition, is sent again.

    As a client does that is asked for patience: throttled, or met by a function or system that is too slow on a busy machine.
    """

    def decided() -> httpx.Response:
        answer = send()
        assert answer.status_code not in _UNDECIDED, f"{answer.status_code} {answer.text[:300]}"
        return answer

    # Not all at once: many clients that ask again at the same moment keep a busy machine busy.
    return eventually(decided, timeout, every=random.uniform(0.5, 2))


def fetch(url: str) -> httpx.Response:
    """The answer behind a link, e.g. a presigned one; redirects are not followed."""
    return _http().get(url, timeout=ANSWER_SECONDS)


def unique(prefix: str) -> str:
    """A name that no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def new_basket_id(prefix: str) -> str:
    """The id of a new basket, which cannot be guessed."""
    return f"{prefix}-{uuid.uuid4()}"


@dataclass(frozen=True)
class Shop:
    """``stage`` and, for APIs, either the front door of the local cloud or the published execute-api URLs."""

    stage: str
    session: boto3.Session
    endpoint: str | None
    front_door: str | None

    @classmethod
    def from_environment(cls) -> "Shop":
        """The shop of ``SETPIECES_STAGE`` (default local); the local one with root's credentials unless ``SESSION`` is set.

        A stage on AWS is looked for in its own region, whichever the credentials' profile names.
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
        answer = self.aws("ssm").get_parameter(Name=f"/setpieces/{self.stage}/{service}/{name}")
        return answer["Parameter"]["Value"]

    def url(self, path: str) -> str:
        """The URL of ``/<service>/v1/...`` or of a page; the path is taken as it is, dot segments and escapes included."""
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
        timeout: float = ANSWER_SECONDS,
    ) -> httpx.Response:
        """Call an API, signed for IAM as ``session`` (default: the shop's) if ``sign``; by default for simulators only."""
        sent = dict(headers or {})
        if json is not None:
            content = _dumps(json)
            sent.setdefault("Content-Type", "application/json")
        url = self.url(path)
        if sign or (sign is None and path.startswith("/partners/")):
            sent["Host"] = urlsplit(url).netloc
            request = AWSRequest(method=method, url=url, data=content, headers=sent)
            caller = session or self.session
            SigV4Auth(credentials(caller), "execute-api", caller.region_name).add_auth(request)
            sent = dict(request.headers)
        return _http().request(method, url, content=content, headers=sent, timeout=timeout)

    @contextmanager
    def faults(self, system: str, **fault: Any) -> Iterator[None]:
        """An external system slowed or broken for the duration of the block."""
        path = f"/partners/v1/faults/{system}"
        body = {"latency_ms": 0, "error_rate": 0, "outage": False, **fault}
        try:
            assert patiently(lambda: self.call("PUT", path, json=body)).status_code == 200
            yield
        finally:
            # Also if the PUT got no response: the next test must not meet the fault.
            assert patiently(lambda: self.call("DELETE", path)).status_code == 204

    def ledger(self, name: str, key: str) -> list[dict[str, Any]]:
        """What an external system really did, oldest first."""
        entries: list[dict[str, Any]] = []
        query = f"key={key}"
        while True:
            path = f"/partners/v1/ledger/{name}?{query}"
            page = patiently(partial(self.call, "GET", path)).json()
            entries += page["entries"]
            if "next_page_token" not in page:
                return entries
            query = f"key={key}&page_token={page['next_page_token']}"

    def event(self, path: str) -> Any:
        """A sample event of the repository."""
        return json.loads((ROOT / "events" / path).read_text())


def credentials(session: boto3.Session) -> Credentials:
    """The credentials of a session. Raises ``NoCredentialsError``."""
    found = session.get_credentials()
    if found is None:
        raise NoCredentialsError
    return found


def samples_file(stage: str) -> Path:
    """Where ``tools.seed`` writes the sample customer, admin and API key of a stage."""
    return STATE / ("samples.json" if stage == "local" else f"samples-{stage}.json")


@cache
def _published(shop: Shop, service: str, name: str) -> str:
    """Read once: Parameter Store's default quota is 40 calls a second."""
    return shop.address(service, name)


def _dumps(value: Any) -> str:
    return json.dumps(value)


_of_thread = threading.local()


def _http() -> httpx.Client:
    """This thread's client.

    Shared by threads, httpcore's pool may close a connection that another thread has just begun to use: it can be read,
    which is how the pool knows an idle one that the server has closed.
    """
    if not hasattr(_of_thread, "http"):
        _of_thread.http = httpx.Client(verify=emulator_client.tls())
    http: httpx.Client = _of_thread.http
    return http


@cache
def _client(session: boto3.Session, service: str, endpoint: str | None) -> Any:
    return session.client(service, endpoint_url=endpoint, config=Config(max_pool_connections=64))
