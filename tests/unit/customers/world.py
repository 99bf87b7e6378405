"""What customers' functions talk to, in memory: the simulators' own rules, the sequence, the bus and the topic.

Every call is numbered, and the n-th can fail before or after its effect: as a crash of the function, or as a failure that it
may handle.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from customers import events, repository
from customers.repository import Pending
from partners.simulators.operations import Call, Conflict, Stored, Write, now, perform
from partners.simulators.routes import find
from setpieces import external, signed_client
from setpieces.errors import ExternalUnavailable, Refused, RetryLater
from setpieces.external import Answer
from setpieces.rest_api import problem_details, status_of

FIRST_NUMBER = 100_000_000


class Crash(BaseException):
    """The function is gone: nothing may handle this."""


@dataclass
class Memory:
    """The simulators' store."""

    documents_by_key: dict[tuple[str, str], Stored] = field(default_factory=dict)

    def read(self, collection: str, key: str) -> Stored | None:
        return self.documents_by_key.get((collection, key))

    def documents(self, collection: str, prefix: str = "", after: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        return iter(
            (key, stored.document) for (kind, key), stored in self.documents_by_key.items() if kind == collection
        )

    def read_all(self, collection: str, keys: list[str]) -> dict[str, Stored]:
        return {key: stored for key in keys if (stored := self.read(collection, key))}

    def write(self, *writes: Write) -> None:
        if any(self.read(write.collection, write.key) != write.replaces for write in writes):
            raise Conflict
        for write in writes:
            revision = write.replaces.revision + 1 if write.replaces else 1
            self.documents_by_key[write.collection, write.key] = Stored(revision, write.document)


@dataclass
class World:
    """``fail`` may replace the call that ``fail_at`` numbers (from 0), once; ``None`` never does.

    ``sign_up`` is what every confirmation is for. ``before`` maps a call, such as "PUT rewards/members", to what another
    request does once, just before it.
    """

    memory: Memory = field(default_factory=Memory)
    numbers: int = 0
    sign_up: Pending | None = None
    published: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    fail_at: int | None = None
    fail_after_effect: bool = False
    failure: Callable[[str], BaseException] | None = None
    before: dict[str, Callable[[], Any]] = field(default_factory=dict)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> "World":
        # A password's digest is slow by design; none of these passwords is worth guessing.
        monkeypatch.setenv("PASSWORD_HASH_COST", "2")
        monkeypatch.setattr(external, "call", self._outside)
        monkeypatch.setattr(signed_client, "call", self._internal)
        monkeypatch.setattr(repository, "find", lambda token: self.sign_up)
        monkeypatch.setattr(events, "publish", self._publish)
        monkeypatch.setattr(events, "client", lambda name: SimpleNamespace(publish=self._notify))
        monkeypatch.setenv("CUSTOMER_TOPIC_ARN", "arn:aws:sns:eu-central-1:000000000000:customers")
        return self

    def documents(self, collection: str) -> list[dict[str, Any]]:
        return [document for _, document in self.memory.documents(collection)]

    def put(self, path: str, body: dict[str, Any], **headers: str) -> None:
        self._perform("PUT", path, body, {name.replace("_", "-"): value for name, value in headers.items()})

    def counted(self) -> Counter[str]:
        return Counter(self.calls)

    def _call(self, name: str, effect: Callable[[], Any]) -> Any:
        number, fails = len(self.calls), self.failure and len(self.calls) == self.fail_at
        self.calls.append(name)
        self.before.pop(name, lambda: None)()
        if fails and not self.fail_after_effect:
            raise self._failure(name)
        result = effect()
        if fails:
            assert number == self.fail_at
            raise self._failure(name)
        return result

    def _failure(self, name: str) -> BaseException:
        assert self.failure
        return self.failure(name)

    def _outside(self, system: str, method: str, *path: str, timeout: float, **options: Any) -> Answer:
        assert 0 < timeout <= 2
        headers = {name.lower(): value for name, value in (options.get("headers") or {}).items()}
        name = f"{method} {system}/{path[0]}"
        return self._call(name, lambda: self._perform(method, "/".join((system, *path)), options.get("body"), headers))

    def _perform(self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> Answer:
        try:
            operation, ids = find(method, path)
            outcome = perform(operation, Call(ids, {}, headers, body or {}, now()), self.memory)
        except (Refused, RetryLater) as error:
            return Answer(status_of(error), problem_details(error))
        return Answer(outcome.status, json.loads(json.dumps(outcome.body)))

    def _internal(self, service: str, method: str, path: str, **options: Any) -> Answer:
        assert (service, method, path) == ("sequences", "POST", "/v1/sequences/customer/next")

        def take() -> Answer:
            self.numbers += 1
            return Answer(200, {"formatted": f"C{FIRST_NUMBER + self.numbers}"})

        return self._call("POST sequences", take)

    def _publish(self, event: Any, source: str) -> None:
        assert source == "customers"
        self._call("PutEvents", lambda: self.published.append(event.detail()["event"]))

    def _notify(self, **message: Any) -> None:
        self._call("Publish", lambda: self.messages.append(message))


def crash(name: str) -> BaseException:
    return Crash(name)


def refuse(name: str) -> BaseException:
    """What the real thing raises if it does not answer."""
    if name in ("PutEvents", "Publish"):
        return ClientError({"Error": {"Code": "ThrottledException"}}, name)
    return ExternalUnavailable(name, "no answer", timed_out=True)
