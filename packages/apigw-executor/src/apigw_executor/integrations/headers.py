"""Headers of a proxy integration's response that the client gets under another name, or not at all.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
"""

from __future__ import annotations

# These reach the client as x-amzn-Remapped-<name>.
REMAPPED = frozenset(
    {"authorization", "connection", "content-md5", "date", "max-forwards", "server", "user-agent", "www-authenticate"}
)
NOT_RETURNED = frozenset(
    {"content-length", "expect", "host", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding"}
    | {"upgrade"}
)


def returned_name(name: str) -> str:
    """The name under which the client gets a header of a proxy integration."""
    return f"x-amzn-Remapped-{name}" if name.lower() in REMAPPED else name
