"""Requests for an account: the same response for every address, one mail for one request, a limit of mails per address."""

import re
import time
from typing import Any

import boto3
import pytest

from customers import repository
from customers.clients import mail
from customers.domain.sign_ups import LINK_SECONDS, MAILS_PER_HOUR, MAX_LINK_USES, SignUp
from setpieces import external
from setpieces.errors import ExternalUnavailable
from tests.faults import Faults, Rule, refused, throttled, time_out, unreachable
from tests.service import Response, Service

ADA = {"email": "ada@example.com", "name": "Ada"}
SITE = "https://shop.example"


class SignUps:
    """Requests for an account, and the mails that SES has accepted."""

    def __init__(self, service: Service, faults: Faults) -> None:
        self.service, self.faults = service, faults

    def request(self, key: str | None = None, **changes: str) -> Response:
        """``key`` is the Idempotency-Key."""
        headers = {"Idempotency-Key": key} if key else None
        return self.service.call("request_sign_up", ADA | changes, headers=headers)

    def fail(self, error: Exception, *, delivered: bool = False) -> Rule:
        """SES raises ``error``, although it may have ``delivered`` the mail."""
        return self.faults.fail("SendEmail", error, after=delivered)

    @property
    def mails(self) -> list[tuple[str, str]]:
        """(recipient, text)."""
        return [
            (request["Destination"]["ToAddresses"][0], request["Content"]["Simple"]["Body"]["Text"]["Data"])
            for request in self.faults.requests("SendEmail")
        ]

    @property
    def tokens(self) -> list[str]:
        return [re.search(rf"{SITE}/sign-up/confirm#(\S+)", text)[1] for _, text in self.mails]  # type: ignore[index]


