"""As whom the integration tests work. Against the local cloud as against an account: under the role of the integration tests.

The local cloud makes the role from the template that makes it in an account, and enforces its policies. Tests marked
``local_only`` need what a deployed stage does not have, or does not let them do; they work as root of the local cloud. A
fixture that several tests share works as root if its whole module is marked.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import botocore.session
import httpx
import pytest
from botocore.credentials import Credentials, ReadOnlyCredentials

from local import integration_role
from local.settings import REGION, SESSION
from local.shop import Shop

MARKER = "local_only"
# Routes of the emulator and of the front door: no stage on AWS has them.
OF_THE_LOCAL_CLOUD = ("/_setpieces/", "/_ministack/", "/_front_door/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever marks a test says why."""
    for item in items:
        for mark in item.iter_markers(MARKER):
            if not (len(mark.args) == 1 and isinstance(mark.args[0], str) and len(mark.args[0]) > 20):
                raise pytest.UsageError(f"{item.nodeid}: {MARKER} has one argument, the reason.")


class Current(Credentials):
    """Those of the role or of root, as the test that runs now is marked; sessions and clients ask for them at each call."""

    def __init__(self, root: boto3.Session, role: boto3.Session) -> None:
        self._root, self._role = (each.get_credentials().get_frozen_credentials() for each in (root, role))
        self.as_root = False

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return self._root if self.as_root else self._role

    access_key = property(lambda self: self.get_frozen_credentials().access_key)
    secret_key = property(lambda self: self.get_frozen_credentials().secret_key)
    token = property(lambda self: self.get_frozen_credentials().token)


current: Current | None = None


def become(root: bool) -> None:
    """Root or the role; tools that tests start as well, by the environment."""
    if current is None:
        return
    current.as_root = root
    os.environ.pop(SESSION, None)
    if not root:
        keys = current.get_frozen_credentials()
        named = {"aws_access_key_id": keys.access_key, "aws_secret_access_key": keys.secret_key}
        os.environ[SESSION] = json.dumps(named | {"aws_session_token": keys.token})


@pytest.fixture(scope="session")
def shop() -> Shop:
    """The running shop, used as the running test may."""
    global current
    shop = Shop.from_environment()
    if shop.endpoint is None:
        return shop
    current = Current(shop.session, integration_role.session(shop))
    session = botocore.session.Session()
    session._credentials = current
    return replace(shop, session=boto3.Session(botocore_session=session, region_name=REGION))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    become(root=item.get_closest_marker(MARKER) is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    yield
    become(root=True)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Iterator[None]:
    """What tests share is not made as the first of them to run may be, but as its module is marked."""
    if current is None or fixturedef.scope == "function":
        return (yield)
    as_root = current.as_root
    become(root=request.node.get_closest_marker(MARKER) is not None)
    try:
        return (yield)
    finally:
        become(as_root)


@pytest.fixture(autouse=True)
def _only_what_a_stage_has(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test without the mark does not use routes that only the local cloud has."""
    if request.node.get_closest_marker(MARKER) is not None:
        return
    handle = httpx.HTTPTransport.handle_request

    def guarded(transport: httpx.HTTPTransport, sent: httpx.Request) -> httpx.Response:
        assert not sent.url.path.startswith(OF_THE_LOCAL_CLOUD), (
            f"no stage on AWS has {sent.url}: mark the test {MARKER}"
        )
        return handle(transport, sent)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", guarded)
