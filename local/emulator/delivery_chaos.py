"""Disturbed deliveries for tests: messages are delivered twice and out of order, and functions' clocks are wrong.

    PUT    /_setpieces/deliveries   {"seed", "twice", "late_seconds", "clock_skew_seconds"}, each with a default
    GET    /_setpieces/deliveries   the settings and counts: {..., "done": {"doubled": 12, "redelivered": 3, ...}}
    DELETE /_setpieces/deliveries   ends the disturbance

The emulator's process (local/emulator/server.py) applies it, and by default nothing is disturbed. A message is doubled when it
is first due for a function, so each spoke of the bus and each subscriber of a topic receives its event twice, because each has
a queue. Rules invoke a target function twice. Messages that tests receive themselves are unchanged.
"""

import random
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from uuid import UUID

from local.settings import SCRATCH

# Marks a message that has been doubled, and its double; in a FIFO queue, a message that is delivered once more.
_MARK = "setpieces_delivery"

Message = dict[str, Any]


class CodeNotFound(Exception):
    """The emulator does not contain the code that this module patches."""


@dataclass(frozen=True)
class Disturbance:
    """``twice`` is the share of messages that are delivered twice, each time up to ``late_seconds`` late.

    The clock of each function's process is ``clock_skew_seconds`` fast or slow. AWS rejects signatures from 300 s on.
    """

    seed: int = 1
    twice: float = 1.0
    late_seconds: float = 2.0
    clock_skew_seconds: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.twice <= 1 and 0 <= self.late_seconds <= 60 and 0 <= self.clock_skew_seconds < 300):
            raise ValueError("twice is 0 to 1, late_seconds 0 to 60, clock_skew_seconds 0 to 299")


NONE = Disturbance(twice=0, late_seconds=0)


class Deliveries:
    """Applies a disturbance to the emulator's queues: {"is_fifo", "messages": [{"id", "visible_at", "receive_count", ...}]}."""

    def __init__(self) -> None:
        self.change(NONE)

    def change(self, disturbance: Disturbance) -> None:
        self.disturbance, self.random, self.done = disturbance, random.Random(disturbance.seed), Counter[str]()

    def before_receive(self, queue: dict[str, Any], now: float) -> None:
        """Double the messages of a standard queue that are due for the first time, and delay each by a random time."""
        if self.disturbance == NONE or queue["is_fifo"]:
            return
        for message in list(queue["messages"]):
            if _MARK in message or message.get("visible_at", 0) > now:
                continue
            message[_MARK] = "first"
            message["visible_at"] = now + self._late()
            self.done["late"] += 1
            if self.random.random() < self.disturbance.twice:
                queue["messages"].append(self._double(message, now))
                self.done["doubled"] += 1
        self.random.shuffle(queue["messages"])

    def before_delete(self, queue: dict[str, Any], handles: set[str], now: float) -> set[str]:
        """The handles to delete. A message of a FIFO queue is kept and delivered once more, before the next ones of its group.

        It keeps its position and its receipt handle, so its group stays in order and waits for the second delivery.
        """
        if self.disturbance == NONE or not queue["is_fifo"]:
            return handles
        repeats = [
            message
            for message in queue["messages"]
            if message.get("receipt_handle") in handles
            and _MARK not in message
            and self.random.random() < self.disturbance.twice
        ]
        for message in repeats:
            message[_MARK] = "done once"
            message["visible_at"] = now + self._late()
            self.done["redelivered"] += 1
        return handles - {message["receipt_handle"] for message in repeats}

    def clocked(self, script: str) -> str:
        """The script of a function's process with code that sets a wrong clock."""
        if not self.disturbance.clock_skew_seconds:
            return script
        skew = self.random.choice((-1, 1)) * self.disturbance.clock_skew_seconds
        self.done["slow clocks" if skew < 0 else "fast clocks"] += 1
        return _clock(skew) + script

    def report(self) -> dict[str, Any]:
        return asdict(self.disturbance) | {"done": dict(self.done)}

    def _late(self) -> float:
        return self.random.uniform(0, self.disturbance.late_seconds)

    def _double(self, message: Message, now: float) -> Message:
        """A second delivery of the message with its id, or a second message of its sender with another id."""
        own = {"id": str(UUID(int=self.random.getrandbits(128), version=4))} if self.random.random() < 0.5 else {}
        fresh = {"receipt_handle": None, "receive_count": 0, "first_receive_at": None}
        return message | fresh | own | {_MARK: "double", "visible_at": now + self._late()}


