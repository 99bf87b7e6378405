"""Digests by which a request that is sent again under its ``Idempotency-Key`` is recognised. Pure.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import hashlib
import json
from typing import Any


def key_digest(scope: str, key: str) -> str:
    """The digest of an ``Idempotency-Key`` within ``scope``, such as a caller or a basket: each scope has its own keys."""
    # A key has no line break (``Request.idempotency_key``), so no two pairs give the same text.
    return _digest(f"{scope}\n{key}")


def payload_digest(payload: Any) -> str:
    """The digest of a request's parameters: another one under the same key is another request."""
    return _digest(json.dumps(payload, sort_keys=True))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
