"""``make mail``: print the mails of the shop, which the local cloud keeps instead of sending them."""

import click
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from local.mailbox import Mail, outbox
from tools.client import Shop
from tools.failures import CommandFailed, requires_shop

console = Console(highlight=False)


def show(mail: Mail, console: Console) -> None:
    """Print a mail without wrapping its lines, so that links can be copied."""
    console.print(Rule(Text(mail.subject), align="left"))
    console.print(Text(f"{mail.sent_at:%Y-%m-%d %H:%M:%S} UTC   from {mail.sender}   to {', '.join(mail.to)}"))
    console.print(Text(f"\n{mail.text.strip()}\n"), soft_wrap=True)


def require_mails(shop: Shop) -> None:
    """Raises ``CommandFailed`` for a stage whose mails cannot be read."""
    if shop.stage != "local":
        raise CommandFailed(f"Stage {shop.stage} sends its mails to their recipients; only the local cloud keeps them.")


@click.command()
@requires_shop
def main() -> None:
    """Print the mails of the shop, newest last."""
    shop = Shop.from_environment()
    require_mails(shop)
    all_mails = outbox(shop.emulator)
    for mail in all_mails:
        show(mail, console)
    console.print(f"Mails: {len(all_mails)}" if all_mails else "The shop has not sent any mail yet. Try: make demo")