@pytest.fixture
def sign_ups(customers: Service, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> SignUps:
    customers.publish("edge/site-url", SITE)
    boto3.client("ses").verify_email_identity(EmailAddress="shop@example.com")
    # No test runs across the end of an hour.
    monkeypatch.setattr(repository, "HOUR_SECONDS", 10**12)
    return SignUps(customers, faults)


def test_a_confirmation_link_finds_its_sign_up(sign_ups: SignUps):
    assert sign_ups.request()[::2] == (202, {"status": "PENDING"})
    ((to, text),) = sign_ups.mails
    assert to == ADA["email"]
    assert "Ada" not in text
    (token,) = sign_ups.tokens
    assert repository.use_link(token) == SignUp(**ADA)


def test_the_table_holds_no_token(sign_ups: SignUps):
    sign_ups.request()
    items = str(sign_ups.service.items("SignUpsTable"))
    assert sign_ups.tokens[0].partition(".")[2] not in items


@pytest.mark.parametrize("change", ["id", "secret"])
def test_a_changed_token_is_not_valid(sign_ups: SignUps, change: str):
    sign_ups.request()
    identifier, _, secret = sign_ups.tokens[0].partition(".")
    assert repository.use_link(f"{'0' * 32}.{secret}" if change == "id" else f"{identifier}.{'A' * 43}") is None


def test_a_link_works_for_a_day(sign_ups: SignUps, monkeypatch: pytest.MonkeyPatch):
    sign_ups.request()
    later = time.time() + LINK_SECONDS
    monkeypatch.setattr(time, "time", lambda: later + 1)
    assert repository.use_link(sign_ups.tokens[0]) is None


def test_the_same_request_with_the_same_key_is_mailed_once(sign_ups: SignUps):
    assert [sign_ups.request("k").status for _ in range(3)] == [202] * 3
    assert len(sign_ups.mails) == 1
    sign_ups.request("other")
    sign_ups.request("k", email="eve@example.com")
    sign_ups.request()
    sign_ups.request()
    assert len(sign_ups.mails) == 5


@pytest.mark.parametrize("delivered", [False, True])
@pytest.mark.parametrize(
    "failure",
    [time_out("ses"), refused("SendEmail", "TooManyRequestsException", 429)],
    ids=lambda error: type(error).__name__,
)
def test_a_repeat_sends_a_mail_that_may_not_have_been_sent_and_every_link_works(sign_ups: SignUps, failure, delivered):
    with sign_ups.fail(failure, delivered=delivered):
        status, _, problem = sign_ups.request("k")
        assert (status, problem["code"]) == (503, "NOT_MAILED")
    assert sign_ups.request("k").status == 202
    assert [repository.use_link(token) for token in sign_ups.tokens] == [SignUp(**ADA)] * (1 + delivered)


@pytest.mark.parametrize(("skip", "mails"), [(0, 1), (1, 1), (2, 2)])
def test_concurrent_requests_with_one_key_get_links_that_work(sign_ups: SignUps, faults: Faults, skip: int, mails: int):
    faults.meanwhile("UpdateItem", lambda: sign_ups.request("k"), skip=skip)
    assert sign_ups.request("k").status == 202
    assert len(sign_ups.tokens) == mails
    assert {repository.use_link(token) for token in sign_ups.tokens} == {SignUp(**ADA)}


def test_a_write_whose_response_was_lost_succeeds(sign_ups: SignUps, faults: Faults):
    faults.lose_response("UpdateItem")
    assert sign_ups.request("k").status == 202
    assert repository.use_link(sign_ups.tokens[0]) == SignUp(**ADA)


def test_an_address_gets_a_limited_number_of_mails_and_the_response_stays_the_same(sign_ups: SignUps):
    assert [sign_ups.request()[::2] for _ in range(MAILS_PER_HOUR + 2)] == [(202, {"status": "PENDING"})] * (
        MAILS_PER_HOUR + 2
    )
    assert len(sign_ups.mails) == MAILS_PER_HOUR
    sign_ups.request(email="ADA@example.com")
    assert len(sign_ups.mails) == MAILS_PER_HOUR
    sign_ups.request(email="eve@example.com")
    assert len(sign_ups.mails) == MAILS_PER_HOUR + 1


def test_concurrent_requests_with_one_key_count_towards_the_limit(sign_ups: SignUps, faults: Faults):
    """Each starts while the one before is sending its mail, which is not recorded yet."""
    for _ in range(3 * MAILS_PER_HOUR):
        faults.meanwhile("SendEmail", lambda: sign_ups.request("k"))
    assert sign_ups.request("k").status == 202
    assert len(sign_ups.mails) == MAILS_PER_HOUR


def test_a_repeat_that_sends_no_mail_does_not_count(sign_ups: SignUps):
    for _ in range(2 * MAILS_PER_HOUR):
        sign_ups.request("k")
    for _ in range(MAILS_PER_HOUR - 1):
        sign_ups.request()
    assert len(sign_ups.mails) == MAILS_PER_HOUR


def test_a_mail_that_was_not_sent_does_not_count(sign_ups: SignUps):
    with sign_ups.fail(refused("SendEmail", "SendingPausedException")):
        assert [sign_ups.request("k").status for _ in range(MAILS_PER_HOUR + 1)] == [503] * (MAILS_PER_HOUR + 1)
    sign_ups.request("k")
    assert len(sign_ups.mails) == 1


THROTTLED = throttled("UpdateItem")


@pytest.mark.parametrize(
    ("where", "name", "failure"),
    [
        (mail, "read_parameter", ExternalUnavailable("ssm", "does not answer")),
        (repository, "create_sign_up", THROTTLED),
    ],
)
def test_a_failure_before_the_mail_does_not_count(
    sign_ups: SignUps, monkeypatch: pytest.MonkeyPatch, where, name, failure
):
    def fail(*_: Any) -> Any:
        raise failure

    with monkeypatch.context() as outage:
        outage.setattr(where, name, fail)
        assert [sign_ups.request().status for _ in range(MAILS_PER_HOUR + 1)] == [503] * (MAILS_PER_HOUR + 1)
    assert sign_ups.request().status == 202
    assert len(sign_ups.mails) == 1


def test_a_mail_without_a_connection_to_ses_does_not_count(sign_ups: SignUps):
    with sign_ups.fail(unreachable("ses")):
        assert [sign_ups.request("k").status for _ in range(MAILS_PER_HOUR + 1)] == [503] * (MAILS_PER_HOUR + 1)
    assert sign_ups.request("k").status == 202
    assert len(sign_ups.mails) == 1


def test_a_repeat_after_the_link_has_expired_is_a_new_sign_up(sign_ups: SignUps, monkeypatch: pytest.MonkeyPatch):
    """DynamoDB removes expired items days late: old links must not work again, and their uses must not count."""
    sign_ups.request("k")
    (old,) = sign_ups.tokens
    for _ in range(MAX_LINK_USES):
        repository.use_link(old)
    later = time.time() + LINK_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    sign_ups.request("k")
    assert len(sign_ups.tokens) == 2
    assert [repository.use_link(token) for token in sign_ups.tokens] == [None, SignUp(**ADA)]


def test_subaddresses_of_a_mailbox_share_one_limit(sign_ups: SignUps):
    for number in range(MAILS_PER_HOUR + 2):
        assert sign_ups.request(email=f"ada+{number}@example.com").status == 202
    assert len(sign_ups.mails) == MAILS_PER_HOUR


def test_mails_to_subaddresses_do_not_count_towards_the_limit_of_the_mailbox(sign_ups: SignUps):
    """Otherwise a stranger could prevent the owner of ``ada@`` from signing up."""
    for number in range(MAILS_PER_HOUR):
        sign_ups.request(email=f"ada+{number}@example.com")
    sign_ups.request()
    assert sign_ups.mails[-1][0] == ADA["email"]
    assert repository.use_link(sign_ups.tokens[-1]) == SignUp(**ADA)


def test_a_link_has_too_few_uses_to_guess_the_password_of_an_account(sign_ups: SignUps):
    sign_ups.request("k")
    (token,) = sign_ups.tokens
    assert [repository.use_link(token) for _ in range(MAX_LINK_USES + 1)] == [SignUp(**ADA)] * MAX_LINK_USES + [None]
    assert MAX_LINK_USES * MAILS_PER_HOUR <= 100


def test_the_last_use_of_a_link_succeeds_although_the_response_of_its_write_was_lost(sign_ups: SignUps, faults: Faults):
    sign_ups.request("k")
    (token,) = sign_ups.tokens
    for _ in range(MAX_LINK_USES - 1):
        repository.use_link(token)
    faults.lose_response("UpdateItem")
    assert repository.use_link(token) == SignUp(**ADA)


@pytest.mark.parametrize("code", mail.REFUSAL_CODES)
def test_an_address_that_ses_refuses_gets_the_same_response(sign_ups: SignUps, code: str):
    sign_ups.fail(refused("SendEmail", code))
    assert sign_ups.request()[::2] == (202, {"status": "PENDING"})


def test_a_request_for_an_account_looks_up_no_account(sign_ups: SignUps, monkeypatch: pytest.MonkeyPatch):
    """Neither the response nor its duration may depend on whether the address has one."""
    monkeypatch.setattr(external, "call", lambda *_, **__: pytest.fail("a platform was called"))
    assert sign_ups.request().status == 202


def test_an_unverified_sender_is_a_503_and_no_mail_counts(sign_ups: SignUps):
    """SES has the same error for an unverified recipient. A repeat must send the mail once the sender is verified."""
    text = "Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: Shop@example.com"
    with sign_ups.fail(refused("SendEmail", "MessageRejected", message=text)):
        for _ in range(MAILS_PER_HOUR + 1):
            status, _, problem = sign_ups.request("k")
            assert (status, problem["code"]) == (503, "NOT_MAILED")
    assert sign_ups.request("k").status == 202
    assert len(sign_ups.mails) == 1
