"""The AWS SDK and moto as unit tests use them: what is the same in every test is done once, and nothing is searched twice.

The SDK's data files are parsed, and its default session is set up, once per process. Both take some 150 ms of CPU, and moto
drops them with every ``mock_aws``. The credentials that a session remembers are forgotten between tests; region and
endpoints it reads from the environment each time anyway. Its clients, 30 ms each, are kept for as long as the settings are
the same that they were made with.
"""

import os
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import boto3
import botocore.session
import botocore.useragent
import moto.core.base_backend
import moto.core.models
import moto.core.responses
import moto.kms.utils
import pytest
from botocore.config import Config
from moto.core.serialize import ResponseSerializer

from tests.conditions import listed_conditions  # noqa: F401  (a fixture of every test)
from tests.faults import Faults
from tests.service import Cloud, Service, cloud
from tests.unit.quick_dynamodb import quick_dynamodb  # noqa: F401  (a fixture of every test)

# For the whole run: nothing takes it back.
_patch = pytest.MonkeyPatch()
_patch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))


_value_of_any = ResponseSerializer.get_value


def _value_of(serializer: ResponseSerializer, value: Any, key: str, shape: Any) -> Any:
    """The member ``key`` of ``value``, for moto's answers; None if it has none.

    DynamoDB's attribute values are plain: one of ten types, by its own name. moto looks for each of the ten under five
    names, which takes half the time of a call.
    """
    if type(value) is dict and getattr(getattr(shape, "parent", None), "name", "") == "AttributeValue":
        return value.get(key)
    return _value_of_any(serializer, value, key, shape)


_patch.setattr(ResponseSerializer, "get_value", _value_of)


# Who calls is the same with every call, and is checked letter by letter in each.
botocore.useragent.sanitize_user_agent_string_component = cache(botocore.useragent.sanitize_user_agent_string_component)

_urls_of_any = vars(moto.core.base_backend.BaseBackend)["urls"].fget
_urls: dict[type, Any] = {}


def _urls_of(backend: Any) -> Any:
    """{address: function} of a service. moto makes them anew with each call, and for S3 loads a module twice."""
    if type(backend) not in _urls:
        _urls[type(backend)] = _urls_of_any(backend)
    return _urls[type(backend)]


_patch.setattr(moto.core.base_backend.BaseBackend, "urls", property(_urls_of))

# With each call moto looks through a service's 400 members for its methods, which takes a sixth of the call.
moto.core.responses.method_names_from_class = cache(moto.core.responses.method_names_from_class)

# Each mock_aws registers the same 1,288 addresses, which say nothing about a test.
_patch.setattr(moto.core.models, "CallbackResponse", cache(moto.core.models.CallbackResponse))

# moto makes an RSA key for each key of KMS, of whatever kind; none of a test's keys is compared with another one.
_patch.setattr(moto.kms.utils, "RSAPrivateKey", cache(moto.kms.utils.RSAPrivateKey))


def _client(make: Any, clients: dict[str, Any], *arguments: Any, **options: Any) -> Any:
    """The client that was made with these arguments in the same environment, a new one if there is none."""
    config = options.get("config") or Config()
    settings = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    key = repr((arguments, options | {"config": vars(config)}, settings))
    if key not in clients:
        clients[key] = make(*arguments, **options)
    return clients[key]


@cache
def _session() -> boto3.Session:
    session = boto3.Session()
    _patch.setattr(session, "client", partial(_client, session.client, {}))
    return session


@pytest.fixture(autouse=True)
def _default_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share the process's default session of boto3, without the credentials it found before."""
    set_up = boto3.setup_default_session

    def reuse(**options: Any) -> None:
        if options:
            return set_up(**options)
        session: Any = _session()
        boto3.DEFAULT_SESSION = session
        session._session._credentials = None
        return None

    monkeypatch.setattr(boto3, "setup_default_session", reuse)


@pytest.fixture
def aws_cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An empty cloud, and functions that remember nothing of another one."""
    with cloud(monkeypatch) as made:
        yield made


@pytest.fixture
def service(aws_cloud: Cloud) -> Callable[..., Service]:
    """``service("vouchers")``: the service as its template deploys it, in the cloud of this test."""
    return aws_cloud.service


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    """Calls of AWS and external systems that fail in this test, and the names of all of them."""
    return Faults(monkeypatch)
