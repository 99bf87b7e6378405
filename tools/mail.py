"""``make mail``: the mails that the shop has sent, which the local cloud keeps instead of sending them."""

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
    """One mail in plain text, as it was sent."""

    sent_at: datetime
    sender: str
    to: tuple[str, ...]
    subject: str
    text: str


def outbox(shop: Shop, to: str = "") -> list[Mail]:
    """Mails that the shop has sent, oldest first; those to one address if it is given."""
    answer = shop.emulator("GET", "/_ministack/ses/messages")
    found = mails(answer.raise_for_status().json())
    return [mail for mail in found if not to or to in mail.to]


def mails(answer: dict[str, Any]) -> list[Mail]:
    """What the emulator's list of messages holds: {"messages": {account: [{Source, To, Subject, BodyText, Timestamp}]}}."""
    found = [
        Mail(
            datetime.fromtimestamp(message["Timestamp"], UTC),
            message["Source"],
            tuple(message["To"]),
            message["Subject"],
            message["BodyText"],
        )
        for messages in answer["messages"].values()
        for message in messages
    ]
    return sorted(found, key=lambda mail: mail.sent_at)


def show(mail: Mail, console: Console) -> None:
    """Print a mail. Lines are not wrapped: a link that is copied has to be whole."""
    console.print(Rule(Text(mail.subject), align="left"))
    console.print(Text(f"{mail.sent_at:%Y-%m-%d %H:%M:%S} UTC   from {mail.sender}   to {', '.join(mail.to)}"))
    console.print(Text(f"\n{mail.text.strip()}\n"), soft_wrap=True)


@click.command()
@requires_shop
def main() -> None:
    """Print the mails that the shop has sent, newest last."""
    shop = Shop.from_environment()
    if shop.stage != "local":
        raise CommandFailed(f"Mails of stage {shop.stage} went to their recipients; only the local cloud keeps them.")
    sent = outbox(shop)
    for mail in sent:
        show(mail, console)
    console.print(f"Mails: {len(sent)}" if sent else "No mail was sent yet. Try: make demo")
