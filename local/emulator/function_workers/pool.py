"""Assigns workers to invocations: an idle one, or a new one as soon as fewer workers start than there are cores.

AWS starts an execution environment for each invocation without an idle one. Local workers share a few cores: if one started for
each request at once, all requests would time out. Only the number of workers that start at the same time is limited, not the
number of workers, so an invocation whose caller holds a worker always gets its own.
"""

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

# How long an invocation waits for a busy worker of its function before a new one starts: QUIET_SECONDS after a worker last
# became idle, at most PATIENCE_SECONDS. On a busy machine, where a start takes longer, as long as one start, or as
# PATIENCE_STARTS. Until a function's first response, which takes much longer than later ones, FIRST_RESPONSE_SECONDS.
QUIET_SECONDS = 0.2
PATIENCE_SECONDS = 0.75
PATIENCE_STARTS = 3
LONGEST_START_SECONDS = 1.0
FIRST_RESPONSE_SECONDS = 5.0
# A start that takes longer no longer counts, so a module that hangs during its import delays no other start. AWS's limit:
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
INIT_SECONDS = 10.0
# How often a waiting invocation checks for a worker without a notification.
POLL_SECONDS = 0.5


@dataclass
class _Queue:
    """Invocations that wait for a worker of one function version."""

    condition: threading.Condition
    first_ready: float = 0.0  # when the first worker was ready, if the function had no other
    last_idle: float = 0.0  # when a worker last became ready or idle
    start_seconds: float = 0.0  # how long the last start took
    responded: bool = False  # True if a worker responded since ``first_ready``


@dataclass
class WorkerPool:
    """Replaces how ``runtime`` (``ministack.core.lambda_runtime``) leases workers; at most ``limit`` start at once.

    Times are seconds of the monotonic clock.
    """

    runtime: ModuleType
    limit: int
    _queues: dict[str, _Queue] = field(default_factory=dict)
    _starting: dict[Any, float] = field(default_factory=dict)  # worker: when its start no longer counts
    _updates: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def acquire(self, name: str, config: dict[str, Any], code: bytes, qualifier: str = "$LATEST") -> tuple[Any, str]:
        """Lease a worker: (worker, "reused" or "spawn"). A new one, or one whose process ended, may start at once."""
        key = self.runtime._worker_key(name, config, qualifier)
        arrived = time.monotonic()
        with self.runtime._lock:
            update = self._updates[name]
            queue = self._queues.setdefault(key, _Queue(threading.Condition(self.runtime._lock)))
            while True:
                workers = self.runtime._workers.setdefault(key, [])
                idle = [worker for worker in workers if not worker.in_use]
                for worker in filter(_alive, idle):
                    return self._lease(worker), "reused"
                wait = self._seconds_until_start(queue, workers, arrived)
                if wait <= 0:
                    break
                queue.condition.wait(min(wait, POLL_SECONDS))
            worker = idle[0] if idle else self.runtime._worker_class_for(config)(name, config, code)
            worker.pool_key = key
            if not idle and update == self._updates[name]:  # a worker with replaced code serves only once
                workers.append(worker)
            self._starting[worker] = time.monotonic() + INIT_SECONDS
            return self._lease(worker), "spawn"

    def release(self, worker: Any) -> None:
        """Return a leased worker; the invocation that has waited longest continues."""
        if worker is None:
            return
        key: str = worker.pool_key
        with self.runtime._lock:
            worker.in_use = False
            worker.last_used = time.time()
            self._starting.pop(worker, None)
            pooled = worker in self.runtime._workers.get(key, ())
            if pooled:
                queue = self._queues[key]
                queue.last_idle, queue.responded = time.monotonic(), True
                queue.condition.notify()
        if not pooled:
            self.runtime.kill_workers([worker])

    def discard(self, worker: Any) -> None:
        """End a worker that failed; others of its function continue, as environments on AWS do."""
        with self.runtime._lock:
            self._starting.pop(worker, None)
            workers = self.runtime._workers.get(worker.pool_key, [])
            if worker in workers:
                workers.remove(worker)
        self.runtime.kill_workers([worker])

    def start(self, worker: Any) -> None:
        """Start the process of a leased worker once few enough others start. Raises the errors of ``worker._spawn``."""
        with self.runtime._lock:
            deadline = time.monotonic() + INIT_SECONDS
            while worker not in self._starting and self._starts() >= self.limit and time.monotonic() < deadline:
                self._queues[worker.pool_key].condition.wait(POLL_SECONDS)
            self._starting[worker] = time.monotonic() + INIT_SECONDS
        began = time.monotonic()
        try:
            worker._spawn()
        finally:
            with self.runtime._lock:
                self._starting.pop(worker, None)
                queue = self._queues[worker.pool_key]
                queue.last_idle = time.monotonic()
                queue.start_seconds = min(queue.last_idle - began, LONGEST_START_SECONDS)
                other_workers = self.runtime._workers.get(worker.pool_key, ())
                if not any(_alive(other) for other in other_workers if other is not worker):
                    queue.first_ready, queue.responded = queue.last_idle, False
                for waiting in self._queues.values():
                    waiting.condition.notify()

    def replaced(self, name: str) -> None:
        """The code or configuration of a function changed: waiting invocations have the previous one."""
        with self.runtime._lock:
            self._updates[name] += 1
            for key in [key for key in self._queues if key.split(":")[2] == name]:
                self._queues[key].condition.notify_all()

    def _lease(self, worker: Any) -> Any:
        worker.in_use = True
        worker.last_used = time.time()
        return worker

    def _starts(self) -> int:
        now = time.monotonic()
        return sum(deadline > now for deadline in self._starting.values())

    def _seconds_until_start(self, queue: _Queue, workers: list[Any], arrived: float) -> float:
        """How long to wait until a worker may start; 0 if it may start now."""
        now = time.monotonic()
        if self._starts() >= self.limit:
            return POLL_SECONDS
        if not any(_alive(worker) for worker in workers if worker not in self._starting):
            return 0
        if not queue.responded:
            return max(0, queue.first_ready + FIRST_RESPONSE_SECONDS - now)
        quiet = max(arrived, queue.last_idle) + max(QUIET_SECONDS, queue.start_seconds)
        patience = max(arrived, queue.first_ready) + max(PATIENCE_SECONDS, PATIENCE_STARTS * queue.start_seconds)
        return max(0, min(quiet, patience) - now)


def _alive(worker: Any) -> bool:
    process = worker._proc
    return process is not None and process.poll() is None


def install(runtime: ModuleType, service: ModuleType, limit: int) -> WorkerPool:
    """Put a pool into the emulator's modules ``lambda_runtime`` and ``lambda_svc``."""
    pool = WorkerPool(runtime, limit)
    invalidate = runtime.invalidate_worker

    def invalidate_worker(name: str, *args: Any, **kwargs: Any) -> None:
        invalidate(name, *args, **kwargs)
        pool.replaced(name)

    for module in (runtime, service):
        module.__dict__.update(
            acquire_worker=pool.acquire, release_worker=pool.release, invalidate_worker=invalidate_worker
        )
    runtime.__dict__["_pool"] = service.__dict__["_pool"] = pool
    return pool
