"""Paging through a list by opaque tokens that name the last key of the page before."""

import base64
import binascii
import re

from partners.simulators.schemas import invalid

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


def page_token(key: str) -> str:
    """An opaque token for what follows ``key``."""
    return base64.urlsafe_b64encode(f"after:{key}".encode()).decode().rstrip("=")


def page_start(query: dict[str, str], prefix: str = "") -> str:
    """The key that ``page_token`` continues after, "" for the beginning.

    Raises ``HttpRefusal`` 400 for a token that was not given for a list of keys beginning with ``prefix``.
    """
    token = query.get("page_token", "")
    if not token:
        return ""
    try:
        marker, _, key = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode().partition(":")
    except (binascii.Error, ValueError):
        marker, key = "", ""
    given = marker == "after" and re.fullmatch(r"[\x20-\x7e]{1,512}", key) and page_token(key) == token
    if not given or not key.startswith(prefix):
        raise invalid("/page_token", "is not a page token of this list")
    return key


def page_limit(query: dict[str, str], default: int = DEFAULT_LIMIT) -> int:
    """How many to list. Raises ``HttpRefusal`` 400."""
    given = query.get("limit", str(default))
    if not re.fullmatch(r"[0-9]{1,3}", given, re.ASCII) or not 1 <= int(given) <= MAX_LIMIT:
        raise invalid("/limit", f"must be 1 to {MAX_LIMIT}")
    return int(given)
