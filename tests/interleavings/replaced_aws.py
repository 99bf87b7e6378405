"""Replaces AWS, the network and the clock by a world; fixes random numbers, sleep and traces, so that runs are repeatable."""

import concurrent.futures
import importlib
import io
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import time_machine
from botocore.client import BaseClient
from moto import mock_aws

from customers.clients import platforms
from feeds.domain import records
from model.settings import REGION, ROOT
from setpieces import aws, connections, observability, settings
from tests import deployed
from tests.interleavings.module_globals import global_names
from tests.interleavings.state import START
from tests.interleavings.world import World


@contextmanager
def world_in_place_of_aws(monkeypatch: pytest.MonkeyPatch, *services: str) -> Iterator[World]:
    """A world that receives the calls of functions instead of AWS and the network."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for module, _ in global_names():
        importlib.import_module(module)
    # No test here reads logs, metrics and traces, and writing them takes a fourth of the time.
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    monkeypatch.setattr(observability.tracer, "provider", _Untraced())
    logging.disable(logging.CRITICAL)
    _do_not_sleep(monkeypatch)
    # The layer is not built: its schemas are read from their source.
    monkeypatch.setattr(records, "SCHEMAS", ROOT / "schemas" / "feeds")
    monkeypatch.setattr("random.uniform", lambda low, high: low)
    monkeypatch.setattr(os, "urandom", _buffered(os.urandom))
    real = vars(BaseClient)["_make_api_call"]
    for create_client in (aws.client, aws.patient_client, aws.single_try_client):
        create_client.cache_clear()
    with mock_aws(), time_machine.travel(START, tick=False) as clock:
        dynamodb = boto3.client("dynamodb")
        for service in {*services, "partners", "sequences"}:
            for table, arguments in deployed.tables(service).items():
                dynamodb.create_table(TableName=table, **arguments)
        World.clock = clock
        world = World(*services)
        monkeypatch.setattr(settings, "os", SimpleNamespace(environ=_Environment(world)))
        monkeypatch.setattr(BaseClient, "_make_api_call", lambda *call: world.call_aws(real, *call))
        monkeypatch.setattr(connections, "request", world.call_http)
        # Those that functions import when they need threads, and the one that customers keeps.
        monkeypatch.setattr(concurrent.futures, "ThreadPoolExecutor", partial(_ExecutorWithoutThreads, world))
        monkeypatch.setattr(platforms, "_threads", _ExecutorWithoutThreads(world))
        yield world
    logging.disable(logging.NOTSET)
    for create_client in (aws.client, aws.patient_client, aws.single_try_client):
        create_client.cache_clear()


def _buffered(urandom: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """Random numbers of the system, read in blocks: reads are slow, and SDKs read with each call."""
    buffer = io.BytesIO()

    def read(size: int) -> bytes:
        nonlocal buffer
        content = buffer.read(size)
        if len(content) < size:
            buffer = io.BytesIO(urandom(max(size, 1 << 16)))
            content = buffer.read(size)
        return content

    return read


def _do_not_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions do not sleep. Threads that run already, of the local cloud for example, do: otherwise they would spin."""
    other_threads, sleep = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}, time.sleep
    monkeypatch.setattr(
        time, "sleep", lambda seconds: sleep(seconds) if threading.get_ident() in other_threads else None
    )


class _ExecutorWithoutThreads(ThreadPoolExecutor):
    """Makes each call at once, in its caller's thread: a world has one set of module globals. The calls do not interleave."""

    def __init__(self, world: World, workers: int | None = None) -> None:
        super().__init__(workers)
        self._world = world

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        self._world.quiet += 1
        try:
            future.set_result(call(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        finally:
            self._world.quiet -= 1
        return future


class _Untraced:
    """A provider of Powertools' tracer, and a segment of it."""

    def in_subsegment(self, name: str) -> AbstractContextManager["_Untraced"]:
        return nullcontext(self)

    def put_annotation(self, **_: Any) -> None: ...

    put_metadata = put_annotation


class _Environment(Mapping[str, str]):
    def __init__(self, world: World) -> None:
        self._world = world

    def __getitem__(self, key: str) -> str:
        return self._world.environment()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._world.environment())

    def __len__(self) -> int:
        return len(self._world.environment())
