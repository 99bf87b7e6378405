"""Links to the file of a batch. Pure."""

from typing import TypedDict

from setpieces.errors import Refused

# A signed link expires with the credentials that signed it, at the latest after an hour.
MAX_LINK_SECONDS = 3600
# Enough to follow a redirect; a signed link that is found afterwards has expired.
EXCHANGED_LINK_SECONDS = 60


class Link(TypedDict):
    """``expires_at`` is RFC 3339 in UTC."""

    url: str
    expires_at: str


def download_not_found() -> Refused:
    """The token of a one-time link is malformed, unknown, expired or used, or its batch is not issued."""
    return Refused("DOWNLOAD_NOT_FOUND", "This link is unknown, has expired or was used already")
