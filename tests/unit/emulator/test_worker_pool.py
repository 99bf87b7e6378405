"""The assignment of workers to invocations, with workers whose start and end the test controls."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from local.emulator.function_workers import pool as pools
from local.emulator.function_workers.pool import WorkerPool
from tools.client import eventually


class FakeWorker:
    """Its start ends when ``may_start`` is set."""

    def __init__(self, name: str, config: dict[str, Any], code: bytes) -> None:
        self.name, self.code, self.in_use, self.killed = name, code, False, False
        self._proc: Any = None
        self.starting = threading.Event()

    def _spawn(self) -> None:
        self.starting.set()
        may_start.wait(20)
        if self.code == b"broken":
            raise RuntimeError("cannot be imported")
        self._proc = SimpleNamespace(poll=lambda: None)


may_start = threading.Event()


def kill(workers: Iterable[FakeWorker]) -> None:
    for worker in workers:
        worker.killed = True


@pytest.fixture
def runtime() -> Any:
    may_start.set()
    runtime = SimpleNamespace(_lock=threading.Lock(), _workers={})
    runtime._worker_key = lambda name, config, qualifier: f"account:region:{name}:{qualifier}"
    runtime._worker_class_for = lambda config: FakeWorker
    runtime.kill_workers = kill
    return runtime


@pytest.fixture
def pool(runtime: Any) -> WorkerPool:
    return WorkerPool(runtime, limit=2)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as executor:
        yield executor
        may_start.set()


def invoke(pool: WorkerPool, name: str, during: Callable[[], Any] = lambda: None, code: bytes = b"") -> FakeWorker:
    """One invocation as in ``lambda_svc``; ``during`` is the handler."""
    worker, how = pool.acquire(name, {}, code)
    try:
        if how == "spawn":
            pool.start(worker)
        during()
        return worker
    finally:
        pool.release(worker)


def starting(pool: WorkerPool) -> int:
    return sum(worker.starting.is_set() for worker in pool._starting)


def test_no_more_workers_start_at_once_than_the_limit(pool: WorkerPool, threads: ThreadPoolExecutor):
    may_start.clear()
    invocations = [threads.submit(invoke, pool, f"function-{number}") for number in range(8)]
    eventually(lambda: starting(pool) == 2)
    assert len(pool._starting) == 2
    may_start.set()
    assert len({invocation.result(30) for invocation in invocations}) == 8


def test_a_waiting_invocation_takes_the_worker_that_becomes_idle_first(pool: WorkerPool, threads: ThreadPoolExecutor):
    may_start.clear()
    invocations = [threads.submit(invoke, pool, "function") for _ in range(16)]
    eventually(lambda: starting(pool) == 2)
    may_start.set()
    assert len({invocation.result(30) for invocation in invocations}) == 2


def test_a_function_that_is_busy_for_long_gets_another_worker(pool: WorkerPool, threads: ThreadPoolExecutor):
    release = threading.Event()
    busy = threads.submit(invoke, pool, "function", lambda: release.wait(30))
    eventually(lambda: pool.runtime._workers)
    other = invoke(pool, "function")
    release.set()
    assert other is not busy.result(30)


def test_a_chain_of_invocations_of_one_function_by_itself_completes(pool: WorkerPool):
    """Each invocation holds its worker until the next one ends, so the chain needs as many workers as invocations."""
    depth = 6

    def handler(link: int) -> None:
        if link:
            invoke(pool, "function", lambda: handler(link - 1))

    handler(depth)
    assert len(pool.runtime._workers["account:region:function:$LATEST"]) == depth


def test_chains_of_many_callers_complete(pool: WorkerPool, threads: ThreadPoolExecutor):
    def chain() -> FakeWorker:
        return invoke(pool, "first", lambda: invoke(pool, "second", lambda: invoke(pool, "first")))

    assert all(chain.result(60) for chain in [threads.submit(chain) for _ in range(12)])


def test_a_hanging_start_delays_others_at_most_for_the_init_limit(
    pool: WorkerPool, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pools, "INIT_SECONDS", 0.5)
    may_start.clear()
    hanging = [threads.submit(invoke, pool, f"hangs-{number}") for number in range(2)]
    eventually(lambda: starting(pool) == 2)
    third: Future[FakeWorker] = threads.submit(invoke, pool, "function")
    eventually(lambda: pool.runtime._workers.get("account:region:function:$LATEST"))
    may_start.set()
    assert all(future.result(30) for future in (*hanging, third))


def test_a_start_that_fails_lets_the_next_one_begin(pool: WorkerPool):
    for _ in range(4):
        with pytest.raises(RuntimeError, match="cannot be imported"):
            invoke(pool, "function", code=b"broken")
        pool.runtime._workers.clear()
    assert invoke(pool, "function")


def test_a_worker_whose_process_ended_is_started_again(pool: WorkerPool):
    worker = invoke(pool, "function")
    worker._proc = SimpleNamespace(poll=lambda: -9)
    assert invoke(pool, "function") is worker
    assert worker._proc.poll() is None


def test_a_worker_with_replaced_code_is_not_kept(pool: WorkerPool, threads: ThreadPoolExecutor):
    may_start.clear()
    others = [threads.submit(invoke, pool, f"other-{number}") for number in range(2)]
    eventually(lambda: starting(pool) == 2)
    old = threads.submit(invoke, pool, "function", code=b"old")
    eventually(lambda: "account:region:function:$LATEST" in pool.runtime._workers)
    pool.runtime._workers.pop("account:region:function:$LATEST")
    pool.replaced("function")
    may_start.set()
    assert old.result(30).killed
    assert invoke(pool, "function", code=b"new").code == b"new"
    assert all(other.result(30) for other in others)
