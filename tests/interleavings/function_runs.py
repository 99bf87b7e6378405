"""How functions run: invoked, with messages of their queues, and by schedules."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests import deployed
from tests.deployed import Function
from tests.faults import Crash
from tests.interleavings.state import START, State
from tests.lambda_events import lambda_context, sqs_record


class FunctionRuns(State):
    """Each side has a stack of environments: of the functions that run."""

    def environment(self) -> Mapping[str, str]:
        """The environment of the function that runs."""
        stack = self._environments[self.side]
        return stack[-1] if stack else {}

    def invoke(self, function: Function, event: Any) -> Any:
        """The result of a function. Raises what it raises, and ``Crash``."""
        context = lambda_context(function.name, seconds=function.milliseconds / 1000, request_id=self.next_id())
        stack = self._environments[self.side]
        stack.append(function.environment)
        try:
            return function.handler(event, context)
        finally:
            stack.remove(function.environment)

    @contextmanager
    def acting_as(self, function: Function) -> Iterator[None]:
        """Give code of a service that a test calls directly the environment of ``function``."""
        stack = self._environments[self.side]
        stack.append(function.environment)
        try:
            yield
        finally:
            stack.remove(function.environment)

    def deliver(self, queue: str, most: int = 1) -> int:
        """Deliver up to ``most`` messages to the queue's function, one by one. Returns how many it processed."""
        description = deployed.queues(queue.split(".")[0])[queue]
        assert description.consumer, f"{queue} has no function"
        processed = 0
        for _ in range(most):
            waiting = [message for message in self.queues[queue] if not message.hidden]
            blocked_groups = {message.group for message in self.queues[queue] if message.hidden and message.group}
            message = next((each for each in waiting if each.group not in blocked_groups), None)
            if message is None:
                break
            message.hidden, message.receives = True, message.receives + 1
            try:
                record = sqs_record(
                    message.body,
                    message_id=message.message_id,
                    receive_count=message.receives,
                    group_id=message.group,
                    attributes=message.attributes,
                    queue=queue,
                    sent_at=START,
                )
                result = self.invoke(description.consumer, {"Records": [record]})
                failed = bool((result or {}).get("batchItemFailures"))
            except (Crash, Exception):
                failed = True
            message.hidden = False
            if not failed:
                self.queues[queue].remove(message)
                processed += 1
            elif message.receives >= description.receives and description.dead_letters:
                self.queues[queue].remove(message)
                message.receives = 0
                self.queues[description.dead_letters].append(message)
        return processed

    def scheduled(self, service: str, handler: str) -> Any:
        """Invoke a function as its schedule does, once: the result, or None if it failed or crashed."""
        try:
            return self.invoke(deployed.function(service, handler), {})
        except (Crash, Exception):
            return None

    def run_automatic_steps(
        self, *scheduled: tuple[str, str], until: Callable[[], bool], rounds: int = 3, minutes: float = 6
    ) -> None:
        """Run automatic steps: deliver messages until the queues are empty, and invoke schedules."""
        self._deliver_all()
        for _ in range(rounds):
            if until():
                break
            for service, handler in scheduled:
                self.later(60 * minutes)
                self.scheduled(service, handler)
                self._deliver_all()

    def _deliver_all(self) -> None:
        for _ in range(40):
            names = [
                queue.name
                for service in self.services
                for queue in deployed.queues(service).values()
                if queue.consumer and self.queues[queue.name]
            ]
            if not names and not self.invoked:
                return
            for name in names:
                self.deliver(name, len(self.queues[name]))
            # Deferred messages become visible again.
            self.later(30)
            while self.invoked:
                name, event = self.invoked.pop(0)
                self.invoke(deployed.function(*name.split(".")), event)
