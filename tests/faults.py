"""Calls of AWS and of external systems that fail in a test: refused, throttled, timed out, or cut off by a crash.

    faults.meanwhile("UpdateItem", other_request)                 # another request runs right before the next update
    faults.lose_response("DeleteItem")                            # the SDK repeats each delete that AWS has carried out
    faults.fail("SendMessage", throttled("SendMessage"), times=2)
    faults.fail("PutObject", time_out("s3"), after=True)          # carried out, but the response is lost

Each can be used as a context manager, and ends with it. A campaign fails calls by their numbers instead:

    for number in range(len(faults.calls)):
        faults.schedule({number: Fault.UNANSWERED})

Calls of AWS are those of every client of boto3. Calls of an external system count if its fake in the test makes them with
``faults.call(name, effect, error)``.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError


class Fault(Enum):
    """A failure of a call. The SDK repeats AWS calls once; external systems are called once."""

    LOST = "carried out, and the response is lost; the SDK repeats the call"
    UNANSWERED = "carried out, without a response"
    UNAVAILABLE = "not carried out: the service is unavailable"
    CRASH_BEFORE = "not carried out: the process ends before the call"
    CRASH_AFTER = "carried out, and the process ends before the response"


class Crash(BaseException):
    """The end of the process: functions cannot catch it."""


def refused(operation: str, code: str, status: int = 400, message: str = "", **members: Any) -> ClientError:
    """An error of AWS with this code; ``members`` are further members of the response, such as ``CancellationReasons``."""
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **members,
    }
    return ClientError(response, operation)


def throttled(operation: str) -> ClientError:
    return refused(operation, "ThrottlingException")


def server_error(operation: str) -> ClientError:
    return refused(operation, "InternalServerError", 500)


def time_out(service: str = "aws") -> ReadTimeoutError:
    """No answer in time: AWS may have carried out the call."""
    return ReadTimeoutError(endpoint_url=f"https://{service}")


def unreachable(service: str = "aws") -> EndpointConnectionError:
    """No connection: AWS has not carried out the call."""
    return EndpointConnectionError(endpoint_url=f"https://{service}")


Request = Mapping[str, Any]
Effect = Callable[[], Any]


@dataclass(eq=False)
class Rule:
    """What happens to calls of ``operation``: ``wrap`` makes them, after ``skip`` calls and at most ``times`` times."""

    operation: str
    wrap: Callable[[Request, Effect], Any]
    skip: int = 0
    times: float = float("inf")
    where: Callable[[Request], bool] = lambda request: True
    rules: list["Rule"] = field(default_factory=list, repr=False)

    def applies(self, operation: str, request: Request) -> bool:
        """Counts the call if it is one of those that the rule is for."""
        if operation != self.operation or not self.where(request) or not self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True

    def __enter__(self) -> "Rule":
        return self

    def __exit__(self, *_: object) -> None:
        self.rules.remove(self)


class Faults:
    """``calls`` are the names of all calls, in their order: the operation of AWS, or what a fake calls an external system."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self._carried_out: list[tuple[str, Request]] = []
        self._by_number: dict[int, Fault] = {}
        self._error: BaseException | None = None
        self._rules: list[Rule] = []
        self._thread = threading.local()
        real = vars(BaseClient)["_make_api_call"]

        def make(client: Any, operation: str, request: Request) -> Any:
            return self._make(
                operation, request, lambda: real(client, operation, request), server_error(operation), repeats=True
            )

        monkeypatch.setattr(BaseClient, "_make_api_call", make)

    # --- by operation ---

    def meanwhile(self, operation: str, other: Effect, *, after: bool = False, skip: int = 0) -> Rule:
        """``other()`` runs once, before the next call of ``operation`` or ``after`` it."""

        def wrap(request: Request, effect: Effect) -> Any:
            if not after:
                other()
            response = effect()
            if after:
                other()
            return response

        return self._add(Rule(operation, wrap, skip, times=1))

    def lose_response(self, operation: str, *, meanwhile: Effect = lambda: None) -> Rule:
        """Each call is carried out twice: the SDK repeats it, because the response to its first attempt was lost.

        ``meanwhile()`` runs in between; its own calls meet no fault.
        """

        def wrap(request: Request, effect: Effect) -> Any:
            effect()
            meanwhile()
            return effect()

        return self._add(Rule(operation, wrap))

    def fail(
        self,
        operation: str,
        error: BaseException,
        *,
        after: bool = False,
        skip: int = 0,
        times: float = float("inf"),
        where: Callable[[Request], bool] = lambda request: True,
    ) -> Rule:
        """Calls whose request satisfies ``where`` raise ``error``: instead of their effect, or ``after`` it."""

        def wrap(request: Request, effect: Effect) -> Any:
            if after:
                effect()
            raise error

        return self._add(Rule(operation, wrap, skip, times, where))

    def respond(self, operation: str, respond: Callable[[Request], Any], *, times: float = float("inf")) -> Rule:
        """Calls return ``respond(request)`` and have no other effect; calls of ``operation`` that this makes are real."""

        def wrap(request: Request, effect: Effect) -> Any:
            result = respond(request)
            self._carried_out.append((operation, request))
            return result

        return self._add(Rule(operation, wrap, times=times))

    # --- by number ---

    def restart(self, by_number: Mapping[int, Fault] | None = None) -> None:
        """Forget all calls, and ``schedule`` these faults."""
        self.calls.clear()
        self._carried_out.clear()
        self.schedule(by_number or {})

    def schedule(self, by_number: Mapping[int, Fault], error: BaseException | None = None) -> None:
        """Fail the calls with these numbers, counted from now on, instead of those that were scheduled before.

        They raise ``error``; by default a server error of AWS, or the error that the fake of an external system passes.
        """
        self._by_number = {len(self.calls) + number: fault for number, fault in by_number.items()}
        self._error = error

    def call(self, name: str, effect: Effect, error: BaseException) -> Any:
        """A call of an external system. Its client raises ``error`` if there is no response."""
        return self._make(name, {}, effect, error, repeats=False)

    # --- sent requests and events ---

    def requests(self, operation: str) -> list[Request]:
        """The parameters of each request of an operation of AWS that was carried out; a repeated call is two requests."""
        return [request for name, request in self._carried_out if name == operation]

    def published(self) -> list[dict[str, Any]]:
        """The events that were put on the bus: {meta_data, data, source}."""
        entries = [entry for request in self.requests("PutEvents") for entry in request["Entries"]]
        return [json.loads(entry["Detail"])["event"] | {"source": entry["Source"]} for entry in entries]

    def _add(self, rule: Rule) -> Rule:
        rule.rules = self._rules
        self._rules.append(rule)
        return rule

    def _make(self, name: str, request: Request, effect: Effect, error: BaseException, *, repeats: bool) -> Any:
        number = len(self.calls)
        self.calls.append(name)
        active: list[Rule] = self._thread.__dict__.setdefault("active", [])
        rule = next(
            (rule for rule in reversed(self._rules) if rule not in active and rule.applies(name, request)), None
        )

        def carry_out() -> Any:
            response = effect()
            self._carried_out.append((name, request))
            return response

        def apply_rule() -> Any:
            if rule is None:
                return carry_out()
            active.append(rule)
            try:
                return rule.wrap(request, carry_out)
            finally:
                active.remove(rule)

        return apply_rule() if active else _meet(self._by_number.get(number), apply_rule, self._error or error, repeats)


def _meet(fault: Fault | None, effect: Effect, error: BaseException, repeats: bool) -> Any:
    match fault:
        case Fault.CRASH_BEFORE:
            raise Crash
        case Fault.UNAVAILABLE:
            raise error
    response = effect()
    match fault:
        case Fault.CRASH_AFTER:
            raise Crash
        case Fault.UNANSWERED:
            raise error
        case Fault.LOST:
            return effect() if repeats else response
    return response
