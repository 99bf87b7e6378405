"""The mails of the shop, which the local cloud keeps instead of sending them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx


@dataclass(frozen=True)
class Mail:
    """A mail in plain text."""

    sent_at: datetime
    sender: str
    to: tuple[str, ...]
    subject: str
    text: str


def outbox(emulator: Callable[[str, str], httpx.Response], to: str = "") -> list[Mail]:
    """Mails of the shop, to one address or to all, oldest first. ``emulator`` sends a request to an administrative route."""
    response = emulator("GET", "/_ministack/ses/messages")
    return [mail for mail in mails(response.raise_for_status().json()) if not to or to in mail.to]


def mails(document: dict[str, Any]) -> list[Mail]:
    """The mails in the emulator's list: {"messages": {account: [{Source, To, Subject, BodyText, Timestamp}]}}."""
    unsorted = [
        Mail(
            datetime.fromtimestamp(message["Timestamp"], UTC),
            message["Source"],
            tuple(message["To"]),
            message["Subject"],
            message["BodyText"],
        )
        for messages in document["messages"].values()
        for message in messages
    ]
    return sorted(unsorted, key=lambda mail: mail.sent_at)
