"""Pages of a list, by opaque tokens that hold the last key of the page before."""

import base64
import binascii
import re
from itertools import islice

from partners.domain.operations import Call, Documents, Outcome
from partners.domain.schemas import invalid

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


def list_page(call: Call, documents: Documents, member: str = "items", default_limit: int = DEFAULT_LIMIT) -> Outcome:
    """200 with the first ``limit`` documents in ``member`` and, if there are more, ``next_page_token``.

    Raises ``HttpRefusal`` 400 for a wrong ``limit``.
    """
    limit = _parse_limit(call.query, default_limit)
    pairs = list(islice(documents, limit + 1))
    body: dict[str, object] = {member: [document for _, document in pairs[:limit]]}
    if len(pairs) > limit:
        body["next_page_token"] = _page_token(pairs[limit - 1][0])
    return Outcome(200, body)


def parse_page_token(query: dict[str, str], prefix: str = "") -> str:
    """The key after which the page begins, "" for the beginning.

    Raises ``HttpRefusal`` 400 unless the token is one for a list of keys that begin with ``prefix``.
    """
    token = query.get("page_token", "")
    if not token:
        return ""
    try:
        marker, _, key = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode().partition(":")
    except (binascii.Error, ValueError):
        marker, key = "", ""
    is_token = marker == "after" and re.fullmatch(r"[\x20-\x7e]{1,512}", key) and _page_token(key) == token
    if not is_token or not key.startswith(prefix):
        raise invalid("/page_token", "is not a page token of this list")
    return key


def _page_token(key: str) -> str:
    return base64.urlsafe_b64encode(f"after:{key}".encode()).decode().rstrip("=")


def _parse_limit(query: dict[str, str], default: int) -> int:
    limit = query.get("limit", str(default))
    if not re.fullmatch(r"[0-9]{1,3}", limit, re.ASCII) or not 1 <= int(limit) <= MAX_LIMIT:
        raise invalid("/limit", f"must be 1 to {MAX_LIMIT}")
    return int(limit)
