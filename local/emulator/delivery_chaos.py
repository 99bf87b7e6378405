"""At-least-once delivery at its worst, for those who ask: messages come twice and out of order, functions' clocks are wrong.

    PUT    /_setpieces/deliveries   {"seed", "twice", "late_seconds", "clock_skew_seconds"}, each with a default
    GET    /_setpieces/deliveries   the same, and how much was done: {..., "done": {"doubled": 12, "redelivered": 3, ...}}
    DELETE /_setpieces/deliveries   as AWS mostly does it: once, in order, on time

It runs in the emulator's process (local/emulator/server.py) and does nothing by default. A message is doubled when it is first
due for a function, so every spoke of the bus and every subscriber of a topic gets its event twice, too: each has a queue.
Rules whose target is a function have it invoked twice. What tests receive themselves comes as it is.
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

# On a message: it has been doubled, or is the double; on one of a FIFO queue: it was done, and comes once more.
_MARK = "setpieces_delivery"

Message = dict[str, Any]


class NotHere(Exception):
    """The emulator does not hand out messages or start functions in the way that is disturbed here."""


@dataclass(frozen=True)
class Disturbance:
    """``twice`` is the share of messages that come twice, each time up to ``late_seconds`` later than they could.

    The clock of every function's process is ``clock_skew_seconds`` fast or slow. AWS refuses signatures from 300 s on.
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
    """The rules, over the emulator's queues: {"is_fifo", "messages": [{"id", "visible_at", "receive_count", ...}]}."""

    def __init__(self) -> None:
        self.change(NONE)

    def change(self, wanted: Disturbance) -> None:
        self.wanted, self.chance, self.done = wanted, random.Random(wanted.seed), Counter[str]()

    def before_receive(self, queue: dict[str, Any], now: float) -> None:
        """Double the messages of a standard queue that are due for the first time, and let each come late in its own way."""
        if self.wanted == NONE or queue["is_fifo"]:
            return
        for message in list(queue["messages"]):
            if _MARK in message or message.get("visible_at", 0) > now:
                continue
            message[_MARK] = "first"
            message["visible_at"] = now + self._late()
            self.done["late"] += 1
            if self.chance.random() < self.wanted.twice:
                queue["messages"].append(self._double(message, now))
                self.done["doubled"] += 1
        self.chance.shuffle(queue["messages"])

    def before_delete(self, queue: dict[str, Any], handles: set[str], now: float) -> set[str]:
        """The handles that are to be deleted: a FIFO queue has a message done once more, before those behind it in its group.

        It keeps its place and its receipt, so its group stays in order and waits until it is done again.
        """
        if self.wanted == NONE or not queue["is_fifo"]:
            return handles
        again = [
            message
            for message in queue["messages"]
            if message.get("receipt_handle") in handles
            and _MARK not in message
            and self.chance.random() < self.wanted.twice
        ]
        for message in again:
            message[_MARK] = "done once"
            message["visible_at"] = now + self._late()
            self.done["redelivered"] += 1
        return handles - {message["receipt_handle"] for message in again}

    def clocked(self, script: str) -> str:
        """The script of a function's process, with a clock that is wrong."""
        if not self.wanted.clock_skew_seconds:
            return script
        skew = self.chance.choice((-1, 1)) * self.wanted.clock_skew_seconds
        self.done["slow clocks" if skew < 0 else "fast clocks"] += 1
        return _clock(skew) + script

    def shown(self) -> dict[str, Any]:
        return asdict(self.wanted) | {"done": dict(self.done)}

    def _late(self) -> float:
        return self.chance.uniform(0, self.wanted.late_seconds)

    def _double(self, message: Message, now: float) -> Message:
        """As SQS would deliver it again, with the same id, or as its sender would send it again, with another."""
        own = {"id": str(UUID(int=self.chance.getrandbits(128), version=4))} if self.chance.random() < 0.5 else {}
        fresh = {"receipt_handle": None, "receive_count": 0, "first_receive_at": None}
        return message | fresh | own | {_MARK: "double", "visible_at": now + self._late()}


def _clock(skew: int) -> str:
    """Python that sets the clock of its process; not the monotonic one, which is never wrong.

    time-machine comes from a folder of its own, so that functions see nothing else of what is installed beside the emulator.
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
    """What the route answers. Raises ValueError for settings that are none."""
    if method != "GET":
        if unknown := body.keys() - {field.name for field in fields(Disturbance)}:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        before = DELIVERIES.wanted.clock_skew_seconds
        DELIVERIES.change(Disturbance(**body) if method == "PUT" else NONE)
        if before != DELIVERIES.wanted.clock_skew_seconds:
            _restart_functions()
    return DELIVERIES.shown()


def _restart_functions() -> None:
    """End every function's process once it is done with what it does; the next one has the clock that is wanted now."""
    from ministack.core import lambda_runtime

    def end(worker: Any) -> None:
        with worker._lock:
            lambda_runtime.kill_workers([worker])

    with lambda_runtime._lock:
        workers = [worker for pool in lambda_runtime._workers.values() for worker in pool]
    for worker in workers:
        threading.Thread(target=end, args=(worker,), daemon=True).start()


def install() -> None:
    """Put the rules where the emulator hands out messages, deletes them, and starts functions. Raises ``NotHere``."""
    from ministack.core import lambda_runtime
    from ministack.services import eventbridge, lambda_svc, sqs

    from local.emulator.patch import replace_in_function, source_of

    for caller, text in (
        (lambda_svc._poll_sqs, "_sqs._receive_messages_for_esm(queue_url, batch_size)"),
        (lambda_svc._run_sqs_batch, "_sqs._delete_messages_for_esm(queue_url, receipt_handles)"),
        (eventbridge._invoke_target, "_dispatch_to_lambda(arn, event_payload)"),
    ):
        if source_of(caller).count(text) != 1:
            raise NotHere(f"{caller.__name__} does not contain {text!r}")
    receive, delete, invoke = (
        sqs._receive_messages_for_esm,
        sqs._delete_messages_for_esm,
        eventbridge._dispatch_to_lambda,
    )

    def received(url: str, most: int) -> list[Message]:
        with sqs._queues_lock:
            DELIVERIES.before_receive(sqs._get_q(url), time.time())
        return receive(url, most)

    def deleted(url: str, handles: set[str]) -> None:
        with sqs._queues_lock:
            handles = DELIVERIES.before_delete(sqs._get_q(url), handles, time.time())
        delete(url, handles)

    def invoked(arn: str, payload: str) -> None:
        invoke(arn, payload)
        if DELIVERIES.chance.random() < DELIVERIES.wanted.twice:
            DELIVERIES.done["invoked twice"] += 1
            invoke(arn, payload)

    sqs._receive_messages_for_esm, sqs._delete_messages_for_esm = received, deleted
    eventbridge._dispatch_to_lambda = invoked
    lambda_runtime._clocked = DELIVERIES.clocked
    replace_in_function(lambda_runtime.Worker, "_spawn", "f.write(worker_script)", "f.write(_clocked(worker_script))")
