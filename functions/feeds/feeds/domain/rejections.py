"""Why a record, or the rest of a feed, is not processed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rejection:
    """Why one record is rejected; ``pointer`` (RFC 6901) is the member that is wrong, "" for the record as a whole."""

    reason: str
    detail: str = ""
    pointer: str = ""


class UnreadableFeed(Exception):
    """The rest of a feed cannot be read; the records before it can. ``reason`` is a stable code."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
