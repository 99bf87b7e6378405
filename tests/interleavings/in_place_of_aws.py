"""Puts a world in place of AWS, the network and the clock; and makes the same of each run: random numbers, sleep, traces."""

import importlib
import io
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import time_machine
from botocore.client import BaseClient
from moto import mock_aws

from feeds.domain import records
from model.settings import REGION, ROOT
from setpieces import aws, connections, observability, settings
from tests import deployed
from tests.interleavings.module_globals import global_names
from tests.interleavings.state import START
from tests.interleavings.world import World


@contextmanager
def world(monkeypatch: pytest.MonkeyPatch, *services: str) -> Iterator[World]:
    """A world whose functions call it instead of AWS and the network."""
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
    # The layer is not built: what it carries is where its build takes it from.
    monkeypatch.setattr(records, "SCHEMAS", ROOT / "schemas" / "feeds")
    monkeypatch.setattr("random.uniform", lambda low, high: low)
    monkeypatch.setattr(os, "urandom", _in_stock(os.urandom))
    real = vars(BaseClient)["_make_api_call"]
    for make in (aws.client, aws.patient_client, aws.single_try_client):
        make.cache_clear()
    with mock_aws(), time_machine.travel(START, tick=False) as clock:
        dynamodb = boto3.client("dynamodb")
        for service in {*services, "partners", "sequences"}:
            for table, arguments in deployed.tables(service).items():
                dynamodb.create_table(TableName=table, **arguments)
        World.clock = clock
        made = World(*services)
        monkeypatch.setattr(settings, "os", SimpleNamespace(environ=_Environment(made)))
        monkeypatch.setattr(BaseClient, "_make_api_call", lambda *called: made.call_aws(real, *called))
        monkeypatch.setattr(connections, "request", made.call_http)
        yield made
    logging.disable(logging.NOTSET)
    for make in (aws.client, aws.patient_client, aws.single_try_client):
        make.cache_clear()


def _in_stock(urandom: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """Random numbers of the system, many at a time: to ask for them is slow, and SDKs do with each call."""
    stock = io.BytesIO()

    def taken(size: int) -> bytes:
        nonlocal stock
        found = stock.read(size)
        if len(found) < size:
            stock = io.BytesIO(urandom(max(size, 1 << 16)))
            found = stock.read(size)
        return found

    return taken


def _do_not_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """What functions do does not wait. Threads that others began, of the local cloud for example, do: they would spin."""
    others, sleep = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}, time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(seconds) if threading.get_ident() in others else None)


class _Untraced:
    """A provider of Powertools' tracer, and a segment of it."""

    def in_subsegment(self, name: str) -> AbstractContextManager["_Untraced"]:
        return nullcontext(self)

    def put_annotation(self, **_: Any) -> None: ...

    put_metadata = put_annotation


class _Environment(Mapping[str, str]):
    def __init__(self, made: World) -> None:
        self._made = made

    def __getitem__(self, key: str) -> str:
        return self._made.environment()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made.environment())

    def __len__(self) -> int:
        return len(self._made.environment())
