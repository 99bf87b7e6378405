"""The outbox, from the emulator's list of messages."""

from rich.console import Console

from local.mail import mails, show


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
    found = mails({"messages": {"000000000000": [message(20), message(10)], "111111111111": [message(15)]}})
    assert [mail.subject for mail in found] == ["At 10", "At 15", "At 20"]


def test_no_mails_are_an_empty_outbox():
    assert mails({"messages": {}}) == []


def test_what_a_mail_says_is_shown_as_it_is_and_not_taken_for_markup():
    assert "[red]not red[/] https://example.com/?a=b&c=d" in shown("[red]not red[/] https://example.com/?a=b&c=d")


def test_a_link_is_in_one_line_however_narrow_the_terminal_is():
    link = f"http://127.0.0.1:8080/sign-up/confirm#{'x' * 80}"
    assert link in shown(f"Open this link:\n\n{link}\n").splitlines()


def shown(text: str) -> str:
    (mail,) = mails({"messages": {"0": [message(10, text=text)]}})
    console = Console(width=60, record=True)
    show(mail, console)
    return console.export_text()
