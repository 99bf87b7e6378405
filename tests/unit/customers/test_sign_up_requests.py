"""Asking for an account: the same for every address, one mail for one request, and not too many for one address."""

import importlib
import json
import re
import time
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from customers import repository as table
from customers.clients import mail as mail_module
from customers.repository import MAILS_PER_HOUR, Pending
from setpieces.errors import ExternalUnavailable
from tests.lambda_events import CONTEXT
from tests.unit.interleave import meanwhile
from tests.unit.lost_answers import repeat
from tests.unit.tables import mocked_table

ADA = {"email": "ada@example.com", "name": "Ada"}
SITE = "https://shop.example"


class Mailbox:
    """What SES was given; ``failure`` is raised after ``delivered`` says whether the mail was sent all the same."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str]] = []
        self.failure: Exception | None = None
        self.delivered = True

    def send_email(self, *, FromEmailAddress: str, Destination: Any, Content: Any) -> None:
        assert FromEmailAddress == "shop@example.com"
        if self.delivered:
            self.mails.append((Destination["ToAddresses"][0], Content["Simple"]["Body"]["Text"]["Data"]))
        if self.failure:
            raise self.failure

    @property
    def tokens(self) -> list[str]:
        return [re.search(rf"{SITE}/sign-up/confirm#(\S+)", text)[1] for _, text in self.mails]  # type: ignore[index]


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch):
    box = Mailbox()
    monkeypatch.setattr(mail_module, "single_try_client", lambda name: box)
    monkeypatch.setattr(mail_module, "address", lambda service, name: SITE)
    monkeypatch.setenv("SENDER", "shop@example.com")
    monkeypatch.setenv("TABLE_NAME", "sign-ups")
    # No test runs across the end of an hour.
    monkeypatch.setattr(table, "HOUR", 10**12)
    with mocked_table(monkeypatch, "sign-ups", "sign_up_id") as dynamodb:
        yield SimpleNamespace(box=box, dynamodb=dynamodb)


def ask(key: str | None = None, **changes: str) -> tuple[int, Any]:
    event = {
        "httpMethod": "POST",
        "path": "/v1/customers",
        "headers": {"Idempotency-Key": key} if key else {},
        "body": json.dumps(ADA | changes),
        "requestContext": {"requestId": "r", "path": "/customers/v1/customers"},
    }
    answer = importlib.import_module("customers.handlers.request_sign_up").handler(event, CONTEXT)
    return answer["statusCode"], json.loads(answer["body"])


def test_the_link_leads_to_what_was_asked_for(mailbox: Any):
    assert ask() == (202, {"status": "PENDING"})
    ((to, text),) = mailbox.box.mails
    assert to == ADA["email"]
    assert "Ada" not in text
    (token,) = mailbox.box.tokens
    assert table.find(token) == Pending(**ADA)


def test_the_table_holds_no_token(mailbox: Any):
    ask()
    items = str(mailbox.dynamodb.scan(TableName="sign-ups")["Items"])
    assert mailbox.box.tokens[0].partition(".")[2] not in items


@pytest.mark.parametrize("change", ["id", "secret"])
def test_a_token_that_is_not_whole_leads_nowhere(mailbox: Any, change: str):
    ask()
    identifier, _, secret = mailbox.box.tokens[0].partition(".")
    assert table.find(f"{'0' * 32}.{secret}" if change == "id" else f"{identifier}.{'A' * 43}") is None


def test_a_link_works_for_a_day(mailbox: Any, monkeypatch):
    ask()
    later = time.time() + table.LIFE_SECONDS
    monkeypatch.setattr(time, "time", lambda: later + 1)
    assert table.find(mailbox.box.tokens[0]) is None


def test_the_same_request_with_the_same_key_is_mailed_once(mailbox: Any):
    assert [ask("k")[0] for _ in range(3)] == [202] * 3
    assert len(mailbox.box.mails) == 1
    ask("other")
    ask("k", email="eve@example.com")
    ask()
    ask()
    assert len(mailbox.box.mails) == 5


@pytest.mark.parametrize("delivered", [False, True])
@pytest.mark.parametrize(
    "failure",
    [
        ReadTimeoutError(endpoint_url="x"),
        ClientError(
            {"Error": {"Code": "TooManyRequestsException"}, "ResponseMetadata": {"HTTPStatusCode": 429}}, "SendEmail"
        ),
    ],
)
def test_a_mail_that_may_not_have_been_sent_is_sent_by_the_repeat_and_every_link_works(mailbox, failure, delivered):
    mailbox.box.failure, mailbox.box.delivered = failure, delivered
    status, problem = ask("k")
    assert (status, problem["code"]) == (503, "NOT_MAILED")
    mailbox.box.failure, mailbox.box.delivered = None, True
    assert ask("k")[0] == 202
    assert [table.find(token) for token in mailbox.box.tokens] == [Pending(**ADA)] * (1 + delivered)


@pytest.mark.parametrize(("skip", "mails"), [(0, 1), (1, 1), (2, 2)])
def test_two_at_once_with_one_key_have_links_that_work(mailbox: Any, monkeypatch, skip: int, mails: int):
    meanwhile(monkeypatch, "UpdateItem", lambda: ask("k"), skip=skip)
    assert ask("k")[0] == 202
    assert len(mailbox.box.tokens) == mails
    assert {table.find(token) for token in mailbox.box.tokens} == {Pending(**ADA)}


def test_an_answer_of_the_table_that_was_lost_changes_nothing(mailbox: Any, monkeypatch):
    repeat(monkeypatch, mailbox.dynamodb, "update_item")
    assert ask("k")[0] == 202
    assert table.find(mailbox.box.tokens[0]) == Pending(**ADA)


def test_an_address_is_not_flooded_and_the_answer_stays_the_same(mailbox: Any):
    assert [ask() for _ in range(MAILS_PER_HOUR + 2)] == [(202, {"status": "PENDING"})] * (MAILS_PER_HOUR + 2)
    assert len(mailbox.box.mails) == MAILS_PER_HOUR
    ask(email="ADA@example.com")
    assert len(mailbox.box.mails) == MAILS_PER_HOUR
    ask(email="eve@example.com")
    assert len(mailbox.box.mails) == MAILS_PER_HOUR + 1


def test_requests_with_one_key_that_come_all_at_once_do_not_flood_an_address(mailbox: Any, monkeypatch):
    """Each comes while the one before is sending its mail, which is not noted yet."""
    send, left = mailbox.box.send_email, [3 * MAILS_PER_HOUR]

    def send_while_others_ask(**mail: Any) -> None:
        if left[0]:
            left[0] -= 1
            assert ask("k")[0] == 202
        send(**mail)

    monkeypatch.setattr(mailbox.box, "send_email", send_while_others_ask)
    assert ask("k")[0] == 202
    assert len(mailbox.box.mails) == MAILS_PER_HOUR


def test_a_repeat_that_sends_no_mail_does_not_count(mailbox: Any):
    for _ in range(2 * MAILS_PER_HOUR):
        ask("k")
    for _ in range(MAILS_PER_HOUR - 1):
        ask()
    assert len(mailbox.box.mails) == MAILS_PER_HOUR


def test_a_mail_that_was_not_sent_does_not_count(mailbox: Any):
    answer = {"Error": {"Code": "SendingPausedException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    mailbox.box.failure, mailbox.box.delivered = ClientError(answer, "SendEmail"), False
    assert [ask("k")[0] for _ in range(MAILS_PER_HOUR + 1)] == [503] * (MAILS_PER_HOUR + 1)
    mailbox.box.failure, mailbox.box.delivered = None, True
    ask("k")
    assert len(mailbox.box.mails) == 1


THROTTLED = ClientError({"Error": {"Code": "ThrottlingException"}}, "UpdateItem")


@pytest.mark.parametrize(
    ("where", "name", "failure"),
    [(mail_module, "address", ExternalUnavailable("ssm", "does not answer")), (table, "begin", THROTTLED)],
)
def test_a_mail_that_was_not_even_tried_does_not_count(mailbox: Any, monkeypatch, where, name, failure):
    def fail(*_: Any) -> Any:
        raise failure

    with monkeypatch.context() as outage:
        outage.setattr(where, name, fail)
        assert [ask()[0] for _ in range(MAILS_PER_HOUR + 1)] == [503] * (MAILS_PER_HOUR + 1)
    assert ask()[0] == 202
    assert len(mailbox.box.mails) == 1


def test_a_service_that_cannot_be_connected_to_was_sent_no_mail(mailbox: Any):
    mailbox.box.failure, mailbox.box.delivered = EndpointConnectionError(endpoint_url="x"), False
    assert [ask("k")[0] for _ in range(MAILS_PER_HOUR + 1)] == [503] * (MAILS_PER_HOUR + 1)
    mailbox.box.failure, mailbox.box.delivered = None, True
    assert ask("k")[0] == 202
    assert len(mailbox.box.mails) == 1


def test_a_request_under_a_key_whose_links_have_expired_begins_anew(mailbox: Any, monkeypatch):
    """DynamoDB removes expired items days late: what is there must not bring old links back, nor count against new ones."""
    ask("k")
    (old,) = mailbox.box.tokens
    for _ in range(table.USES):
        table.find(old)
    later = time.time() + table.LIFE_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    ask("k")
    assert len(mailbox.box.tokens) == 2
    assert [table.find(token) for token in mailbox.box.tokens] == [None, Pending(**ADA)]


def test_what_is_appended_to_the_name_of_a_mailbox_does_not_make_another_one(mailbox: Any):
    for number in range(MAILS_PER_HOUR + 2):
        assert ask(email=f"ada+{number}@example.com")[0] == 202
    assert len(mailbox.box.mails) == MAILS_PER_HOUR


def test_mails_for_appended_names_do_not_keep_the_owner_of_the_mailbox_out(mailbox: Any):
    """Links for ``ada+1@`` are of no use to a person who wants an account for ``ada@``."""
    for number in range(MAILS_PER_HOUR):
        ask(email=f"ada+{number}@example.com")
    ask()
    assert mailbox.box.mails[-1][0] == ADA["email"]
    assert table.find(mailbox.box.tokens[-1]) == Pending(**ADA)


def test_a_link_is_not_for_guessing_the_password_of_an_account(mailbox: Any):
    ask("k")
    (token,) = mailbox.box.tokens
    assert [table.find(token) for _ in range(table.USES + 1)] == [Pending(**ADA)] * table.USES + [None]
    assert table.USES * MAILS_PER_HOUR <= 100


def test_the_last_use_of_a_link_counts_though_its_answer_was_lost(mailbox: Any, monkeypatch):
    ask("k")
    (token,) = mailbox.box.tokens
    for _ in range(table.USES - 1):
        table.find(token)
    repeat(monkeypatch, mailbox.dynamodb, "update_item")
    assert table.find(token) == Pending(**ADA)


@pytest.mark.parametrize("code", mail_module.REFUSALS)
def test_an_address_that_takes_no_mail_is_answered_like_any_other(mailbox: Any, code: str):
    mailbox.box.failure = ClientError({"Error": {"Code": code}}, "SendEmail")
    assert ask() == (202, {"status": "PENDING"})


def test_a_request_for_an_account_looks_at_no_account(mailbox: Any, monkeypatch):
    """Neither answer nor time can depend on whether the address has one."""
    from customers.clients import platforms

    monkeypatch.setattr(platforms.external, "call", lambda *_, **__: pytest.fail("a platform was asked"))
    assert ask()[0] == 202


def test_a_sender_that_is_not_confirmed_is_a_failure_and_no_mail_was_sent(mailbox: Any):
    """SES names it as it names a recipient that it will not take. A repeat must send the mail, once the sender is confirmed."""
    text = "Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: Shop@example.com"
    answer = {"Error": {"Code": "MessageRejected", "Message": text}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    mailbox.box.failure, mailbox.box.delivered = ClientError(answer, "SendEmail"), False
    for _ in range(MAILS_PER_HOUR + 1):
        status, problem = ask("k")
        assert (status, problem["code"]) == (503, "NOT_MAILED")
    mailbox.box.failure, mailbox.box.delivered = None, True
    assert ask("k")[0] == 202
    assert len(mailbox.box.mails) == 1
