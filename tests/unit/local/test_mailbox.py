"""The outbox, from the emulator's list of messages."""

from rich.console import Console

from local.cloud.mail import show
from local.mailbox import mails


def message(timestamp: float, to: str = "ada@example.com", text: str = "Hello") -> dict:
    return {
        "MessageId": "m",
        "Source": "shop@example.com",
        "To": [to],
        "Subject": f"At {timestamp}",
        "BodyText": text,
        "Timestamp": timestamp,
    }


def test_mails_of_all_accounts_come_oldest_first():
    outbox = mails({"messages": {"000000000000": [message(20), message(10)], "111111111111": [message(15)]}})
    assert [mail.subject for mail in outbox] == ["At 10", "At 15", "At 20"]


def test_without_mails_the_outbox_is_empty():
    assert mails({"messages": {}}) == []


def test_the_text_of_a_mail_is_not_markup():
    assert "[red]not red[/] https://example.com/?a=b&c=d" in rendered("[red]not red[/] https://example.com/?a=b&c=d")


def test_a_link_is_on_one_line_in_a_narrow_terminal():
    link = f"http://127.0.0.1:8080/sign-up/confirm#{'x' * 80}"
    assert link in rendered(f"Open this link:\n\n{link}\n").splitlines()


def rendered(text: str) -> str:
    (mail,) = mails({"messages": {"0": [message(10, text=text)]}})
    console = Console(width=60, record=True)
    show(mail, console)
    return console.export_text()
