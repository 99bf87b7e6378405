"""The AWS SDK as unit tests use it: its data files are parsed, and its default session is set up, once per process.

Both take some 150 ms of CPU, and moto drops them with every ``mock_aws``. The credentials that a session remembers are
forgotten between tests; region and endpoints it reads from the environment each time anyway.
"""

from functools import cache

import boto3
import botocore.session
import pytest

botocore.session.create_loader = cache(botocore.session.create_loader)


@cache
def _session() -> boto3.Session:
    return boto3.Session()


@pytest.fixture(autouse=True)
def _default_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever needs boto3's default session gets the one of the process, without the credentials it found before."""
    set_up = boto3.setup_default_session

    def reuse(**options: object) -> None:
        if options:
            return set_up(**options)
        boto3.DEFAULT_SESSION = _session()
        boto3.DEFAULT_SESSION._session._credentials = None
        return None

    monkeypatch.setattr(boto3, "setup_default_session", reuse)