def _clock(skew: int) -> str:
    """Python that sets the clock of its process, except the monotonic clock.

    time-machine is imported from a separate folder, so that functions cannot import the emulator's other packages.
    """
    import _time_machine
    import time_machine

    folder = SCRATCH / "clock"
    folder.mkdir(parents=True, exist_ok=True)
    for installed in (Path(time_machine.__file__).parent, Path(_time_machine.__file__)):
        with suppress(FileExistsError):
            (folder / installed.name).symlink_to(installed)
    return (
        f"import sys; sys.path.append({str(folder)!r})\n"
        "import datetime, time_machine\n"
        f"sys.path.remove({str(folder)!r})\n"
        f"time_machine.travel(datetime.timedelta(seconds={skew})).start()\n"
    )


DELIVERIES = Deliveries()


def request(method: str, body: dict[str, Any]) -> dict[str, Any]:
    """The response of the route. Raises ValueError for unknown or invalid settings."""
    if method != "GET":
        if unknown := body.keys() - {field.name for field in fields(Disturbance)}:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        before = DELIVERIES.disturbance.clock_skew_seconds
        DELIVERIES.change(Disturbance(**body) if method == "PUT" else NONE)
        if before != DELIVERIES.disturbance.clock_skew_seconds:
            _restart_functions()
    return DELIVERIES.report()


def _restart_functions() -> None:
    """End each function's process after its current invocation, so that the next process has the new clock."""
    from ministack.core import lambda_runtime

    def end(worker: Any) -> None:
        with worker._lock:
            lambda_runtime.kill_workers([worker])

    with lambda_runtime._lock:
        workers = [worker for pool in lambda_runtime._workers.values() for worker in pool]
    for worker in workers:
        threading.Thread(target=end, args=(worker,), daemon=True).start()


def install() -> None:
    """Patch the emulator where it delivers and deletes messages and starts functions. Raises ``CodeNotFound``."""
    from ministack.core import lambda_runtime
    from ministack.services import eventbridge, lambda_svc, sqs

    from local.emulator.patch import replace_in_function, source_of

    for caller, text in (
        (lambda_svc._poll_sqs, "_sqs._receive_messages_for_esm(queue_url, batch_size)"),
        (lambda_svc._run_sqs_batch, "_sqs._delete_messages_for_esm(queue_url, receipt_handles)"),
        (eventbridge._invoke_target, "_dispatch_to_lambda(arn, event_payload)"),
    ):
        if source_of(caller).count(text) != 1:
            raise CodeNotFound(f"{caller.__name__} does not contain {text!r}")
    receive, delete, invoke = (
        sqs._receive_messages_for_esm,
        sqs._delete_messages_for_esm,
        eventbridge._dispatch_to_lambda,
    )

    def disturb_and_receive(url: str, maximum: int) -> list[Message]:
        with sqs._queues_lock:
            DELIVERIES.before_receive(sqs._get_q(url), time.time())
        return receive(url, maximum)

    def delete_or_redeliver(url: str, handles: set[str]) -> None:
        with sqs._queues_lock:
            handles = DELIVERIES.before_delete(sqs._get_q(url), handles, time.time())
        delete(url, handles)

    def invoke_repeatedly(arn: str, payload: str) -> None:
        invoke(arn, payload)
        if DELIVERIES.random.random() < DELIVERIES.disturbance.twice:
            DELIVERIES.done["invoked twice"] += 1
            invoke(arn, payload)

    sqs._receive_messages_for_esm, sqs._delete_messages_for_esm = disturb_and_receive, delete_or_redeliver
    eventbridge._dispatch_to_lambda = invoke_repeatedly
    lambda_runtime._clocked = DELIVERIES.clocked
    replace_in_function(lambda_runtime.Worker, "_spawn", "f.write(worker_script)", "f.write(_clocked(worker_script))")
