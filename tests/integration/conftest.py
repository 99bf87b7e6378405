"""The integration tests use the role of the integration tests, in the local cloud as in an account.

The local cloud deploys the role from ``templates/delivery.yaml`` and enforces its policies. Tests marked ``local_only`` need
something that a deployed stage lacks or forbids: they use the local cloud's root credentials. A fixture of module or session
scope uses root's only if its whole module is marked.
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

from local.cloud import integration_role
from local.settings import SESSION
from model.settings import REGION
from tests.present import present
from tools.client import Shop

MARKER = "local_only"
# Routes of the emulator and of the front door, which no stage on AWS has.
LOCAL_ROUTES = ("/_setpieces/", "/_ministack/", "/_front_door/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each mark has a reason."""
    for item in items:
        for mark in item.iter_markers(MARKER):
            if not (len(mark.args) == 1 and isinstance(mark.args[0], str) and len(mark.args[0]) > 20):
                raise pytest.UsageError(f"{item.nodeid}: {MARKER} takes one argument, the reason.")


class SwitchedCredentials(Credentials):
    """Those of the role, or of root while a marked test runs. Clients read them for each call."""

    def __init__(self, root: boto3.Session, role: boto3.Session) -> None:
        self._root, self._role = (present(each.get_credentials()).get_frozen_credentials() for each in (root, role))
        self.use_root = starts_as_root

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return self._root if self.use_root else self._role

    access_key = property(lambda self: self.get_frozen_credentials().access_key)
    secret_key = property(lambda self: self.get_frozen_credentials().secret_key)
    token = property(lambda self: self.get_frozen_credentials().token)


current: SwitchedCredentials | None = None
# Of the test that is about to run: the first one makes the shop, and with it the credentials.
starts_as_root = False


def use_credentials(root: bool) -> None:
    """Switch to root's or the role's; the environment passes them on to commands that tests run."""
    if current is None:
        return
    current.use_root = root
    os.environ.pop(SESSION, None)
    if not root:
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        os.environ[SESSION] = json.dumps(dict(zip(names, current.get_frozen_credentials(), strict=False)))


@pytest.fixture(scope="session")
def shop() -> Shop:
    """The running shop, with the credentials that the running test may use."""
    global current
    shop = Shop.from_environment()
    if shop.endpoint is None:
        return shop
    current = SwitchedCredentials(shop.session, integration_role.session(shop))
    session: Any = botocore.session.Session()
    session._credentials = current
    return replace(shop, session=boto3.Session(botocore_session=session, region_name=REGION))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    global starts_as_root
    starts_as_root = item.get_closest_marker(MARKER) is not None
    use_credentials(starts_as_root)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    yield
    use_credentials(root=True)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Iterator[None]:
    """A shared fixture gets the credentials of its module's mark, whichever test runs first."""
    if current is None or fixturedef.scope == "function":
        return (yield)
    use_root = current.use_root
    use_credentials(root=request.node.get_closest_marker(MARKER) is not None)
    try:
        return (yield)
    finally:
        use_credentials(use_root)


@pytest.fixture(autouse=True)
def _no_local_routes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test without the mark requests no route that only the local cloud has."""
    if request.node.get_closest_marker(MARKER) is not None:
        return
    handle = httpx.HTTPTransport.handle_request

    def guarded(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        assert not request.url.path.startswith(LOCAL_ROUTES), (
            f"no stage on AWS answers {request.url}: mark the test {MARKER}"
        )
        return handle(transport, request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", guarded)
