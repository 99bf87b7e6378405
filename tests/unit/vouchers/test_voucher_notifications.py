"""Mails to the requester, and the announcement that a batch has failed."""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from model.settings import ROOT
from setpieces import aws
from tests.faults import Faults, refused, time_out
from tests.unit.vouchers.batches import BATCH_REQUEST, SENDER, Batches, minutes_ago
from vouchers.domain.batches import CANCELLED, FAILED, OPEN
from vouchers.repository import batches as repository


@pytest.fixture(autouse=True)
def _sender(batches: Batches):
    boto3.client("ses").verify_email_identity(EmailAddress=SENDER)


def test_the_requester_gets_one_mail(batches: Batches, faults: Faults):
    batch_id = batches.create_complete()
    assert batches.notify(batch_id) == []
    assert batches.notify(batch_id) == []
    [mail] = faults.requests("SendEmail")
    assert (mail["FromEmailAddress"], mail["Destination"]) == (SENDER, {"ToAddresses": [BATCH_REQUEST["notify"]]})
    text = mail["Content"]["Simple"]["Body"]["Text"]["Data"]
    assert not [code for code in batches.codes(batch_id) if code in text]
    [link] = [line for line in text.splitlines() if line.startswith("http")]
    assert f"release/{batch_id}.csv" in link
    assert batches.stored(batch_id)["sha256"] in text
    assert "notified_at" in batches.stored(batch_id)


def test_a_failed_batch_is_mailed_and_a_cancelled_one_is_not(batches: Batches, faults: Faults):
    failed, cancelled = batches.request(), batches.request()
    repository.change_status(failed, FAILED, reason="StoreBusy")
    repository.change_status(cancelled, CANCELLED)
    assert batches.notify(failed, "FAILED") == batches.notify(cancelled) == []
    [mail] = faults.requests("SendEmail")
    assert "StoreBusy" in mail["Content"]["Simple"]["Body"]["Text"]["Data"]


def test_a_batch_that_fails_and_is_completed_later_is_mailed_twice(batches: Batches, faults: Faults):
    batch_id = batches.request()
    repository.change_status(batch_id, FAILED, reason="StoreBusy")
    assert batches.notify(batch_id, "FAILED") == batches.notify(batch_id, "FAILED") == []
    batches.run(batch_id)
    assert batches.notify(batch_id) == []
    batches.complete(batch_id)
    assert batches.notify(batch_id) == []
    subjects = [mail["Content"]["Simple"]["Subject"]["Data"] for mail in faults.requests("SendEmail")]
    assert ["could not be made" in subject for subject in subjects] == [True, False]


def state_update(batches: Batches, name: str, batch_id: str, entered: str, error: str = "StoreBusy") -> None:
    """Carry out the update of a batch by this state of the state machine."""
    text = (ROOT / "statemachines" / "generate-vouchers.asl.json").read_text()
    parameters = json.dumps(json.loads(text)["States"][name]["Parameters"]).replace(
        "${BatchesTable}", batches.service.name("BatchesTable")
    )
    for path, value in {"$.batch_id": batch_id, "$.failure.Error": error, "$$.State.EnteredTime": entered}.items():
        parameters = parameters.replace(f'"S.$": {json.dumps(path)}', f'"S": {json.dumps(value)}')
    boto3.client("dynamodb").update_item(**json.loads(parameters))


def test_a_failure_whose_response_was_lost_is_announced(batches: Batches):
    """The repeated state recognises its own change: with a refused condition the execution would end without the message."""
    batch_id = batches.request()
    state_update(batches, "MarkFailed", batch_id, "2026-01-01T00:00:00.000Z")
    state_update(batches, "MarkFailed", batch_id, "2026-01-01T00:00:00.000Z")
    assert (batches.stored(batch_id)["status"], batches.stored(batch_id)["reason"]) == (FAILED, "StoreBusy")
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        state_update(batches, "MarkFailed", batch_id, "2026-01-01T00:01:00.000Z")


def test_a_failed_batch_is_swept_until_its_failure_is_announced(batches: Batches, faults: Faults):
    batch_id = batches.request()
    state_update(batches, "MarkFailed", batch_id, minutes_ago(0))
    assert batches.sweep() == 0
    state_update(batches, "Close", batch_id, minutes_ago(0))
    repository.update(batch_id, updated_at=minutes_ago(60))
    assert (batches.sweep(), faults.requests("Publish")) == (0, [])


def test_a_batch_that_was_restarted_by_hand_is_not_closed_by_the_failed_execution(batches: Batches):
    batch_id = batches.request()
    state_update(batches, "MarkFailed", batch_id, minutes_ago(0))
    batches.step("lease_range", batch_id)
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        state_update(batches, "Close", batch_id, minutes_ago(0))
    repository.mark_failure_announced(batch_id)
    assert batches.stored(batch_id)["open"] == OPEN


def test_a_mail_that_cannot_be_sent_now_is_sent_later(batches: Batches, faults: Faults):
    batch_id = batches.create_complete()
    with faults.fail("SendEmail", refused("SendEmail", "TooManyRequestsException", 429)):
        assert batches.notify(batch_id) == ["m0"]
    assert "notified_at" not in batches.stored(batch_id)
    assert batches.notify(batch_id) == []
    assert "notified_at" in batches.stored(batch_id)


def test_a_mail_without_a_response_is_not_repeated_by_the_sdk_but_by_the_queue(batches: Batches, monkeypatch):
    """SES may have accepted the mail, so only the queue repeats it."""
    batch_id, attempts = batches.create_complete(), []

    def never(request: Any, **_: Any) -> None:
        attempts.append(request.url)
        raise time_out("ses")

    with monkeypatch.context() as slow:
        ses: Any = aws.single_try_client("sesv2")
        slow.setattr(ses._endpoint.http_session, "send", never)
        # moto responds before a request is sent; this comes first.
        ses.meta.events.register_first("before-send.sesv2.SendEmail", never)
        try:
            assert batches.notify(batch_id) == ["m0"]
        finally:
            ses.meta.events.unregister("before-send.sesv2.SendEmail", never)
    assert len(attempts) == 1
    assert "notified_at" not in batches.stored(batch_id)


def test_a_mail_that_is_refused_is_a_dead_letter_that_names_no_address(batches: Batches, faults: Faults):
    address = BATCH_REQUEST["notify"]
    faults.fail("SendEmail", refused("SendEmail", "MessageRejected", message=f"not verified: {address}"))
    assert batches.notify(batches.create_complete()) == []
    [letter] = batches.service.messages("NotificationsDeadLetters")
    assert letter.attributes["reason"] == "MAIL_REFUSED"
    assert address not in str(letter)


def test_a_message_about_an_unknown_batch_is_a_dead_letter(batches: Batches, faults: Faults):
    assert batches.notify("VB" + "0" * 24) == []
    [letter] = batches.service.messages("NotificationsDeadLetters")
    assert letter.attributes["reason"] == "UNKNOWN_BATCH"
    assert faults.requests("SendEmail") == []
