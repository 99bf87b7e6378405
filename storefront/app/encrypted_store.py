"""Values in a Redis-protocol store that all processes share, each readable only with its identifier.

A value is stored under a hash of the identifier and encrypted with a key that is derived from it: read access to the store
reveals neither identifiers nor values, and write access does not allow planting a value.
"""

import base64
import hashlib
import hmac
import json
import logging
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from redis.asyncio import Redis
from redis.exceptions import RedisError

# Seconds; short, because pages are useful without the store.
TIMEOUT = 0.5

LOG = logging.getLogger(__name__)


def connect(url: str) -> Redis:
    """Return a client of the store at ``url``; it connects when it is used."""
    return Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, decode_responses=True)


class EncryptedStore:
    """JSON objects of one kind by identifier, for example ``session``; ``client`` is a Redis client."""

    def __init__(self, client: Any, kind: str) -> None:
        self._client, self._kind = client, kind

    async def read(self, identifier: str) -> dict[str, Any] | None:
        """Return a value, or None if it is missing, unreadable, or the store is unavailable."""
        try:
            encrypted = await self._client.get(self._key(identifier))
        except RedisError as error:
            LOG.warning("a %s cannot be read: %s", self._kind, error)
            return None
        return self._decrypt(identifier, encrypted) if encrypted else None

    async def write(self, identifier: str, value: dict[str, Any], seconds: int) -> bool:
        """Store a value for ``seconds``. False if the store is unavailable."""
        encrypted = self._cipher(identifier).encrypt(json.dumps(value).encode()).decode()
        try:
            await self._client.set(self._key(identifier), encrypted, ex=seconds)
        except RedisError as error:
            LOG.warning("a %s cannot be stored: %s", self._kind, error)
            return False
        return True

    async def delete(self, identifier: str) -> None:
        """Delete a value; a store that is unavailable keeps it until it expires."""
        try:
            await self._client.delete(self._key(identifier))
        except RedisError as error:
            LOG.warning("a %s cannot be deleted: %s", self._kind, error)

    def _key(self, identifier: str) -> str:
        return f"encrypted-{self._kind}:{hashlib.sha256(identifier.encode()).hexdigest()}"

    def _cipher(self, identifier: str) -> Fernet:
        """A cipher whose key cannot be derived from the hash in ``_key``."""
        purpose = f"encryption of the {self._kind}".encode()
        return Fernet(base64.urlsafe_b64encode(hmac.digest(identifier.encode(), purpose, "sha256")))

    def _decrypt(self, identifier: str, encrypted: str) -> dict[str, Any] | None:
        try:
            value: dict[str, Any] = json.loads(self._cipher(identifier).decrypt(encrypted))
        except InvalidToken:
            LOG.warning("a %s in the store is not encrypted for its identifier", self._kind)
            return None
        return value
