"""Fakes of the systems that customers' functions call: the simulators' rules over documents in memory, and sequences."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from customers.domain.sign_ups import SignUp
from partners.domain.operations import Call, Conflict, Stored, Write
from partners.simulators.routes import find_operation
from partners.workflow import perform, utc_now
from setpieces.errors import ExternalUnavailable, Refused, RetryLater
from setpieces.external import Answer
from setpieces.rest_api import problem_details, status_of
from tests.faults import Faults

FIRST_NUMBER = 100_000_000


@dataclass
class Memory:
    """The simulators' store: documents by (collection, key)."""

    documents_by_key: dict[tuple[str, str], Stored] = field(default_factory=dict)

    def read(self, collection: str, key: str) -> Stored | None:
        return self.documents_by_key.get((collection, key))

    def list_documents(
        self, collection: str, prefix: str = "", after: str = ""
    ) -> Iterator[tuple[str, dict[str, Any]]]:
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


class Partners:
    """The simulators and the sequence of customer ids, with the faults of a test.

    ``sign_up`` is what ``repository.use_link`` returns for every token: None if no link is valid. ``numbers`` is how many
    customer ids the sequence has issued.
    """

    def __init__(self, faults: Faults) -> None:
        self.memory = Memory()
        self.numbers = 0
        self.sign_up: SignUp | None = None
        self.faults = faults

    def documents(self, collection: str) -> list[dict[str, Any]]:
        """The documents of ``identities``, ``customers`` or ``members``."""
        return [document for _, document in self.memory.list_documents(collection)]

    def put(self, path: str, body: dict[str, Any], **headers: str) -> None:
        self.perform("PUT", path, body, {name.replace("_", "-"): value for name, value in headers.items()})

    def perform(
        self, method: str, path: str, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """The simulator's response, without faults; ``path`` begins with the system, as ``commerce/customers/C1``."""
        try:
            operation, ids = find_operation(method, path)
            outcome = perform(operation, Call(ids, {}, headers or {}, body or {}, utc_now()), self.memory)
        except (Refused, RetryLater) as error:
            return Answer(status_of(error), problem_details(error))
        return Answer(outcome.status, json.loads(json.dumps(outcome.body)))

    def call(self, system: str, method: str, *path: str, timeout: float, **options: Any) -> Answer:
        """Replaces ``external.call``."""
        assert 0 < timeout <= 2
        headers = {name.lower(): value for name, value in (options.get("headers") or {}).items()}
        return self.faults.call(
            f"{method} {system}/{path[0]}",
            lambda: self.perform(method, "/".join((system, *path)), options.get("body"), headers),
            ExternalUnavailable(system, "no answer", timed_out=True),
        )

    def call_sequences(self, service: str, method: str, path: str, **options: Any) -> Answer:
        """Replaces ``signed_client.call``, for the next customer id."""
        assert (service, method, path) == ("sequences", "POST", "/v1/sequences/customer/next")

        def next_number() -> Answer:
            self.numbers += 1
            return Answer(200, {"formatted": f"C{FIRST_NUMBER + self.numbers}"})

        return self.faults.call(
            "POST sequences", next_number, ExternalUnavailable(service, "no answer", timed_out=True)
        )

    def messages(self) -> list[dict[str, Any]]:
        """The requests to publish to the customer topic."""
        return [dict(request) for request in self.faults.requests("Publish")]
