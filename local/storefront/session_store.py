"""The session store: a process that speaks the Redis protocol in place of ElastiCache.

SESSIONS_TOKEN=... python -m local.storefront.session_store PORT
"""

import os
import sys
from urllib.parse import quote

from fakeredis import FakeRedis, TcpFakeServer

from local.settings import HOST, SESSIONS_PORT

USER = "storefront"


def sessions_url(token: str, port: int = SESSIONS_PORT) -> str:
    """The URL of the session store.

    Protocol 2: protocol 3 begins with HELLO, which the store runs for known users only.
    """
    return f"redis://{USER}:{quote(token, safe='')}@{HOST}:{port}/0?protocol=2"


def session_store(port: int, token: str) -> TcpFakeServer:
    """A server of the Redis protocol that runs commands of ``USER`` only, with ``token`` as the password."""
    server = TcpFakeServer((HOST, port), server_type="valkey")
    access = FakeRedis(server=server.fake_server)
    access.acl_setuser(USER, enabled=True, passwords=[f"+{token}"], commands=["+@all"], keys=["*"])
    access.acl_setuser("default", enabled=True, reset=True)
    return server


if __name__ == "__main__":
    session_store(int(sys.argv[1]), os.environ["SESSIONS_TOKEN"]).serve_forever()
