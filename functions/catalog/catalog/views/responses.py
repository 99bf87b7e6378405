"""Cacheable answers: the same product is the same entity tag, in every process."""

import hashlib
import json
import re
from collections.abc import Callable, Hashable
from typing import Any

from catalog.cache import FRESH_SECONDS, Cache
from setpieces.errors import ExternalUnavailable, RetryLater
from setpieces.rest_api import Request, Response

CACHE_CONTROL = f"public, max-age={FRESH_SECONDS}"


def answer(request: Request, cache: Cache, key: Hashable, load: Callable[[], dict[str, Any]]) -> Response:
    """200 with what the cache or the platform has, 304 if the caller has it already.

    ``Age`` counts the time in our own cache, so that caches on the way do not add theirs to it. Raises ``Problem`` 503 if the
    platform is slow or down and nothing is kept.
    """
    try:
        found = cache.read(key, load)
    except ExternalUnavailable as error:
        detail = "Products cannot be read at the moment"
        raise RetryLater(error.retry_seconds, detail, "CATALOG_UNAVAILABLE") from error
    tag = entity_tag(found.value)
    headers = {"ETag": tag, "Cache-Control": CACHE_CONTROL, "Age": str(found.age)}
    if knows(request.headers.get("if-none-match", ""), tag):
        return Response(304, headers=headers)
    return Response(200, found.value, headers)


def entity_tag(body: dict[str, Any]) -> str:
    """A strong entity tag of a JSON body."""
    return f'"{hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]}"'


def knows(if_none_match: str, tag: str) -> bool:
    """Whether ``If-None-Match`` names ``tag``, by weak comparison (RFC 9110, 13.1.2)."""
    return if_none_match.strip() == "*" or tag in re.findall(r'"[^"]*"', if_none_match)
