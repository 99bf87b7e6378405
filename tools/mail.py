"""``make mail``: print the mails of the shop, which the local cloud keeps instead of sending them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from tools.client import Shop
from tools.failures import CommandFailed, requires_shop

console = Console(highlight=False)


@dataclass(frozen=True)
class Mail:
    """A mail in plain text."""

    sent_at: datetime
    sender: str
    to: tuple[str, ...]
    subject: str
    text: str


def outbox(shop: Shop, to: str = "") -> list[Mail]:
    """Mails of the shop, to one address or to all, oldest first."""
    response = shop.emulator("GET", "/_ministack/ses/messages")
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


def show(mail: Mail, console: Console) -> None:
    """Print a mail without wrapping its lines, so that links can be copied."""
    console.print(Rule(Text(mail.subject), align="left"))
    console.print(Text(f"{mail.sent_at:%Y-%m-%d %H:%M:%S} UTC   from {mail.sender}   to {', '.join(mail.to)}"))
    console.print(Text(f"\n{mail.text.strip()}\n"), soft_wrap=True)


@click.command()
@requires_shop
def main() -> None:
    """Print the mails of the shop, newest last."""
    shop = Shop.from_environment()
    if shop.stage != "local":
        raise CommandFailed(f"Stage {shop.stage} sends its mails to their recipients; only the local cloud keeps them.")
    all_mails = outbox(shop)
    for mail in all_mails:
        show(mail, console)
    console.print(f"Mails: {len(all_mails)}" if all_mails else "The shop has not sent any mail yet. Try: make demo")
